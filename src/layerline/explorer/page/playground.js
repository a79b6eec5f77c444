// A small network that learns two columns while one looks on: boundary, losses, weights.
import { byId, choice, el, histogramBars, percent, plot, short } from "./dom.js";
import { drawMap, palette, prepareCanvas } from "./drawing.js";
import { learnEpoch, outputsAt, restart, SCHEDULES } from "./playground_training.js";
import { PROBLEMS, tellingColumns } from "./problems.js";

const SIDE = 320;
const GRID_SIDE = 48;
const FRAME_MS = 14; // of learning, before the browser may draw
const DRAWN_EVERY_MS = 120;

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
    rate: 0.03,
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
      restart(state, session);
      drawAll(state);
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
      restart(state, session);
      drawAll(state);
    }),
  );
  const ownFields = el("span", { className: "row", hidden: true }, ...own);
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
        restart(state, session);
        drawAll(state);
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
  const canvas = el("canvas", { id: "boundary" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute(
    "aria-label",
    "the points of both classes, and what the network predicts around them",
  );
  const key = el(
    "p",
    { className: "soft" },
    "○: the first class, expected on blue; +: the second, on orange. Bold points are test rows, which it does not learn.",
  );
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
    el("div", { className: "plots" }, el("div", {}, canvas, key), el("div", { id: "curves" })),
    el("div", { id: "weights", className: "plots" }),
  ];
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

function drawAll(state) {
  if (!byId("boundary")) return;
  byId("run").textContent = state.isRunning ? "Pause" : "Learn";
  state.drawn = performance.now();
  drawBoundary(state);
  const test = state.points.filter((point) => point.isTest);
  const right = test.filter((row) => {
    const [a, b] = outputsAt(state, row.x);
    return Number(b > a) === row.label;
  }).length;
  const loss = state.test.length ? `, test loss ${short(state.test.at(-1)[1])}` : "";
  byId("learnt").textContent =
    `epoch ${state.epoch} of ${state.epochs}${loss}, ${percent(right / test.length)} of test rows right`;
  byId("curves").replaceChildren(
    state.train.length > 1
      ? plot("Loss by epoch", {
          lines: [
            { points: state.train, name: "train" },
            { points: state.test, dash: "5 3", name: "test" },
          ],
          y: [0, Math.max(...[...state.train, ...state.test].map(([, loss]) => loss))],
          names: ["epoch", ""],
        })
      : "",
  );
  const dense = state.layers.filter((layer) => layer.kind === "dense");
  byId("weights").replaceChildren(
    ...dense.map((layer, place) =>
      plot(`Weights, layer ${place + 1}`, {
        bars: histogramBars(layer.weight, 15),
        names: ["weight", ""],
      }),
    ),
  );
}

function drawBoundary(state) {
  const canvas = byId("boundary"),
    context = prepareCanvas(canvas, SIDE, SIDE),
    colours = palette();
  canvas.style.width = `${SIDE}px`;
  const range = [0, 1].map((axis) => {
    const values = state.points.map((point) => point.x[axis]),
      low = Math.min(...values),
      high = Math.max(...values);
    const margin = 0.08 * (high - low) || 0.5; // a column may be constant
    return [low - margin, high + margin];
  });
  const at = (axis, share) => range[axis][0] + share * (range[axis][1] - range[axis][0]);
  const surface = Float64Array.from({ length: GRID_SIDE * GRID_SIDE }, (_, place) => {
    const column = place % GRID_SIDE,
      row = Math.floor(place / GRID_SIDE);
    const [a, b] = outputsAt(state, [
      at(0, (column + 0.5) / GRID_SIDE),
      at(1, 1 - (row + 0.5) / GRID_SIDE),
    ]);
    return 0.3 * Math.tanh((a - b) / 2);
  });
  const map = { values: surface, width: GRID_SIDE, height: GRID_SIDE, highest: 1 };
  drawMap(context, map, [0, 0, SIDE, SIDE]);
  for (const point of state.points) drawPoint(context, point, range, colours);
}

function drawPoint(context, point, range, colours) {
  const [x, y] = point.x.map(
    (value, axis) => ((value - range[axis][0]) / (range[axis][1] - range[axis][0])) * SIDE,
  );
  context.strokeStyle = colours.ink;
  context.lineWidth = point.isTest ? 2.2 : 1.1;
  context.beginPath();
  if (point.label) {
    context.moveTo(x - 4, SIDE - y);
    context.lineTo(x + 4, SIDE - y);
    context.moveTo(x, SIDE - y - 4);
    context.lineTo(x, SIDE - y + 4);
  } else context.arc(x, SIDE - y, 3.5, 0, 2 * Math.PI);
  context.stroke();
}
