// Elements, figures as text, and small plots as SVG.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// Replaces what a view shows; who works with the keyboard stays on the same field.
export function renew(view, parts) {
  const fields = () => [
    ...view.querySelectorAll("button, input, select, textarea, summary, canvas[tabindex]"),
  ];
  const place = fields().indexOf(document.activeElement);
  view.replaceChildren(...parts);
  if (place >= 0) fields()[place]?.focus({ preventScroll: true });
}

export const byId = (id) => document.getElementById(id);

// The same text again would be laid out again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const note = (text) => el("p", { className: "soft" }, text);

export function section(title, text, ...parts) {
  return el("section", { className: "card" }, el("h3", {}, title), note(text), ...parts);
}

// A table of rows of texts or elements; the columns of these numbers are figures.
export function table(heads, rows, figures = []) {
  const cell = (tag, content, place) =>
    el(tag, { className: figures.includes(place) ? "n" : "" }, content);
  const line = (tag, cells) =>
    el("tr", {}, ...cells.map((content, place) => cell(tag, content, place)));
  const body = el("tbody", {}, ...rows.map((row) => line("td", row)));
  return el(
    "div",
    { className: "wide", tabIndex: 0, role: "group", "aria-label": "table" },
    el("table", {}, el("thead", {}, line("th", heads)), body),
  );
}

// A number in four digits, or another number of them, with a true minus sign.
export function short(value, digits = 4) {
  if (value === null || value === undefined) return "missing";
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const text =
    value === 0
      ? "0"
      : size >= 1e6 || size < 1e-4
        ? value.toExponential(2)
        : `${+value.toPrecision(digits)}`;
  return text.replace("-", "−");
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;

export function choice(label, options, chosen, onchange) {
  const list = options.map(([value, text]) =>
    el("option", { value, selected: value === chosen }, text),
  );
  const select = el("select", { onchange: (event) => onchange(event.target.value) }, list);
  return el("label", { className: "field" }, el("span", {}, label), select);
}

// A slider with its value beside it; both can be changed.
export function slider(label, [low, high, step], value, onchange) {
  const number = el("input", { type: "number", step: "any", value: String(+value.toPrecision(5)) });
  const range = el("input", { type: "range", min: low, max: high, step, value });
  number.setAttribute("aria-label", `${label}, as a number`);
  range.addEventListener("input", () => {
    number.value = range.value;
    onchange(Number(range.value));
  });
  number.addEventListener("change", () => {
    if (number.value === "" || !Number.isFinite(Number(number.value))) return;
    range.value = number.value;
    onchange(Number(number.value));
  });
  return el("label", { className: "slider" }, el("span", {}, label), range, number);
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A plot of `lines` ({points, dash, name}), `dots` ({x, y, mark}) and `bars` ({x, width, y}).
export function plot(
  title,
  { lines = [], dots = [], bars = [], x = null, y = null, names = ["", ""] },
) {
  const all = [
    ...lines.flatMap((line) => line.points),
    ...dots.map((dot) => [dot.x, dot.y]),
    ...bars.flatMap((bar) => [
      [bar.x, 0],
      [bar.x + bar.width, bar.y],
    ]),
  ];
  const [left, right] = x ?? ends(all.map((point) => point[0]));
  const [bottom, top] = y ?? ends(all.map((point) => point[1]));
  const toX = (value) => 44 + (250 * (value - left)) / (right - left || 1);
  const toY = (value) => 152 - (140 * (value - bottom)) / (top - bottom || 1);
  const text = (content, place) => {
    const node = svg("text", place);
    node.textContent = content;
    return node;
  };
  const parts = [svg("path", { class: "axis", d: `M44 12V152H294` })];
  parts.push(text(short(top), { x: 40, y: 18, "text-anchor": "end" }));
  parts.push(text(short(bottom), { x: 40, y: 154, "text-anchor": "end" }));
  parts.push(
    text(short(left), { x: 44, y: 168 }),
    text(short(right), { x: 294, y: 168, "text-anchor": "end" }),
  );
  parts.push(
    text(names[0], { x: 169, y: 168, "text-anchor": "middle" }),
    text(names[1], { x: 44, y: 4 }),
  );
  for (const bar of bars) {
    const height = Math.max(0, toY(0) - toY(bar.y));
    parts.push(
      svg("rect", {
        class: "bar",
        x: toX(bar.x),
        y: toY(bar.y),
        height,
        width: Math.max(1, toX(bar.x + bar.width) - toX(bar.x) - 1),
      }),
    );
  }
  lines.forEach((line, place) => {
    const d = line.points
      .map(([px, py], at) => `${at ? "L" : "M"}${toX(px).toFixed(1)} ${toY(py).toFixed(1)}`)
      .join("");
    parts.push(svg("path", { class: `line line${place}`, d, "stroke-dasharray": line.dash ?? "" }));
  });
  const keys = lines
    .filter((line) => line.name)
    .map((line) => `${line.dash ? "dashed" : "solid"}: ${line.name}`);
  for (const dot of dots) {
    const shape =
      dot.mark === "cross"
        ? svg("path", {
            class: "dot cross",
            d: `M${toX(dot.x) - 3} ${toY(dot.y) - 3}l6 6m0 -6l-6 6`,
          })
        : svg("circle", {
            class: `dot ${dot.mark ?? ""}`,
            cx: toX(dot.x),
            cy: toY(dot.y),
            r: dot.mark === "big" ? 5 : 2.5,
          });
    parts.push(shape);
  }
  return el(
    "figure",
    {},
    svg("svg", { viewBox: "-24 -8 330 182", role: "img", "aria-label": title }, ...parts),
    el("figcaption", {}, [title, ...keys].join(" · ")),
  );
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
