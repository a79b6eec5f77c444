// Zoomed in: a layer with its weights as pictures, and a neuron with its formula and numbers.
import { byId, choice, el, note, renew } from "./dom.js";
import { drawMap, prepareCanvas } from "./drawing.js";
import { activationChoice, formulaOf, neuronParts } from "./neuron_view.js";
import { sentence } from "./overview.js";
import { histogramBars, plot } from "./plot.js";
import { layerTitle, unitCount, valuesAt } from "./session.js";
import { channelsAndKernels, sequenceMap, weightPictures } from "./weight_pictures.js";

const WITH_FORMULA = ["dense", "conv"]; // layers whose units can be looked at one by one

export function showZoom(session, redrawOverview) {
  const build = () => {
    const { layer, unit } = session;
    const go = (newLayer, newUnit) => {
      session.layer = newLayer;
      session.unit = newUnit;
      build();
      redrawOverview();
    };
    renew(byId("path"), path(session, go));
    byId("overview").hidden = Boolean(layer);
    const view = byId("zoom");
    view.hidden = !layer;
    const isNeuron =
      layer && unit !== null && WITH_FORMULA.includes(session.layers[layer - 1].kind);
    renew(
      view,
      !layer
        ? []
        : isNeuron
          ? neuronParts(session, layer, unit, go)
          : layerParts(session, layer, go),
    );
  };
  session.listen(() => {
    const isDragging =
      byId("zoom").contains(document.activeElement) && document.activeElement.type === "range";
    if (session.layer && isDragging) refresh(session);
    else if (session.layer) build();
  });
  return build;
}

// The way from the whole to what is looked at, as buttons.
function path(session, go) {
  const { layer, unit } = session;
  const parts = [el("button", { onclick: () => go(null, null), disabled: !layer }, "Network")];
  const options = session.layers.map((_, place) => [
    String(place + 1),
    layerTitle(session, place + 1),
  ]);
  parts.push(
    choice("Layer", [["", "all"], ...options], layer ? String(layer) : "", (value) =>
      go(value === "" ? null : Number(value), null),
    ),
  );
  if (layer && WITH_FORMULA.includes(session.layers[layer - 1].kind)) {
    const last = unitCount(session, layer) - 1;
    const number = el("input", {
      type: "number",
      min: 0,
      max: last,
      value: unit ?? "",
      placeholder: "all",
      onchange: (event) =>
        go(
          layer,
          event.target.value === ""
            ? null
            : Math.min(last, Math.max(0, Number(event.target.value))),
        ),
    });
    parts.push(el("label", { className: "field" }, el("span", {}, `Unit (0 to ${last})`), number));
  }
  return parts;
}

// While a slider of the view is dragged, only the figures are renewed.
function refresh(session) {
  const formula = byId("formula");
  if (formula && session.unit !== null)
    formula.replaceWith(formulaOf(session, session.layer, session.unit));
}

function layerParts(session, level, go) {
  const layer = session.layers[level - 1],
    values = valuesAt(session, level);
  const dead = session.deadUnits();
  const nDead =
    layer.activation === undefined ? 0 : dead.dead[level - 1].reduce((a, b) => a + b, 0);
  const facts = [
    `${values.length.toLocaleString("en")} values`,
    `${values.filter((v) => v === 0).length.toLocaleString("en")} are 0 for this row`,
    level < session.layers.length ? `${nDead.toLocaleString("en")} are 0 for each of ${dead.n} rows` : null,
  ];
  const parts = [
    el("h3", {}, `${layerTitle(session, level)}: ${describeKind(layer)}`),
    note(facts.filter(Boolean).join(" · ")),
  ];
  if (layer.activation !== undefined && layer.kind !== "recurrent")
    parts.push(activationChoice(session, layer));
  const cells = el("canvas", { className: "cells" });
  if (layer.kind !== "conv") parts.push(cells);
  if (layer.kind === "dense") parts.push(...weightPictures(session, level, go));
  if (layer.kind === "conv") parts.push(...channelsAndKernels(session, level, go));
  if (layer.kind === "recurrent") parts.push(sequenceMap(session.steps[level - 1].sequence));
  const weights = layer.weight ?? layer.numbers?.weight;
  const plots = [
    plot("Outputs of this layer", { bars: histogramBars(values), names: ["value", "units"] }),
  ];
  if (weights)
    plots.unshift(
      plot("Weights of this layer", { bars: histogramBars(weights), names: ["weight", "count"] }),
    );
  parts.push(el("div", { className: "plots" }, ...plots));
  requestAnimationFrame(() => drawCells(session, level, cells, go));
  return parts;
}

function describeKind(layer) {
  if (layer.kind === "embed") return "numbers and categories become vectors";
  if (layer.kind === "recurrent")
    return `${layer.cell}, ${layer.cells.length} × ${layer.hidden} units${layer.cells[0].length > 1 ? ", both ways" : ""}; read out: ${layer.readout}`;
  const norm = layer.norm ? `, ${layer.norm.kind} norm` : "",
    skip = layer.skip ? ", skip connection" : "";
  if (layer.kind === "conv")
    return `${layer.weight.shape[0]} kernels of ${layer.weight.shape.slice(1).join(" × ")}${norm}${layer.pool ? ", 2 × 2 max pooling" : ""}`;
  return `${layer.weight.shape[1].toLocaleString("en")} inputs, ${layer.weight.shape[0]} units${norm}${skip}`;
}

function drawCells(session, level, canvas, go) {
  const values = valuesAt(session, level),
    layer = session.layers[level - 1],
    width = canvas.clientWidth;
  if (!width) return; // the view was changed meanwhile
  const side = Math.max(12, Math.min(26, Math.floor(width / Math.min(values.length, 40)))),
    columns = Math.floor(width / side),
    cell = width / columns;
  const rows = Math.ceil(values.length / columns),
    picture = new Float64Array(columns * rows);
  picture.set(values);
  const context = prepareCanvas(canvas, width, rows * cell);
  drawMap(context, { values: picture, width: columns, height: rows }, [
    0,
    0,
    columns * cell,
    rows * cell,
  ]);
  const at = (event) =>
    Math.floor(event.offsetY / cell) * columns + Math.floor(event.offsetX / cell);
  canvas.onclick = (event) =>
    at(event) < values.length && layer.kind === "dense" && go(level, at(event));
  canvas.onpointermove = (event) => {
    canvas.title = at(event) < values.length ? sentence(session, level, at(event)) : "";
  };
}
