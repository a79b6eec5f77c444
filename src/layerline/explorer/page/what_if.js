// What-if for the model: the nearest row with another prediction, confident mistakes, calibration,
// partial dependence. All of it is computed here, with the weights as they are now.
import { byId, choice, el, percent, plot, renew, short } from "./dom.js";
import { heatMap } from "./drawing.js";
import { columnChoice, importanceBars, permutationImportance, sliceTable } from "./importance.js";
import { features } from "./inputs.js";
import { decide } from "./network.js";

const BINS = 10, GRID = 15;
const OPERATIONS = 2e8; // products that a partial dependence may take

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
    renew(view, [nearest(session, rows, load), mistakes(session, rows, load), calibration(session, rows), dependence(session, state, build),
      ...relied(session, rows, state, build)]);
  };
  session.listen(build);
  return build;
}

// Every sample row with its prediction; again only when a weight changed.
export function judgeRows(session) {
  if (session.judged?.version === session.weightsVersion) return session.judged.rows;
  const { about } = session;
  const rows = Array.from({ length: session.quickRows }, (_, place) => {
    const values = session.rowAt(place), decision = decide(session.outputsOf(values), about);
    return { place, x: features(values, about.preprocessor), ...decision, actual: about.rows.actual?.[place] ?? null };
  });
  session.judged = { version: session.weightsVersion, rows };
  return rows;
}

const shown = (session, row) => (session.about.classes ? `${session.about.classes[row.chosen]} (${percent(row.probabilities[row.chosen])})` : short(row.number));
const truth = (session, row) => (row.actual === null ? "unknown" : session.about.classes ? String(session.about.classes[row.actual]) : short(row.actual));

function section(title, text, ...parts) {
  return el("section", { className: "card" }, el("h3", {}, title), el("p", { className: "soft" }, text), ...parts);
}

function nearest(session, rows, load) {
  const { about, decision } = session, spread = about.classes ? 0 : deviation(rows.map((row) => row.number));
  const isOther = (row) => (about.classes ? row.chosen !== decision.chosen : Math.abs(row.number - decision.number) >= spread);
  const distance = (row) => Math.sqrt(row.x.reduce((sum, value, place) => sum + (value - session.features[place]) ** 2, 0));
  const found = rows.filter(isOther).map((row) => ({ row, distance: distance(row) })).sort((a, b) => a.distance - b.distance)[0];
  const what = about.classes ? "another class" : "a prediction at least one standard deviation away";
  const title = "Nearest row with another answer";
  if (!found) return section(title, `None of the ${rows.length} rows has ${what}.`);
  const other = session.rowAt(found.row.place);
  const differing = about.columns.filter((column) => session.values[column.name] !== other[column.name]);
  const lines = about.picture ? [] : differing.slice(0, 20).map((column) => el("tr", {}, el("td", {}, column.name),
    el("td", { className: "n" }, cell(column, session.values[column.name])), el("td", { className: "n" }, cell(column, other[column.name]))));
  const head = el("tr", {}, ...["column", "this row", "that row"].map((text, place) => el("th", { className: place ? "n" : "" }, text)));
  const table = lines.length ? el("div", { className: "wide" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines))) : null;
  return section(title, `Of ${rows.length} rows the nearest (in scaled features) with ${what} is row ${found.row.place + 1}: ${shown(session, found.row)}, true ${truth(session, found.row)}; distance ${short(found.distance)}.`,
    table ?? "", about.picture ? el("div", { className: "pair" }, thumbnail(session, session.values), thumbnail(session, other)) : "", el("button", { onclick: () => load(found.row.place) }, `Look at row ${found.row.place + 1}`));
}

function thumbnail({ about }, values) {
  const { width, height, channels } = about.picture, pixels = values.pixels ?? about.columns.map((column) => values[column.name]);
  const grey = Float64Array.from({ length: width * height }, (_, place) => pixels[place * channels] ?? 0);
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
  const { about } = session, known = rows.filter((row) => row.actual !== null);
  if (!known.length) return section("Mistakes", "These rows carry no true values.");
  const size = (row) => (about.classes ? row.probabilities[row.chosen] : Math.abs(row.number - row.actual));
  const wrong = (about.classes ? known.filter((row) => row.chosen !== row.actual) : known).sort((a, b) => size(b) - size(a));
  const lines = wrong.slice(0, 10).map((row) => el("tr", {},
    el("td", {}, el("button", { className: "link", onclick: () => load(row.place) }, `row ${row.place + 1}`)),
    el("td", {}, truth(session, row)), el("td", {}, shown(session, row))));
  const text = about.classes ? `${wrong.length} of ${known.length} rows are wrong; the most confident first.` : "The largest errors first.";
  const head = el("tr", {}, ...["row", "true", "predicted"].map((name) => el("th", {}, name)));
  return section(about.classes ? "Most confidently wrong" : "Largest errors", text, el("div", { className: "wide" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines))));
}

