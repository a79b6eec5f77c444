// The panel of inputs: which row, which member, sliders and choices by column, pixels to paint.
import { byId, choice, el, percent, renew, short, slider } from "./dom.js";
import { palette, prepareCanvas } from "./drawing.js";
import { decide } from "./network.js";

export function showControls(session) {
  const { about } = session;
  const rebuild = () => {
    renew(byId("row"), rowPicker(session, rebuild));
    renew(byId("inputs"), inputFields(session));
  };
  rebuild();
  session.rebuildInputs = rebuild;
  session.listen(() => {
    session.redrawPainting?.();
    byId("prediction").replaceChildren(...prediction(session));
    const note = session.isChanged ? ", changed" : "";
    byId("truth").textContent = session.truth === null ? `${about.rows.origin}${note}`
      : `${about.rows.origin}; true ${about.target}: ${truthText(session)}${note}`;
  });
}

export function truthText({ about, truth }) {
  return about.classes ? String(about.classes[truth]) : short(truth);
}

function rowPicker(session, rebuild) {
  const { about } = session, last = about.rows.n - 1;
  const go = (place) => {
    session.pickRow(Math.min(last, Math.max(0, place)));
    rebuild();
    session.run();
  };
  const number = el("input", { type: "number", min: 1, max: last + 1, value: session.row + 1, onchange: (e) => go(Number(e.target.value) - 1) });
  number.setAttribute("aria-label", "row number");
  const parts = [
    el("div", { className: "buttons" },
      el("button", { onclick: () => go(session.row - 1), title: "Previous row" }, "◀"),
      el("label", {}, "row ", number, ` of ${last + 1}`),
      el("button", { onclick: () => go(session.row + 1), title: "Next row" }, "▶"),
      el("button", { onclick: () => go(session.row) }, "Undo changes")),
  ];
  if (session.members.length > 1) {
    const options = session.members.map((_, m) => [String(m), `member ${m + 1} of ${session.members.length}`]);
    parts.push(choice("Shown network", options, String(session.member), (value) => {
      session.member = Number(value);
      session.layer = session.layer === null ? null : Math.min(session.layer, session.layers.length);
      session.unit = null;
      session.run();
    }));
  }
  return parts;
}

function inputFields(session) {
  const { about } = session;
  const parts = about.picture ? [paintBox(session)] : [];
  const fields = about.columns.map((column) => field(session, column));
  if (about.picture && fields.length) {
    parts.push(el("details", {}, el("summary", {}, "Pixels as numbers"), ...fields));
  } else parts.push(...fields);
  if (about.columns.length) parts.push(pasteBox(session));
  return parts;
}

function field(session, column) {
  const value = session.values[column.name];
  if (column.kind === "category") {
    const options = column.levels.map((level, place) => [String(place), String(level)]);
    if (column.nullable) options.push(["", "(missing)"]);
    const place = column.levels.indexOf(value);
    return choice(column.name, options, place < 0 ? "" : String(place), (chosen) =>
      session.setValue(column.name, chosen === "" ? null : column.levels[Number(chosen)]));
  }
  if (column.kind === "date") return dateField(session, column, value);
  const span = column.maximum - column.minimum;
  const step = column.is_whole ? 1 : span / 200;
  const range = slider(column.name, [column.minimum, column.maximum, step], value ?? column.middle, (chosen) => {
    session.setValue(column.name, chosen);
    if (box) box.checked = false;
  });
  if (!column.nullable) return range;
  const box = el("input", { type: "checkbox", checked: value === null, onchange: () => {
    session.setValue(column.name, box.checked ? null : Number(range.querySelector("input").value));
  } });
  return el("div", { className: "withbox" }, range, el("label", {}, box, " missing"));
}

function dateField(session, column, days) {
  const text = days === null ? "" : new Date(days * 86400000).toISOString().slice(0, 16);
  const input = el("input", { type: "datetime-local", value: text, onchange: () => {
    session.setValue(column.name, input.value ? Date.parse(`${input.value}Z`) / 86400000 : null);
  } });
  return el("label", { className: "field" }, el("span", {}, column.name), input);
}

// A row as JSON ({"column": value}), or as values in the columns' order.
function pasteBox(session) {
  const { columns } = session.about;
  const area = el("textarea", { rows: 2, placeholder: columns.map((c) => c.name).slice(0, 4).join(", ") + (columns.length > 4 ? ", …" : "") });
  area.setAttribute("aria-label", "a row to paste");
  const message = el("span", { className: "soft", role: "status" });
  const use = () => {
    const problem = pasteRow(session, area.value);
    message.textContent = problem ?? "used";
    if (!problem) {
      session.isChanged = true;
      session.rebuildInputs();
      session.run();
    }
  };
  return el("details", {}, el("summary", {}, "Paste a row"), area, el("button", { onclick: use }, "Use it"), message);
}

function pasteRow(session, text) {
  const { columns } = session.about;
  let given;
  try {
    given = text.trim().startsWith("{") ? JSON.parse(text) : null;
  } catch {
    return "not valid JSON";
  }
  if (!given) {
    const cells = text.trim().split(text.includes("\t") ? "\t" : ",").map((cell) => cell.trim());
    if (cells.length !== columns.length) return `needs ${columns.length} values, got ${cells.length}`;
    given = Object.fromEntries(columns.map((column, place) => [column.name, cells[place]]));
  }
  const found = {};
  for (const column of columns) {
    if (!(column.name in given)) continue;
    const cell = given[column.name];
    if (cell === null || cell === "") found[column.name] = null;
    else if (column.kind === "category") {
      const level = column.levels.find((known) => String(known) === String(cell));
      if (level === undefined) return `${column.name}: ${cell} is none of its levels`;
      found[column.name] = level;
    } else {
      const number = column.kind === "date" ? Date.parse(cell) / 86400000 : Number(cell);
      if (!Number.isFinite(number)) return `${column.name}: ${cell} is no ${column.kind}`;
      found[column.name] = number;
    }
  }
  Object.assign(session.values, found);
  return null;
}

