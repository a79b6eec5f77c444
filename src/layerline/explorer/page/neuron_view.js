// One neuron: its formula with this row's numbers, and the weights that can be changed. A channel of
// a convolution is one, too, at the place where its output is largest.
import { ACTIVATIONS } from "./arithmetic.js";
import { choice, el, short, slider, table } from "./dom.js";
import { heatMap } from "./drawing.js";
import { histogramBars, plot } from "./plot.js";
import { layerTitle, placeOf, unitName } from "./session.js";
import { channelPictures, pictureBelow } from "./weight_pictures.js";

const TERMS = 12; // of the sum, in the table

export function activationChoice(session, layer) {
  const options = Object.entries(ACTIVATIONS).map(([name, line]) => [
    name,
    `${name.replace("_", " ")}: ${line[2]}`,
  ]);
  return choice("Activation", options, layer.activation ?? "none", (name) => {
    layer.activation = name === "none" ? null : name;
    session.weightsChanged();
  });
}

export function neuronParts(session, level, unit, go) {
  const layer = session.layers[level - 1],
    nInputs = layer.weight.length / layer.weight.shape[0];
  const parts = [
    el("h3", {}, `${layerTitle(session, level)}, ${unitName(session, level, unit)}`),
    formulaOf(session, level, unit),
  ];
  const row = layer.weight.subarray(unit * nInputs, (unit + 1) * nInputs),
    picture = layer.kind === "dense" && pictureBelow(session, level, nInputs);
  if (layer.kind === "conv") parts.push(...channelPictures(session, level, unit));
  if (picture)
    parts.push(
      el(
        "div",
        { className: "tiles large" },
        el("span", { className: "tile" }, heatMap(row, picture.width, picture.height)),
      ),
    );
  parts.push(
    el("h4", {}, "Bias"),
    slider("b", [-3, 3, 0.01], layer.bias?.[unit] ?? 0, (value) => {
      layer.bias ??= new Float32Array(layer.weight.shape[0]); // biases of zero can be changed, too
      layer.bias[unit] = value;
      session.weightsChanged();
    }),
  );
  parts.push(activationChoice(session, layer), ...termTable(session, level, unit, go));
  parts.push(
    el(
      "div",
      { className: "plots" },
      activationPlot(session, level, unit),
      plot("Weights into this unit", { bars: histogramBars(row), names: ["weight", "count"] }),
    ),
  );
  return parts;
}

function largestTerms(session, level, unit) {
  const layer = session.layers[level - 1],
    input = inputsOf(session, level, unit),
    nInputs = input.length;
  const sizes = Array.from(input, (x, place) => x * layer.weight[unit * nInputs + place]);
  const order = [...sizes.keys()].sort((a, b) => Math.abs(sizes[b]) - Math.abs(sizes[a]));
  return { sizes, order: order.slice(0, TERMS), input, nInputs };
}

// What a unit's weights are multiplied with: all values below, or those around a channel's place.
function inputsOf(session, level, unit) {
  const layer = session.layers[level - 1],
    { input } = session.steps[level - 1];
  if (layer.kind !== "conv") return input;
  const [, nInputs, side] = layer.weight.shape,
    [height, width] = layer.size;
  const pixel = placeOf(session, level, unit) % (height * width);
  return Float64Array.from({ length: nInputs * side * side }, (_, place) => {
    const [channel, down, right] = tapOf(place, side);
    const row = Math.floor(pixel / width) + down,
      column = (pixel % width) + right;
    const isInside = row >= 0 && row < height && column >= 0 && column < width;
    return isInside ? input[(channel * height + row) * width + column] : 0;
  });
}

// A weight of a kernel: the channel it reads, and how far below and right of the middle.
function tapOf(place, side) {
  const tap = place % (side * side);
  const [down, right] = [Math.floor(tap / side), tap % side].map((at) => at - (side >> 1));
  return [Math.floor(place / (side * side)), down, right];
}

function tapName(place, side) {
  const [channel, down, right] = tapOf(place, side);
  const words = [
    [down, "up", "down"],
    [right, "left", "right"],
  ].flatMap(([by, less, more]) => (by ? [`${Math.abs(by)} ${by < 0 ? less : more}`] : []));
  return `channel ${channel}, ${words.join(" ") || "middle"}`;
}

