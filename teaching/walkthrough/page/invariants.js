// What must hold for the gradients drawn, whatever the numbers: sums that are 0, padding that nobody reads.
"use strict";

// Statements that must hold for the gradients drawn: [{text, value, bound}], bound what rounding allows.
function invariantsOf(operation) {
  const gradient = array(operation.name, "gradient");
  if (!gradient) return [];
  const found = [];
  if (["scores", "logits", "copy_scores"].includes(operation.kind)) {
    found.push({ text: "largest row sum of the gradient (softmax: 0)", ...worstRow(gradient, () => 1) });
  }
  const norm = readersOf(operation.name).find((other) => other.kind === "norm");
  const residual = readersOf(operation.name).find((other) => other.kind === "residual");
  const others = readersOf(operation.name).filter((other) => other !== norm && other !== residual);
  if (norm && !others.length && isWhole(norm) && (!residual || array(residual.name, "gradient"))) {
    const past = residual ? array(residual.name, "gradient").values : null;
    const values = past ? gradient.values.map((value, i) => value - past[i]) : gradient.values;
    const part = {
      shape: gradient.shape,
      values,
      limit: Math.max(gradient.limit, past ? array(residual.name, "gradient").limit : 0),
    };
    if (norm.variant === "layer")
      found.push({ text: "what comes back through the norm: largest row sum (0)", ...worstRow(part, () => 1) });
    const x = array(operation.name, "value"),
      width = x.shape[1];
    const hat =
      norm.variant === "layer" ? (row, i) => normRow(norm, row).hat[i] : (row, i) => x.values[row * width + i];
    if (norm.variant === "rms")
      found.push({ text: "what comes back through the norm: largest row product with x (0)", ...worstRow(part, hat) });
  }
  if (operation.dims.includes("S") && data.n_source < N_SOURCE && operation.dims[operation.dims.length - 2] === "S") {
    found.push({
      text: "largest gradient at padding (0: nobody reads it)",
      value: largestAtPadding(gradient),
      bound: 0,
    });
  }
  if (operation.mask && operation.kind !== "weights")
    found.push({ text: "largest gradient at a masked cell (0)", value: largestMasked(operation, gradient), bound: 0 });
  return found;
}

function worstRow(gradient, factor) {
  // the largest |row sum|, and what float16 rounding of the row could make of 0
  const columns = gradient.shape[gradient.shape.length - 1];
  let value = 0,
    bound = 0;
  for (let start = 0; start < gradient.values.length; start += columns) {
    let sum = 0,
      size = 0,
      most = 0;
    for (let i = 0; i < columns; i++) {
      const weight = factor(start / columns, i),
        part = gradient.values[start + i] * weight;
      sum += part;
      size += Math.abs(part);
      most = Math.max(most, Math.abs(weight));
    }
    if (Math.abs(sum) >= Math.abs(value)) value = sum;
    bound = Math.max(bound, 2 * ROUNDING * size + gradient.limit * most * (columns * 6e-8 + 2 * ROUNDING));
  }
  return { value, bound: bound + 4e-7 / N_TARGET }; // the network itself rounds probabilities to float32
}

function largestAtPadding(gradient) {
  const shape = gradient.shape.slice(-2),
    whole = shape[0] * shape[1];
  let most = 0;
  gradient.values.forEach((value, i) => {
    if (Math.floor((i % whole) / shape[1]) >= data.n_source) most = Math.max(most, Math.abs(value));
  });
  return most;
}

function largestMasked(operation, gradient) {
  const [rows, columns] = gradient.shape.slice(-2);
  let most = 0;
  gradient.values.forEach((value, i) => {
    if (maskedBecause(operation, Math.floor(i / columns) % rows, i % columns)) most = Math.max(most, Math.abs(value));
  });
  return most;
}
