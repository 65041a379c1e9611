// The gradient of each cell from the gradients of what reads it, where the page holds all that the rule needs.
"use strict";

// One cell of an array's gradient: the sum over its readers, {result, error, rule}, or null where a rule needs more of
// a matrix than the page holds.
function gradientOf(name, head, row, column) {
  const parts = readersOf(name).map((reader) => {
    const role = Object.keys(reader.inputs).find((key) => reader.inputs[key] === name);
    const rule = (PARTS[reader.kind] || {})[role];
    return rule && isWhole(reader) ? rule(reader, head, row, column, role) : null;
  });
  if (!parts.length || parts.includes(null)) return null;
  return {
    result: parts.reduce((sum, part) => sum + part.result, 0),
    error: parts.reduce((sum, part) => sum + part.error, 0),
    rule: [...new Set(parts.map((part) => part.rule))].join("  +  "),
  };
}

// Whether the page holds what the backward rules of this operation read: nothing of it was left out.
function isWhole(reader) {
  const values = [...Object.values(reader.inputs), ...(reader.kind === "weights" ? [reader.name] : [])];
  return Boolean(array(reader.name, "gradient")) && values.every((name) => array(name, "value"));
}

const gradientMatrix = (operation, head) => matrixOf(operation.name, "gradient", head);
const inputMatrix = (operation, role, head) => matrixOf(operation.inputs[role], "value", head);

// `limits` of the arrays that left and right are read from: numbers far below them have lost their digits, many of one sign at once.
function dot(count, left, right, rule, limits = [0, 0]) {
  let result = 0,
    size = 0,
    lost = 0;
  for (let i = 0; i < count; i++) {
    const part = left(i) * right(i);
    result += part;
    size += part * part;
    lost += FLOOR * (limits[0] * Math.abs(right(i)) + limits[1] * Math.abs(left(i)));
  }
  return { result, error: ROUNDING * (4 * Math.sqrt(size) + Math.abs(result)) + lost, rule };
}

// Softmax backward for one row: weights and the gradients with respect to them.
function throughSoftmax(count, weights, gradients, column, rule, limits = [0, 0]) {
  const mean = dot(count, weights, gradients, rule, limits),
    weight = weights(column),
    size = Math.abs(gradients(column)) + Math.abs(mean.result);
  const lost = FLOOR * limits[0] * size + (FLOOR * limits[1] + FLOAT32 * size) * weight;
  return {
    result: weight * (gradients(column) - mean.result),
    rule,
    error: 8 * ROUNDING * weight * size + weight * mean.error + lost,
  };
}

function asItIs(reader, head, row, column) {
  const result = gradientMatrix(reader, 0).at(row, column);
  return { result, rule: "a sum hands its gradient on as it is", error: 2 * ROUNDING * Math.abs(result) };
}

// x W^T: the gradient of x is that of the output times W.
function throughMatrix(reader, head, row, column) {
  const flat = reader.kind === "concatenation" ? head * data.d_k + column : column;
  const place = (reader.excerpts.back || []).indexOf(flat);
  if (place < 0) return null;
  const weights = reader.excerpts.W_back,
    width = weights.shape[1],
    scale = reader.numbers.scale ?? 1;
  const read = reader.kind === "projection" ? unturned(reader, row) : (i) => gradientMatrix(reader, 0).at(row, i);
  return dot(
    width,
    read,
    (i) => scale * weights.values[place * width + i],
    `∂L/∂${stepName(reader.name).toLowerCase()} · W`,
    [array(reader.name, "gradient").limit, scale * weights.limit],
  );
}

// The gradient of all heads' projections at one position, turned back where they were rotated.
function unturned(reader, row) {
  const d_k = data.d_k,
    half = d_k / 2,
    turned = Boolean(reader.inputs.cosine);
  const gradients = Array.from({ length: array(reader.name, "gradient").shape[0] }, (_, head) =>
    gradientMatrix(reader, head).row(row),
  );
  const cosine = turned && inputMatrix(reader, "cosine", 0).row(row),
    sine = turned && inputMatrix(reader, "sine", 0).row(row);
  return (i) => {
    const gradient = gradients[Math.floor(i / d_k)],
      j = i % d_k;
    if (!turned) return gradient[j];
    return j < half
      ? gradient[j] * cosine[j] + gradient[j + half] * sine[j]
      : gradient[j] * cosine[j - half] - gradient[j - half] * sine[j - half];
  };
}

