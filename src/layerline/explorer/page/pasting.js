// A row that is pasted, as JSON or as values in the columns' order.
import { el } from "./dom.js";

// A row as JSON ({"column": value}), or as values in the columns' order.
export function pasteBox(session) {
  const { columns } = session.about;
  const area = el("textarea", {
    rows: 2,
    placeholder:
      columns
        .map((c) => c.name)
        .slice(0, 4)
        .join(", ") + (columns.length > 4 ? ", …" : ""),
  });
  area.setAttribute("aria-label", "a row to paste");
  const message = el("span", { className: "soft", role: "status" });
  const use = () => {
    const problem = pasteRow(session, area.value);
    message.textContent = problem ?? "used";
    if (!problem) {
      session.isChanged = true;
      session.rebuildInputs();
      session.run();
    }
  };
  return el(
    "details",
    {},
    el("summary", {}, "Paste a row"),
    area,
    el("button", { onclick: use }, "Use it"),
    message,
  );
}

function pasteRow(session, text) {
  const { columns } = session.about;
  let given;
  try {
    given = text.trim().startsWith("{") ? JSON.parse(text) : null;
  } catch {
    return "not valid JSON";
  }
  if (!given) {
    const cells = text
      .trim()
      .split(text.includes("\t") ? "\t" : ",")
      .map((cell) => cell.trim());
    if (cells.length !== columns.length)
      return `needs ${columns.length} values, got ${cells.length}`;
    given = Object.fromEntries(columns.map((column, place) => [column.name, cells[place]]));
  }
  const found = {};
  for (const column of columns) {
    if (!(column.name in given)) continue;
    const cell = given[column.name];
    if (cell === null || cell === "") found[column.name] = null;
    else if (column.kind === "category") {
      const level = column.levels.find((known) => String(known) === String(cell));
      if (level === undefined) return `${column.name}: ${cell} is none of its levels`;
      found[column.name] = level;
    } else {
      const number = column.kind === "date" ? Date.parse(cell) / 86400000 : Number(cell);
      if (!Number.isFinite(number)) return `${column.name}: ${cell} is no ${column.kind}`;
      found[column.name] = number;
    }
  }
  Object.assign(session.values, found);
  return null;
}
