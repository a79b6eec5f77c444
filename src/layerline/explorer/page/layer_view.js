// Zoomed in: a layer with its weights as pictures, and a neuron with its formula and numbers.
import { ACTIVATIONS } from "./arithmetic.js";
import { byId, choice, el, histogramBars, plot, renew, short, slider } from "./dom.js";
import { drawMap, heatMap, largest, prepareCanvas } from "./drawing.js";
import { concat } from "./network.js";
import { sentence } from "./overview.js";
import { layerTitle, unitName, valuesAt } from "./session.js";

const MOST_PICTURES = 120, TERMS = 12;

export function showZoom(session, redrawOverview) {
  const build = () => {
    const { layer, unit } = session;
    const go = (newLayer, newUnit) => {
      session.layer = newLayer;
      session.unit = newUnit;
      build();
      redrawOverview();
    };
    renew(byId("path"), path(session, go));
    byId("overview").hidden = Boolean(layer);
    const view = byId("zoom");
    view.hidden = !layer;
    const isNeuron = layer && unit !== null && session.layers[layer - 1].kind === "dense";
    renew(view, !layer ? [] : isNeuron ? neuronParts(session, layer, unit, go) : layerParts(session, layer, go));
  };
  session.listen(() => {
    const isDragging = byId("zoom").contains(document.activeElement) && document.activeElement.type === "range";
    if (session.layer && isDragging) refresh(session);
    else if (session.layer) build();
  });
  return build;
}

// The way from the whole to what is looked at, as buttons.
function path(session, go) {
  const { layer, unit } = session;
  const parts = [el("button", { onclick: () => go(null, null), disabled: !layer }, "Network")];
  const options = session.layers.map((_, place) => [String(place + 1), layerTitle(session, place + 1)]);
  parts.push(choice("Layer", [["", "all"], ...options], layer ? String(layer) : "", (value) =>
    go(value === "" ? null : Number(value), null)));
  if (layer && session.layers[layer - 1].kind === "dense") {
    const last = session.layers[layer - 1].weight.shape[0] - 1;
    const number = el("input", { type: "number", min: 0, max: last, value: unit ?? "", placeholder: "all", onchange: (event) =>
      go(layer, event.target.value === "" ? null : Math.min(last, Math.max(0, Number(event.target.value)))) });
    parts.push(el("label", { className: "field" }, el("span", {}, `Unit (0 to ${last})`), number));
  }
  return parts;
}

// While a slider of the view is dragged, only the figures are renewed.
function refresh(session) {
  const formula = byId("formula");
  if (formula && session.unit !== null) formula.replaceWith(formulaOf(session, session.layer, session.unit));
}

function layerParts(session, level, go) {
  const layer = session.layers[level - 1], values = valuesAt(session, level);
  const dead = session.deadUnits();
  const nDead = layer.activation === undefined ? 0 : dead.dead[level - 1].reduce((a, b) => a + b, 0);
  const facts = [`${values.length.toLocaleString("en")} values`, `${values.filter((v) => v === 0).length} are 0 for this row`,
    level < session.layers.length ? `${nDead} are 0 for each of ${dead.n} rows` : null];
  const parts = [el("h3", {}, `${layerTitle(session, level)}: ${describeKind(layer)}`), el("p", { className: "soft" }, facts.filter(Boolean).join(" · "))];
  if (layer.activation !== undefined && layer.kind !== "recurrent") parts.push(activationChoice(session, layer));
  const cells = el("canvas", { className: "cells" });
  parts.push(cells);
  if (layer.kind === "dense") parts.push(...weightPictures(session, level, go));
  if (layer.kind === "conv") parts.push(...kernels(layer));
  if (layer.kind === "recurrent") parts.push(sequenceMap(session.steps[level - 1].sequence));
  const weights = layer.weight ?? layer.numbers?.weight;
  const plots = [plot("Outputs of this layer", { bars: histogramBars(values), names: ["value", "units"] })];
  if (weights) plots.unshift(plot("Weights of this layer", { bars: histogramBars(weights), names: ["weight", "count"] }));
  parts.push(el("div", { className: "plots" }, ...plots));
  requestAnimationFrame(() => drawCells(session, level, cells, go));
  return parts;
}

