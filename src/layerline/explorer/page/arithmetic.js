// Numbers and arrays: decoding, products, activations with their derivatives, random numbers.
// All arithmetic is in 64 bits; weights are the 32-bit numbers of the trained network, exactly.

export function decodeBytes(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let place = 0; place < binary.length; place++) bytes[place] = binary.charCodeAt(place);
  return bytes;
}

// Every {shape, float32} below `value` becomes a Float32Array with its shape.
export function decodeArrays(value) {
  if (Array.isArray(value)) return value.map(decodeArrays);
  if (value === null || typeof value !== "object") return value;
  if ("float32" in value) {
    const array = new Float32Array(decodeBytes(value.float32).buffer);
    array.shape = value.shape;
    return array;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decodeArrays(item)]));
}

// Weights (O, I) times x (I): O sums, each in four parts that a processor adds at once.
export function product(weight, x, nOutputs) {
  const result = new Float64Array(nOutputs),
    nInputs = x.length;
  for (let out = 0, start = 0; out < nOutputs; out++, start += nInputs) {
    let a = 0,
      b = 0,
      c = 0,
      d = 0,
      place = 0;
    for (; place + 3 < nInputs; place += 4) {
      a += weight[start + place] * x[place];
      b += weight[start + place + 1] * x[place + 1];
      c += weight[start + place + 2] * x[place + 2];
      d += weight[start + place + 3] * x[place + 3];
    }
    for (; place < nInputs; place++) a += weight[start + place] * x[place];
    result[out] = a + b + (c + d);
  }
  return result;
}

// Weights (O, I), transposed, times g (O): what flows back to the I inputs.
export function backProduct(weight, gradient, nInputs) {
  const result = new Float64Array(nInputs);
  for (let out = 0, start = 0; out < gradient.length; out++, start += nInputs) {
    const g = gradient[out];
    if (g !== 0)
      for (let place = 0; place < nInputs; place++) result[place] += g * weight[start + place];
  }
  return result;
}

export function add(a, b) {
  return Float64Array.from(a, (value, place) => value + b[place]);
}

export function concat(arrays) {
  return Float64Array.from(arrays.flatMap((array) => Array.from(array)));
}

// The error function to 15 digits: a series of positive terms; from 6 on it is 1.
export function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  let term = size,
    sum = size;
  for (let n = 1; term > sum * 1e-17 && n < 300; n++) {
    term *= (2 * size * size) / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-size * size) * sum;
}

// The normal distribution function, its ends as the preprocessor has them.
export function normalShare(z) {
  const share = 0.5 * (1 + erf(z * Math.SQRT1_2));
  return share < 1e-7 ? 0 : share > 1 - 1e-7 ? 1 : share;
}

// Between points (xs, ys), rising xs; null is evenly spaced from 0 to 1. Beyond the ends: the ends.
export function interpolate(x, xs, ys) {
  const last = ys.length - 1,
    at = (place) => (xs ? xs[place] : place / last);
  if (!(x > at(0))) return ys[0];
  if (x >= at(last)) return ys[last];
  let low = 0,
    high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at(middle) <= x) low = middle;
    else high = middle;
  }
  return ys[low] + ((ys[high] - ys[low]) * (x - at(low))) / (at(high) - at(low));
}

const SELU_ALPHA = 1.6732632423543772,
  SELU_SCALE = 1.0507009873554805;
const sigmoid = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
const normalDensity = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);

// Each activation: its value, its derivative, its formula.
export const ACTIVATIONS = {
  relu: [(z) => (z > 0 ? z : 0), (z) => (z > 0 ? 1 : 0), "max(0, z)"],
  leaky_relu: [(z) => (z > 0 ? z : 0.01 * z), (z) => (z > 0 ? 1 : 0.01), "z or 0.01 z"],
  elu: [(z) => (z > 0 ? z : Math.expm1(z)), (z) => (z > 0 ? 1 : Math.exp(z)), "z or eᶻ − 1"],
  selu: [
    (z) => SELU_SCALE * (z > 0 ? z : SELU_ALPHA * Math.expm1(z)),
    (z) => SELU_SCALE * (z > 0 ? 1 : SELU_ALPHA * Math.exp(z)),
    "1.0507 · (z or 1.6733 (eᶻ − 1))",
  ],
  gelu: [
    (z) => 0.5 * z * (1 + erf(z * Math.SQRT1_2)),
    (z) => 0.5 * (1 + erf(z * Math.SQRT1_2)) + z * normalDensity(z),
    "z · Φ(z)",
  ],
  silu: [(z) => z * sigmoid(z), (z) => sigmoid(z) * (1 + z * (1 - sigmoid(z))), "z / (1 + e⁻ᶻ)"],
  mish: [
    (z) => z * Math.tanh(softplus(z)),
    (z) => {
      const t = Math.tanh(softplus(z));
      return t + z * (1 - t * t) * sigmoid(z);
    },
    "z · tanh(ln(1 + eᶻ))",
  ],
  sigmoid: [sigmoid, (z) => sigmoid(z) * (1 - sigmoid(z)), "1 / (1 + e⁻ᶻ)"],
  tanh: [Math.tanh, (z) => 1 - Math.tanh(z) ** 2, "tanh z"],
  none: [(z) => z, () => 1, "z"],
};

export function activate(name, z) {
  return Float64Array.from(z, ACTIVATIONS[name ?? "none"][0]);
}

export function slopes(name, z) {
  return Float64Array.from(z, ACTIVATIONS[name ?? "none"][1]);
}

export function logSumExp(values) {
  const highest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (const value of values) sum += Math.exp(value - highest);
  return highest + Math.log(sum);
}

export function softmax(values) {
  const total = logSumExp(values);
  return Float64Array.from(values, (value) => Math.exp(value - total));
}

export function argmax(values) {
  let best = 0;
  for (let place = 1; place < values.length; place++)
    if (values[place] > values[best]) best = place;
  return best;
}

// A repeatable stream of uniform numbers, and of normal ones (mulberry32; Box and Muller).
export function randomStream(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}
