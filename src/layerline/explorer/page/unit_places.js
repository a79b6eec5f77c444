// Where each level of the network lies on the canvas, and each of its units.
import { valuesAt } from "./session.js";

const GAP = 64; // between two levels
const TILES = [56, 44, 34, 26, 20]; // the side of a channel's picture: the largest that fits
const TALLEST = 130; // of a level of pictures

// Where each level lies: cells in rows, or pictures for what still is one.
export function placeLevels(session, width) {
  const inner = width - 8,
    levels = [];
  let y = 24;
  for (let level = 0; level <= session.layers.length; level++) {
    const n = valuesAt(session, level).length,
      map = mapOf(session, level);
    const isOutput = level === session.layers.length;
    const place = map
      ? placeMaps(map, inner)
      : isOutput
        ? placeOutputs(n, inner, session.about.classes)
        : placeCells(n, inner);
    levels.push({ ...place, n, y, x: 4 + (inner - place.width) / 2 });
    y += place.height + GAP;
  }
  return levels;
}

function placeCells(n, inner) {
  const cell = n * 22 <= inner ? 22 : n * 14 <= 2 * inner ? 14 : n <= 2000 ? 10 : 6;
  const most = Math.max(1, Math.floor(inner / cell)),
    rows = Math.ceil(n / most),
    columns = Math.ceil(n / rows); // rows of equal length
  return { cell, tall: cell, columns, width: columns * cell, height: rows * cell };
}

// Wide enough for the classes' names below them, where there is room.
function placeOutputs(n, inner, classes) {
  const longest = Math.max(0, ...(classes ?? []).map((name) => String(name).length));
  const cell = Math.floor(Math.min(Math.max(44, 7 * longest + 14), 160, inner / n));
  if (cell < 14) return placeCells(n, inner);
  return { cell, tall: Math.min(26, cell), columns: n, width: n * cell, height: Math.min(26, cell) };
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
  const shape = map.height / map.width,
    most = (side) => Math.floor(inner / (side + 4));
  const fits = (side) => Math.ceil(map.count / most(side)) * (side * shape + 4) <= TALLEST;
  const side = map.count === 1 ? Math.min(140, inner) : (TILES.find(fits) ?? TILES.at(-1)),
    tall = side * shape;
  const rows = Math.ceil(map.count / most(side)),
    columns = Math.ceil(map.count / rows);
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
