// A small network that learns two columns while one looks on: boundary, losses, weights.
import { logSumExp, randomStream } from "./arithmetic.js";
import { byId, choice, el, histogramBars, percent, plot, short } from "./dom.js";
import { drawMap, heatMap, palette, prepareCanvas } from "./drawing.js";
import { backward, learnt, lossOf } from "./gradients.js";
import { forward } from "./network.js";

const N_POINTS = 240, SIDE = 320, GRID_SIDE = 48, BATCH = 16, TWO_CLASSES = { classes: [0, 1] };
const FRAME_MS = 14, DRAWN_EVERY_MS = 120;

// Points (x, y) near [-1, 1] and their class; y is stretched so that scaling has something to do.
const PROBLEMS = {
  moons: (random, which) => {
    const angle = Math.PI * random.uniform();
    const [x, y] = which ? [1 - Math.cos(angle), 0.5 - Math.sin(angle)] : [Math.cos(angle), Math.sin(angle)];
    return [(x - 0.5) / 1.5, (y - 0.25) / 1.5];
  },
  circles: (random, which) => {
    const angle = 2 * Math.PI * random.uniform(), radius = which ? 0.35 : 0.85;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  },
  xor: (random, which) => {
    const left = random.uniform() < 0.5 ? -1 : 1, size = () => 0.12 + 0.8 * random.uniform();
    return [left * size(), (which ? -left : left) * size()];
  },
  spirals: (random, which) => {
    const turn = 0.1 + 0.9 * Math.sqrt(random.uniform()), angle = 3.3 * Math.PI * turn + Math.PI * which;
    return [turn * Math.cos(angle), turn * Math.sin(angle)];
  },
};

const SCHEDULES = {
  constant: () => 1,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress))),
  step: (progress) => 0.3 ** Math.floor(4 * Math.min(1, progress)),
  warmup: (progress) => Math.min(1, 10 * progress),
};

export function showPlayground(session) {
  const view = byId("playground"), state = startState(session);
  const build = () => {
    if (view.hidden) {
      state.isRunning = false;
      return;
    }
    if (!state.layers) restart(state, session);
    if (!view.hasChildNodes()) view.replaceChildren(...page(state, session));
    drawAll(state);
  };
  state.loop = () => {
    if (!state.isRunning || view.hidden) return;
    const until = performance.now() + FRAME_MS;
    while (performance.now() < until && state.epoch < state.epochs) learnEpoch(state);
    if (state.epoch >= state.epochs) stop(state);
    if (performance.now() - state.drawn > DRAWN_EVERY_MS || !state.isRunning) drawAll(state);
    requestAnimationFrame(state.loop);
  };
  return build;
}

function startState(session) {
  const numbers = session.about.columns.filter((column) => column.kind === "number");
  return { problem: "moons", depth: 2, width: 8, activation: "tanh", rate: 0.03, schedule: "constant", dropout: 0, noise: 0.1, optimizer: "adam",
    isScaled: true, columns: numbers.slice(0, 2).map((column) => column.name), epochs: 300, isRunning: false, seed: 1, drawn: 0 };
}

