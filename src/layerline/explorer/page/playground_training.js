// The playground's network and points: made, and learnt epoch by epoch.
import { logSumExp, randomStream } from "./arithmetic.js";
import { backward, learnt } from "./gradients.js";
import { lossOf } from "./losses.js";
import { forward } from "./network.js";
import { makePoints, ownPoints } from "./problems.js";

const BATCH = 16;
const TWO_CLASSES = { classes: [0, 1] };

export const SCHEDULES = {
  constant: () => 1,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress))),
  step: (progress) => 0.3 ** Math.floor(4 * Math.min(1, progress)),
  warmup: (progress) => Math.min(1, 10 * progress),
};

export function restart(state, session) {
  state.isRunning = false;
  const random = randomStream(7);
  state.points =
    state.problem === "own" ? ownPoints(session, state.columns) : makePoints(state, random);
  for (const axis of [0, 1]) {
    const values = state.points.map((point) => point.raw[axis]),
      mean = values.reduce((a, b) => a + b) / values.length;
    const deviation =
      Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length) || 1;
    state.points.forEach((point) => {
      point.x[axis] = state.isScaled ? (point.raw[axis] - mean) / deviation : point.raw[axis];
    });
  }
  state.random = randomStream(state.seed);
  state.layers = makeLayers(state);
  state.memory = state.layers.map(() => new Map());
  Object.assign(state, { epoch: 0, steps: 0, train: [], test: [] });
}

function makeLayers(state) {
  const widths = [2, ...new Array(state.depth).fill(state.width), 2],
    layers = [];
  for (let place = 1; place < widths.length; place++) {
    const [nInputs, nOutputs] = [widths[place - 1], widths[place]],
      isLast = place === widths.length - 1;
    const weight = Float64Array.from(
      { length: nInputs * nOutputs },
      () => state.random.normal() * Math.sqrt((state.activation === "relu" ? 2 : 1) / nInputs),
    );
    weight.shape = [nOutputs, nInputs];
    layers.push({
      kind: "dense",
      weight,
      bias: new Float64Array(nOutputs),
      norm: null,
      skip: null,
      activation: isLast ? null : state.activation,
    });
    if (state.dropout && !isLast)
      layers.push({ kind: "dropout", rate: state.dropout, random: state.random, isTraining: true });
  }
  return layers;
}

export function learnEpoch(state) {
  const rows = state.points.filter((point) => !point.isTest);
  for (let place = rows.length - 1; place > 0; place--) {
    const other = Math.floor(state.random.uniform() * (place + 1));
    [rows[place], rows[other]] = [rows[other], rows[place]];
  }
  for (let from = 0; from < rows.length; from += BATCH)
    learnBatch(state, rows.slice(from, from + BATCH));
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
  const [mean, square] = memory[0].get(weights) ?? [
    new Float64Array(weights.length),
    new Float64Array(weights.length),
  ];
  memory[0].set(weights, [mean, square]);
  gradient.forEach((g, at) => {
    mean[at] = 0.9 * mean[at] + 0.1 * g;
    square[at] = 0.999 * square[at] + 0.001 * g * g;
    weights[at] -=
      (rate * (mean[at] / (1 - 0.9 ** steps))) /
      (Math.sqrt(square[at] / (1 - 0.999 ** steps)) + 1e-8);
  });
}

export function outputsAt(state, x) {
  for (const layer of state.layers) layer.isTraining = false;
  return forward(state.layers, Float64Array.from(x)).at(-1).output;
}

function meanLoss(state, isTest) {
  const rows = state.points.filter((point) => point.isTest === isTest);
  return (
    rows.reduce((sum, row) => {
      const outputs = outputsAt(state, row.x);
      return sum + logSumExp(outputs) - outputs[row.label];
    }, 0) / rows.length
  );
}
