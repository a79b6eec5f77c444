// Recurrent layers: a plain cell, GRU and LSTM, as torch has them.
import { activate, add, backProduct, concat, product } from "./arithmetic.js";

// A picture's rows are the steps of a sequence, of all channels side by side.
export function runRecurrent(layer, x) {
  const [channels, height, width] = layer.size;
  let sequence = Array.from({ length: height }, (_, row) =>
    Float64Array.from(
      { length: channels * width },
      (_, place) => x[Math.floor(place / width) * height * width + row * width + (place % width)],
    ),
  );
  const tape = []; // by layer and direction: what each step did, in its order
  for (const directions of layer.cells) {
    const tracks = directions.map((weights, reverse) => {
      const order = reverse ? [...sequence].reverse() : sequence;
      return runCell(layer.cell, weights, order, layer.hidden);
    });
    const outputs = tracks.map((track, reverse) => {
      const states = track.map((step) => step.state);
      return reverse ? states.reverse() : states;
    });
    tape.push(tracks);
    sequence = sequence.map((_, step) => concat(outputs.map((states) => states[step])));
  }
  const ends = tape.at(-1).map((track) => track.at(-1).state);
  const output = layer.readout === "last" ? concat(ends) : readAll(sequence, layer.readout);
  return { z: output, normed: output, sequence, tape, output };
}

function runCell(cell, weights, sequence, hidden) {
  let state = new Float64Array(hidden),
    memory = new Float64Array(hidden);
  return sequence.map((x) => {
    const own = add(product(weights.weight_ih, x, weights.bias_ih.length), weights.bias_ih);
    const past = add(product(weights.weight_hh, state, weights.bias_hh.length), weights.bias_hh);
    const step = { x, own, past, before: state, memory };
    [state, memory] = CELLS[cell](own, past, state, memory, hidden);
    return { ...step, state, kept: memory };
  });
}

function gate(own, past, place, hidden, name) {
  const [start, end] = [place * hidden, (place + 1) * hidden];
  return activate(name, add(own.subarray(start, end), past.subarray(start, end)));
}

// Gates in torch's order: GRU reset, update, new; LSTM input, forget, cell, output.
const CELLS = {
  plain: (own, past, state, memory, hidden) => [gate(own, past, 0, hidden, "tanh"), memory],
  gru: (own, past, state, memory, hidden) => {
    const reset = gate(own, past, 0, hidden, "sigmoid"),
      update = gate(own, past, 1, hidden, "sigmoid");
    const next = state.map((old, unit) => {
      const fresh = Math.tanh(own[2 * hidden + unit] + reset[unit] * past[2 * hidden + unit]);
      return (1 - update[unit]) * fresh + update[unit] * old;
    });
    return [next, memory];
  },
  lstm: (own, past, state, memory, hidden) => {
    const [input, forget, out] = [0, 1, 3].map((place) =>
      gate(own, past, place, hidden, "sigmoid"),
    );
    const fresh = gate(own, past, 2, hidden, "tanh");
    const kept = memory.map((old, unit) => forget[unit] * old + input[unit] * fresh[unit]);
    return [kept.map((value, unit) => out[unit] * Math.tanh(value)), kept];
  },
};

function readAll(sequence, readout) {
  return sequence[0].map((_, unit) => {
    const values = sequence.map((state) => state[unit]);
    return readout === "mean"
      ? values.reduce((a, b) => a + b) / values.length
      : Math.max(...values);
  });
}

// Back through time: the gradient of each cell's weights, and of the picture.
export function backRecurrent({ layer, tape, sequence }, flow) {
  const { hidden } = layer,
    cells = [];
  let flows = spread(layer, sequence, flow);
  for (let place = tape.length - 1; place >= 0; place--) {
    const found = tape[place].map((track, reverse) => {
      const own = flows.map((g) => g.subarray(reverse * hidden, (reverse + 1) * hidden));
      if (reverse) own.reverse();
      const { weights, below } = backCell(layer.cell, layer.cells[place][reverse], track, own);
      return { weights, below: reverse ? below.reverse() : below };
    });
    cells.unshift(found.map(({ weights }) => weights));
    flows = flows.map((_, step) => found.map(({ below }) => below[step]).reduce(add));
  }
  return { cells, input: toPicture(layer, flows) };
}