function page(state, session) {
  const set = (name, isNumber = true) => (value) => {
    state[name] = isNumber ? Number(value) : value;
    restart(state, session);
    drawAll(state);
  };
  const numbered = (values) => values.map((value) => [String(value), String(value)]);
  const { about } = session, hasOwn = state.columns.length === 2 && about.rows.actual;
  const problems = [...Object.keys(PROBLEMS).map((name) => [name, name]), ...(hasOwn ? [["own", "two columns of this table"]] : [])];
  const columns = about.columns.filter((column) => column.kind === "number").map((column) => [column.name, column.name]);
  const own = [0, 1].map((place) => choice(`Column ${place + 1}`, columns, state.columns[place], (name) => {
    state.columns[place] = name;
    restart(state, session);
    drawAll(state);
  }));
  const ownFields = el("span", { className: "row", hidden: true }, ...own);
  const fields = [
    choice("Problem", problems, state.problem, (value) => {
      ownFields.hidden = value !== "own";
      set("problem", false)(value);
    }),
    ...(hasOwn ? [ownFields] : []),
    choice("Noise", numbered([0, 0.05, 0.1, 0.2, 0.4]), String(state.noise), set("noise")),
    choice("Hidden layers", numbered([0, 1, 2, 3, 4, 6]), String(state.depth), set("depth")),
    choice("Units each", numbered([1, 2, 3, 4, 8, 16, 32]), String(state.width), set("width")),
    choice("Activation", numbered(["relu", "tanh", "sigmoid", "gelu", "silu"]), state.activation, set("activation", false)),
    choice("Optimizer", numbered(["adam", "sgd"]), state.optimizer, set("optimizer", false)),
    choice("Learning rate", numbered([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]), String(state.rate), set("rate")),
    choice("Schedule", numbered(Object.keys(SCHEDULES)), state.schedule, set("schedule", false)),
    choice("Dropout", numbered([0, 0.1, 0.3, 0.5]), String(state.dropout), set("dropout")),
    choice("Feature scaling", [["1", "on"], ["0", "off"]], "1", (value) => set("isScaled", false)(value === "1")),
  ];
  const run = el("button", { id: "run", className: "primary", onclick: () => (state.isRunning ? stop(state) : start(state, session)) }, "Learn");
  const again = el("button", { onclick: () => { state.seed += 1; restart(state, session); drawAll(state); } }, "Other first weights");
  const one = el("button", { onclick: () => { learnEpoch(state); drawAll(state); } }, "One epoch");
  const canvas = el("canvas", { id: "boundary" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "the points of both classes, and what the network predicts around them");
  const key = el("p", { className: "soft" }, "○: the first class, expected on blue; +: the second, on orange. Bold points are test rows, which it does not learn.");
  return [el("div", { className: "row" }, ...fields), el("div", { className: "buttons" }, run, one, again, el("span", { id: "learnt", className: "soft" })),
    el("div", { className: "plots" }, el("div", {}, canvas, key), el("div", { id: "curves" })), el("div", { id: "weights", className: "plots" })];
}

function start(state, session) {
  if (state.epoch >= state.epochs) restart(state, session);
  state.isRunning = true;
  byId("run").textContent = "Pause";
  requestAnimationFrame(state.loop);
}

function stop(state) {
  state.isRunning = false;
  const button = byId("run");
  if (button) button.textContent = "Learn";
}

function restart(state, session) {
  stop(state);
  const random = randomStream(7);
  state.points = state.problem === "own" ? ownPoints(session, state.columns) : makePoints(state, random);
  for (const axis of [0, 1]) {
    const values = state.points.map((point) => point.raw[axis]), mean = values.reduce((a, b) => a + b) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length) || 1;
    state.points.forEach((point) => { point.x[axis] = state.isScaled ? (point.raw[axis] - mean) / deviation : point.raw[axis]; });
  }
  state.random = randomStream(state.seed);
  state.layers = makeLayers(state);
  state.memory = state.layers.map(() => new Map());
  Object.assign(state, { epoch: 0, steps: 0, train: [], test: [] });
}

function makePoints(state, random) {
  return Array.from({ length: N_POINTS }, (_, place) => {
    const [x, y] = PROBLEMS[state.problem](random, place % 2);
    const raw = [x + state.noise * random.normal(), 25 * (y + state.noise * random.normal()) + 60];
    return { raw, x: [0, 0], label: place % 2, isTest: random.uniform() < 0.4 };
  });
}

// Two columns of the sample; classes are one against the others, numbers above the median or not.
function ownPoints(session, names) {
  const { about } = session, columns = names.map((name) => about.columns.find((column) => column.name === name));
  const { actual } = about.rows, sorted = [...actual].sort((a, b) => a - b), middle = sorted[sorted.length >> 1];
  const first = about.classes?.length === 2 ? 1 : about.classes ? middle : null;
  return actual.map((value, place) => ({
    raw: columns.map((column) => column.values[place] ?? column.middle), x: [0, 0],
    label: Number(first === null ? value > middle : value === first), isTest: place % 5 < 2,
  }));
}

function makeLayers(state) {
  const widths = [2, ...new Array(state.depth).fill(state.width), 2], layers = [];
  for (let place = 1; place < widths.length; place++) {
    const [nInputs, nOutputs] = [widths[place - 1], widths[place]], isLast = place === widths.length - 1;
    const weight = Float64Array.from({ length: nInputs * nOutputs }, () => state.random.normal() * Math.sqrt((state.activation === "relu" ? 2 : 1) / nInputs));
    weight.shape = [nOutputs, nInputs];
    layers.push({ kind: "dense", weight, bias: new Float64Array(nOutputs), norm: null, skip: null, activation: isLast ? null : state.activation });
    if (state.dropout && !isLast) layers.push({ kind: "dropout", rate: state.dropout, random: state.random, isTraining: true });
  }
  return layers;
}

function learnEpoch(state) {
  const rows = state.points.filter((point) => !point.isTest);
  for (let place = rows.length - 1; place > 0; place--) {
    const other = Math.floor(state.random.uniform() * (place + 1));
    [rows[place], rows[other]] = [rows[other], rows[place]];
  }
  for (let from = 0; from < rows.length; from += BATCH) learnBatch(state, rows.slice(from, from + BATCH));
  state.epoch += 1;
  state.train.push([state.epoch, meanLoss(state, false)]);
  state.test.push([state.epoch, meanLoss(state, true)]);
}

