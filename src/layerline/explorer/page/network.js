// The forward pass: one row through the layers of one member, everything on the way recorded.
import { activate, add, product } from "./arithmetic.js";
import { runRecurrent } from "./recurrent.js";

// Pictures need to know their size: (C, H, W) of the input, halved by each pool.
export function measureLayers(layers, inputShape) {
  let [channels, height, width] = inputShape;
  for (const layer of layers) {
    if (layer.kind === "conv") layer.size = [height, width];
    if (layer.kind === "recurrent") layer.size = [channels, height, width];
    if (layer.pool) [height, width] = [height >> 1, width >> 1];
  }
}

// What each layer did: `input`, `z` after the linear map, `normed`, `output` after the activation.
export function forward(layers, features) {
  const steps = [];
  let x = features;
  for (const layer of layers) {
    const step = RUN[layer.kind](layer, x);
    steps.push({ layer, input: x, ...step });
    x = step.output;
  }
  return steps;
}

const RUN = {
  dense: runDense,
  embed: runEmbed,
  conv: runConv,
  recurrent: runRecurrent,
  dropout: runDropout,
};

// In training a unit is 0 at this rate, and the others stand in for it; of the playground only.
function runDropout(layer, x) {
  if (!layer.isTraining) return { output: x, mask: null };
  const mask = x.map(() => (layer.random.uniform() < layer.rate ? 0 : 1 / (1 - layer.rate)));
  return { mask, output: x.map((value, place) => value * mask[place]) };
}

function runDense(layer, x) {
  const z = product(layer.weight, x, layer.weight.shape[0]);
  if (layer.bias) for (let unit = 0; unit < z.length; unit++) z[unit] += layer.bias[unit];
  const { normed, factors } = normalise(layer.norm, z, 1);
  const activated = activate(layer.activation, normed);
  if (!layer.skip) return { z, normed, factors, activated, output: activated };
  const carried = layer.skip.projection ? product(layer.skip.projection, x, z.length) : x;
  return {
    z,
    normed,
    factors,
    activated,
    output: add(activated, carried).map((v) => v * Math.SQRT1_2),
  };
}

// `factors` is what the norm multiplies each unit by; `size` pixels share a unit.
function normalise(norm, z, size) {
  if (!norm) return { normed: z, factors: null };
  const nUnits = z.length / size,
    factors = new Float64Array(nUnits),
    normed = new Float64Array(z.length);
  let mean = 0,
    variance = 0;
  if (norm.kind === "layer") {
    for (const value of z) mean += value / z.length;
    for (const value of z) variance += (value - mean) ** 2 / z.length;
  }
  for (let unit = 0; unit < nUnits; unit++) {
    if (norm.kind === "batch") [mean, variance] = [norm.mean[unit], norm.variance[unit]];
    factors[unit] = norm.scale[unit] / Math.sqrt(variance + norm.epsilon);
    for (let place = unit * size; place < (unit + 1) * size; place++) {
      normed[place] = (z[place] - mean) * factors[unit] + norm.shift[unit];
    }
  }
  return { normed, factors };
}

function runEmbed(layer, x) {
  const nNumbers = x.length - layer.tables.length,
    parts = [];
  const code = CODES[layer.numbers.kind](layer.numbers, x.subarray(0, nNumbers), parts);
  layer.tables.forEach((table, column) => {
    const width = table.shape[1],
      level = x[nNumbers + column];
    parts.push(...table.subarray(level * width, (level + 1) * width));
  });
  const output = Float64Array.from(parts);
  return { z: output, normed: output, code, output };
}

