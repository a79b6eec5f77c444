// The panel of inputs: which row, which member, sliders and choices by column, pixels to paint.
import { byId, choice, el, note, percent, renew, setText, short, slider } from "./dom.js";
import { paintBox } from "./painting.js";
import { pasteBox } from "./pasting.js";
import { answer, decide } from "./prediction.js";

export function showControls(session) {
  const { about } = session;
  const rebuild = () => {
    renew(byId("row"), rowPicker(session, rebuild));
    renew(byId("inputs"), inputFields(session));
  };
  rebuild();
  session.rebuildInputs = rebuild;
  const bars = new Map();
  session.listen(() => {
    session.redrawPainting?.();
    showPrediction(session, bars);
    const note = session.isChanged ? ", changed" : "";
    const truth = session.truth === null ? "" : `; true ${about.target}: ${truthText(session)}`;
    setText(byId("truth"), `${about.rows.origin}${truth}${note}`);
  });
}

export function truthText({ about, truth }) {
  return about.classes ? String(about.classes[truth]) : short(truth);
}

function rowPicker(session, rebuild) {
  const { about } = session,
    last = about.rows.n - 1;
  const go = (place) => {
    session.pickRow(Math.min(last, Math.max(0, place)));
    rebuild();
    session.run();
  };
  const number = el("input", {
    type: "number",
    min: 1,
    max: last + 1,
    value: session.row + 1,
    onchange: (e) => go(Number(e.target.value) - 1),
  });
  number.setAttribute("aria-label", "row number");
  const parts = [
    el(
      "div",
      { className: "buttons" },
      el("button", { onclick: () => go(session.row - 1), title: "Previous row" }, "◀"),
      el("label", {}, "row ", number, ` of ${last + 1}`),
      el("button", { onclick: () => go(session.row + 1), title: "Next row" }, "▶"),
      el("button", { onclick: () => go(session.row) }, "Undo changes"),
    ),
  ];
  if (session.members.length > 1) {
    const options = session.members.map((_, m) => [
      String(m),
      `member ${m + 1} of ${session.members.length}`,
    ]);
    parts.push(
      choice("Shown network", options, String(session.member), (value) => {
        session.member = Number(value);
        session.layer =
          session.layer === null ? null : Math.min(session.layer, session.layers.length);
        session.unit = null;
        session.run();
      }),
    );
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
      session.setValue(column.name, chosen === "" ? null : column.levels[Number(chosen)]),
    );
  }
  if (column.kind === "date") return dateField(session, column, value);
  const span = column.maximum - column.minimum;
  const step = column.is_whole ? 1 : span / 200;
  const range = slider(
    column.name,
    [column.minimum, column.maximum, step],
    value ?? column.middle,
    (chosen) => {
      session.setValue(column.name, chosen);
      if (box) box.checked = false;
    },
  );
  if (!column.nullable) return range;
  const box = el("input", {
    type: "checkbox",
    checked: value === null,
    onchange: () => {
      session.setValue(
        column.name,
        box.checked ? null : Number(range.querySelector("input").value),
      );
    },
  });
  return el("div", { className: "withbox" }, range, el("label", {}, box, " missing"));
}

function dateField(session, column, days) {
  const text = days === null ? "" : new Date(days * 86400000).toISOString().slice(0, 16);
  const input = el("input", {
    type: "datetime-local",
    value: text,
    onchange: () => {
      session.setValue(column.name, input.value ? Date.parse(`${input.value}Z`) / 86400000 : null);
    },
  });
  return el("label", { className: "field" }, el("span", {}, column.name), input);
}

// What each member of an ensemble answers; the prediction is their mean.
function eachMember({ about, memberOutputs, member }) {
  const answers = memberOutputs.map((outputs, place) => {
    const text = answer(about, decide(outputs, about));
    return place === member ? el("b", {}, text) : text;
  });
  const parts = answers.flatMap((answer, place) => (place ? [", ", answer] : [answer]));
  return el(
    "p",
    { className: "soft" },
    `Mean of ${answers.length} members: `,
    ...parts,
    ". The shown one is bold.",
  );
}

function beside({ rival, values }) {
  return rival ? [note(`${rival.about.title}: ${answer(rival.about, rival.decide(values))}`)] : [];
}

// The prediction, of all members and of the shown one. Bars stay, and only what changed is renewed.
function showPrediction(session, bars) {
  const { about } = session;
  const shown = about.classes ? shownClasses(session) : [];
  const rest = [...(session.members.length > 1 ? [eachMember(session)] : []), ...beside(session)];
  const view = byId("prediction");
  for (const place of shown) showShare(session, bars, place);
  const parts = shown.map((place) => bars.get(place).line);
  const isSame = parts.every((line, at) => view.children[at + 1] === line);
  if (!isSame || rest.length || view.children.length !== parts.length + 1)
    view.replaceChildren(el("p", { className: "big" }, headline(session)), ...parts, ...rest);
  else setText(view.firstChild, headline(session));
}

const headline = ({ about, decision }) =>
  about.classes ? String(about.classes[decision.chosen]) : short(decision.number, 7);

function shownClasses({ about, decision }) {
  const all = [...decision.probabilities.keys()];
  if (about.classes.length <= 12) return all;
  return all.sort((a, b) => decision.probabilities[b] - decision.probabilities[a]).slice(0, 10);
}

function showShare({ about, decision, ownDecision, members }, bars, place) {
  if (!bars.has(place)) bars.set(place, shareBar(about.classes[place]));
  const { line, bar, figure } = bars.get(place),
    share = decision.probabilities[place];
  line.className = place === decision.chosen ? "share chosen" : "share";
  bar.style.width = `${(100 * share).toFixed(2)}%`;
  setText(figure, percent(share));
  if (members.length > 1) line.title = `shown member: ${percent(ownDecision.probabilities[place])}`;
}

function shareBar(name) {
  const bar = el("span", {}),
    figure = el("span", { className: "figure" });
  const parts = [el("span", { className: "name" }, String(name))];
  parts.push(el("span", { className: "track" }, bar), figure);
  return { line: el("div", { className: "share" }, parts), bar, figure };
}