function learnBatch(state, rows) {
  const sums = new Map();
  for (const layer of state.layers) layer.isTraining = true;
  for (const row of rows) {
    const steps = forward(state.layers, Float64Array.from(row.x));
    const found = backward(steps, lossOf(steps.at(-1).output, row.label, TWO_CLASSES).gradient);
    state.layers.forEach((layer, place) => {
      for (const [weights, gradient] of learnt(layer, found[place])) {
        const sum = sums.get(weights) ?? new Float64Array(weights.length);
        gradient.forEach((g, at) => (sum[at] += g / rows.length));
        sums.set(weights, sum);
      }
    });
  }
  state.steps += 1;
  const rate = state.rate * SCHEDULES[state.schedule](state.epoch / state.epochs);
  for (const [weights, gradient] of sums) move(state, weights, gradient, rate);
}

// Adam (Kingma and Ba, 2015), or plain gradient descent.
function move(state, weights, gradient, rate) {
  if (state.optimizer === "sgd") {
    gradient.forEach((g, at) => (weights[at] -= rate * g));
    return;
  }
  const { memory, steps } = state;
  const [mean, square] = memory[0].get(weights) ?? [new Float64Array(weights.length), new Float64Array(weights.length)];
  memory[0].set(weights, [mean, square]);
  gradient.forEach((g, at) => {
    mean[at] = 0.9 * mean[at] + 0.1 * g;
    square[at] = 0.999 * square[at] + 0.001 * g * g;
    weights[at] -= (rate * (mean[at] / (1 - 0.9 ** steps))) / (Math.sqrt(square[at] / (1 - 0.999 ** steps)) + 1e-8);
  });
}

function outputsAt(state, x) {
  for (const layer of state.layers) layer.isTraining = false;
  return forward(state.layers, Float64Array.from(x)).at(-1).output;
}

function meanLoss(state, isTest) {
  const rows = state.points.filter((point) => point.isTest === isTest);
  return rows.reduce((sum, row) => {
    const outputs = outputsAt(state, row.x);
    return sum + logSumExp(outputs) - outputs[row.label];
  }, 0) / rows.length;
}

function drawAll(state) {
  if (!byId("boundary")) return;
  state.drawn = performance.now();
  drawBoundary(state);
  const test = state.points.filter((point) => point.isTest);
  const right = test.filter((row) => {
    const [a, b] = outputsAt(state, row.x);
    return Number(b > a) === row.label;
  }).length;
  const loss = state.test.length ? `, test loss ${short(state.test.at(-1)[1])}` : "";
  byId("learnt").textContent = `epoch ${state.epoch} of ${state.epochs}${loss}, ${percent(right / test.length)} of test rows right`;
  byId("curves").replaceChildren(state.train.length > 1
    ? plot("Loss by epoch", { lines: [{ points: state.train, name: "train" }, { points: state.test, dash: "5 3", name: "test" }], y: [0, Math.max(...[...state.train, ...state.test].map(([, loss]) => loss))], names: ["epoch", ""] }) : "");
  const dense = state.layers.filter((layer) => layer.kind === "dense");
  byId("weights").replaceChildren(...dense.map((layer, place) =>
    plot(`Weights, layer ${place + 1}`, { bars: histogramBars(layer.weight, 15), names: ["weight", ""] })));
}

function drawBoundary(state) {
  const canvas = byId("boundary"), context = prepareCanvas(canvas, SIDE, SIDE), colours = palette();
  canvas.style.width = `${SIDE}px`;
  const range = [0, 1].map((axis) => {
    const values = state.points.map((point) => point.x[axis]), low = Math.min(...values), high = Math.max(...values);
    return [low - 0.08 * (high - low), high + 0.08 * (high - low)];
  });
  const at = (axis, share) => range[axis][0] + share * (range[axis][1] - range[axis][0]);
  const surface = Float64Array.from({ length: GRID_SIDE * GRID_SIDE }, (_, place) => {
    const column = place % GRID_SIDE, row = Math.floor(place / GRID_SIDE);
    const [a, b] = outputsAt(state, [at(0, (column + 0.5) / GRID_SIDE), at(1, 1 - (row + 0.5) / GRID_SIDE)]);
    return 0.3 * Math.tanh((a - b) / 2);
  });
  drawMap(context, heatMap(surface, GRID_SIDE, GRID_SIDE, 1), 0, 0, SIDE, SIDE);
  for (const point of state.points) drawPoint(context, point, range, colours);
}

function drawPoint(context, point, range, colours) {
  const [x, y] = point.x.map((value, axis) => ((value - range[axis][0]) / (range[axis][1] - range[axis][0])) * SIDE);
  context.strokeStyle = colours.ink;
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
