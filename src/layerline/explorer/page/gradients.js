// The backward pass: the loss of a row, and by the chain rule its gradient in every weight.
import { ACTIVATIONS, backProduct, slopes } from "./arithmetic.js";
import { shiftAdd } from "./network.js";
import { backRecurrent } from "./recurrent.js";

// Gradients of each layer, the first layer first; `input` is what flows on below.
export function backward(steps, gradient) {
  const found = [];
  let flow = gradient;
  for (let place = steps.length - 1; place >= 0; place--) {
    const own = BACK[steps[place].layer.kind](steps[place], flow);
    found.unshift({ output: flow, ...own });
    flow = own.input;
  }
  return found;
}

const BACK = {
  dense: backDense,
  embed: backEmbed,
  conv: backConv,
  recurrent: backRecurrent,
  dropout: backDropout,
};

function backDropout({ mask }, flow) {
  return { input: mask ? flow.map((g, place) => g * mask[place]) : flow };
}

function backDense(step, flow) {
  const { layer, input } = step;
  const own = layer.skip ? flow.map((g) => g * Math.SQRT1_2) : flow;
  const bend = slopes(layer.activation, step.normed);
  const normed = own.map((g, unit) => g * bend[unit]);
  const { z, scale, shift } = backNorm(step, normed, 1);
  const weight = outer(z, input);
  let below = backProduct(layer.weight, z, input.length),
    projection = null;
  if (layer.skip?.projection) {
    projection = outer(own, input);
    const carried = backProduct(layer.skip.projection, own, input.length);
    below = below.map((g, place) => g + carried[place]);
  } else if (layer.skip) below = below.map((g, place) => g + own[place]);
  return { weight, bias: layer.bias ? z : null, scale, shift, projection, z, input: below };
}

function outer(gradient, input) {
  const result = new Float64Array(gradient.length * input.length);
  for (let out = 0, place = 0; out < gradient.length; out++) {
    for (let from = 0; from < input.length; from++) result[place++] = gradient[out] * input[from];
  }
  return result;
}

// Batch norm's mean and variance are those of the training, as constants; layer norm's are the row's.
function backNorm({ layer, z, factors }, flow, size) {
  const { norm } = layer;
  if (!norm) return { z: flow, scale: null, shift: null };
  const nUnits = factors.length,
    scale = new Float64Array(nUnits),
    shift = new Float64Array(nUnits);
  const layerMean = norm.kind === "layer" ? z.reduce((a, b) => a + b) / z.length : 0;
  const unitOf = (place) => Math.floor(place / size);
  const meanOf = (unit) => (norm.kind === "batch" ? norm.mean[unit] : layerMean);
  const result = flow.map((g, place) => g * factors[unitOf(place)]);
  for (let place = 0; place < flow.length; place++) {
    const unit = unitOf(place),
      standard = (z[place] - meanOf(unit)) * (factors[unit] / (norm.scale[unit] || 1));
    scale[unit] += flow[place] * standard;
    shift[unit] += flow[place];
  }
  if (norm.kind === "batch") return { z: result, scale, shift };
  const deviation = Math.sqrt(
    z.reduce((sum, v) => sum + (v - layerMean) ** 2, 0) / z.length + norm.epsilon,
  );
  const standard = z.map((value) => (value - layerMean) / deviation);
  let mean = 0,
    along = 0;
  for (let place = 0; place < z.length; place++) {
    mean += result[place] / z.length;
    along += (result[place] * standard[place]) / z.length;
  }
  return { z: result.map((g, place) => g - mean - standard[place] * along), scale, shift };
}

function backEmbed({ layer, input, code }, flow) {
  const { numbers, tables } = layer,
    nNumbers = input.length - tables.length;
  const found = { tables: tables.map((table) => new Float64Array(table.length)) };
  let start = 0;
  if (numbers.kind === "none") start = nNumbers;
  if (numbers.kind === "piecewise_linear") start = backBins(numbers, code, flow, found);
  if (numbers.kind === "periodic") start = backWaves(numbers, input, code, flow, found);
  tables.forEach((table, column) => {
    const width = table.shape[1],
      row = input[nNumbers + column] * width;
    for (let place = 0; place < width; place++) found.tables[column][row + place] = flow[start++];
  });
  return { ...found, input: new Float64Array(input.length) };
}

function backBins(numbers, code, flow, found) {
  const [, nBins, width] = numbers.weight.shape;
  found.embedWeight = new Float64Array(numbers.weight.length);
  found.embedBias = flow.slice(0, numbers.bias.length);
  code.forEach((bins, feature) => {
    for (let bin = 0; bin < nBins; bin++) {
      for (let place = 0; place < width; place++) {
        const to = (feature * nBins + bin) * width + place;
        found.embedWeight[to] = bins[bin] * flow[feature * width + place];
      }
    }
  });
  return code.length * width;
}

