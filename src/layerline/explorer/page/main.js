// Puts the page together: tabs, views, and the model that the page carries.
import { showBackward } from "./backward_view.js";
import { showCard } from "./card_view.js";
import { showControls } from "./controls.js";
import { byId, setText } from "./dom.js";
import { onTheme } from "./drawing.js";
import { showZoom } from "./layer_view.js";
import { showOverview } from "./overview.js";
import { showPlayground } from "./playground.js";
import { Session } from "./session.js";
import { showWhatIf } from "./what_if.js";

function start() {
  const session = new Session(JSON.parse(byId("data").textContent));
  const views = {};
  let openZoom = () => {};
  showControls(session);
  const redraw = showOverview(session, () => openZoom());
  openZoom = showZoom(session, redraw);
  views.forward = () => {
    openZoom();
    redraw();
  };
  views.backward = showBackward(session);
  views.whatif = showWhatIf(session);
  views.playground = showPlayground(session);
  foldOnPhones(byId("rowcard"));
  views.card = showCard(session);
  byId("tab-card").hidden = !session.about.card;
  const tabs = [...document.querySelectorAll("[role=tab]:not([hidden])")];
  const show = (chosen) => {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = !isChosen;
    }
    byId("panel").hidden = ["playground", "card"].includes(chosen.dataset.view);
    document.body.dataset.view = chosen.dataset.view;
    views[chosen.dataset.view]();
  };
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      const next = tabs[(place + move + tabs.length) % tabs.length];
      next.focus();
      show(next);
    });
  });
  byId("restore").addEventListener("click", () => {
    session.restoreWeights();
    session.run();
  });
  const survey = later(() => {
    session.deadUnits();
    redraw();
  });
  session.listen(() => {
    byId("restore").disabled = session.isTrained;
    setText(byId("time"), `forward pass: ${session.milliseconds.toFixed(1)} ms`);
    survey();
  });
  onTheme(() => session.run());
  session.run();
  show(tabs[0]);
  // What tests and the console use.
  window.explorer = { session, modules };
}

// Open it would push the view far below; beside the view it cannot be folded.
function foldOnPhones(details) {
  const isNarrow = window.matchMedia("(max-width: 800px)");
  const fold = () => (details.open = !isNarrow.matches);
  isNarrow.addEventListener("change", fold);
  fold();
}

// Calls `work` once nothing has changed for a moment.
function later(work) {
  let timer = null;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, 250);
  };
}

start();
