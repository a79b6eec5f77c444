// The loss of a row's outputs, and its gradient.
import { logSumExp, softmax } from "./arithmetic.js";

// Which loss the page takes: by the task, whatever the training's own options were.
export function lossName(about) {
  if (about.classes) return "cross-entropy";
  return { log: "Poisson", quantile: "pinball" }[about.link.name] ?? "squared error";
}

// Loss of outputs against a target (class index, or standardised number), and its gradient.
export function lossOf(outputs, target, about) {
  if (about.classes) {
    const gradient = softmax(outputs);
    gradient[target] -= 1;
    return { loss: logSumExp(outputs) - outputs[target], gradient };
  }
  const name = lossName(about);
  if (name === "Poisson") {
    const count =
      (target * about.preprocessor.target_scale + about.preprocessor.target_center) /
      (about.link.factor * about.preprocessor.target_scale);
    const mean = Math.exp(outputs[0]);
    return { loss: mean - count * outputs[0], gradient: Float64Array.of(mean - count) };
  }
  if (name === "pinball") {
    const shares = about.link.levels,
      n = shares.length;
    const losses = shares.map((q, place) =>
      Math.max(q * (target - outputs[place]), (q - 1) * (target - outputs[place])),
    );
    const gradient = Float64Array.from(
      shares,
      (q, place) => (target > outputs[place] ? -q : 1 - q) / n,
    );
    return { loss: losses.reduce((a, b) => a + b) / n, gradient };
  }
  const gap = outputs[0] - target;
  return { loss: gap * gap, gradient: Float64Array.of(2 * gap) };
}