function describeKind(layer) {
  if (layer.kind === "embed") return "numbers and categories become vectors";
  if (layer.kind === "recurrent") return `${layer.cell}, ${layer.cells.length} × ${layer.hidden} units${layer.cells[0].length > 1 ? ", both ways" : ""}; read out: ${layer.readout}`;
  const norm = layer.norm ? `, ${layer.norm.kind} norm` : "", skip = layer.skip ? ", skip connection" : "";
  if (layer.kind === "conv") return `${layer.weight.shape[0]} kernels of ${layer.weight.shape.slice(1).join(" × ")}${norm}${layer.pool ? ", 2 × 2 max pooling" : ""}`;
  return `${layer.weight.shape[1]} inputs, ${layer.weight.shape[0]} units${norm}${skip}`;
}

function activationChoice(session, layer) {
  const options = Object.entries(ACTIVATIONS).map(([name, line]) => [name, `${name.replace("_", " ")}: ${line[2]}`]);
  return choice("Activation", options, layer.activation ?? "none", (name) => {
    layer.activation = name === "none" ? null : name;
    session.weightsChanged();
  });
}

function drawCells(session, level, canvas, go) {
  const values = valuesAt(session, level), width = canvas.parentElement.clientWidth;
  const layer = session.layers[level - 1];
  if (layer.kind === "conv") canvas.remove();
  const cell = Math.max(12, Math.min(26, Math.floor(width / Math.min(values.length, 40)))), columns = Math.floor(width / cell);
  const rows = Math.ceil(values.length / columns), picture = new Float64Array(columns * rows);
  picture.set(values);
  drawMap(prepareCanvas(canvas, width, rows * cell), heatMap(picture, columns, rows), 0, 0, columns * cell, rows * cell);
  const at = (event) => Math.floor(event.offsetY / cell) * columns + Math.floor(event.offsetX / cell);
  canvas.onclick = (event) => at(event) < values.length && layer.kind === "dense" && go(level, at(event));
  canvas.onpointermove = (event) => { canvas.title = at(event) < values.length ? sentence(session, level, at(event)) : ""; };
}

// A layer on pixels has a picture of weights for each unit; other layers are one matrix.
function weightPictures(session, level, go) {
  const layer = session.layers[level - 1], [nOutputs, nInputs] = layer.weight.shape;
  const picture = pictureBelow(session, level, nInputs);
  if (!picture) return [weightMatrix(layer, (unit) => go(level, unit))];
  const shown = Math.min(nOutputs, MOST_PICTURES), highest = largest(layer.weight);
  const tiles = Array.from({ length: shown }, (_, unit) => {
    const canvas = heatMap(layer.weight.subarray(unit * nInputs, unit * nInputs + picture.width * picture.height), picture.width, picture.height, highest);
    return el("button", { className: "tile", onclick: () => go(level, unit), title: `unit ${unit}` }, canvas);
  });
  tiles.forEach((tile, unit) => tile.setAttribute("aria-label", `weights of unit ${unit}`));
  const rest = nOutputs > shown ? ` The first ${shown} of ${nOutputs}.` : "";
  return [el("p", { className: "soft" }, `What each unit looks for in the picture: blue adds, orange subtracts.${rest}`), el("div", { className: "tiles" }, ...tiles)];
}

function pictureBelow(session, level, nInputs) {
  const { picture } = session.about;
  const isFirst = session.layers.slice(0, level - 1).every((layer) => layer.kind === "flatten");
  return isFirst && picture && picture.width * picture.height * picture.channels === nInputs ? picture : null;
}

