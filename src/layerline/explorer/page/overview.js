// The whole network on one canvas, from the input down: each unit a cell, the strongest paths lines.
import { byId, setText, short } from "./dom.js";
import { css, drawMap, largest, palette, prepareCanvas, shade } from "./drawing.js";
import { isSilent, layerTitle, placeOf, unitCount, unitName, valuesAt } from "./session.js";
import { centreOfPixel, cornerOf, placeLevels, unitAt } from "./unit_places.js";

const PATHS = 48; // lines between two levels
const STRENGTHS = 8; // of lines: those of one are one stroke, since strokes cost more than lines
const count = new Intl.NumberFormat("en");

export function showOverview(session, open) {
  const canvas = byId("network");
  let levels = [];
  let width = 0; // observed: to ask for it after each change would lay out the whole page
  const draw = () => {
    if (!width) return;
    levels = placeLevels(session, width);
    const end = levels.at(-1);
    const context = prepareCanvas(canvas, width, end.y + end.height + 30);
    for (let level = 1; level < levels.length; level++) drawPaths(context, session, levels, level);
    levels.forEach((place, level) => drawLevel(context, session, { ...place, room: width }, level));
    describe(session);
  };
  session.listen(draw);
  new ResizeObserver(([entry]) => {
    width = entry.contentRect.width;
    draw();
  }).observe(canvas.parentElement);
  canvas.addEventListener("click", (event) => {
    const found = unitAt(levels, event.offsetX, event.offsetY);
    if (!found) return;
    select(session, ...found);
    if (found[0] > 0) open();
  });
  canvas.addEventListener("pointermove", (event) => {
    const found = unitAt(levels, event.offsetX, event.offsetY);
    canvas.title = found && found[1] !== null ? sentence(session, ...found) : "";
    canvas.style.cursor = found ? "pointer" : "default";
  });
  canvas.addEventListener("keydown", (event) => {
    const down = { ArrowUp: -1, ArrowDown: 1 }[event.key],
      right = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const level = session.layer ?? 0,
      unit = session.unit ?? 0;
    if (down) select(session, Math.min(levels.length - 1, Math.max(0, level + down)), 0);
    else if (right) {
      select(
        session,
        level,
        Math.min(unitCount(session, level) - 1, Math.max(0, unit + right)),
      );
    } else if (event.key === "Enter" && level > 0) open();
    else return;
    event.preventDefault();
    draw();
  });
  return draw;
}

function select(session, level, unit) {
  session.layer = level;
  session.unit = unit;
}

export function sentence(session, level, unit) {
  const isChannel = session.layers[level - 1]?.kind === "conv";
  const value = isChannel
    ? session.steps[level - 1].activated[placeOf(session, level, unit)]
    : valuesAt(session, level)[unit];
  const dead =
    level > 0 && !isChannel && session.survey?.dead[level - 1]?.[unit]
      ? ", 0 for every row looked at"
      : "";
  const silent = isSilent(session, level, value) ? " (silent)" : "";
  return `${layerTitle(session, level)}, ${unitName(session, level, unit)}: ${short(value)}${silent}${dead}`;
}

function describe(session) {
  const level = session.layer ?? 0;
  setText(byId("spoken"), session.unit === null ? "" : sentence(session, level, session.unit));
}

function drawLevel(context, session, place, level) {
  const values = valuesAt(session, level),
    colours = palette(),
    highest = largest(values);
  title(context, session, place, level, values);
  if (place.map) return drawMaps(context, place, values, highest);
  const dead = level > 0 ? session.survey?.dead[level - 1] : null;
  const strokes = new Path2D();
  for (let unit = 0; unit < place.n; unit++) {
    const [x, y] = cornerOf(place, unit);
    context.fillStyle = css(shade(values[unit] / highest, colours));
    context.fillRect(x, y, place.cell - 1, place.tall - 1);
    if (isSilent(session, level, values[unit])) strike(strokes, x, y, place, dead?.[unit]);
  }
  context.strokeStyle = colours.soft;
  context.lineWidth = 1;
  context.stroke(strokes);
  if (session.layer === level && session.unit !== null) {
    const [x, y] = cornerOf(place, session.unit);
    context.strokeStyle = colours.ink;
    context.lineWidth = 2;
    context.strokeRect(x, y, place.cell - 1, place.tall - 1);
  }
  if (level === session.layers.length) outputNames(context, session, place, values);
  return null;
}

function drawMaps(context, place, values, highest) {
  const { map, side, tall } = place,
    area = map.width * map.height;
  for (let channel = 0; channel < map.count; channel++) {
    const channelValues = values.subarray(channel * area, (channel + 1) * area);
    const x = place.x + (channel % place.columns) * (side + 4),
      y = place.y + Math.floor(channel / place.columns) * (tall + 4);
    const { width, height } = map;
    drawMap(context, { values: channelValues, width, height, highest }, [x, y, side, tall]);
  }
}

