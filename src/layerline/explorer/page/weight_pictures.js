// A layer's weights as pictures: by unit where they read pixels, else as one matrix.
import { concat } from "./arithmetic.js";
import { el, note, short } from "./dom.js";
import { drawMap, heatMap, largest, prepareCanvas } from "./drawing.js";
import { placeOf } from "./session.js";

const MOST_PICTURES = 120;

// A layer on pixels has a picture of weights for each unit; other layers are one matrix.
export function weightPictures(session, level, go) {
  const layer = session.layers[level - 1],
    [nOutputs, nInputs] = layer.weight.shape;
  const picture = pictureBelow(session, level, nInputs);
  if (!picture) return [weightMatrix(layer, (unit) => go(level, unit))];
  const shown = Math.min(nOutputs, MOST_PICTURES),
    highest = largest(layer.weight);
  const tiles = Array.from({ length: shown }, (_, unit) => {
    const canvas = heatMap(
      layer.weight.subarray(unit * nInputs, unit * nInputs + picture.width * picture.height),
      picture.width,
      picture.height,
      highest,
    );
    return el(
      "button",
      { className: "tile", onclick: () => go(level, unit), title: `unit ${unit}` },
      canvas,
    );
  });
  tiles.forEach((tile, unit) => tile.setAttribute("aria-label", `weights of unit ${unit}`));
  const rest = nOutputs > shown ? ` The first ${shown} of ${nOutputs}.` : "";
  return [
    note(`What each unit looks for in the picture: blue adds, orange subtracts.${rest}`),
    el("div", { className: "tiles" }, ...tiles),
  ];
}

export function pictureBelow(session, level, nInputs) {
  const { picture } = session.about;
  return level === 1 && picture && picture.width * picture.height * picture.channels === nInputs
    ? picture
    : null;
}

function weightMatrix(layer, open) {
  const [nOutputs, nInputs] = layer.weight.shape,
    canvas = el("canvas", { className: "matrix" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `weights: ${nOutputs} rows of ${nInputs}`);
  requestAnimationFrame(() => {
    const width = canvas.clientWidth,
      height = Math.min(420, Math.max(60, nOutputs * Math.min(12, width / nInputs)));
    const map = { values: layer.weight, width: nInputs, height: nOutputs };
    drawMap(prepareCanvas(canvas, width, height), map, [0, 0, width, height]);
    canvas.onclick = (event) =>
      open(Math.min(nOutputs - 1, Math.floor((event.offsetY / height) * nOutputs)));
    canvas.onpointermove = (event) => {
      const unit = Math.min(nOutputs - 1, Math.floor((event.offsetY / height) * nOutputs)),
        from = Math.min(nInputs - 1, Math.floor((event.offsetX / width) * nInputs));
      canvas.title = `to unit ${unit} from ${from}: ${short(layer.weight[unit * nInputs + from])}`;
    };
  });
  return el(
    "div",
    {},
    note(
      "Weights: a row for each unit, a column for each input; blue is positive, orange negative.",
    ),
    canvas,
  );
}

// What a recurrent layer gave at each step: a row for each step, a column for each unit.
export function sequenceMap(sequence) {
  const canvas = el("canvas", { className: "matrix" }),
    width = sequence[0].length;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `outputs of ${sequence.length} steps`);
  requestAnimationFrame(() => {
    const across = canvas.clientWidth,
      height = Math.min(420, 12 * sequence.length);
    const map = { values: concat(sequence), width, height: sequence.length };
    drawMap(prepareCanvas(canvas, across, height), map, [0, 0, across, height]);
  });
  return el(
    "div",
    {},
    note("Outputs by step, from the first row of the picture down; a column for each unit."),
    canvas,
  );
}

// A convolution: what each channel gives for this row, and the kernels, a line for each channel.
export function channelsAndKernels(session, level, go) {
  const layer = session.layers[level - 1],
    [nOutputs, nInputs] = layer.weight.shape;
  const maps = Array.from({ length: Math.min(nOutputs, MOST_PICTURES) }, (_, channel) => {
    const look = { className: "tile", onclick: () => go(level, channel), title: `channel ${channel}` };
    const tile = el("button", look, channelMap(session, level, channel));
    tile.setAttribute("aria-label", `output of channel ${channel}`);
    return tile;
  });
  const shown = Math.min(MOST_PICTURES, nOutputs * nInputs),
    rest = shown < nOutputs * nInputs ? ` The first ${shown} of ${nOutputs * nInputs}.` : "";
  return [
    note("Outputs by channel. Click one for its formula and its weights."),
    el("div", { className: "tiles" }, ...maps),
    note(`Kernels, by the channel they write and the one they read.${rest}`),
    el("div", { className: "tiles small" }, ...kernels(layer, 0, shown)),
  ];
}

// One channel: what it gives, and the kernels that make it.
export function channelPictures(session, level, channel) {
  const layer = session.layers[level - 1],
    [, nInputs] = layer.weight.shape;
  const [height, width] = layer.size,
    pixel = placeOf(session, level, channel) % (height * width);
  const where = `row ${Math.floor(pixel / width)}, column ${pixel % width}`;
  const own = kernels(layer, channel * nInputs, Math.min(nInputs, MOST_PICTURES));
  return [
    note(`Its output, and its kernels. The formula is that of ${where}, where it is largest.`),
    el(
      "div",
      { className: "tiles large" },
      el("span", { className: "tile" }, channelMap(session, level, channel)),
    ),
    el("div", { className: "tiles" }, ...own),
  ];
}

function channelMap(session, level, channel) {
  const layer = session.layers[level - 1],
    { output } = session.steps[level - 1];
  const [height, width] = layer.pool ? layer.size.map((side) => side >> 1) : layer.size,
    area = height * width;
  const values = output.subarray(channel * area, (channel + 1) * area);
  return heatMap(values, width, height, largest(output));
}

function kernels(layer, first, count) {
  const [, nInputs, side] = layer.weight.shape,
    highest = largest(layer.weight);
  return Array.from({ length: count }, (_, at) => {
    const place = first + at,
      values = layer.weight.subarray(place * side * side, (place + 1) * side * side);
    const title = `to ${Math.floor(place / nInputs)} from ${place % nInputs}`;
    return el("span", { className: "tile", title }, heatMap(values, side, side, highest));
  });
}