function backWaves(numbers, input, code, flow, found) {
  const nWaves = numbers.frequencies.shape[1],
    width = numbers.weight.shape[0];
  found.embedWeight = new Float64Array(numbers.weight.length);
  found.embedBias = new Float64Array(width);
  found.frequencies = new Float64Array(numbers.frequencies.length);
  code.forEach(({ code: waves, z }, feature) => {
    const own = flow
      .slice(feature * width, (feature + 1) * width)
      .map((g, place) => g * ACTIVATIONS.relu[1](z[place]));
    own.forEach((g, place) => (found.embedBias[place] += g));
    outer(own, waves).forEach((g, place) => (found.embedWeight[place] += g));
    const below = backProduct(numbers.weight, own, waves.length);
    for (let wave = 0; wave < nWaves; wave++) {
      const turn = below[nWaves + wave] * waves[wave] - below[wave] * waves[nWaves + wave];
      found.frequencies[feature * nWaves + wave] = 2 * Math.PI * input[feature] * turn;
    }
  });
  return code.length * width;
}

function backConv(step, flow) {
  const { layer, input, activated, normed } = step;
  const [nOutputs, nInputs, side] = layer.weight.shape,
    [height, width] = layer.size,
    area = height * width;
  let own = flow;
  if (layer.pool) {
    own = new Float64Array(activated.length);
    step.kept.forEach((place, to) => (own[place] += flow[to]));
  }
  const bend = slopes(layer.activation, normed);
  const { z, scale, shift } = backNorm(
    step,
    own.map((g, place) => g * bend[place]),
    area,
  );
  const weight = new Float64Array(layer.weight.length),
    below = new Float64Array(input.length);
  for (let out = 0; out < nOutputs; out++) {
    for (let channel = 0; channel < nInputs; channel++) {
      for (let tap = 0; tap < side * side; tap++) {
        const down = Math.floor(tap / side) - (side >> 1),
          right = (tap % side) - (side >> 1);
        const to = (out * nInputs + channel) * side * side + tap;
        weight[to] = overlap(z, out * area, input, channel * area, [height, width, down, right]);
        shiftAdd(below, channel * area, z, out * area, layer.weight[to], [
          height,
          width,
          -down,
          -right,
        ]);
      }
    }
  }
  const bias = layer.bias
    ? Float64Array.from({ length: nOutputs }, (_, out) => {
        let sum = 0;
        for (let place = out * area; place < (out + 1) * area; place++) sum += z[place];
        return sum;
      })
    : null;
  return { weight, bias, scale, shift, z, input: below };
}

function overlap(gradient, start, input, inputStart, [height, width, down, right]) {
  let sum = 0;
  for (let row = Math.max(0, -down); row < Math.min(height, height - down); row++) {
    for (let column = Math.max(0, -right); column < Math.min(width, width - right); column++) {
      sum +=
        gradient[start + row * width + column] *
        input[inputStart + (row + down) * width + column + right];
    }
  }
  return sum;
}

// [weights, gradient] of everything a layer learns.
export function learnt(layer, found) {
  const numbers = layer.numbers ?? {};
  const pairs = [
    [layer.weight, found.weight],
    [layer.bias, found.bias],
    [layer.norm?.scale, found.scale],
    [layer.norm?.shift, found.shift],
    [layer.skip?.projection, found.projection],
    [numbers.weight, found.embedWeight],
    [numbers.bias, found.embedBias],
    [numbers.frequencies, found.frequencies],
    ...(layer.tables ?? []).map((table, column) => [table, found.tables[column]]),
    ...(layer.cells ?? []).flatMap((directions, depth) =>
      directions.flatMap((weights, way) =>
        Object.keys(weights).map((name) => [weights[name], found.cells[depth][way][name]]),
      ),
    ),
  ];
  return pairs.filter(([weights, gradient]) => weights && gradient);
}

// One step of plain gradient descent: weights -= rate * gradient.
export function descend(layers, gradients, rate) {
  layers.forEach((layer, place) => {
    for (const [weights, gradient] of learnt(layer, gradients[place])) {
      for (let at = 0; at < weights.length; at++) weights[at] -= rate * gradient[at];
    }
  });
}

export function gradientSize(layer, found) {
  let sum = 0;
  for (const [, gradient] of learnt(layer, found)) for (const g of gradient) sum += g * g;
  return Math.sqrt(sum);
}