// Silent units have one stroke, dead ones a cross: not by colour alone.
function strike(strokes, x, y, place, isDead) {
  const size = Math.min(place.cell, place.tall) - 1,
    left = x + (place.cell - 1 - size) / 2;
  if (size < 8) return;
  strokes.moveTo(left + 2, y + size - 2);
  strokes.lineTo(left + size - 2, y + 2);
  if (isDead) {
    strokes.moveTo(left + 2, y + 2);
    strokes.lineTo(left + size - 2, y + size - 2);
  }
}

function title(context, session, place, level, values) {
  const layer = session.layers[level - 1];
  let text = `${layerTitle(session, level)} · ${count.format(place.n)}`;
  if (layer) text += ` · ${layer.kind === "dense" ? (layer.activation ?? "linear") : layer.kind}`;
  if (layer?.norm) text += ` · ${layer.norm.kind} norm`;
  if (layer?.skip) text += " · skip";
  const silent = values.reduce((sum, value) => sum + isSilent(session, level, value), 0);
  if (silent) text += ` · ${count.format(silent)} silent`;
  const dead = level > 0 ? session.survey?.dead[level - 1] : null;
  const nDead = silent && dead ? dead.reduce((a, b) => a + b, 0) : 0;
  if (nDead) text += `, ${count.format(nDead)} dead`;
  context.font = "13px system-ui, sans-serif";
  context.textAlign = "left";
  context.fillStyle = palette().card;
  context.fillRect(0, place.y - 22, context.measureText(text).width + 10, 19); // lines end behind it
  context.fillStyle = palette().soft;
  context.fillText(text, 4, place.y - 8, place.room - 8);
}

function outputNames(context, session, place, values) {
  if (place.cell < 14) return;
  context.fillStyle = palette().ink;
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  const fits = Math.floor((place.n === 1 ? place.room : place.cell) / 6.5);
  for (let unit = 0; unit < place.n; unit++) {
    const [x, y] = cornerOf(place, unit);
    const name = session.about.classes
      ? String(session.about.classes[unit])
      : short(+values[unit].toPrecision(3));
    context.fillText(
      name.length > Math.max(1, fits) ? `${name.slice(0, Math.max(1, fits - 1))}…` : name,
      x + place.cell / 2,
      y + place.tall + 13,
    );
  }
}

// The largest products of weight and value between two levels, or into the chosen unit.
function drawPaths(context, session, levels, level) {
  const layer = session.layers[level - 1];
  if (layer.kind !== "dense") return;
  const step = session.steps[level - 1],
    from = levels[level - 1],
    to = levels[level];
  const only = session.layer === level && session.unit !== null ? session.unit : null;
  const found = strongest(layer.weight, step.input, layer.weight.shape[0], only),
    highest = Math.abs(found[0]?.[0] ?? 1);
  const strokes = new Map(); // by strength, from -STRENGTHS to STRENGTHS
  for (const [size, unit, input] of found) {
    const strength = Math.sign(size) * Math.ceil((STRENGTHS * Math.abs(size)) / highest);
    if (!strokes.has(strength)) strokes.set(strength, new Path2D());
    const lines = strokes.get(strength);
    const [x, y] = from.map ? centreOfPixel(from, input) : cornerOf(from, input);
    const [toX, toY] = cornerOf(to, unit);
    const startX = x + (from.cell ?? 0) / 2,
      startY = from.y + from.height,
      endX = toX + to.cell / 2;
    lines.moveTo(startX, from.map ? startY - 2 : Math.min(y + from.tall, startY));
    lines.bezierCurveTo(startX, startY + 20, endX, to.y - 26, endX, toY);
  }
  strokePaths(context, strokes);
}

function strokePaths(context, strokes) {
  const colours = palette();
  for (const [strength, lines] of strokes) {
    const share = Math.abs(strength) / STRENGTHS;
    context.strokeStyle = css(strength < 0 ? colours.below : colours.above);
    context.globalAlpha = 0.15 + 0.6 * share;
    context.lineWidth = 0.5 + 2 * share;
    context.setLineDash(strength < 0 ? [4, 3] : []);
    context.stroke(lines);
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
}

function strongest(weight, input, nOutputs, only) {
  const nInputs = input.length,
    found = [];
  let least = 0;
  for (let unit = only ?? 0; unit < (only === null ? nOutputs : only + 1); unit++) {
    for (let place = 0; place < nInputs; place++) {
      const size = weight[unit * nInputs + place] * input[place];
      if (Math.abs(size) <= least) continue;
      found.push([size, unit, place]);
      if (found.length < 4 * PATHS) continue;
      found.sort((a, b) => Math.abs(b[0]) - Math.abs(a[0]));
      found.length = PATHS;
      least = Math.abs(found.at(-1)[0]);
    }
  }
  return found.sort((a, b) => Math.abs(b[0]) - Math.abs(a[0])).slice(0, PATHS);
}