function calibration(session, rows) {
  const { about } = session, known = rows.filter((row) => row.actual !== null);
  if (!known.length) return section("Calibration", "These rows carry no true values.");
  if (!about.classes) {
    const dots = known.map((row) => ({ x: row.actual, y: row.number }));
    const ends = [Math.min(...dots.map((dot) => dot.x)), Math.max(...dots.map((dot) => dot.x))];
    return section("Predicted against true", "On the dashed line a prediction is right.", plot("Predicted by true value", { dots, lines: [{ points: ends.map((end) => [end, end]), dash: "4 4" }], names: ["true", "predicted"] }));
  }
  const bins = Array.from({ length: BINS }, () => ({ n: 0, right: 0, confidence: 0 }));
  for (const row of known) {
    const confidence = row.probabilities[row.chosen], bin = bins[Math.min(BINS - 1, Math.floor(confidence * BINS))];
    bin.n += 1;
    bin.right += row.chosen === row.actual;
    bin.confidence += confidence;
  }
  const full = bins.filter((bin) => bin.n), points = full.map((bin) => [bin.confidence / bin.n, bin.right / bin.n]);
  const error = full.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.right), 0) / known.length;
  return section("Calibration", `How often predictions are right, by how sure they are; expected calibration error ${short(error)} on ${known.length} rows.`,
    plot("Share of right predictions by confidence", { x: [0, 1], y: [0, 1], names: ["confidence", "right"],
      lines: [{ points }, { points: [[0, 0], [1, 1]], dash: "4 4" }], dots: points.map(([x, y]) => ({ x, y, mark: "big" })) }));
}

function dependence(session, state, build) {
  const { about } = session, { columns, classes } = about;
  if (!columns.length) return section("Partial dependence", "For models of tables: pixels alone say little.");
  const column = columns.find((one) => one.name === state.column) ?? columns[about.picture ? columns.length >> 1 : 0];
  const target = state.target ?? session.decision.chosen ?? 0;
  const fields = [columnChoice(columns, column.name, (name) => {
    state.column = name;
    build();
  })];
  if (classes) {
    fields.push(choice("Class", classes.map((name, place) => [String(place), String(name)]), String(target), (place) => {
      state.target = Number(place);
      build();
    }));
  }
  const grid = column.kind === "category" ? column.levels.slice(0, 30)
    : Array.from({ length: GRID }, (_, place) => column.minimum + ((column.maximum - column.minimum) * place) / (GRID - 1));
  const answer = (values) => {
    const decision = decide(session.outputsOf(values), about);
    return classes ? decision.probabilities[target] : decision.number;
  };
  const rows = spread(about.rows.n, Math.min(100, Math.floor(OPERATIONS / (grid.length * weightCount(session)))));
  const key = `${session.weightsVersion} ${column.name} ${target}`;
  if (state.key !== key) {
    state.key = key;
    state.mean = grid.map((value) => rows.reduce((sum, place) => sum + answer({ ...session.rowAt(place), [column.name]: value }), 0) / rows.length);
  }
  const { mean } = state;
  const own = grid.map((value) => answer({ ...session.values, [column.name]: value }));
  const at = column.kind === "category" ? grid.map((_, place) => place) : grid;
  const picture = plot(`${classes ? `Probability of ${classes[target]}` : "Prediction"} by ${column.name}`, {
    lines: [{ points: at.map((x, place) => [x, mean[place]]), name: "mean of rows" }, { points: at.map((x, place) => [x, own[place]]), dash: "5 3", name: "this row" }],
    y: classes ? [0, 1] : null, names: [column.name, ""] });
  const levels = column.kind === "category" ? el("p", { className: "soft" }, grid.map((level, place) => `${place}: ${level}`).join(", ")) : "";
  return section("Partial dependence", `The prediction while ${column.name} alone takes other values: the mean over ${rows.length} rows, and this row.`, el("div", { className: "row" }, ...fields), picture, levels);
}

// Importance and slices, of tables whose rows have true values.
function relied(session, rows, state, build) {
  const { about } = session, { columns } = about;
  if (!columns.length || !about.rows.actual) return [];
  const column = columns.find((one) => one.name === state.slice) ?? columns.find((one) => one.kind === "category") ?? columns[0];
  const slices = section("Slices", "How well these rows are predicted, by one column.",
    columnChoice(columns, column.name, (name) => {
      state.slice = name;
      build();
    }), sliceTable(session, rows, column));
  if (about.picture) return [slices];
  if (state.importance?.version !== session.weightsVersion) {
    const most = Math.floor(OPERATIONS / (columns.length * weightCount(session)));
    state.importance = { version: session.weightsVersion, ...permutationImportance(session, rows, most) };
  }
  const unit = about.classes ? "log loss" : "RMSE";
  return [section("Importance", `How much the ${unit} of ${state.importance.nRows} rows rises when a column's values are shuffled.`, ...importanceBars(state.importance)), slices];
}

function spread(n, most) {
  const count = Math.max(5, Math.min(n, most));
  return [...new Set(Array.from({ length: count }, (_, place) => Math.floor((place * n) / count)))];
}

function weightCount(session) {
  return session.members.flat().reduce((sum, layer) => sum + (layer.weight?.length ?? layer.numbers?.weight?.length ?? 20000), 0);
}
