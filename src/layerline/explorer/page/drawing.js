// Values as colours: orange below zero, blue above, which people of every colour vision tell apart.

const PALETTES = {
  light: {
    middle: [246, 247, 249],
    above: [16, 82, 168],
    below: [190, 88, 0],
    ink: "#1b1f27",
    soft: "#596273",
    card: "#fff",
  },
  dark: {
    middle: [38, 44, 54],
    above: [110, 175, 255],
    below: [255, 160, 66],
    ink: "#e7eaf0",
    soft: "#a3adbd",
    card: "#1b1f27",
  },
};
const isDark = window.matchMedia("screen and (prefers-color-scheme: dark)"); // paper is white

export const palette = () => PALETTES[isDark.matches ? "dark" : "light"];

export function onTheme(redraw) {
  for (const moment of ["beforeprint", "afterprint"]) window.addEventListener(moment, redraw);
  isDark.addEventListener("change", redraw);
}

// The colour of a value from -1 to 1, as [r, g, b].
export function shade(value, colours = palette()) {
  const end = value < 0 ? colours.below : colours.above,
    share = Math.sqrt(Math.min(1, Math.abs(value)));
  return colours.middle.map((part, place) => Math.round(part + (end[place] - part) * share));
}

export const css = ([red, green, blue]) => `rgb(${red},${green},${blue})`;

export function largest(values) {
  let found = 0;
  for (const value of values) if (Math.abs(value) > found) found = Math.abs(value);
  return found || 1;
}

// A canvas of that size on the page, sharp on every screen.
export function prepareCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.style.height = `${height}px`;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Values (height, width) as a picture, one pixel each, to be scaled by whoever draws it.
export function heatMap(values, width, height, highest) {
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [width, height];
  return fill(picture, values, highest);
}

function fill(picture, values, highest = largest(values)) {
  const { width, height } = picture,
    context = picture.getContext("2d"),
    image = context.createImageData(width, height);
  const colours = palette();
  for (let place = 0; place < width * height; place++) {
    const [red, green, blue] = shade(values[place] / highest, colours);
    image.data.set([red, green, blue, 255], 4 * place);
  }
  context.putImageData(image, 0, 0);
  return picture;
}

const pictures = new Map(); // by size: a canvas a drawing is slow to make, and rubbish after it

export function drawMap(context, map, [x, y, wide, tall]) {
  const { values, width, height, highest, isSmooth = false } = map;
  const size = `${width} ${height}`;
  if (!pictures.has(size)) pictures.set(size, heatMap(values, width, height, highest));
  else fill(pictures.get(size), values, highest);
  context.imageSmoothingEnabled = isSmooth;
  context.drawImage(pictures.get(size), x, y, wide, tall);
}
