// Where the reader is. All of it stands in the address behind the #, so that a link opens the same view:
// #decoder.1.cross_attention.weights/h2/r5/c3/t12/gradient/slide
"use strict";

let afterDrawing = () => {}; // what a view does once it stands in the page
const START = {
  at: "",
  head: 0,
  row: null,
  column: null,
  step: N_TARGET, // generated pieces that are shown
  part: "value",
  slide: false,
  contribution: false, // weights times the length of their values
  temperature: 1,
};
const state = { ...START };

// The address behind the #; one that is cut or mistyped within a %, and so is no text, leads to the map.
function addressed() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function readHash() {
  const [at = "", ...rest] = addressed().split("/");
  const known = at === "" || layers().includes(at) || Boolean(operationOf[at]);
  Object.assign(state, START, { at: known ? at : "" });
  for (const word of rest) {
    const value = Number(word.slice(1)) - 1;
    if (word === "gradient") state.part = "gradient";
    else if (word === "slide") state.slide = true;
    else if (word === "contribution") state.contribution = true;
    else if (word.startsWith("temperature")) state.temperature = temperatureOf(word);
    else if (!Number.isInteger(value) || value < 0) continue;
    else if (word[0] === "h") state.head = value;
    else if (word[0] === "r") state.row = value;
    else if (word[0] === "c") state.column = value;
    else if (word[0] === "t") state.step = Math.min(value + 1, N_TARGET);
  }
  clampState();
}

function temperatureOf(word) {
  const value = Number(word.replace("temperature", ""));
  return value >= 0.1 && value <= 3 ? value : 1;
}

// Nobody may link to a head, row or column that is not there.
function clampState() {
  const operation = operationOf[state.at];
  if (!operation) return Object.assign(state, { row: null, column: null });
  const shape = shapeOf(operation),
    size = shape.length > 1 ? shape.slice(-2) : [shape[0], 1];
  if (shape.length === 3) state.head = Math.min(state.head, shape[0] - 1);
  if (state.row === null || state.column === null || state.row >= size[0] || state.column >= size[1])
    state.row = state.column = null;
}

function hashOf(place) {
  const words = [place.at];
  if (place.head) words.push(`h${place.head + 1}`);
  if (place.row !== null) words.push(`r${place.row + 1}`, `c${place.column + 1}`);
  if (place.step < N_TARGET) words.push(`t${place.step}`);
  if (place.part === "gradient") words.push("gradient");
  if (place.contribution) words.push("contribution");
  if (place.temperature !== 1) words.push(`temperature${place.temperature}`);
  if (place.slide) words.push("slide");
  return "#" + words.join("/");
}

// The address of another place; what is not said stays, but for the cell, which belongs to one panel.
function link(changes) {
  const cell = "at" in changes ? { row: null, column: null } : {};
  return hashOf({ ...state, ...cell, ...changes });
}

function go(changes, replace = false) {
  const hash = link(changes);
  if (hash === (location.hash || "#")) return;
  if (replace) {
    Object.assign(state, changes);
    clampState();
    render();
    try {
      history.replaceState(null, "", hash);
    } catch {
      // Browsers refuse many changes of the address in a short time; the view has changed all the same.
    }
  } else {
    location.hash = hash;
  }
}

// The four levels, from far to near.
function level() {
  if (state.at === "") return "map";
  if (!operationOf[state.at]) return "layer";
  return state.row === null ? "operation" : "cell";
}

function layerNow() {
  return operationOf[state.at] ? layerOf(operationOf[state.at]) : state.at;
}

function zoomOut() {
  if (level() === "cell") go({ row: null, column: null });
  else if (level() === "operation") go({ at: layerNow() });
  else if (level() === "layer") go({ at: "" });
}

// One step along the forward pass: operations below the map, layers on the layer level.
function stepBy(count) {
  const list =
    level() === "map" || level() === "layer" ? ["", ...layers()] : data.operations.map((operation) => operation.name);
  const next = list[list.indexOf(state.at) + count];
  if (next !== undefined) go({ at: next });
}

function nextHead(count) {
  const operation = operationOf[state.at];
  if (!operation || operation.dims[0] !== "h") return;
  const heads = shapeOf(operation)[0];
  go({ head: (state.head + count + heads) % heads });
}

// The same operation in the next layer of the same stack, where there is one.
function nextLayer(count) {
  const layer = layerNow(),
    list = layers();
  const next = list[list.indexOf(layer) + count];
  if (next === undefined) return;
  const same = state.at.replace(layer, next);
  go({ at: operationOf[state.at] && operationOf[same] ? same : next });
}