// Numbers -> vectors, which are added to `parts`; what they were made of is returned.
const CODES = {
  none: (numbers, x, parts) => {
    parts.push(...x);
    return null;
  },
  piecewise_linear: (numbers, x, parts) => {
    const [, nBins, width] = numbers.weight.shape;
    return Array.from(x, (value, feature) => {
      const code = binCode(value, numbers.edges, feature * (nBins + 1), nBins);
      for (let place = 0; place < width; place++) {
        let sum = numbers.bias[feature * width + place];
        for (let bin = 0; bin < nBins; bin++) {
          sum += code[bin] * numbers.weight[(feature * nBins + bin) * width + place];
        }
        parts.push(sum);
      }
      return code;
    });
  },
  periodic: (numbers, x, parts) => {
    const nWaves = numbers.frequencies.shape[1],
      width = numbers.weight.shape[0];
    return Array.from(x, (value, feature) => {
      const code = new Float64Array(2 * nWaves);
      for (let wave = 0; wave < nWaves; wave++) {
        const phase = 2 * Math.PI * numbers.frequencies[feature * nWaves + wave] * value;
        code[wave] = Math.cos(phase);
        code[nWaves + wave] = Math.sin(phase);
      }
      const z = add(product(numbers.weight, code, width), numbers.bias);
      parts.push(...activate("relu", z));
      return { code, z };
    });
  },
};

// How far a value reaches through each bin; the outermost go on as straight lines.
function binCode(value, edges, start, nBins) {
  const last = edges[start + nBins];
  return Float64Array.from({ length: nBins }, (_, bin) => {
    const low = edges[start + bin],
      high = edges[start + bin + 1];
    const reached = high > low ? (value - low) / (high - low) : 0;
    const floor = bin === 0 ? -Infinity : 0,
      ceiling = high >= last ? Infinity : 1;
    return Math.min(Math.max(reached, floor), ceiling);
  });
}

// Pictures are (C, H, W), flat; a convolution keeps their size and a pool halves it.
function runConv(layer, x) {
  const [nOutputs, nInputs, side] = layer.weight.shape,
    [height, width] = layer.size,
    area = height * width;
  const z = new Float64Array(nOutputs * area),
    reach = side >> 1;
  for (let out = 0; out < nOutputs; out++) {
    if (layer.bias) z.fill(layer.bias[out], out * area, (out + 1) * area);
    for (let channel = 0; channel < nInputs; channel++) {
      for (let tap = 0; tap < side * side; tap++) {
        const w = layer.weight[(out * nInputs + channel) * side * side + tap];
        const down = Math.floor(tap / side) - reach,
          right = (tap % side) - reach;
        shiftAdd(z, out * area, x, channel * area, w, [height, width, down, right]);
      }
    }
  }
  const { normed, factors } = normalise(layer.norm, z, area);
  const activated = activate(layer.activation, normed);
  if (!layer.pool) return { z, normed, factors, activated, output: activated };
  const pooled = maxPool(activated, nOutputs, height, width);
  return { z, normed, factors, activated, kept: pooled.kept, output: pooled.output };
}

// target[row, column] += w * source[row + down, column + right], within the picture.
export function shiftAdd(
  target,
  targetStart,
  source,
  sourceStart,
  w,
  [height, width, down, right],
) {
  const first = Math.max(0, -right),
    end = Math.min(width, width - right);
  for (let row = Math.max(0, -down); row < Math.min(height, height - down); row++) {
    const to = targetStart + row * width,
      from = sourceStart + (row + down) * width + right;
    for (let column = first; column < end; column++)
      target[to + column] += w * source[from + column];
  }
}

function maxPool(values, nChannels, height, width) {
  const down = height >> 1,
    across = width >> 1,
    kept = new Int32Array(nChannels * down * across);
  for (let place = 0; place < kept.length; place++) {
    const column = place % across,
      rows = Math.floor(place / across),
      row = rows % down;
    const corner = Math.floor(rows / down) * height * width + 2 * row * width + 2 * column;
    const four = [corner, corner + 1, corner + width, corner + width + 1];
    kept[place] = four.reduce((best, other) => (values[other] > values[best] ? other : best));
  }
  return { kept, output: Float64Array.from(kept, (place) => values[place]) };
}
