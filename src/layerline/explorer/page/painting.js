// Pixels to paint, with mouse, finger, or arrow keys and space.
import { choice, el } from "./dom.js";
import { css, palette, prepareCanvas } from "./drawing.js";

class Painting {
  constructor(session) {
    this.session = session;
    const { picture, columns } = session.about;
    Object.assign(this, picture);
    this.names = columns.map((column) => column.name);
    this.highest = picture.highest ?? Math.max(...columns.map((column) => column.maximum));
    this.ink = this.highest;
    this.cursor = null;
    this.side = Math.min(256, Math.max(160, 8 * this.width));
    this.canvas = el("canvas", { className: "paint", tabIndex: 0, role: "application" });
    const keys = "arrow keys move, space paints, delete erases";
    this.canvas.setAttribute(
      "aria-label",
      `a picture of ${this.width} by ${this.height} pixels; ${keys}`,
    );
    this.canvas.style.width = `${this.side}px`;
  }

  read(place) {
    const { values } = this.session;
    return values.pixels ? values.pixels[place * this.channels] : values[this.names[place]];
  }

  write(place, value) {
    const { values } = this.session;
    if (values.pixels)
      values.pixels.fill(value, place * this.channels, (place + 1) * this.channels);
    else values[this.names[place]] = value;
  }

  colour(place) {
    const { pixels } = this.session.values;
    if (this.channels === 3) return css(pixels.subarray(3 * place, 3 * place + 3));
    const grey = Math.round((255 * Math.max(0, this.read(place) ?? 0)) / this.highest);
    return css([grey, grey, grey]);
  }

  draw() {
    const cell = this.side / this.width,
      context = prepareCanvas(this.canvas, this.side, cell * this.height);
    for (let place = 0; place < this.width * this.height; place++) {
      const [x, y] = [(place % this.width) * cell, Math.floor(place / this.width) * cell];
      context.fillStyle = this.colour(place);
      context.fillRect(x, y, cell + 0.5, cell + 0.5);
      if (place !== this.cursor) continue;
      context.strokeStyle = css(palette().below);
      context.lineWidth = 2;
      context.strokeRect(x + 1, y + 1, cell - 2, cell - 2);
    }
  }

  paint(places, ink) {
    for (const place of places) this.write(place, ink);
    this.session.isChanged = true;
    this.session.run(); // which draws this picture, too
  }

  clear() {
    this.paint(Array(this.width * this.height).keys(), 0);
  }

  placeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
    const row = at((event.clientY - box.top) / box.height, this.height);
    return row * this.width + at((event.clientX - box.left) / box.width, this.width);
  }

  onKey(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.width, ArrowDown: this.width }[
      event.key
    ];
    const place = this.cursor ?? 0;
    if (move) this.cursor = Math.min(this.width * this.height - 1, Math.max(0, place + move));
    else if (event.key === " ") this.paint([place], this.ink);
    else if (event.key === "Delete") this.paint([place], 0);
    else return;
    event.preventDefault();
    this.draw();
  }
}

export function paintBox(session) {
  const painting = new Painting(session),
    { canvas } = painting;
  let isDown = false;
  canvas.addEventListener("pointerdown", (event) => {
    isDown = true;
    canvas.setPointerCapture(event.pointerId);
    painting.paint([painting.placeAt(event)], painting.ink);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (isDown) painting.paint([painting.placeAt(event)], painting.ink);
  });
  canvas.addEventListener("pointerup", () => {
    isDown = false;
  });
  canvas.addEventListener("keydown", (event) => painting.onKey(event));
  session.redrawPainting = () => painting.draw();
  painting.draw();
  const { highest } = painting,
    inks = [
      [String(highest), "bright"],
      [String(highest / 2), "grey"],
      ["0", "eraser"],
    ];
  const brush = choice("Brush", inks, String(highest), (value) => {
    painting.ink = Number(value);
  });
  const clear = el("button", { onclick: () => painting.clear() }, "Clear");
  return el(
    "div",
    { className: "painting" },
    canvas,
    el("div", { className: "buttons" }, brush, clear),
  );
}
