// On MLflow's page that compares runs: what each run's description begins with, above the page,
// which itself has no place for descriptions. The pages change their address without an event.
(() => {
  const panel = document.createElement("section");
  panel.setAttribute("aria-label", "What Layerline found");
  panel.style.cssText = "font: 13px/1.5 system-ui, sans-serif; padding: 10px 16px;" +
    "background: #f4f6f8; color: #1b1f27; border-bottom: 1px solid #c9d0d8";
  let known = "";

  const line = (run) => {
    const tags = Object.fromEntries((run.data.tags ?? []).map((tag) => [tag.key, tag.value]));
    const [figures = "", verdict = ""] = (tags["mlflow.note.content"] ?? "")
      .split("\n\n").map((text) => text.replace(/[*`]/g, ""));
    const name = document.createElement("b");
    name.textContent = run.info.run_name;
    const row = document.createElement("div");
    row.append(name, " ", figures || "has no description", " ", verdict);
    return row;
  };

  const show = async (place) => {
    const query = new URLSearchParams(place.slice(place.indexOf("?") + 1));
    const runs = JSON.parse(query.get("runs") ?? "[]").slice(0, 12);
    const answers = await Promise.all(runs.map((id) =>
      fetch(`ajax-api/2.0/mlflow/runs/get?run_id=${encodeURIComponent(id)}`)));
    const found = await Promise.all(answers.filter((answer) => answer.ok).map((one) => one.json()));
    if (location.hash !== known || !found.length) return; // somebody went on meanwhile
    panel.replaceChildren(...found.map((answer) => line(answer.run)));
    document.body.prepend(panel);
  };

  setInterval(() => {
    if (location.hash === known) return;
    known = location.hash;
    panel.remove();
    if (known.startsWith("#/compare-runs?")) show(known).catch(() => panel.remove());
  }, 300);
})();
