// Problems of two columns and two classes, which the playground learns.

const N_POINTS = 240;

// Points (x, y) near [-1, 1] and their class; y is stretched so that scaling has something to do.
export const PROBLEMS = {
  moons: (random, which) => {
    const angle = Math.PI * random.uniform();
    const [x, y] = which
      ? [1 - Math.cos(angle), 0.5 - Math.sin(angle)]
      : [Math.cos(angle), Math.sin(angle)];
    return [(x - 0.5) / 1.5, (y - 0.25) / 1.5];
  },
  circles: (random, which) => {
    const angle = 2 * Math.PI * random.uniform(),
      radius = which ? 0.35 : 0.85;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  },
  xor: (random, which) => {
    const left = random.uniform() < 0.5 ? -1 : 1,
      size = () => 0.12 + 0.8 * random.uniform();
    return [left * size(), (which ? -left : left) * size()];
  },
  spirals: (random, which) => {
    const turn = 0.1 + 0.9 * Math.sqrt(random.uniform()),
      angle = 3.3 * Math.PI * turn + Math.PI * which;
    return [turn * Math.cos(angle), turn * Math.sin(angle)];
  },
};

export function makePoints(state, random) {
  return Array.from({ length: N_POINTS }, (_, place) => {
    const [x, y] = PROBLEMS[state.problem](random, place % 2);
    const raw = [x + state.noise * random.normal(), 25 * (y + state.noise * random.normal()) + 60];
    return { raw, x: [0, 0], label: place % 2, isTest: random.uniform() < 0.4 };
  });
}

// The two columns that tell the classes of `ownPoints` apart best, each by itself.
export function tellingColumns(session) {
  const numbers = session.about.columns.filter((column) => column.kind === "number");
  if (numbers.length < 2 || !session.about.rows.actual) return [];
  const names = numbers.map((column) => column.name),
    points = ownPoints(session, names);
  const mean = (values) => values.reduce((a, b) => a + b, 0) / (values.length || 1);
  const gap = (at) => {
    const [no, yes] = [0, 1].map((label) =>
      mean(points.filter((point) => point.label === label).map((point) => point.raw[at])),
    );
    const middle = mean(points.map((point) => point.raw[at]));
    const spread = mean(points.map((point) => (point.raw[at] - middle) ** 2));
    return spread > 0 ? (no - yes) ** 2 / spread : 0;
  };
  const gaps = names.map((_, at) => gap(at));
  return [...names.keys()]
    .sort((a, b) => gaps[b] - gaps[a])
    .slice(0, 2)
    .map((at) => names[at]);
}

// The class that is told from the others, or the median number.
function chosenClass({ classes, rows }) {
  const sorted = [...rows.actual].sort((a, b) => a - b),
    middle = sorted[sorted.length >> 1];
  return { middle, one: classes?.length === 2 ? 1 : classes ? middle : null };
}

// What people call the points of either kind.
export function pointNames({ problem }, { about }) {
  if (problem !== "own") return ["the first class", "the second"];
  const { one } = chosenClass(about);
  if (one === null) return [`${about.target} up to its median`, "above it"];
  const { classes } = about;
  return [classes.length === 2 ? classes[0] : `not ${classes[one]}`, classes[one]].map(String);
}

// Two columns of the sample; classes are one against the others, numbers above the median or not.
export function ownPoints(session, names) {
  const { about } = session,
    columns = names.map((name) => about.columns.find((column) => column.name === name));
  const { actual } = about.rows,
    { one, middle } = chosenClass(about);
  return actual.map((value, place) => ({
    raw: columns.map((column) => column.values[place] ?? column.middle),
    x: [0, 0],
    label: Number(one === null ? value > middle : value === one),
    isTest: place % 5 < 2,
  }));
}
