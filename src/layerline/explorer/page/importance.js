// Which columns the model relies on, and for which rows it is worse; of the rows in the page.
import { randomStream } from "./arithmetic.js";
import { choice, el, percent, short, table } from "./dom.js";
import { decide } from "./prediction.js";

const LARGEST_SHARE = 1e-300; // a probability of 0 has no logarithm
const FEWEST_ROWS = 20;

// The loss of one answer: log loss, or squared error.
export function rowLoss({ about }, decision, actual) {
  if (!about.classes) return (decision.number - actual) ** 2;
  return -Math.log(Math.max(decision.probabilities[actual], LARGEST_SHARE));
}

const meanOf = (values) => values.reduce((a, b) => a + b, 0) / values.length;

// How much worse predictions are when a column's values are those of other rows (Breiman, 2001).
export function permutationImportance(session, rows, most) {
  const { about } = session,
    known = rows.filter((row) => row.actual !== null);
  const used = known.slice(0, Math.max(FEWEST_ROWS, most)),
    before = meanOf(used.map((row) => rowLoss(session, row, row.actual)));
  const random = randomStream(1),
    order = used.map(() => random.uniform());
  const other = [...used.keys()].sort((a, b) => order[a] - order[b]);
  const found = about.columns.map(({ name }) => {
    const after = used.map((row, place) => {
      const values = {
        ...session.rowAt(row.place),
        [name]: session.rowAt(used[other[place]].place)[name],
      };
      return rowLoss(session, decide(session.outputsOf(values), about), row.actual);
    });
    const increase = about.classes
      ? meanOf(after) - before
      : Math.sqrt(meanOf(after)) - Math.sqrt(before);
    return { name, increase };
  });
  return { nRows: used.length, found: found.sort((a, b) => b.increase - a.increase) };
}

export function importanceBars({ found }) {
  const highest = Math.max(...found.map((one) => one.increase), LARGEST_SHARE);
  return found
    .slice(0, 15)
    .map(({ name, increase }) =>
      el(
        "div",
        { className: "share" },
        el("span", { className: "name", title: name }, name),
        el(
          "span",
          { className: "track" },
          el("span", { style: `width:${Math.max(0, (100 * increase) / highest).toFixed(1)}%` }),
        ),
        el("span", { className: "figure" }, short(increase)),
      ),
    );
}

// By level of a category, or by quarter of a number: how many rows, and how well they are predicted.
export function sliceTable(session, rows, column) {
  const { about } = session,
    known = rows.filter((row) => row.actual !== null);
  const lines = slicesOf(column, known).map(({ name, part }) => {
    const score = about.classes
      ? percent(meanOf(part.map((row) => Number(row.chosen === row.actual))))
      : short(Math.sqrt(meanOf(part.map((row) => rowLoss(session, row, row.actual)))));
    return [name, String(part.length), score];
  });
  return table([column.name, "rows", about.classes ? "right" : "RMSE"], lines, [1, 2]);
}

function slicesOf(column, rows) {
  const valueOf = (row) => column.values[row.place],
    missing = rows.filter((row) => valueOf(row) === null);
  const gaps = missing.length ? [{ name: "missing", part: missing }] : [];
  if (column.kind === "category") {
    const levels = column.levels.map((level) => ({
      name: String(level),
      part: rows.filter((row) => valueOf(row) === level),
    }));
    return [...levels.filter(({ part }) => part.length), ...gaps];
  }
  const sorted = rows
    .map(valueOf)
    .filter((value) => value !== null)
    .sort((a, b) => a - b);
  const edges = [
    ...new Set(
      [0, 0.25, 0.5, 0.75, 1].map((share) => sorted[Math.round(share * (sorted.length - 1))]),
    ),
  ];
  const text = (value) =>
    column.kind === "date" ? new Date(value * 86400000).toISOString().slice(0, 10) : short(value);
  if (edges.length === 1) edges.push(edges[0]); // a constant column is one slice
  const quarters = edges.slice(1).map((high, place) => {
    const low = edges[place],
      isIn = (value) => value !== null && value <= high && (place ? value > low : value >= low);
    return {
      name: `${text(low)} to ${text(high)}`,
      part: rows.filter((row) => isIn(valueOf(row))),
    };
  });
  return [...quarters.filter(({ part }) => part.length), ...gaps];
}

export const columnChoice = (columns, chosen, use) =>
  choice(
    "Column",
    columns.map((one) => [one.name, one.name]),
    chosen,
    use,
  );
