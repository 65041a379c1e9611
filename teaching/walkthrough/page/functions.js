// The functions that the network's equations are made of: norms, activations, softmax, masks, the mixture.
"use strict";

const ROUNDING = 2 ** -11; // relative, of one float16
const FLOOR = 2 ** -25; // largest error of a float16 near 0, in shares of its array's limit
const FLOAT32 = 2 ** -22; // of the network's own sums

function normRow(operation, row) {
  const x = matrixOf(operation.inputs.x, "value", 0).row(row),
    size = x.length;
  const { gain, bias } = operation.excerpts,
    layer = operation.variant === "layer";
  let mean = 0,
    square = 0;
  if (layer) for (const value of x) mean += value / size;
  for (const value of x) square += (value - mean) ** 2 / size;
  const root = Math.sqrt(square + operation.numbers.epsilon);
  const hat = Float64Array.from(x, (value) => (value - mean) / root);
  const output = hat.map((value, i) => value * gain.values[i] + (bias ? bias.values[i] : 0));
  return { x, mean, square, root, hat, output };
}

const SQRT2 = Math.sqrt(2);

// The error function by its series or continued fraction, to float precision.
function erf(x) {
  const size = Math.abs(x);
  if (size > 5) return Math.sign(x);
  let term = size,
    sum = size;
  for (let n = 1; n < 200 && Math.abs(term) > 1e-12; n++) {
    term *= (-size * size) / n;
    sum += term / (2 * n + 1);
  }
  return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const TANH_SCALE = Math.sqrt(2 / Math.PI);
const ACTIVATIONS = {
  // f and f'
  relu: { name: "ReLU", f: (x) => Math.max(0, x), slope: (x) => (x > 0 ? 1 : 0) },
  gelu: {
    name: "GELU",
    f: (x) => (x / 2) * (1 + erf(x / SQRT2)),
    slope: (x) => (1 + erf(x / SQRT2)) / 2 + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
  },
  geglu: {
    name: "GELU",
    f: (x) => (x / 2) * (1 + Math.tanh(TANH_SCALE * (x + 0.044715 * x ** 3))),
    slope: (x) => {
      const t = Math.tanh(TANH_SCALE * (x + 0.044715 * x ** 3));
      return (1 + t) / 2 + (x / 2) * (1 - t * t) * TANH_SCALE * (1 + 0.134145 * x * x);
    },
  },
  swiglu: { name: "SiLU", f: (x) => x * sigmoid(x), slope: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))) },
};

ACTIVATIONS.gelu_tanh = ACTIVATIONS.geglu; // the same functions without a gate
ACTIVATIONS.swish = { ...ACTIVATIONS.swiglu, name: "Swish" };

function softmaxRow(scores, count, allowed) {
  let most = -Infinity;
  for (let i = 0; i < count; i++) if (allowed(i)) most = Math.max(most, scores(i));
  const parts = [];
  let sum = 0;
  for (let i = 0; i < count; i++) {
    parts.push(allowed(i) ? Math.exp(scores(i) - most) : 0);
    sum += parts[i];
  }
  return { most, sum, parts, weights: parts.map((part) => part / sum) };
}

// Whether a query may attend to a key, and why not.
function maskedBecause(operation, row, column) {
  if (operation.mask === "future" && column > row) return "future";
  return operation.mask && isPadding(operation.dims[operation.dims.length - 1], column) ? "padding" : "";
}

// Where the copy head points at one step: a weight for each source position.
function pointerAt(row) {
  const scores = matrixOf("copy.scores", "value", 0);
  return softmaxRow(
    (i) => scores.at(row, i),
    N_SOURCE,
    (i) => !isPadding("S", i),
  ).weights;
}

// The parts of P at one step: softmax of the logits, pointer, share of the softmax.
function generatedAndCopied(row) {
  const logits = matrixOf("logits", "value", 0);
  const soft = softmaxRow(
    (i) => logits.at(row, i),
    logits.columns,
    () => true,
  );
  const result = { soft, logits, gate: 1, pointer: null };
  if (operationOf["copy.gate"]) {
    result.gate = sigmoid(matrixOf("copy.gate", "value", 0).at(row, 0));
    result.pointer = pointerAt(row);
  }
  return result;
}

function copiedPart(pointer, token) {
  return data.source.reduce((sum, id, i) => (id === token && pointer ? sum + pointer[i] : sum), 0);
}
