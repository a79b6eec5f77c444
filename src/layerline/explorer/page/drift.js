// What the last drift check found in each column; a column leads to its partial dependence.
import { el, percent, section, table } from "./dom.js";

const SHOWN = 20;

export function driftCard({ about }, state, build) {
  const { title, rows, columns } = about.drift,
    drifted = columns.filter((column) => column.drifted);
  const known = new Set(about.columns.map((column) => column.name));
  const show = (name) => {
    state.column = name;
    build();
  };
  const heads = ["column", "", "effect", "missing", "new"];
  const lines = columns
    .slice(0, SHOWN)
    .map(({ name, role, drifted: has, effect, missing: [before, now], new: unseen }) => [
      role === "column" && known.has(name)
        ? el("button", { className: "link", onclick: () => show(name) }, name)
        : role === "column" ? name : `${name} (${role})`,
      has ? "drifted" : "",
      percent(effect),
      before || now ? `${percent(before)} → ${percent(now)}` : "none",
      String(unseen ?? "–"),
    ]);
  const count = `${drifted.length} of ${columns.length} columns`,
    text = `${title.replaceAll("\`", "")}: ${count} of ${rows.toLocaleString("en")} rows drifted. The effect is the share of rows that would have to move. New are rows with values that training did not have. A name shows how the prediction depends on that column.`;
  const card = section("Drift", text, table(heads, lines, [2, 3, 4]));
  card.classList.add("across"); // five columns do not fit beside another card
  return card;
}
