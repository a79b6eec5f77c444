// The model card, as evaluate wrote it: a page within this one, as tall as its text.
import { byId, el } from "./dom.js";

export function showCard({ about }) {
  return () => {
    const view = byId("card");
    if (view.hasChildNodes()) return;
    const frame = el("iframe", { title: "model card", sandbox: "allow-same-origin" });
    const fit = () => {
      const page = frame.contentDocument?.documentElement;
      if (page) frame.style.height = `${page.scrollHeight}px`;
    };
    frame.addEventListener("load", () => {
      fit();
      new ResizeObserver(fit).observe(frame.contentDocument.body);
    });
    frame.srcdoc = about.card;
    view.append(frame);
  };
}