function activationGradient(reader, name, row, column) {
  const { f, slope } = ACTIVATIONS[reader.variant],
    hidden = gradientMatrix(reader, 0).at(row, column);
  const inner = inputMatrix(reader, "inner", 0).at(row, column);
  let factor = slope(inner),
    rule = "∂L/∂hidden × f′(x)";
  if (reader.inputs.gate) {
    const gate = inputMatrix(reader, "gate", 0).at(row, column),
      ofGate = name === reader.inputs.gate;
    factor = ofGate ? slope(gate) * inner : f(gate);
    rule = ofGate ? "∂L/∂hidden × inner × f′(gate)" : "∂L/∂hidden × f(gate)";
  }
  return {
    result: hidden * factor,
    rule,
    error: 8 * ROUNDING * Math.abs(hidden) * (Math.abs(factor) + Math.abs(inner)),
  };
}

function throughNorm(norm, head, row, column) {
  const { hat, root } = normRow(norm, row),
    gradient = gradientMatrix(norm, 0).row(row),
    size = hat.length;
  const scaled = Float64Array.from(gradient, (value, i) => value * norm.excerpts.gain.values[i]);
  let mean = 0,
    along = 0,
    spread = 0;
  for (let i = 0; i < size; i++) {
    if (norm.variant === "layer") mean += scaled[i] / size;
    along += (scaled[i] * hat[i]) / size;
    spread = Math.max(spread, Math.abs(scaled[i]));
  }
  return {
    result: (scaled[column] - mean - hat[column] * along) / root,
    rule:
      (norm.variant === "layer" ? "(g − mean g − x̂ mean(g x̂)) / σ" : "(g − x̂ mean(g x̂)) / rms") +
      ", g = gain × ∂L/∂norm",
    error:
      (ROUNDING * (4 * (Math.abs(scaled[column]) + Math.abs(mean) + Math.abs(hat[column] * along)) + spread)) / root,
  };
}

// The target's probability at one step and its parts, with how far rounding of the scores may move them.
function atTarget(row) {
  const { soft, gate, pointer, logits } = generatedAndCopied(row),
    target = data.target[row];
  const generated = soft.weights[target],
    copied = copiedPart(pointer, target);
  const doubt = 4 * ROUNDING * (logits.limit + (pointer ? matrixOf("copy.scores", "value", 0).limit : 0) + 8);
  return { soft, gate, pointer, target, generated, copied, probability: gate * generated + (1 - gate) * copied, doubt };
}

function ofLogits(reader, head, row, column) {
  const { soft, gate, pointer, target, generated, probability, doubt } = atTarget(row),
    isTarget = column === target;
  const share = (gate * generated) / probability; // of the softmax in the target's probability
  const result = (share * (soft.weights[column] - (isTarget ? 1 : 0))) / N_TARGET;
  return {
    result,
    error: (doubt * share * Math.max(soft.weights[column], isTarget ? 1e-3 : 0)) / N_TARGET + doubt * Math.abs(result),
    rule: pointer ? "softmax's share of P(y) × (softmax − 1 at y) / T" : "(softmax − 1 at y) / T",
  };
}

function ofCopyGate(reader, head, row) {
  const { gate, generated, copied, probability, doubt } = atTarget(row),
    slope = (gate * (1 - gate)) / probability / N_TARGET;
  return {
    result: (copied - generated) * slope,
    error: 2 * doubt * slope * (generated + copied),
    rule: "(copied − generated) / P(y) × p_gen (1 − p_gen) / T",
  };
}

function ofPointer(reader, head, row, column) {
  const { gate, pointer, target, probability, doubt } = atTarget(row);
  const gradient = (j) => (data.source[j] === target ? -(1 - gate) / probability / N_TARGET : 0);
  const part = throughSoftmax(
    N_SOURCE,
    (j) => pointer[j],
    gradient,
    column,
    "softmax backward of −(1 − p_gen) / P(y) / T where x_j = y",
  );
  return {
    ...part,
    error: part.error + doubt * (Math.abs(part.result) + (pointer[column] * (1 - gate)) / probability / N_TARGET),
  };
}

function gateParts(reader, row) {
  const gate = reader.excerpts.gate.values,
    gradient = gradientMatrix(reader, 0).at(row, 0),
    width = gate.length / 2;
  const lost = FLOOR * array(reader.name, "gradient").limit;
  return { gradient, lost, width, ofState: (i) => gate[i], ofContext: (i) => gate[width + i] };
}

