// What the axes are called: pieces of the source and of the target, and the names and colours of dimensions.
"use strict";

const N_SOURCE = data.source.length,
  N_TARGET = data.target.length;
const DIMENSIONS = {
  S: "source pieces",
  T: "target pieces",
  d: "width of the residual stream, d_model",
  h: "heads",
  k: "width of a head, d_k",
  f: "inner width of the feed-forward layer, d_ff",
  V: "vocabulary",
  1: "one number",
};
const STEP_NAMES = {
  embedding: "Embedding",
  input: "Input of the first layer",
  sum: "Sum",
  normed: "Norm",
  queries: "Queries",
  keys: "Keys",
  values: "Values",
  scores: "Scores",
  weights: "Weights",
  heads: "Heads",
  output: "Output",
  stream: "Residual stream",
  gate: "Gate",
  inner: "Inner",
  hidden: "Hidden",
  final: "Final norm",
  logits: "Logits",
  log_probs: "Log-probabilities",
  loss: "Loss",
  positions: "Positions",
  bias: "Bias of the distance",
  cosine: "Rotation, cosine",
  sine: "Rotation, sine",
  "copy.states": "Copy head: states",
  "copy.queries": "Copy head: queries",
  "copy.scores": "Copy head: scores",
  "copy.gate": "Copy head: gate",
};
const SUBLAYERS = {
  self_attention: "Self-attention",
  cross_attention: "Cross-attention",
  feed_forward: "Feed-forward",
};

function pieceText(id) {
  return data.pieces[id] ?? `#${id}`;
}

function isPadding(axis, index) {
  return axis === "S" && index >= data.n_source;
}

// The piece that stands at a position of an axis: the source, or what the decoder has read.
function labelOf(axis, index) {
  if (axis === "S") return pieceText(data.source[index]);
  if (axis === "T") return pieceText(data.input[index]);
  if (axis === "V") return pieceText(index);
  return String(index + 1);
}

function rowLabel(axis, index) {
  return axis === "T" ? `${labelOf(axis, index)} → ${pieceText(data.target[index])}` : labelOf(axis, index);
}

function stepName(name) {
  return STEP_NAMES[name] || STEP_NAMES[name.split(".").pop()] || name;
}

// encoder.1 -> "Encoder layer 2"; output -> "Output".
function layerName(layer) {
  const [stack, index] = layer.split(".");
  if (index !== undefined) return `${stack === "encoder" ? "Encoder" : "Decoder"} layer ${Number(index) + 1}`;
  const ends = data.config.norm_position === "pre" ? "embeddings, final norm" : "embeddings";
  return { encoder: `Encoder: ${ends}`, decoder: `Decoder: ${ends}`, output: "Output and loss" }[stack];
}

function layerOf(operation) {
  return operation.place.split(".").slice(0, 2).join(".");
}

function operationName(operation) {
  const sublayer = SUBLAYERS[operation.place.split(".")[2]];
  return (
    (sublayer ? `${sublayer}: ` : "") + (sublayer ? stepName(operation.name).toLowerCase() : stepName(operation.name))
  );
}

function layers() {
  return [...new Set(data.operations.map(layerOf))];
}

function shapeOf(operation) {
  const packed = (data.arrays[operation.name] || {}).value;
  return packed ? packed.shape : [N_TARGET];
}

function shapeText(operation) {
  const shape = shapeOf(operation);
  return operation.dims.map((name, i) => `${name} ${shape[i]}`).join(" × ");
}

// [T 28 × d 192] with each dimension in its own colour.
function shapeElement(operation) {
  const shape = shapeOf(operation);
  const parts = operation.dims.flatMap((name, i) => [
    i ? " × " : "",
    el("span", { class: `dim dim-${name}`, title: DIMENSIONS[name] }, name === "1" ? "1" : `${name} ${shape[i]}`),
  ]);
  return el("span", { class: "shape" }, "[", ...parts, "]");
}

// An element with attributes and children; strings become text, on.. becomes a listener.
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
