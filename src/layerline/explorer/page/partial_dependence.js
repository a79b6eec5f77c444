// The prediction while one column alone takes other values.
import { choice, el, section } from "./dom.js";
import { columnChoice } from "./importance.js";
import { plot } from "./plot.js";
import { decide } from "./prediction.js";

const GRID = 15;
export const OPERATIONS = 2e8; // products that one card may take

export function dependence(session, state, build) {
  const { about } = session,
    { columns, classes } = about;
  const column =
    columns.find((one) => one.name === state.column) ??
    (about.picture ? mostVaried(columns) : columns[0]);
  const target = state.target ?? session.decision.chosen ?? 0;
  const fields = [
    columnChoice(columns, column.name, (name) => {
      state.column = name;
      build();
    }),
  ];
  if (classes) {
    fields.push(
      choice(
        "Class",
        classes.map((name, place) => [String(place), String(name)]),
        String(target),
        (place) => {
          state.target = Number(place);
          build();
        },
      ),
    );
  }
  const grid =
    column.kind === "category"
      ? column.levels.slice(0, 30)
      : Array.from(
          { length: GRID },
          (_, place) => column.minimum + ((column.maximum - column.minimum) * place) / (GRID - 1),
        );
  const answer = (values) => {
    const decision = decide(session.outputsOf(values), about);
    return classes ? decision.probabilities[target] : decision.number;
  };
  const rows = spread(
    about.rows.n,
    Math.min(100, Math.floor(OPERATIONS / (grid.length * weightCount(session)))),
  );
  const key = `${session.weightsVersion} ${column.name} ${target}`;
  if (state.key !== key) {
    state.key = key;
    state.mean = grid.map(
      (value) =>
        rows.reduce(
          (sum, place) => sum + answer({ ...session.rowAt(place), [column.name]: value }),
          0,
        ) / rows.length,
    );
  }
  const { mean } = state;
  const own = grid.map((value) => answer({ ...session.values, [column.name]: value }));
  const isCategory = column.kind === "category",
    at = isCategory ? grid.map((_, place) => place) : grid;
  const picture = plot(
    `${classes ? `Probability of ${classes[target]}` : "Prediction"} by ${column.name}`,
    {
      lines: [
        { points: at.map((x, place) => [x, mean[place]]), name: "mean of rows" },
        { points: at.map((x, place) => [x, own[place]]), dash: "5 3", name: "this row" },
      ],
      y: classes ? [0, 1] : null,
      names: [column.name, ""],
      marks: isCategory ? grid.map(String) : null,
    },
  );
  return section(
    "Partial dependence",
    `The prediction while ${column.name} alone takes other values: the mean over ${rows.length} rows, and this row.`,
    el("div", { className: "row" }, ...fields),
    picture,
  );
}

function spread(n, most) {
  const count = Math.max(5, Math.min(n, most));
  return [...new Set(Array.from({ length: count }, (_, place) => Math.floor((place * n) / count)))];
}

export function weightCount(session) {
  return session.members
    .flat()
    .reduce(
      (sum, layer) => sum + (layer.weight?.length ?? layer.numbers?.weight?.length ?? 20000),
      0,
    );
}

// A pixel at the border of a picture is mostly empty.
function mostVaried(columns) {
  const spread = ({ values }) => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  };
  return columns.reduce((best, column) => (spread(column) > spread(best) ? column : best));
}
