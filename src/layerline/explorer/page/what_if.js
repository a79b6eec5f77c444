// What-if for the model: the nearest row with another prediction, confident mistakes, calibration,
// partial dependence. All of it is computed here, with the weights as they are now.
import { byId, el, note, renew, section, short, table } from "./dom.js";
import { heatMap } from "./drawing.js";
import { driftCard } from "./drift.js";
import { columnChoice, importanceBars, permutationImportance, sliceTable } from "./importance.js";
import { judgeOthers, judgeRows } from "./judged_rows.js";
import { dependence, OPERATIONS, weightCount } from "./partial_dependence.js";
import { plot } from "./plot.js";
import { answer } from "./prediction.js";
import { rivalCard } from "./rival.js";

const BINS = 10; // of confidence

export function showWhatIf(session) {
  const view = byId("whatif");
  const state = { column: null, target: null };
  const build = () => {
    if (view.hidden) return;
    const rows = judgeRows(session);
    const load = (place) => {
      session.pickRow(place);
      session.rebuildInputs();
      session.run();
      byId("panel").scrollIntoView({ block: "nearest" });
    };
    const { n } = session.about.rows;
    judgeOthers(session, () => !view.hidden, build);
    renew(view, [
      ...(rows.length < n ? [note(`${rows.length} of ${n} rows are predicted so far.`)] : []),
      nearest(session, rows, load),
      mistakes(session, rows, load),
      calibration(session, rows),
      ...(session.about.columns.length ? [dependence(session, state, build)] : []),
      ...relied(session, rows, state, build),
      ...(session.about.drift ? [driftCard(session, state, build)] : []),
      ...(session.rival ? [rivalCard(session, rows, load)] : []),
    ]);
  };
  session.listen(build);
  return build;
}

const shown = (session, row) => answer(session.about, row);
const truth = (session, row) =>
  row.actual === null
    ? "unknown"
    : session.about.classes
      ? String(session.about.classes[row.actual])
      : short(row.actual);

