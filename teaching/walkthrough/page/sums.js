// Each cell as the sum that makes it, from the arrays drawn: what its equation says, with its own numbers.
// A sum has `lights` [{role, row, column}], `terms` [{name, factors, value}], `steps` [[text, number]], `result`, and
// `error`, how far float16 inputs may move the result; or `missing`, why the page cannot compute this cell.
"use strict";
function sumOf(operation, head, row, column) {
  const inputs = {};
  for (const [role, name] of Object.entries(operation.inputs)) {
    inputs[role] = matrixOf(name, "value", head);
    if (!inputs[role]) return { lights: [], missing: `${stepName(name)} was left out of this page.` };
  }
  const sum = SUMS[operation.kind](operation, inputs, head, row, column);
  if (sum.error === undefined && sum.terms) {
    const size = Math.sqrt(sum.terms.reduce((total, term) => total + term.value * term.value, 0));
    sum.error = ROUNDING * (4 * size * (sum.factor ?? 1) + Math.abs(sum.result));
  }
  return sum;
}

function products(count, names, left, right, rightOf = (value) => value) {
  const terms = [];
  for (let i = 0; i < count; i++) {
    const factors = [left(i), rightOf(right(i))];
    terms.push({ name: names(i), factors, value: factors[0] * factors[1] });
  }
  return terms;
}

const total = (terms) => terms.reduce((sum, term) => sum + term.value, 0);
const number = (index) => String(index + 1);

// Row `column` of an excerpted matrix, or null.
function excerptOf(excerpts, column) {
  const place = (excerpts.columns || []).indexOf(column);
  if (place < 0) return null;
  const width = excerpts.W.shape[1];
  return {
    weights: excerpts.W.values.subarray(place * width, (place + 1) * width),
    bias: excerpts.b ? excerpts.b.values[place] : 0,
    hasBias: Boolean(excerpts.b),
  };
}

function notInPage(operation, lights) {
  const columns = operation.excerpts.columns.map(number).join(", ");
  const what = operation.dims[operation.dims.length - 1] === "V" ? "tokens" : "columns";
  return {
    lights,
    missing:
      `The page holds a few columns of this matrix, to stay small; choose one of the marked ${what}` +
      (what === "columns" ? `: ${columns}.` : "."),
  };
}

// x W^T + b for one output column, from a function that reads x.
function linearSum(operation, read, column, lights) {
  const excerpt = excerptOf(operation.excerpts, column);
  if (!excerpt) return notInPage(operation, lights);
  const terms = products(excerpt.weights.length, number, read, (i) => excerpt.weights[i]);
  const result = total(terms) + excerpt.bias;
  return { lights, terms, columnsOf: ["x", "W"], steps: excerpt.hasBias ? [["+ b", excerpt.bias]] : [], result };
}

function activationCell(operation, row, column) {
  const { name, f } = ACTIVATIONS[operation.variant];
  const inner = matrixOf(operation.inputs.inner, "value", 0).at(row, column);
  const lights = [{ role: "inner", row, column }];
  if (!operation.inputs.gate) {
    const result = f(inner);
    return {
      lights,
      steps: [
        ["x", inner],
        [`${name}(x)`, result],
      ],
      result,
      error: 4 * ROUNDING * Math.abs(inner),
    };
  }
  const gate = matrixOf(operation.inputs.gate, "value", 0).at(row, column),
    open = f(gate);
  return {
    lights: [{ role: "gate", row, column }, ...lights],
    result: open * inner,
    steps: [
      ["gate", gate],
      [`${name}(gate)`, open],
      ["× inner", inner],
    ],
    error: 4 * ROUNDING * Math.abs(gate * inner),
  };
}