// z = w x + w x + ... + b, the norm, and the activation, with this row's numbers in it.
export function formulaOf(session, level, unit) {
  const layer = session.layers[level - 1],
    step = session.steps[level - 1],
    at = placeOf(session, level, unit);
  const { sizes, order, input, nInputs } = largestTerms(session, level, unit),
    first = order.slice(0, 4);
  const term = (place) =>
    `${bracket(layer.weight[unit * nInputs + place])}·${bracket(input[place])}`;
  const rest =
    sizes.reduce((sum, size) => sum + size, 0) -
    first.reduce((sum, place) => sum + sizes[place], 0);
  const more =
    nInputs > first.length ? ` + ${bracket(rest)} of ${nInputs - first.length} more` : "";
  const lines = [
    "z = Σ wᵢ·xᵢ + b",
    `z = ${first.map(term).join(" + ")}${more} + ${bracket(layer.bias?.[unit] ?? 0)} = ${short(step.z[at])}`,
  ];
  let name = "z";
  if (layer.norm) {
    lines.push(normLine(layer.norm, step, at, unit));
    name = "n";
  }
  const formula = ACTIVATIONS[layer.activation ?? "none"][2].replaceAll("z", name);
  lines.push(`a = ${formula} = ${short(step.activated[at])}`);
  if (layer.skip)
    lines.push(
      `out = (a + carried) / √2 = (${short(step.activated[unit])} + ${bracket(step.output[unit] * Math.SQRT2 - step.activated[unit])}) / √2 = ${short(step.output[unit])}`,
    );
  const silent =
    step.activated[at] === 0 && !layer.skip && level < session.layers.length
      ? [
          el(
            "p",
            { className: "mark" },
            "Silent: 0 for this row, and no gradient flows back through it.",
          ),
        ]
      : [];
  return el(
    "div",
    { id: "formula" },
    el("div", { className: "formula" }, ...lines.map((line) => el("div", {}, line))),
    ...silent,
  );
}

const bracket = (value) => (value < 0 ? `(${short(value)})` : short(value));

function normLine(norm, step, at, unit) {
  const offset = step.normed[at] - step.z[at] * step.factors[unit];
  return `n = ${norm.kind} norm of z = ${bracket(step.factors[unit])}·${bracket(step.z[at])} + ${bracket(offset)} = ${short(step.normed[at])}`;
}

function termTable(session, level, unit, go) {
  const layer = session.layers[level - 1],
    { sizes, order, input, nInputs } = largestTerms(session, level, unit);
  const lines = order.map((place) => {
    const weight = el("input", {
      type: "number",
      step: "any",
      value: String(+layer.weight[unit * nInputs + place].toPrecision(5)),
      onchange: (event) => {
        if (event.target.value === "" || !Number.isFinite(Number(event.target.value))) return;
        layer.weight[unit * nInputs + place] = Number(event.target.value);
        session.weightsChanged();
      },
    });
    const from = termName(session, level, place);
    weight.setAttribute("aria-label", `weight from ${from}`);
    const link =
      layer.kind === "dense" && layerKindBelow(session, level) === "dense"
        ? el("button", { className: "link", onclick: () => go(level - 1, place) }, from)
        : from;
    return [link, weight, short(input[place]), short(sizes[place])];
  });
  const title = el("h4", {}, `The ${lines.length} largest of ${nInputs} terms`);
  return [title, table(["from", "weight w", "value x", "w·x"], lines, [2, 3])];
}

function termName(session, level, place) {
  const layer = session.layers[level - 1];
  if (layer.kind === "conv") return tapName(place, layer.weight.shape[2]);
  return layerKindBelow(session, level) === "dense" || level === 1
    ? unitName(session, level - 1, place)
    : vectorName(session, level, place);
}

// Of which column a value is, where columns became vectors: its name, and the place in its vector.
function vectorName(session, level, place) {
  const { layer, input, output } = session.steps[level - 2];
  if (layer.kind !== "embed") return `value ${place}`;
  const tables = layer.tables.map((table) => table.shape[1]),
    nNumbers = input.length - tables.length;
  const all = output.length - tables.reduce((sum, width) => sum + width, 0);
  const widths = [...new Array(nNumbers).fill(all / nNumbers), ...tables];
  let column = 0;
  for (let rest = place; ; rest -= widths[column++]) {
    const name = unitName(session, 0, column);
    if (rest < widths[column]) return widths[column] > 1 ? `${name} · ${rest}` : name;
  }
}

const layerKindBelow = (session, level) => session.layers[level - 2]?.kind;

function activationPlot(session, level, unit) {
  const layer = session.layers[level - 1],
    { normed, activated } = session.steps[level - 1],
    at = placeOf(session, level, unit);
  const reach = Math.max(4, Math.abs(normed[at]) * 1.2),
    [value] = ACTIVATIONS[layer.activation ?? "none"];
  const points = Array.from({ length: 81 }, (_, place) => {
    const z = -reach + (place * reach) / 40;
    return [z, value(z)];
  });
  const dots = [{ x: normed[at], y: activated[at], mark: "big" }];
  return plot(`Activation: ${layer.activation ?? "none"}`, {
    lines: [{ points }],
    dots,
    names: ["into it", "out"],
  });
}
