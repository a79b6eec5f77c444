// The backward pass of the row: loss, gradients by layer, and steps down the gradient.
import { byId, choice, el, note, renew, short, table } from "./dom.js";
import { css, heatMap, palette, shade } from "./drawing.js";
import { backward, descend, gradientSize, learnt } from "./gradients.js";
import { standardTarget } from "./inputs.js";
import { lossName, lossOf } from "./losses.js";
import { plot } from "./plot.js";
import { layerTitle } from "./session.js";

const RATES = ["0.0001", "0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1"];

export function showBackward(session) {
  const view = byId("backward");
  const state = { rate: 0.01, losses: [], timer: null };
  const build = () => {
    if (view.hidden) return;
    renew(view, parts(session, state, build));
  };
  session.listen(build);
  return build;
}

export function targetOf(session) {
  const { about, truth } = session;
  if (truth === null) return about.classes ? session.ownDecision.chosen : null;
  return about.classes ? truth : standardTarget(truth, about.preprocessor);
}

function pass(session) {
  const target = targetOf(session),
    outputs = session.memberOutputs[session.member];
  const { loss, gradient } = lossOf(outputs, target, session.about);
  return { loss, gradients: backward(session.steps, gradient) };
}

function parts(session, state, build) {
  const { about } = session;
  if (targetOf(session) === null)
    return [el("p", {}, "The loss needs a true value, and these rows have none.")];
  const { loss, gradients } = pass(session);
  const restart = () => {
    session.restoreWeights();
    state.losses = [];
    session.run();
  };
  const controls = [
    truthField(session),
    choice(
      "Learning rate",
      RATES.map((rate) => [rate, rate]),
      String(state.rate),
      (value) => {
        state.rate = Number(value);
      },
    ),
    el(
      "div",
      { className: "buttons" },
      el("button", { className: "primary", onclick: () => step(session, state) }, "One step"),
      el(
        "button",
        { onclick: () => animate(session, state, build) },
        state.timer ? "Stop" : "30 steps",
      ),
      el("button", { onclick: restart }, "Trained weights again"),
    ),
  ];
  const before = state.losses.length ? `${short(state.losses.at(-1))} → ` : "";
  const change = el("p", { className: "big" }, `loss ${before}${short(loss)}`);
  const whose = session.members.length > 1 ? ", of the shown member" : "";
  const what = note(
    `${lossName(about)} of this row alone${whose}; norms keep the training's mean and variance. ` +
      "A step is plain gradient descent: w ← w − rate · ∂L/∂w.",
  );
  const points = [...state.losses, loss].map((value, place) => [place, value]);
  const curve =
    points.length > 1
      ? [plot("Loss by step", { lines: [{ points }], names: ["step", "loss"] })]
      : [];
  return [
    el("div", { className: "row" }, ...controls),
    change,
    what,
    ...curve,
    el("h3", {}, "Gradients, from the output back"),
    ...layerLines(session, gradients),
  ];
}

function truthField(session) {
  const { about } = session;
  if (!about.classes) return note(`true ${about.target}: ${short(session.truth)}`);
  const options = about.classes.map((name, place) => [String(place), String(name)]);
  return choice(`True ${about.target}`, options, String(targetOf(session)), (value) => {
    session.truth = Number(value);
    session.run();
  });
}

function step(session, state) {
  const { loss, gradients } = pass(session);
  state.losses = [...state.losses, loss].slice(-200);
  descend(session.layers, gradients, state.rate);
  session.weightsChanged();
}

function animate(session, state, build) {
  if (state.timer) {
    clearInterval(state.timer);
    state.timer = null;
    build();
    return;
  }
  let left = 30;
  state.timer = setInterval(() => {
    left -= 1;
    if (left <= 0) {
      clearInterval(state.timer);
      state.timer = null;
    }
    step(session, state);
  }, 80);
}

// A line for each layer: how long its gradient is, beside its weights, and δ = ∂L/∂z by unit.
function layerLines(session, gradients) {
  const lines = gradients.map((found, place) => {
    const layer = session.layers[place],
      size = gradientSize(layer, found),
      weights = norm(learnt(layer, found).flatMap(([own]) => [norm(own)]));
    const delta = found.z ?? found.output,
      strip = heatMap(delta, delta.length, 1);
    strip.className = "strip";
    strip.setAttribute("role", "img");
    strip.setAttribute("aria-label", `δ of ${delta.length} units`);
    return { place, size, weights, strip };
  });
  const highest = Math.max(...lines.map((line) => line.size), 1e-300);
  const colours = palette();
  const rows = lines.reverse().map(({ place, size, weights, strip }) => {
    const bar = el(
      "span",
      { className: "track" },
      el("span", {
        style: `width:${((100 * size) / highest).toFixed(1)}%;background:${css(shade(1, colours))}`,
      }),
    );
    const relative = weights ? short(size / weights) : "–";
    return [
      layerTitle(session, place + 1),
      rule(session, place),
      short(size),
      bar,
      relative,
      strip,
    ];
  });
  return [table(["layer", "chain rule", "|∂L/∂w|", "of the largest", "of |w|", "δ by unit"], rows, [2, 4])];
}

function rule(session, place) {
  const last = session.layers.length - 1,
    k = place + 1;
  if (place === last) return session.about.classes ? "δ = p − y" : "δ = ∂L/∂out";
  if (session.layers[place].kind === "recurrent") return "δₜ = ∂L/∂hₜ + Uᵀ δₜ₊₁";
  if (session.layers[place].kind === "embed") return `∂L/∂e = W${sub(k + 1)}ᵀ δ${sub(k + 1)}`;
  return `δ${sub(k)} = (W${sub(k + 1)}ᵀ δ${sub(k + 1)}) ⊙ f′(z${sub(k)})`;
}

const sub = (k) => [...String(k)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");

function norm(values) {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}
