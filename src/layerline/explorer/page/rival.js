// A second model beside the shown one, such as the champion beside a challenger.
import { decodeArrays } from "./arithmetic.js";
import { el, note, section, short, table } from "./dom.js";
import { features } from "./inputs.js";
import { forward, measureLayers } from "./network.js";
import { answer, averaged, decide } from "./prediction.js";

export class Rival {
  constructor(about, shape) {
    this.about = about;
    this.members = decodeArrays(about.members);
    for (const layers of this.members) measureLayers(layers, shape);
  }

  decide(values) {
    const x = features(values, this.about.preprocessor);
    const outputs = this.members.map((layers) => forward(layers, x).at(-1).output);
    return decide(averaged(outputs, this.about.mean, this.about.weights), this.about);
  }
}

// Where both models answer differently, and which of them is right how often.
export function rivalCard(session, rows, load) {
  const { about, rival } = session;
  rival.judged ??= [];
  for (const { place } of rows.slice(rival.judged.length))
    rival.judged.push(rival.decide(session.rowAt(place)));
  const pairs = rows.map((row, at) => ({ row, other: rival.judged[at] }));
  const gap = ({ row, other }) =>
    about.classes ? Number(row.chosen !== other.chosen) : Math.abs(row.number - other.number);
  const differing = pairs.filter(gap).sort((a, b) => gap(b) - gap(a));
  const lines = differing
    .slice(0, 10)
    .map(({ row, other }) => [
      el("button", { className: "link", onclick: () => load(row.place) }, `row ${row.place + 1}`),
      row.actual === null ? "unknown" : answer(about, trueAnswer(about, row.actual)),
      answer(about, row),
      answer(about, other),
    ]);
  const known = pairs.filter(({ row }) => row.actual !== null);
  const heads = ["row", "true", "this model", rival.about.title];
  const score = known.length ? note(scores(about, known)) : "";
  const text = `The weights of ${rival.about.title} stay as they were trained.`;
  const rest = lines.length ? table(heads, lines) : note("Both answer alike for every row.");
  return section(`Beside ${rival.about.title}`, text, score, rest);
}

const trueAnswer = (about, actual) => (about.classes ? { chosen: actual } : { number: actual });

function scores(about, known) {
  if (!about.classes) {
    const rmse = (error) =>
      Math.sqrt(known.reduce((sum, pair) => sum + error(pair) ** 2, 0) / known.length);
    const own = rmse(({ row }) => row.number - row.actual);
    const other = rmse(({ row, other: that }) => that.number - row.actual);
    return `RMSE: this model ${short(own)}, that one ${short(other)}.`;
  }
  const count = (isOwn, isOther) =>
    known.filter(
      ({ row, other }) =>
        (row.chosen === row.actual) === isOwn && (other.chosen === row.actual) === isOther,
    ).length;
  return (
    `Both right: ${count(true, true)}; only this model: ${count(true, false)}; ` +
    `only that one: ${count(false, true)}; both wrong: ${count(false, false)}.`
  );
}