// Pixels are painted with mouse, finger, or arrow keys and space.
function paintBox(session) {
  const { picture, columns } = session.about, { height, width, channels } = picture;
  const canvas = el("canvas", { className: "paint", tabIndex: 0, role: "application" });
  canvas.setAttribute("aria-label", `a picture of ${width} by ${height} pixels; arrow keys move, space paints, delete erases`);
  const highest = picture.highest ?? Math.max(...columns.map((column) => column.maximum));
  let cursor = null, ink = highest, isDown = false;
  const read = (place) => (session.pixels ? session.values.pixels[place * channels] : session.values[columns[place].name]);
  const write = (place, value) => {
    if (session.pixels) session.values.pixels.fill(value, place * channels, (place + 1) * channels);
    else session.values[columns[place].name] = value;
  };
  const side = Math.min(256, Math.max(160, 8 * width)), cell = side / width;
  const draw = () => {
    canvas.style.width = `${side}px`;
    const context = prepareCanvas(canvas, side, cell * height);
    for (let place = 0; place < width * height; place++) {
      const [x, y] = [(place % width) * cell, Math.floor(place / width) * cell];
      context.fillStyle = colourOf(session, place, read, highest);
      context.fillRect(x, y, cell + 0.5, cell + 0.5);
      if (place === cursor) {
        context.strokeStyle = palette().below ? `rgb(${palette().below})` : "red";
        context.lineWidth = 2;
        context.strokeRect(x + 1, y + 1, cell - 2, cell - 2);
      }
    }
  };
  const paint = (place) => {
    write(place, ink);
    session.isChanged = true;
    draw();
    session.run();
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * width);
    const row = Math.floor(((event.clientY - box.top) / box.height) * height);
    return Math.min(height - 1, Math.max(0, row)) * width + Math.min(width - 1, Math.max(0, column));
  };
  canvas.addEventListener("pointerdown", (event) => {
    isDown = true;
    canvas.setPointerCapture(event.pointerId);
    paint(at(event));
  });
  canvas.addEventListener("pointermove", (event) => isDown && paint(at(event)));
  canvas.addEventListener("pointerup", () => { isDown = false; });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width }[event.key];
    if (move) cursor = Math.min(width * height - 1, Math.max(0, (cursor ?? 0) + move));
    else if (event.key === " ") paint(cursor ?? 0);
    else if (event.key === "Delete") { const kept = ink; ink = 0; paint(cursor ?? 0); ink = kept; }
    else return;
    event.preventDefault();
    draw();
  });
  const clear = () => {
    for (let place = 0; place < width * height; place++) write(place, 0);
    session.isChanged = true;
    draw();
    session.run();
  };
  const inks = [[String(highest), "bright"], [String(highest / 2), "grey"], ["0", "eraser"]];
  session.redrawPainting = draw;
  draw();
  return el("div", { className: "painting" }, canvas, el("div", { className: "buttons" },
    choice("Brush", inks, String(highest), (value) => { ink = Number(value); }),
    el("button", { onclick: clear }, "Clear")));
}

function colourOf(session, place, read, highest) {
  const { channels } = session.about.picture;
  if (channels === 3) return `rgb(${session.values.pixels.subarray(3 * place, 3 * place + 3)})`;
  const grey = Math.round((255 * Math.max(0, read(place) ?? 0)) / highest);
  return `rgb(${grey},${grey},${grey})`;
}

// What each member of an ensemble answers; the prediction is their mean.
function eachMember({ about, memberOutputs, member }) {
  const answers = memberOutputs.map((outputs, place) => {
    const one = decide(outputs, about);
    const text = about.classes ? `${about.classes[one.chosen]} (${percent(one.probabilities[one.chosen])})` : short(one.number);
    return place === member ? el("b", {}, text) : text;
  });
  const parts = answers.flatMap((answer, place) => (place ? [", ", answer] : [answer]));
  return el("p", { className: "soft" }, `Mean of ${answers.length} members: `, ...parts, ". The shown one is bold.");
}

// The prediction, of all members and of the shown one.
function prediction(session) {
  const { about, decision, ownDecision } = session, isMany = session.members.length > 1;
  if (!about.classes) {
    return [el("p", { className: "big" }, short(decision.number)), ...(isMany ? [eachMember(session)] : [])];
  }
  const order = [...decision.probabilities.keys()].sort((a, b) => decision.probabilities[b] - decision.probabilities[a]);
  const shown = about.classes.length <= 12 ? [...decision.probabilities.keys()] : order.slice(0, 10);
  const bars = shown.map((place) => {
    const share = decision.probabilities[place], own = ownDecision.probabilities[place];
    const line = el("div", { className: place === decision.chosen ? "share chosen" : "share" },
      el("span", { className: "name" }, String(about.classes[place])),
      el("span", { className: "track" }, el("span", { style: `width:${(100 * share).toFixed(2)}%` })),
      el("span", { className: "figure" }, percent(share)));
    if (isMany) line.title = `shown member: ${percent(own)}`;
    return line;
  });
  return [el("p", { className: "big" }, String(about.classes[decision.chosen])), ...bars, ...(isMany ? [eachMember(session)] : [])];
}