const SUMS = {
  embedding(operation, inputs, head, row, column) {
    const ids = operation.place === "encoder" ? data.source : data.input;
    const excerpt = excerptOf(operation.excerpts, ids[row]);
    if (!excerpt) return notInPage(operation, []);
    const result = excerpt.weights[column];
    return {
      lights: [],
      steps: [[`row ${ids[row]} of E, column ${column + 1}`, result]],
      result,
      error: ROUNDING * Math.abs(result),
    };
  },
  embedding_sum(operation, inputs, head, row, column) {
    const embedded = inputs.embedding.at(row, column),
      factor = operation.numbers.factor;
    const lights = [{ role: "embedding", row, column }],
      steps = [["embedding", embedded]];
    if (factor !== 1) steps.push(["× √d_model", factor]);
    let result = embedded * factor;
    if (inputs.positions) {
      lights.push({ role: "positions", row, column });
      steps.push(["+ position", inputs.positions.at(row, column)]);
      result += inputs.positions.at(row, column);
    }
    return { lights, steps, result, error: 2 * ROUNDING * (Math.abs(embedded * factor) + Math.abs(result)) };
  },
  norm(operation, inputs, head, row, column) {
    const { x, mean, root, hat, output } = normRow(operation, row),
      { gain, bias } = operation.excerpts;
    const steps = [["x", x[column]]];
    if (operation.variant === "layer") steps.push(["− mean of the row", mean]);
    steps.push(["÷ " + (operation.variant === "layer" ? "√(variance + ε)" : "√(mean of squares + ε)"), root]);
    steps.push(["× gain", gain.values[column]]);
    if (bias) steps.push(["+ bias", bias.values[column]]);
    return {
      lights: [{ role: "x", row, column: null }],
      steps,
      result: output[column],
      error: 4 * ROUNDING * (Math.abs((x[column] / root) * gain.values[column]) + Math.abs(output[column])),
    };
  },
  linear(operation, inputs, head, row, column) {
    return linearSum(operation, (i) => inputs.x.at(row, i), column, [{ role: "x", row, column: null }]);
  },
  projection(operation, inputs, head, row, column) {
    const d_k = data.d_k,
      lights = [{ role: "x", row, column: null }],
      read = (i) => inputs.x.at(row, i);
    const sum = linearSum(operation, read, head * d_k + column, lights);
    if (!inputs.cosine || sum.missing) return sum;
    const half = d_k / 2,
      first = column < half,
      angle = column % half;
    const partner = linearSum(operation, read, head * d_k + ((column + half) % d_k), lights);
    if (partner.missing) return partner;
    const cosine = inputs.cosine.at(row, angle),
      sine = inputs.sine.at(row, angle);
    lights.push({ role: "cosine", row, column: angle }, { role: "sine", row, column: angle });
    const before = sum.result,
      turned = first ? -partner.result * sine : partner.result * sine;
    return {
      ...sum,
      result: before * cosine + turned,
      error:
        8 * ROUNDING * Math.sqrt([...sum.terms, ...partner.terms].reduce((size, term) => size + term.value ** 2, 0)),
      steps: [
        ["x W, this column", before],
        ["× cos of the angle", cosine],
        [`${first ? "−" : "+"} x W, column ${((column + half) % d_k) + 1}`, partner.result],
        ["× sin of the angle", sine],
      ],
    };
  },
  scores(operation, inputs, head, row, column) {
    const terms = products(
      inputs.queries.columns,
      number,
      (i) => inputs.queries.at(row, i),
      (i) => inputs.keys.at(column, i),
    );
    const scale = operation.numbers.scale,
      bias = inputs.bias ? inputs.bias.at(row, column) : 0;
    const lights = [
      { role: "queries", row, column: null },
      { role: "keys", row: column, column: null },
    ];
    if (inputs.bias) lights.push({ role: "bias", row, column });
    const steps = scale === 1 ? [] : [["× 1/√d_k", scale]];
    if (inputs.bias) steps.push(["+ bias of the distance", bias]);
    const because = maskedBecause(operation, row, column),
      result = total(terms) * scale + bias;
    return { lights, terms, columnsOf: ["query", "key"], steps, factor: scale, because, result };
  },
  weights(operation, inputs, head, row, column) {
    const scores = operationOf[operation.inputs.scores],
      lights = [{ role: "scores", row, column: null }];
    const because = maskedBecause(operation, row, column);
    const soft = softmaxRow(
      (i) => inputs.scores.at(row, i),
      inputs.scores.columns,
      (i) => !maskedBecause(operation, row, i),
    );
    const terms = soft.parts.map((part, i) => ({
      name: labelOf(scores.dims[2], i),
      factors: [maskedBecause(operation, row, i) ? -Infinity : inputs.scores.at(row, i)],
      value: part,
    }));
    return {
      lights,
      terms,
      columnsOf: ["score", `e^(score − ${digits(soft.most)})`],
      steps: [
        ["this key's share of the sum", soft.parts[column]],
        ["÷ sum", soft.sum],
      ],
      because,
      result: soft.weights[column],
      error: 8 * ROUNDING * (inputs.scores.limit + 1) * soft.weights[column],
    };
  },
  heads(operation, inputs, head, row, column) {
    const keys = operationOf[operation.inputs.weights].dims[2];
    const terms = products(
      inputs.weights.columns,
      (i) => labelOf(keys, i),
      (i) => inputs.weights.at(row, i),
      (i) => inputs.values.at(i, column),
    );
    return {
      lights: [
        { role: "weights", row, column: null },
        { role: "values", row: null, column },
      ],
      terms,
      columnsOf: ["weight", "value"],
      steps: [],
      result: total(terms),
    };
  },
  concatenation(operation, inputs, head, row, column) {
    const d_k = data.d_k,
      heads = array(operation.inputs.x, "value"),
      rows = heads.shape[1];
    const read = (i) => heads.values[(Math.floor(i / d_k) * rows + row) * d_k + (i % d_k)];
    const sum = linearSum(operation, read, column, [{ role: "x", row, column: null }]);
    if (sum.terms)
      sum.terms.forEach((term, i) => {
        term.name = `head ${Math.floor(i / d_k) + 1}, ${(i % d_k) + 1}`;
      });
    return sum;
  },
  activation: (operation, inputs, head, row, column) => activationCell(operation, row, column),
  residual(operation, inputs, head, row, column) {
    const x = inputs.x.at(row, column),
      output = inputs.output.at(row, column);
    return {
      lights: [
        { role: "x", row, column },
        { role: "output", row, column },
      ],
      result: x + output,
      steps: [
        ["stream before", x],
        ["+ sublayer's output", output],
      ],
      error: 2 * ROUNDING * (Math.abs(x) + Math.abs(output)),
    };
  },
  logits(operation, inputs, head, row, column) {
    const scale = operation.numbers.scale;
    const sum = linearSum(operation, (i) => inputs.x.at(row, i), column, [{ role: "x", row, column: null }]);
    if (!sum.terms || scale === 1) return sum;
    return { ...sum, steps: [["× 1/√d_model", scale]], factor: scale, result: sum.result * scale };
  },
  copy_scores(operation, inputs, head, row, column) {
    const lights = [
      { role: "queries", row, column: null },
      { role: "keys", row: column, column: null },
    ];
    const terms = products(
      inputs.keys.columns,
      number,
      (i) => inputs.queries.at(row, i),
      (i) => inputs.keys.at(column, i),
    );
    const scale = operation.numbers.scale;
    return {
      lights,
      terms,
      columnsOf: ["W_kᵀ W_q h", "memory"],
      steps: [["× 1/√d_model", scale]],
      factor: scale,
      result: total(terms) * scale,
      because: maskedBecause(operation, row, column),
    };
  },
  copy_gate(operation, inputs, head, row) {
    const width = inputs.x.columns,
      gate = operation.excerpts.gate.values;
    const soft = softmaxRow(
      (i) => inputs.scores.at(row, i),
      N_SOURCE,
      (i) => !isPadding("S", i),
    ).weights;
    const context = (i) => soft.reduce((sum, weight, j) => sum + weight * inputs.memory.at(j, i), 0);
    const terms = products(
      2 * width,
      (i) => (i < width ? `state ${i + 1}` : `context ${i - width + 1}`),
      (i) => (i < width ? inputs.x.at(row, i) : context(i - width)),
      (i) => gate[i],
    );
    const result = total(terms) + operation.excerpts.gate_bias;
    return {
      lights: [
        { role: "x", row, column: null },
        { role: "scores", row, column: null },
      ],
      terms,
      columnsOf: ["x", "gate"],
      steps: [
        ["+ b", operation.excerpts.gate_bias],
        ["sigmoid: share generated", sigmoid(result)],
        ["share copied", sigmoid(-result)],
      ],
      result,
      error: 12 * ROUNDING * (Math.sqrt(terms.reduce((size, term) => size + term.value ** 2, 0)) + Math.abs(result)),
    };
  },
  log_softmax(operation, inputs, head, row, column) {
    const { soft, logits } = generatedAndCopied(row),
      result = Math.log(soft.weights[column]);
    return {
      lights: [{ role: "logits", row, column: null }],
      result,
      steps: [
        ["logit", logits.at(row, column)],
        ["− log Σ e^logit", Math.log(soft.sum) + soft.most],
        ["P", Math.exp(result)],
      ],
      error: 4 * ROUNDING * (logits.limit + Math.abs(result)),
    };
  },
  mixture(operation, inputs, head, row, column) {
    const { soft, gate, pointer, logits } = generatedAndCopied(row),
      copied = copiedPart(pointer, column);
    const probability = gate * soft.weights[column] + (1 - gate) * copied,
      result = Math.log(Math.max(probability, 1.18e-38));
    return {
      lights: [
        { role: "logits", row, column: null },
        { role: "scores", row, column: null },
        { role: "gate", row, column: 0 },
      ],
      steps: [
        ["softmax of the logits", soft.weights[column]],
        ["× generated share", gate],
        ["copied: Σ of its weights", copied],
        ["× copied share", 1 - gate],
        ["P", probability],
      ],
      result,
      error: 4 * ROUNDING * (logits.limit + inputs.scores.limit + inputs.gate.limit + Math.abs(result)),
    };
  },
  loss(operation, inputs, head, row) {
    const target = data.target[row],
      logProbability = inputs.log_probs.at(row, target);
    return {
      lights: [{ role: "log_probs", row, column: target }],
      result: -logProbability,
      steps: [
        [`log P of ${pieceText(target)}`, logProbability],
        ["its negative", -logProbability],
      ],
      error: ROUNDING * Math.abs(logProbability) + 1e-6 * inputs.log_probs.limit,
    };
  },
};