function weightMatrix(layer, open) {
  const [nOutputs, nInputs] = layer.weight.shape, canvas = el("canvas", { className: "matrix" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `weights: ${nOutputs} rows of ${nInputs}`);
  requestAnimationFrame(() => {
    const width = canvas.parentElement.clientWidth, height = Math.min(420, Math.max(60, nOutputs * Math.min(12, width / nInputs)));
    drawMap(prepareCanvas(canvas, width, height), heatMap(layer.weight, nInputs, nOutputs), 0, 0, width, height);
    canvas.onclick = (event) => open(Math.min(nOutputs - 1, Math.floor((event.offsetY / height) * nOutputs)));
    canvas.onpointermove = (event) => {
      const unit = Math.min(nOutputs - 1, Math.floor((event.offsetY / height) * nOutputs)), from = Math.min(nInputs - 1, Math.floor((event.offsetX / width) * nInputs));
      canvas.title = `to unit ${unit} from ${from}: ${short(layer.weight[unit * nInputs + from])}`;
    };
  });
  return el("div", {}, el("p", { className: "soft" }, "Weights: a row for each unit, a column for each input; blue is positive, orange negative."), canvas);
}

// What a recurrent layer gave at each step: a row for each step, a column for each unit.
function sequenceMap(sequence) {
  const canvas = el("canvas", { className: "matrix" }), width = sequence[0].length;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `outputs of ${sequence.length} steps`);
  requestAnimationFrame(() => {
    const across = canvas.parentElement.clientWidth, height = Math.min(420, 12 * sequence.length);
    drawMap(prepareCanvas(canvas, across, height), heatMap(concat(sequence), width, sequence.length), 0, 0, across, height);
  });
  return el("div", {}, el("p", { className: "soft" }, "Outputs by step, from the first row of the picture down; a column for each unit."), canvas);
}

function kernels(layer) {
  const [nOutputs, nInputs, side] = layer.weight.shape, highest = largest(layer.weight), shown = Math.min(MOST_PICTURES, nOutputs * nInputs);
  const tiles = Array.from({ length: shown }, (_, place) =>
    el("span", { className: "tile", title: `to ${Math.floor(place / nInputs)} from ${place % nInputs}` },
      heatMap(layer.weight.subarray(place * side * side, (place + 1) * side * side), side, side, highest)));
  return [el("p", { className: "soft" }, `Kernels${shown < nOutputs * nInputs ? `, the first ${shown} of ${nOutputs * nInputs}` : ""}.`), el("div", { className: "tiles small" }, ...tiles)];
}

function neuronParts(session, level, unit, go) {
  const layer = session.layers[level - 1], [, nInputs] = layer.weight.shape;
  layer.bias ??= new Float32Array(layer.weight.shape[0]); // a bias of zero can be changed, too
  const parts = [el("h3", {}, `${layerTitle(session, level)}, ${unitName(session, level, unit)}`), formulaOf(session, level, unit)];
  const row = layer.weight.subarray(unit * nInputs, (unit + 1) * nInputs), picture = pictureBelow(session, level, nInputs);
  if (picture) parts.push(el("div", { className: "tiles large" }, el("span", { className: "tile" }, heatMap(row, picture.width, picture.height))));
  parts.push(el("h4", {}, "Bias"), slider("b", [-3, 3, 0.01], layer.bias[unit], (value) => {
    layer.bias[unit] = value;
    session.weightsChanged();
  }));
  parts.push(activationChoice(session, layer), ...termTable(session, level, unit, go));
  parts.push(el("div", { className: "plots" }, activationPlot(session, level, unit), plot("Weights into this unit", { bars: histogramBars(row), names: ["weight", "count"] })));
  return parts;
}

function largestTerms(session, level, unit) {
  const layer = session.layers[level - 1], { input } = session.steps[level - 1], nInputs = input.length;
  const sizes = Array.from(input, (x, place) => x * layer.weight[unit * nInputs + place]);
  const order = [...sizes.keys()].sort((a, b) => Math.abs(sizes[b]) - Math.abs(sizes[a]));
  return { sizes, order: order.slice(0, TERMS), input, nInputs };
}

