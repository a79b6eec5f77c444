// What the playground shows of its network: each unit over the plane, the boundary, losses, weights.
import { byId, percent, short } from "./dom.js";
import { css, drawMap, largest, palette, prepareCanvas } from "./drawing.js";
import { forward } from "./network.js";
import { outputsAt } from "./playground_training.js";
import { histogramBars, plot } from "./plot.js";

const SIDE = 320;
const GRID_SIDE = 48;
const EACH = 3; // a unit's picture has every third point of the boundary's
const UNIT_SIDE = 34,
  UNIT_GAP = 6,
  MOST_UNITS = 8; // of a layer

export function drawAll(state) {
  if (!byId("boundary")) return;
  byId("run").textContent = state.isRunning ? "Pause" : "Learn";
  state.drawn = performance.now();
  drawPlane(state);
  const test = state.points.filter((point) => point.isTest);
  const right = test.filter((row) => {
    const [a, b] = outputsAt(state, row.x);
    return Number(b > a) === row.label;
  }).length;
  const loss = state.test.length ? `, test loss ${short(state.test.at(-1)[1])}` : "";
  byId("learnt").textContent =
    `epoch ${state.epoch} of ${state.epochs}${loss}, ${percent(right / test.length)} of test rows right`;
  byId("curves").replaceChildren(lossCurves(state));
  byId("weights").replaceChildren(
    ...denseOf(state).map((layer, place) =>
      plot(`Weights, layer ${place + 1}`, {
        bars: histogramBars(layer.weight, 15),
        names: ["weight", "count"],
      }),
    ),
  );
}

const denseOf = ({ layers }) => layers.filter((layer) => layer.kind === "dense");

// Its place is kept before the first epoch, when there is nothing to draw.
function lossCurves({ train, test, epochs }) {
  const highest = Math.max(...[...train, ...test].map(([, loss]) => loss), 0);
  return plot("Loss by epoch", {
    lines: [
      { points: train, name: "train" },
      { points: test, dash: "5 3", name: "test" },
    ],
    x: [0, epochs],
    y: [0, highest || 1],
    names: ["epoch", "loss"],
  });
}

// One forward pass for each point of a grid gives the boundary and every unit's picture.
function drawPlane(state) {
  const range = [0, 1].map((axis) => {
    const values = state.points.map((point) => point.x[axis]),
      low = Math.min(...values),
      high = Math.max(...values);
    const margin = 0.08 * (high - low) || 0.5; // a column may be constant
    return [low - margin, high + margin];
  });
  const at = (axis, share) => range[axis][0] + share * (range[axis][1] - range[axis][0]);
  const surface = new Float64Array(GRID_SIDE * GRID_SIDE),
    side = GRID_SIDE / EACH;
  const columns = columnsOf(state, side * side);
  for (const layer of state.layers) layer.isTraining = false;
  for (let place = 0; place < surface.length; place++) {
    const column = place % GRID_SIDE,
      row = Math.floor(place / GRID_SIDE);
    const x = Float64Array.of(
      at(0, (column + 0.5) / GRID_SIDE),
      at(1, 1 - (row + 0.5) / GRID_SIDE),
    );
    const steps = forward(state.layers, x),
      [a, b] = steps.at(-1).output;
    surface[place] = 0.3 * Math.tanh((a - b) / 2);
    if (column % EACH !== 1 || row % EACH !== 1) continue;
    const small = Math.floor(row / EACH) * side + Math.floor(column / EACH);
    const outputs = [x, ...steps.filter((step) => step.layer.kind === "dense").map((s) => s.output)];
    columns.forEach(({ maps }, level) => maps.forEach((map, u) => (map[small] = outputs[level][u])));
  }
  drawBoundary(state, surface, range);
  drawUnits(state, columns, side);
}

// The inputs and hidden layers from left to right, each with the first of its units.
function columnsOf(state, size) {
  const dense = denseOf(state),
    counts = [2, ...dense.slice(0, -1).map((layer) => layer.weight.shape[0])];
  return counts.map((n) => ({
    n,
    maps: Array.from({ length: Math.min(n, MOST_UNITS) }, () => new Float64Array(size)),
  }));
}

