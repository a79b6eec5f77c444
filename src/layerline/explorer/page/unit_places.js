// Where each level of the network lies on the canvas, and each of its units.
import { valuesAt } from "./session.js";

const GAP = 64; // between two levels
const TILE = 56; // the side of a channel's picture

// Where each level lies: cells in rows, or pictures for what still is one.
export function placeLevels(session, width) {
  const inner = width - 8,
    levels = [];
  let y = 24;
  for (let level = 0; level <= session.layers.length; level++) {
    const n = valuesAt(session, level).length,
      map = mapOf(session, level);
    const isOutput = level === session.layers.length;
    const place = map ? placeMaps(map, inner) : placeCells(n, inner, isOutput);
    levels.push({ ...place, n, y, x: 4 + (inner - place.width) / 2 });
    y += place.height + GAP;
  }
  return levels;
}

function placeCells(n, inner, isOutput) {
  const wide = isOutput ? 44 : 22;
  const cell = n * wide <= inner ? wide : n * 14 <= 2 * inner ? 14 : n <= 2000 ? 10 : 6;
  const columns = Math.max(1, Math.min(n, Math.floor(inner / cell))),
    rows = Math.ceil(n / columns);
  const height = cell === 44 ? 26 : cell;
  return { cell, tall: height, columns, width: columns * cell, height: rows * height };
}

// A level that is a picture, or several (channels): their size.
function mapOf(session, level) {
  const { about } = session;
  if (level === 0)
    return (
      about.picture && {
        ...about.picture,
        count: about.preprocessor.image ? about.picture.channels : 1,
      }
    );
  const layer = session.layers[level - 1];
  if (layer.kind !== "conv") return null;
  const [height, width] = layer.pool ? layer.size.map((side) => side >> 1) : layer.size;
  return { height, width, count: layer.weight.shape[0] };
}

function placeMaps(map, inner) {
  const side = map.count === 1 ? Math.min(140, inner) : TILE,
    tall = (side * map.height) / map.width;
  const columns = Math.min(map.count, Math.floor(inner / (side + 4)));
  return {
    map,
    side,
    tall,
    columns,
    width: columns * (side + 4),
    height: Math.ceil(map.count / columns) * (tall + 4),
  };
}

export function cornerOf(place, unit) {
  return [
    place.x + (unit % place.columns) * place.cell,
    place.y + Math.floor(unit / place.columns) * place.tall,
  ];
}

export function centreOfPixel(place, input) {
  const { map, side, tall } = place,
    area = map.width * map.height;
  const channel = Math.floor(input / area),
    pixel = input % area;
  const x = place.x + (channel % place.columns) * (side + 4),
    y = place.y + Math.floor(channel / place.columns) * (tall + 4);
  return [
    x + ((pixel % map.width) + 0.5) * (side / map.width),
    y + (Math.floor(pixel / map.width) + 0.5) * (tall / map.height),
  ];
}

// [level, unit] below the pointer; unit is null beside the cells, or within maps.
export function unitAt(levels, x, y) {
  for (let level = 0; level < levels.length; level++) {
    const place = levels[level];
    if (y < place.y - 20 || y > place.y + place.height + 16) continue;
    if (place.map) return [level, null];
    const column = Math.floor((x - place.x) / place.cell),
      row = Math.floor((y - place.y) / place.tall);
    const unit = row * place.columns + column;
    const isInside =
      column >= 0 &&
      column < place.columns &&
      row >= 0 &&
      unit < place.n &&
      y <= place.y + place.height;
    return [level, isInside ? unit : null];
  }
  return null;
}