// The gradient of what was read out, by step.
function spread({ readout, hidden }, sequence, flow) {
  const last = sequence.length - 1,
    flows = sequence.map((state) => new Float64Array(state.length));
  flow.forEach((g, unit) => {
    if (readout === "mean") for (const own of flows) own[unit] = g / sequence.length;
    else if (readout === "last") flows[unit < hidden ? last : 0][unit] = g;
    else {
      let place = 0;
      sequence.forEach((state, step) => {
        if (state[unit] > sequence[place][unit]) place = step;
      });
      flows[place][unit] = g;
    }
  });
  return flows;
}

function backCell(cell, weights, track, flows) {
  const hidden = flows[0].length,
    below = [];
  const found = Object.fromEntries(
    Object.entries(weights).map(([name, values]) => [name, new Float64Array(values.length)]),
  );
  let state = new Float64Array(hidden),
    memory = new Float64Array(hidden);
  for (let at = track.length - 1; at >= 0; at--) {
    const step = track[at];
    const back = BACK_CELLS[cell](step, add(flows[at], state), memory, hidden);
    memory = back.memory;
    addOuter(found.weight_ih, found.bias_ih, back.own, step.x);
    addOuter(found.weight_hh, found.bias_hh, back.past, step.before);
    below[at] = backProduct(weights.weight_ih, back.own, step.x.length);
    state = add(back.direct, backProduct(weights.weight_hh, back.past, hidden));
  }
  return { weights: found, below };
}

function addOuter(weight, bias, gradient, input) {
  gradient.forEach((g, out) => {
    bias[out] += g;
    input.forEach((value, from) => (weight[out * input.length + from] += g * value));
  });
}

// From the gradient of a step's state to those of both sums, of the last state directly, of memory.
const BACK_CELLS = {
  plain: ({ state }, flow, memory, hidden) => {
    const own = flow.map((g, unit) => g * (1 - state[unit] ** 2));
    return { own, past: own, direct: new Float64Array(hidden), memory };
  },
  gru: ({ own, past, before }, flow, memory, hidden) => {
    const reset = gate(own, past, 0, hidden, "sigmoid"),
      update = gate(own, past, 1, hidden, "sigmoid");
    const parts = [0, 1, 2].map(() => new Float64Array(hidden)),
      renewed = new Float64Array(hidden);
    flow.forEach((g, unit) => {
      const carried = past[2 * hidden + unit],
        fresh = Math.tanh(own[2 * hidden + unit] + reset[unit] * carried);
      const bend = g * (1 - update[unit]) * (1 - fresh ** 2);
      parts[0][unit] = bend * carried * reset[unit] * (1 - reset[unit]);
      parts[1][unit] = g * (before[unit] - fresh) * update[unit] * (1 - update[unit]);
      parts[2][unit] = bend;
      renewed[unit] = bend * reset[unit];
    });
    const direct = flow.map((g, unit) => g * update[unit]);
    return { own: concat(parts), past: concat([parts[0], parts[1], renewed]), direct, memory };
  },
  lstm: ({ own, past, memory: before, kept }, flow, memory, hidden) => {
    const [input, forget, out] = [0, 1, 3].map((place) =>
      gate(own, past, place, hidden, "sigmoid"),
    );
    const fresh = gate(own, past, 2, hidden, "tanh");
    const parts = [0, 1, 2, 3].map(() => new Float64Array(hidden));
    const flows = flow.map((g, unit) => {
      const shown = Math.tanh(kept[unit]),
        inner = memory[unit] + g * out[unit] * (1 - shown ** 2);
      parts[0][unit] = inner * fresh[unit] * input[unit] * (1 - input[unit]);
      parts[1][unit] = inner * before[unit] * forget[unit] * (1 - forget[unit]);
      parts[2][unit] = inner * input[unit] * (1 - fresh[unit] ** 2);
      parts[3][unit] = g * shown * out[unit] * (1 - out[unit]);
      return inner * forget[unit];
    });
    const sums = concat(parts);
    return { own: sums, past: sums, direct: new Float64Array(hidden), memory: flows };
  },
};

function toPicture({ size }, flows) {
  const [channels, height, width] = size;
  return Float64Array.from({ length: channels * height * width }, (_, place) => {
    const channel = Math.floor(place / (height * width)),
      row = Math.floor(place / width) % height;
    return flows[row][channel * width + (place % width)];
  });
}
