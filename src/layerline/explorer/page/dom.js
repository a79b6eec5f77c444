// Elements, and figures as text.

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
