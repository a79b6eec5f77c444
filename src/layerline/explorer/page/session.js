// The state of the page: the model as it is now, the row, what is looked at; every change runs it.
import { decodeArrays, decodeBytes } from "./arithmetic.js";
import { features } from "./inputs.js";
import { forward, measureLayers } from "./network.js";
import { averaged, decide } from "./prediction.js";
import { Rival } from "./rival.js";

const SURVEYED_ROWS = 64,
  FEW_ROWS = 16; // few where a row is a convolution or a sequence

export class Session {
  constructor(about) {
    this.about = about;
    this.pixels = about.pixels ? decodeBytes(about.pixels) : null;
    this.listeners = [];
    this.member = 0;
    this.layer = null; // 0: the input; k: the k-th layer
    this.unit = null;
    this.weightsVersion = 0;
    this.rows = new Map();
    this.restoreWeights();
    this.rival = about.beside ? new Rival(about.beside, this.shape) : null;
    this.pickRow(0);
  }

  // Of the input of a network of pictures; others do not need one.
  get shape() {
    const { picture, preprocessor } = this.about;
    return preprocessor.image ? [picture.channels, picture.height, picture.width] : [1, 1, 1];
  }

  get layers() {
    return this.members[this.member];
  }

  listen(listener) {
    this.listeners.push(listener);
  }

  restoreWeights() {
    this.members = decodeArrays(this.about.members);
    for (const layers of this.members) measureLayers(layers, this.shape);
    this.weightsVersion += 1;
    this.isTrained = true;
  }

  // The values of a sample row, in the user's terms.
  rowAt(place) {
    if (this.pixels) {
      const { height, width, channels } = this.about.picture,
        size = height * width * channels;
      return { pixels: Uint8Array.from(this.pixels.subarray(place * size, (place + 1) * size)) };
    }
    return Object.fromEntries(
      this.about.columns.map((column) => [column.name, column.values[place]]),
    );
  }

  pickRow(place) {
    this.row = place;
    this.values = this.rowAt(place);
    this.isChanged = false;
    this.truth = this.about.rows.actual?.[place] ?? null;
  }

  setValue(name, value) {
    this.values[name] = value;
    this.isChanged = true;
    this.run();
  }

  // A weight, bias or activation was changed: what was computed with it is out of date.
  weightsChanged() {
    this.weightsVersion += 1;
    this.isTrained = false;
    this.run();
  }

  // Forward pass of the row through every member; the chosen one's steps are kept.
  run() {
    const started = performance.now();
    this.features = features(this.values, this.about.preprocessor);
    const all = this.members.map((layers) => forward(layers, this.features));
    this.steps = all[this.member];
    this.memberOutputs = all.map((steps) => steps.at(-1).output);
    this.outputs = averaged(this.memberOutputs, this.about.mean, this.about.weights);
    this.decision = decide(this.outputs, this.about);
    this.ownDecision = decide(this.memberOutputs[this.member], this.about);
    this.milliseconds = performance.now() - started;
    for (const listener of this.listeners) listener(this);
  }

  // The ensemble's outputs for a row in the user's terms.
  outputsOf(values) {
    const x = features(values, this.about.preprocessor);
    const outputs = this.members.map((layers) => forward(layers, x).at(-1).output);
    return averaged(outputs, this.about.mean, this.about.weights);
  }

  // How many of the sample rows the page can run at once.
  get quickRows() {
    const isSlow = this.layers.some((layer) => layer.kind === "conv" || layer.kind === "recurrent");
    return isSlow ? Math.min(FEW_ROWS, this.about.rows.n) : this.about.rows.n;
  }

  // By layer, the units that were 0 for each of the first rows; computed once for these weights.
  deadUnits() {
    const key = `${this.weightsVersion} ${this.member}`;
    if (this.survey?.key !== key) {
      const n = Math.min(SURVEYED_ROWS, this.quickRows);
      let alive = null;
      for (let place = 0; place < n; place++) {
        const x = features(this.rowAt(place), this.about.preprocessor);
        const steps = forward(this.layers, x);
        alive ??= steps.map((step) => new Uint8Array(step.output.length));
        steps.forEach((step, at) =>
          step.output.forEach((v, unit) => {
            if (v !== 0) alive[at][unit] = 1;
          }),
        );
      }
      const dead = (alive ?? []).map((units) => Uint8Array.from(units, (isAlive) => 1 - isAlive));
      this.survey = { key, dead, n };
    }
    return this.survey;
  }
}

export const layerTitle = (session, level) =>
  level === 0 ? "Input" : level === session.layers.length ? "Output" : `Layer ${level}`;

// How many units a level has that can be looked at; of a convolution each channel is one.
export const unitCount = (session, level) =>
  session.layers[level - 1]?.kind === "conv"
    ? session.layers[level - 1].weight.shape[0]
    : valuesAt(session, level).length;

// Where a unit's numbers stand in its layer's arrays: of a channel where its output is largest.
export function placeOf(session, level, unit) {
  const layer = session.layers[level - 1];
  if (layer?.kind !== "conv") return unit;
  const { activated } = session.steps[level - 1],
    area = layer.size[0] * layer.size[1];
  let place = unit * area;
  for (let at = place; at < (unit + 1) * area; at++) if (activated[at] > activated[place]) place = at;
  return place;
}

// What people call a class, unit or input.
export function unitName(session, level, unit) {
  const { about } = session;
  if (level === 0) {
    if (!about.features.length && about.picture) return `pixel ${unit}`;
    return about.features[unit] ?? `input ${unit}`;
  }
  if (level === session.layers.length && about.classes) return String(about.classes[unit]);
  return session.layers[level - 1].kind === "conv" ? `channel ${unit}` : `unit ${unit}`;
}

export const valuesAt = (session, level) =>
  level === 0 ? session.features : session.steps[level - 1].output;

export const isSilent = (session, level, value) =>
  level > 0 &&
  level < session.layers.length &&
  session.layers[level - 1].activation !== undefined &&
  value === 0;