function nearest(session, rows, load) {
  const { about, decision } = session,
    spread = about.classes ? 0 : deviation(rows.map((row) => row.number));
  const isOther = (row) =>
    about.classes
      ? row.chosen !== decision.chosen
      : Math.abs(row.number - decision.number) >= spread;
  const distance = (row) =>
    Math.sqrt(row.x.reduce((sum, value, place) => sum + (value - session.features[place]) ** 2, 0));
  const found = rows
    .filter(isOther)
    .map((row) => ({ row, distance: distance(row) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const what = about.classes
    ? "another class"
    : "a prediction at least one standard deviation away";
  const title = "Nearest row with another answer";
  if (!found) return section(title, `None of the ${rows.length} rows has ${what}.`);
  const other = session.rowAt(found.row.place);
  const differing = about.columns.filter(
    (column) => session.values[column.name] !== other[column.name],
  );
  const lines = differing
    .slice(0, 20)
    .map((column) => [
      column.name,
      cell(column, session.values[column.name]),
      cell(column, other[column.name]),
    ]);
  const both = about.picture
    ? el(
        "div",
        { className: "pair" },
        thumbnail(session, session.values),
        thumbnail(session, other),
      )
    : table(["column", "this row", "that row"], lines, [1, 2]);
  const { place } = found.row,
    answer = `${shown(session, found.row)}, true ${truth(session, found.row)}`;
  const text = `Of ${rows.length} rows the nearest (in scaled features) with ${what} is row ${place + 1}: ${answer}; distance ${short(found.distance)}.`;
  return section(
    title,
    text,
    both,
    el("button", { onclick: () => load(place) }, `Look at row ${place + 1}`),
  );
}

function thumbnail({ about }, values) {
  const { width, height, channels } = about.picture,
    pixels = values.pixels ?? about.columns.map((column) => values[column.name]);
  const grey = Float64Array.from(
    { length: width * height },
    (_, place) => pixels[place * channels] ?? 0,
  );
  return el("span", { className: "tile" }, heatMap(grey, width, height));
}

function cell(column, value) {
  if (value === null) return "missing";
  if (column.kind === "date") return new Date(value * 86400000).toISOString().slice(0, 10);
  return typeof value === "number" ? short(value) : String(value);
}

function deviation(values) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

function mistakes(session, rows, load) {
  const { about } = session,
    known = rows.filter((row) => row.actual !== null);
  if (!known.length) return section("Mistakes", "These rows carry no true values.");
  const size = (row) =>
    about.classes ? row.probabilities[row.chosen] : Math.abs(row.number - row.actual);
  const wrong = (about.classes ? known.filter((row) => row.chosen !== row.actual) : known).sort(
    (a, b) => size(b) - size(a),
  );
  const link = (row) =>
    el("button", { className: "link", onclick: () => load(row.place) }, `row ${row.place + 1}`);
  const lines = wrong
    .slice(0, 10)
    .map((row) => [link(row), truth(session, row), shown(session, row)]);
  const text = about.classes
    ? `${wrong.length} of ${known.length} rows are wrong; the most confident first.`
    : "The largest errors first.";
  return section(
    about.classes ? "Most confidently wrong" : "Largest errors",
    text,
    lines.length ? table(["row", "true", "predicted"], lines) : note("None of them."),
  );
}

function calibration(session, rows) {
  const { about } = session,
    known = rows.filter((row) => row.actual !== null);
  if (!known.length) return section("Calibration", "These rows carry no true values.");
  if (!about.classes) {
    const dots = known.map((row) => ({ x: row.actual, y: row.number }));
    const ends = [Math.min(...dots.map((dot) => dot.x)), Math.max(...dots.map((dot) => dot.x))];
    return section(
      "Predicted against true",
      "On the dashed line a prediction is right.",
      plot("Predicted by true value", {
        dots,
        lines: [{ points: ends.map((end) => [end, end]), dash: "4 4" }],
        names: ["true", "predicted"],
      }),
    );
  }
  const bins = Array.from({ length: BINS }, () => ({ n: 0, right: 0, confidence: 0 }));
  for (const row of known) {
    const confidence = row.probabilities[row.chosen],
      bin = bins[Math.min(BINS - 1, Math.floor(confidence * BINS))];
    bin.n += 1;
    bin.right += row.chosen === row.actual;
    bin.confidence += confidence;
  }
  const full = bins.filter((bin) => bin.n),
    points = full.map((bin) => [bin.confidence / bin.n, bin.right / bin.n]);
  const error =
    full.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.right), 0) / known.length;
  return section(
    "Calibration",
    `How often predictions are right, by how sure they are; expected calibration error ${short(error)} on ${known.length} rows.`,
    plot("Share of right predictions by confidence", {
      x: [0, 1],
      y: [0, 1],
      names: ["confidence", "right"],
      lines: [
        { points },
        {
          points: [
            [0, 0],
            [1, 1],
          ],
          dash: "4 4",
        },
      ],
      dots: points.map(([x, y]) => ({ x, y, mark: "big" })),
    }),
  );
}

// Importance and slices, of tables whose rows have true values.
function relied(session, rows, state, build) {
  const { about } = session,
    { columns } = about;
  if (!columns.length || about.picture || !about.rows.actual) return [];
  const column =
    columns.find((one) => one.name === state.slice) ??
    columns.find((one) => one.kind === "category") ??
    columns[0];
  const slices = section(
    "Slices",
    "How well these rows are predicted, by one column.",
    columnChoice(columns, column.name, (name) => {
      state.slice = name;
      build();
    }),
    sliceTable(session, rows, column),
  );
  if (state.importance?.version !== session.weightsVersion) {
    const most = Math.floor(OPERATIONS / (columns.length * weightCount(session)));
    state.importance = {
      version: session.weightsVersion,
      ...permutationImportance(session, rows, most),
    };
  }
  const unit = about.classes ? "log loss" : "RMSE";
  return [
    section(
      "Importance",
      `How much the ${unit} of ${state.importance.nRows} rows rises when a column's values are shuffled.`,
      ...importanceBars(state.importance),
    ),
    slices,
  ];
}
