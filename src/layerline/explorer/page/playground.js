// A small network that learns two columns while one looks on: boundary, losses, weights.
import { byId, choice, el, note, setText } from "./dom.js";
import { drawAll } from "./playground_drawing.js";
import { learnEpoch, restart, SCHEDULES } from "./playground_training.js";
import { pointNames, PROBLEMS, tellingColumns } from "./problems.js";

const FRAME_MS = 14; // of learning, before the browser may draw
const DRAWN_EVERY_MS = 120;
const UNITS =
  "Each unit's output over the plane: blue above 0, orange below. Lines are weights, dashed below 0.";

export function showPlayground(session) {
  const view = byId("playground"),
    state = startState(session);
  const build = () => {
    if (view.hidden) {
      state.isRunning = false;
      return;
    }
    if (!state.layers) restart(state, session);
    if (!view.hasChildNodes()) view.replaceChildren(...page(state, session));
    namePoints(state, session);
    drawAll(state);
  };
  state.loop = () => {
    if (!state.isRunning || view.hidden) return;
    const until = performance.now() + FRAME_MS;
    while (performance.now() < until && state.epoch < state.epochs) learnEpoch(state);
    if (state.epoch >= state.epochs) state.isRunning = false;
    if (performance.now() - state.drawn > DRAWN_EVERY_MS || !state.isRunning) drawAll(state);
    requestAnimationFrame(state.loop);
  };
  return build;
}

function startState(session) {
  return {
    problem: "moons",
    depth: 2,
    width: 8,
    activation: "tanh",
    rate: 0.01,
    schedule: "constant",
    dropout: 0,
    noise: 0.1,
    optimizer: "adam",
    isScaled: true,
    columns: tellingColumns(session),
    epochs: 300,
    isRunning: false,
    seed: 1,
    drawn: 0,
  };
}

function page(state, session) {
  const set =
    (name, isNumber = true) =>
    (value) => {
      state[name] = isNumber ? Number(value) : value;
      begin(state, session);
    };
  const numbered = (values) => values.map((value) => [String(value), String(value)]);
  const { about } = session,
    hasOwn = state.columns.length === 2;
  const problems = [
    ...Object.keys(PROBLEMS).map((name) => [name, name]),
    ...(hasOwn ? [["own", "two columns of this table"]] : []),
  ];
  const columns = about.columns
    .filter((column) => column.kind === "number")
    .map((column) => [column.name, column.name]);
  const own = [0, 1].map((place) =>
    choice(`Column ${place + 1}`, columns, state.columns[place], (name) => {
      state.columns[place] = name;
      begin(state, session);
    }),
  );
  const ownFields = el("span", { className: "own", hidden: true }, ...own);
  const fields = [
    choice("Problem", problems, state.problem, (value) => {
      ownFields.hidden = value !== "own";
      set("problem", false)(value);
    }),
    ...(hasOwn ? [ownFields] : []),
    choice("Noise", numbered([0, 0.05, 0.1, 0.2, 0.4]), String(state.noise), set("noise")),
    choice("Hidden layers", numbered([0, 1, 2, 3, 4, 6]), String(state.depth), set("depth")),
    choice("Units each", numbered([1, 2, 3, 4, 8, 16, 32]), String(state.width), set("width")),
    choice(
      "Activation",
      numbered(["relu", "tanh", "sigmoid", "gelu", "silu"]),
      state.activation,
      set("activation", false),
    ),
    choice("Optimizer", numbered(["adam", "sgd"]), state.optimizer, set("optimizer", false)),
    choice(
      "Learning rate",
      numbered([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]),
      String(state.rate),
      set("rate"),
    ),
    choice("Schedule", numbered(Object.keys(SCHEDULES)), state.schedule, set("schedule", false)),
    choice("Dropout", numbered([0, 0.1, 0.3, 0.5]), String(state.dropout), set("dropout")),
    choice(
      "Feature scaling",
      [
        ["1", "on"],
        ["0", "off"],
      ],
      "1",
      (value) => set("isScaled", false)(value === "1"),
    ),
  ];
  const run = el(
    "button",
    {
      id: "run",
      className: "primary",
      onclick: () => startOrStop(state, session),
    },
    "Learn",
  );
  const again = el(
    "button",
    {
      onclick: () => {
        state.seed += 1;
        begin(state, session);
      },
    },
    "Other first weights",
  );
  const one = el(
    "button",
    {
      onclick: () => {
        learnEpoch(state);
        drawAll(state);
      },
    },
    "One epoch",
  );
  const picture = (id, label) => {
    const canvas = el("canvas", { id });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    return canvas;
  };
  const boundary = picture(
    "boundary",
    "the points of both classes, and what the network predicts around them",
  );
  const units = picture("units", "what each unit answers over the same plane, and the weights");
  return [
    el("div", { className: "row" }, ...fields),
    el(
      "div",
      { className: "buttons" },
      run,
      one,
      again,
      el("span", { id: "learnt", className: "soft" }),
    ),
    el(
      "div",
      { className: "plots learning" },
      el("div", { className: "units" }, units, note(UNITS)),
      el("div", { className: "boundary" }, boundary, el("p", { id: "points", className: "soft" })),
      el("div", { id: "curves" }),
    ),
    el("div", { id: "weights", className: "plots" }),
  ];
}

function begin(state, session) {
  restart(state, session);
  namePoints(state, session);
  drawAll(state);
}

function namePoints(state, session) {
  const [first, second] = pointNames(state, session),
    [across, up] = state.columns;
  const axes = state.problem === "own" ? ` Across: ${across}; up: ${up}.` : "";
  const text = `○: ${first}, expected on blue; +: ${second}, on orange. Bold points are test rows, which it does not learn.${axes}`;
  setText(byId("points"), text);
}

function startOrStop(state, session) {
  if (state.isRunning) {
    state.isRunning = false;
    drawAll(state);
    return;
  }
  if (state.epoch >= state.epochs) restart(state, session);
  state.isRunning = true;
  requestAnimationFrame(state.loop);
}
