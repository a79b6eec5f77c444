// Outputs -> what the user reads: the members' mean, probabilities, a number in their unit.
import { argmax, interpolate, logSumExp, normalShare, softmax } from "./arithmetic.js";
import { percent, short } from "./dom.js";

// The outputs of all members as one, as the ensemble of the network averages them.
export function averaged(outputs, mean, weights) {
  if (outputs.length === 1) return outputs[0];
  const total = weights.reduce((a, b) => a + b),
    shares = weights.map((weight) => weight / total);
  return outputs[0].map((_, place) => {
    if (mean === "outputs") return outputs.reduce((sum, own, m) => sum + own[place] * shares[m], 0);
    const logs = outputs.map(
      (own, m) =>
        own[place] - (mean === "probabilities" ? logSumExp(own) : 0) + Math.log(shares[m]),
    );
    return logSumExp(logs);
  });
}

// Outputs -> what the user reads: probabilities and a class, or a number in their unit.
export function decide(outputs, about) {
  if (about.classes) {
    const { temperature, threshold, positive, costs } = about.decision;
    const probabilities = softmax(outputs.map((value) => value / temperature));
    const chosen =
      threshold === null
        ? argmax(costs ? merits(probabilities, costs) : probabilities)
        : probabilities[positive] >= threshold
          ? positive
          : 1 - positive;
    return { probabilities, chosen };
  }
  return { number: toUnit(outputs, about) };
}

// Less is paid for a higher one: minus what predicting each class costs on average.
function merits(probabilities, costs) {
  return probabilities.map(
    (_, k) => -probabilities.reduce((sum, share, actual) => sum + share * costs[actual][k], 0),
  );
}

function toUnit(outputs, about) {
  const { name, factor, levels } = about.link,
    fitted = about.preprocessor;
  let value = outputs[0];
  if (name === "log") {
    value = Math.exp(Math.min(Math.max(value, -700), 700)) * factor * fitted.target_scale;
    return restore(fitted.target_curve, value);
  }
  if (name === "quantile") {
    const middle = levels.length > 1 ? Math.max(0, levels.indexOf(0.5)) : 0;
    value = outputs.slice().sort()[middle];
  }
  return restore(fitted.target_curve, value * fitted.target_scale + fitted.target_center);
}

function restore(curve, value) {
  if (!curve) return value;
  let y = value;
  if (curve.name === "log") y = Math.exp(Math.min(value, 700)) - curve.offset;
  if (curve.name === "quantile") y = interpolate(normalShare(value), null, curve.quantiles);
  return curve.lowest === null ? y : Math.min(Math.max(y, curve.lowest), curve.highest);
}

// What is predicted, in words: the class and its probability, or the number.
export function answer({ classes }, { chosen, number, probabilities }) {
  if (!classes) return short(number);
  return probabilities
    ? `${classes[chosen]} (${percent(probabilities[chosen])})`
    : `${classes[chosen]}`;
}