function drawUnits(state, columns, side) {
  const canvas = byId("units"),
    width = canvas.parentElement.clientWidth,
    context = prepareCanvas(canvas, width, SIDE + 22);
  const step = width / columns.length;
  const corner = (level, unit) => {
    const tall = columns[level].maps.length * (UNIT_SIDE + UNIT_GAP) - UNIT_GAP;
    return [level * step, (SIDE - tall) / 2 + unit * (UNIT_SIDE + UNIT_GAP)];
  };
  const end = [width, SIDE / 2 - UNIT_SIDE / 2]; // of the last lines: the boundary
  denseOf(state).forEach(({ weight }, level) => {
    const isLast = level === columns.length - 1,
      [, nInputs] = weight.shape,
      shown = isLast ? 1 : columns[level + 1].maps.length;
    const sizes = [];
    for (let unit = 0; unit < shown; unit++)
      columns[level].maps.forEach((_, input) => {
        const w = weight[unit * nInputs + input] - (isLast ? weight[nInputs + input] : 0);
        sizes.push([w, corner(level, input), isLast ? end : corner(level + 1, unit)]);
      });
    drawLines(context, sizes);
  });
  columns.forEach(({ maps }, level) =>
    maps.forEach((values, unit) => drawUnit(context, values, side, corner(level, unit))),
  );
  nameColumns(context, columns, step);
}

function drawLines(context, sizes) {
  const colours = palette(),
    highest = largest(sizes.map(([w]) => w));
  for (const [w, [fromX, fromY], [toX, toY]] of sizes) {
    const share = Math.abs(w) / highest,
      middle = (fromX + UNIT_SIDE + toX) / 2;
    context.strokeStyle = css(w < 0 ? colours.below : colours.above);
    context.globalAlpha = 0.2 + 0.7 * share;
    context.lineWidth = 0.5 + 3 * share;
    context.setLineDash(w < 0 ? [4, 3] : []);
    context.beginPath();
    context.moveTo(fromX + UNIT_SIDE, fromY + UNIT_SIDE / 2);
    const [y, otherY] = [fromY + UNIT_SIDE / 2, toY + UNIT_SIDE / 2];
    context.bezierCurveTo(middle, y, middle, otherY, toX, otherY);
    context.stroke();
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
}

function drawUnit(context, values, side, [x, y]) {
  const map = { values, width: side, height: side, isSmooth: true };
  drawMap(context, map, [x, y, UNIT_SIDE, UNIT_SIDE]);
  context.strokeStyle = palette().soft;
  context.lineWidth = 1;
  context.strokeRect(x + 0.5, y + 0.5, UNIT_SIDE - 1, UNIT_SIDE - 1);
}

function nameColumns(context, columns, step) {
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = palette().soft;
  columns.forEach(({ n, maps }, level) => {
    const count = n > maps.length ? `${maps.length} of ${n}` : String(n);
    context.fillText(level ? count : "inputs", level * step, SIDE + 18);
  });
}

function drawBoundary(state, values, range) {
  const canvas = byId("boundary"),
    context = prepareCanvas(canvas, SIDE, SIDE);
  canvas.style.width = `${SIDE}px`;
  const map = { values, width: GRID_SIDE, height: GRID_SIDE, highest: 1, isSmooth: true };
  drawMap(context, map, [0, 0, SIDE, SIDE]);
  for (const point of state.points) drawPoint(context, point, range);
}

function drawPoint(context, point, range) {
  const [x, y] = point.x.map(
    (value, axis) => ((value - range[axis][0]) / (range[axis][1] - range[axis][0])) * SIDE,
  );
  context.strokeStyle = palette().ink;
  context.lineWidth = point.isTest ? 2.2 : 1.1;
  context.beginPath();
  if (point.label) {
    context.moveTo(x - 4, SIDE - y);
    context.lineTo(x + 4, SIDE - y);
    context.moveTo(x, SIDE - y - 4);
    context.lineTo(x, SIDE - y + 4);
  } else context.arc(x, SIDE - y, 3.5, 0, 2 * Math.PI);
  context.stroke();
}
