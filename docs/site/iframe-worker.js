// A page that is opened as a file may not start a worker: the search then runs in a hidden frame.
// The theme would load such a script from elsewhere, which an offline page cannot.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inner = this.frame.contentWindow;
      const load = (source) =>
        new Promise((done) => {
          const script = inner.document.createElement("script");
          script.src = source;
          script.onload = done;
          inner.document.body.append(script);
        });
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inner.importScripts = (...sources) =>
        sources.reduce((before, source) => before.then(() => load(source)), Promise.resolve());
      this.ready = load(String(url));
    }

    postMessage(data) {
      const inner = this.frame.contentWindow;
      this.ready.then(() => inner.dispatchEvent(new inner.MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}

// The theme's dialog has no name, which screen readers would say.
addEventListener("DOMContentLoaded", () => {
  document.querySelector("[data-md-component=search]")?.setAttribute("aria-label", "Search");
});