function scoresThroughContext(reader, head, row, column) {
  const { gradient, lost, width, ofContext } = gateParts(reader, row),
    memory = inputMatrix(reader, "memory", 0),
    pointer = pointerAt(row);
  const reach = data.source.map((_, j) => dot(width, ofContext, (i) => memory.at(j, i)).result);
  const ofWeight = (j) => reach[j] * gradient;
  const size = Math.max(...reach.map((value, j) => (pointer[j] > 1e-6 ? Math.abs(value) : 0)));
  const part = throughSoftmax(N_SOURCE, (j) => pointer[j], ofWeight, column, "softmax backward of the gate's context");
  const doubt = 8 * ROUNDING * (matrixOf("copy.scores", "value", 0).limit + 1) * Math.abs(gradient);
  return { ...part, error: part.error + pointer[column] * size * (doubt + 2 * lost) };
}

function memoryThroughContext(reader, head, row, column) {
  const pointers = data.target.map((_, step) => pointerAt(step)[row]);
  return dot(
    N_TARGET,
    (step) => pointers[step],
    (step) => gateParts(reader, step).gradient * gateParts(reader, step).ofContext(column),
    "the gate's context",
    [0, array(reader.name, "gradient").limit * reader.excerpts.gate.limit],
  );
}

function stateThroughGate(reader, head, row, column) {
  const { gradient, lost, ofState } = gateParts(reader, row),
    result = gradient * ofState(column);
  const error = 2 * ROUNDING * Math.abs(result) + lost * Math.abs(ofState(column));
  return { result, error, rule: "∂L/∂gate · w" };
}

const matrixRule = { x: throughMatrix };
const PARTS = {
  // kind of the reader -> role of what is read -> its share of the gradient
  embedding_sum: {
    embedding: (reader, head, row, column) => {
      const part = asItIs(reader, head, row, column),
        factor = reader.numbers.factor;
      return { ...part, result: part.result * factor, error: part.error * factor };
    },
  },
  residual: { x: asItIs, output: asItIs },
  norm: { x: throughNorm },
  linear: matrixRule,
  concatenation: matrixRule,
  projection: matrixRule,
  logits: matrixRule,
  activation: {
    gate: (reader, head, row, column) => activationGradient(reader, reader.inputs.gate, row, column),
    inner: (reader, head, row, column) => activationGradient(reader, reader.inputs.inner, row, column),
  },
  heads: {
    weights(reader, head, row, column) {
      const heads = gradientMatrix(reader, head),
        values = inputMatrix(reader, "values", head);
      return dot(
        heads.columns,
        (i) => heads.at(row, i),
        (i) => values.at(column, i),
        "∂L/∂heads · Vᵀ",
        [heads.limit, values.limit],
      );
    },
    values(reader, head, row, column) {
      const heads = gradientMatrix(reader, head),
        weights = inputMatrix(reader, "weights", head);
      return dot(
        heads.rows,
        (i) => weights.at(i, row),
        (i) => heads.at(i, column),
        "weightsᵀ · ∂L/∂heads",
        [weights.limit, heads.limit],
      );
    },
  },
  weights: {
    scores(reader, head, row, column) {
      const weights = matrixOf(reader.name, "value", head),
        gradient = gradientMatrix(reader, head);
      return throughSoftmax(
        weights.columns,
        (i) => weights.at(row, i),
        (i) => gradient.at(row, i),
        column,
        "weight × (its gradient − the row's weighted mean of gradients)",
        [weights.limit, gradient.limit],
      );
    },
  },
  scores: {
    queries(reader, head, row, column) {
      const scores = gradientMatrix(reader, head),
        keys = inputMatrix(reader, "keys", head),
        scale = reader.numbers.scale;
      return dot(
        scores.columns,
        (i) => scores.at(row, i) * scale,
        (i) => keys.at(i, column),
        "∂L/∂scores · K / √d_k",
        [scores.limit * scale, keys.limit],
      );
    },
    keys(reader, head, row, column) {
      const scores = gradientMatrix(reader, head),
        queries = inputMatrix(reader, "queries", head),
        scale = reader.numbers.scale;
      return dot(
        scores.rows,
        (i) => scores.at(i, row) * scale,
        (i) => queries.at(i, column),
        "∂L/∂scoresᵀ · Q / √d_k",
        [scores.limit * scale, queries.limit],
      );
    },
  },
  log_softmax: { logits: ofLogits },
  mixture: { logits: ofLogits, scores: ofPointer, gate: ofCopyGate },
  loss: {
    log_probs: (reader, head, row, column) => ({
      result: column === data.target[row] ? -1 / N_TARGET : 0,
      error: (2 * ROUNDING) / N_TARGET,
      rule: "−1/T at the target",
    }),
  },
  copy_gate: { x: stateThroughGate, scores: scoresThroughContext, memory: memoryThroughContext },
};
PARTS.copy_scores = PARTS.scores;
