// Recurrent layers: a plain cell, GRU and LSTM, as torch has them.
import { activate, add, concat, product } from "./arithmetic.js";

// A picture's rows are the steps of a sequence, of all channels side by side.
export function runRecurrent(layer, x) {
  const [channels, height, width] = layer.size;
  let sequence = Array.from({ length: height }, (_, row) =>
    Float64Array.from(
      { length: channels * width },
      (_, place) => x[Math.floor(place / width) * height * width + row * width + (place % width)],
    ),
  );
  let ends = [];
  for (const directions of layer.cells) {
    const outputs = directions.map((weights, reverse) => {
      const order = reverse ? [...sequence].reverse() : sequence;
      const states = runCell(layer.cell, weights, order, layer.hidden);
      return reverse ? states.reverse() : states;
    });
    ends = outputs.map((states, reverse) => states[reverse ? 0 : states.length - 1]);
    sequence = sequence.map((_, step) => concat(outputs.map((states) => states[step])));
  }
  const output = layer.readout === "last" ? concat(ends) : readAll(sequence, layer.readout);
  return { z: output, normed: output, sequence, output };
}

function runCell(cell, weights, sequence, hidden) {
  let state = new Float64Array(hidden),
    memory = new Float64Array(hidden);
  return sequence.map((x) => {
    const own = add(product(weights.weight_ih, x, weights.bias_ih.length), weights.bias_ih);
    const past = add(product(weights.weight_hh, state, weights.bias_hh.length), weights.bias_hh);
    [state, memory] = CELLS[cell](own, past, state, memory, hidden);
    return state;
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
