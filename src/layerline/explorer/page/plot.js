// Small plots as SVG: lines, dots and bars, with ticks at round numbers.
import { el, short } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
// Of the plot within its picture, in its own units.
const LEFT = 44,
  RIGHT = 296,
  TOP = 14,
  BOTTOM = 152;

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A plot of `lines` ({points, dash, name}), `dots` ({x, y, mark}) and `bars` ({x, width, y}).
// `x` and `y` are the ends of the axes, `names` what they show, `marks` names of x = 0, 1, 2, ...
export function plot(title, given) {
  const { lines = [], dots = [], bars = [], names = ["", ""], marks = null } = given;
  const all = [
    ...lines.flatMap((line) => line.points),
    ...dots.map((dot) => [dot.x, dot.y]),
    ...bars.flatMap((bar) => [
      [bar.x, 0],
      [bar.x + bar.width, bar.y],
    ]),
  ];
  const across = given.x ?? ends(all.map((point) => point[0])),
    up = given.y ?? ends(all.map((point) => point[1]));
  const scale = ([low, high], from, to) => (value) =>
    from + ((to - from) * (value - low)) / (high - low || 1);
  const toX = scale(across, LEFT, RIGHT),
    toY = scale(up, BOTTOM, TOP);
  const parts = [
    ...axes({ across, up, toX, toY, names, marks }),
    ...bars.map((bar) => barOf(bar, toX, toY)),
    ...lines.map((line, place) => lineOf(line, place, toX, toY)),
    ...dots.map((dot) => dotOf(dot, toX(dot.x), toY(dot.y))),
  ];
  const keys = lines.filter((line) => line.name).map(keyOf);
  return el(
    "figure",
    {},
    svg("svg", { viewBox: "-14 -8 324 202", role: "img", "aria-label": title }, ...parts),
    el("figcaption", {}, title, ...keys),
  );
}

function axes({ across, up, toX, toY, names, marks }) {
  const text = (content, x, y, anchor) => {
    const node = svg("text", { x, y, "text-anchor": anchor });
    node.textContent = content;
    return node;
  };
  const shownY = roundNumbers(up, 4),
    shownX = marks ? marksThatFit(marks) : roundNumbers(across, 5).map((x) => [x, tick(x)]);
  return [
    ...shownY.map((y) => svg("path", { class: "grid", d: `M${LEFT} ${toY(y)}H${RIGHT}` })),
    ...shownY.map((y) => text(tick(y), LEFT - 5, toY(y) + 4, "end")),
    ...shownX.map(([x, name]) => text(name, toX(x), BOTTOM + 15, "middle")),
    svg("path", { class: "axis", d: `M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}` }),
    text(names[0], (LEFT + RIGHT) / 2, BOTTOM + 33, "middle"),
    text(names[1], LEFT - 34, 2, "start"),
  ];
}

const compact = new Intl.NumberFormat("en", { notation: "compact" });
const tick = (value) => (Math.abs(value) >= 1e4 ? compact.format(value) : short(value));

// Names of places on the axis; every second or third where all of them would overlap.
function marksThatFit(marks) {
  const room = (RIGHT - LEFT) / Math.max(1, marks.length - 1),
    longest = Math.max(...marks.map((name) => Math.min(12, name.length)));
  const every = Math.ceil((6.5 * longest) / room);
  const cut = (name) => (name.length > 12 ? `${name.slice(0, 11)}…` : name);
  return marks.map((name, place) => [place, cut(name)]).filter(([place]) => place % every === 0);
}

// About `count` multiples of 1, 2 or 5 times a power of ten within these ends.
function roundNumbers([low, high], count) {
  if (!(high > low)) return [low];
  const least = (high - low) / count,
    power = 10 ** Math.floor(Math.log10(least));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= least * 0.999);
  const first = Math.ceil(low / step - 1e-9),
    last = Math.floor(high / step + 1e-9);
  const found = Array.from({ length: last - first + 1 }, (_, at) => (first + at) * step);
  return found.length > 1 ? found : [low, high];
}

function barOf(bar, toX, toY) {
  return svg("rect", {
    class: "bar",
    x: toX(bar.x),
    y: toY(bar.y),
    height: Math.max(0, toY(0) - toY(bar.y)),
    width: Math.max(1, toX(bar.x + bar.width) - toX(bar.x) - 1),
  });
}

function lineOf({ points, dash = "" }, place, toX, toY) {
  const d = points
    .map(([x, y], at) => `${at ? "L" : "M"}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`)
    .join("");
  return svg("path", { class: `line line${place}`, d, "stroke-dasharray": dash });
}

function dotOf({ mark }, x, y) {
  if (mark === "cross") return svg("path", { class: "dot cross", d: `M${x - 3} ${y - 3}l6 6m0 -6l-6 6` });
  return svg("circle", { class: `dot ${mark ?? ""}`, cx: x, cy: y, r: mark === "big" ? 5 : 2.5 });
}

function keyOf({ name, dash = "" }, place) {
  const line = svg("path", { class: `line line${place}`, d: "M0 5H24", "stroke-dasharray": dash });
  return el("span", { className: "key" }, svg("svg", { viewBox: "0 0 24 10" }, line), name);
}

function ends(values) {
  let low = Infinity,
    high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
}

export function histogramBars(values, nBins = 24) {
  const [low, high] = ends(values),
    counts = new Array(nBins).fill(0);
  for (const value of values)
    counts[Math.min(nBins - 1, Math.floor(((value - low) / (high - low)) * nBins))] += 1;
  const width = (high - low) / nBins;
  return counts.map((count, bin) => ({ x: low + bin * width, width, y: count }));
}