// z = w x + w x + ... + b, the norm, and the activation, with this row's numbers in it.
function formulaOf(session, level, unit) {
  const layer = session.layers[level - 1], step = session.steps[level - 1];
  const { sizes, order, input, nInputs } = largestTerms(session, level, unit), first = order.slice(0, 4);
  const term = (place) => `${bracket(layer.weight[unit * nInputs + place])}·${bracket(input[place])}`;
  const rest = sizes.reduce((sum, size) => sum + size, 0) - first.reduce((sum, place) => sum + sizes[place], 0);
  const more = nInputs > first.length ? ` + ${bracket(rest)} of ${nInputs - first.length} more` : "";
  const lines = ["z = Σ wᵢ·xᵢ + b", `z = ${first.map(term).join(" + ")}${more} + ${bracket(layer.bias?.[unit] ?? 0)} = ${short(step.z[unit])}`];
  let name = "z";
  if (layer.norm) {
    lines.push(normLine(layer.norm, step, unit));
    name = "n";
  }
  const formula = ACTIVATIONS[layer.activation ?? "none"][2].replaceAll("z", name);
  lines.push(`a = ${formula} = ${short(step.activated[unit])}`);
  if (layer.skip) lines.push(`out = (a + carried) / √2 = (${short(step.activated[unit])} + ${bracket(step.output[unit] * Math.SQRT2 - step.activated[unit])}) / √2 = ${short(step.output[unit])}`);
  const silent = step.output[unit] === 0 && level < session.layers.length ? [el("p", { className: "mark" }, "Silent: 0 for this row, and no gradient flows back through it.")] : [];
  return el("div", { id: "formula" }, el("div", { className: "formula" }, ...lines.map((line) => el("div", {}, line))), ...silent);
}

const bracket = (value) => (value < 0 ? `(${short(value)})` : short(value));

function normLine(norm, step, unit) {
  const offset = step.normed[unit] - step.z[unit] * step.factors[unit];
  return `n = ${norm.kind} norm of z = ${bracket(step.factors[unit])}·${bracket(step.z[unit])} + ${bracket(offset)} = ${short(step.normed[unit])}`;
}

function termTable(session, level, unit, go) {
  const layer = session.layers[level - 1], { sizes, order, input, nInputs } = largestTerms(session, level, unit);
  const lines = order.map((place) => {
    const weight = el("input", { type: "number", step: "any", value: String(+layer.weight[unit * nInputs + place].toPrecision(5)), onchange: (event) => {
      if (event.target.value === "" || !Number.isFinite(Number(event.target.value))) return;
      layer.weight[unit * nInputs + place] = Number(event.target.value);
      session.weightsChanged();
    } });
    const from = layerKindBelow(session, level) === "dense" || level === 1 ? unitName(session, level - 1, place) : `value ${place}`;
    weight.setAttribute("aria-label", `weight from ${from}`);
    const link = level > 1 && layerKindBelow(session, level) === "dense" ? el("button", { className: "link", onclick: () => go(level - 1, place) }, from) : from;
    return el("tr", {}, el("td", {}, link), el("td", {}, weight), el("td", { className: "n" }, short(input[place])), el("td", { className: "n" }, short(sizes[place])));
  });
  const head = ["from", "weight w", "value x", "w·x"].map((text, place) => el("th", { className: place > 1 ? "n" : "" }, text));
  return [el("h4", {}, `The ${lines.length} largest of ${nInputs} terms`), el("div", { className: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...lines)))];
}

const layerKindBelow = (session, level) => session.layers[level - 2]?.kind;

function activationPlot(session, level, unit) {
  const layer = session.layers[level - 1], { normed, activated } = session.steps[level - 1];
  const reach = Math.max(4, Math.abs(normed[unit]) * 1.2), [value] = ACTIVATIONS[layer.activation ?? "none"];
  const points = Array.from({ length: 81 }, (_, place) => {
    const z = -reach + (place * reach) / 40;
    return [z, value(z)];
  });
  const dots = [{ x: normed[unit], y: activated[unit], mark: "big" }];
  return plot(`Activation: ${layer.activation ?? "none"}`, { lines: [{ points }], dots, names: ["into it", "out"] });
}

