// The page proves itself: a few cells of each panel are computed again from the inputs drawn and compared.
"use strict";

const CELLS_OF_A_PANEL = 4;

// {label, computed, stored, ok} of the cells of one panel; `part` is value or gradient.
function checksOf(operation, part) {
  const whole = array(operation.name, part);
  if (!whole) return [];
  const found = sampleChecks(operation.name, part, whole);
  if (whole.derived) return found;
  for (const [head, row, column] of cellsToCheck(operation, part)) {
    const matrix = matrixOf(operation.name, part, head);
    const computed =
      part === "value" ? sumOf(operation, head, row, column) : gradientOf(operation.name, head, row, column);
    if (!computed || computed.missing) continue;
    found.push(
      compared(cellLabel(operation, head, row, column), computed, matrix.at(row, column), whole.limit, [
        head,
        row,
        column,
      ]),
    );
  }
  return found;
}

function compared(label, computed, stored, limit, cell) {
  const room = computed.error + ROUNDING * Math.abs(stored) + limit * 1e-7;
  return { label, computed: computed.result, stored, ok: Math.abs(computed.result - stored) <= room, cell };
}

function cellLabel(operation, head, row, column) {
  return `${operation.dims[0] === "h" ? `head ${head + 1}, ` : ""}row ${row + 1}, column ${column + 1}`;
}

// An array that the page has computed as a whole is compared with cells of the network's own.
function sampleChecks(name, part, whole) {
  const samples = ((data.arrays[name] || {})[part] || {}).samples || [];
  const columns = whole.shape[whole.shape.length - 1];
  return samples.map(([index, stored]) => {
    const error = 8 * ROUNDING * (Math.abs(stored) + whole.limit * 0.05);
    const cell = [0, Math.floor(index / columns), index % columns];
    return compared(
      `row ${cell[1] + 1}, column ${cell[2] + 1}`,
      { result: whole.values[index], error },
      stored,
      whole.limit,
      cell,
    );
  });
}

// Cells spread over the panel, among those that the page can compute.
function cellsToCheck(operation, part) {
  const matrix = matrixOf(operation.name, part, 0),
    cells = [];
  const rows = operation.dims[operation.dims.length - 2] === "S" ? Math.min(matrix.rows, data.n_source) : matrix.rows;
  for (let i = 0; i < CELLS_OF_A_PANEL; i++) {
    const head = i % matrix.heads;
    let row = Math.floor(((i + 0.5) / CELLS_OF_A_PANEL) * rows),
      column = (7 * i + 1) % matrix.columns;
    const { columns } = operation.excerpts;
    const back =
      part === "gradient" &&
      readersOf(operation.name)
        .map((reader) => reader.excerpts.back)
        .find(Boolean);
    let known = false; // whether only these columns can be computed
    if (part === "value" && operation.kind === "embedding") {
      known = true;
      const ids = operation.place === "encoder" ? data.source : data.input;
      row = ids.indexOf(columns[i % columns.length]);
    } else if (part === "value" && columns) {
      const flat = columns[(i * (operation.inputs.cosine ? 2 : 1)) % columns.length];
      if (operation.dims[0] === "h") {
        cells.push([Math.floor(flat / data.d_k), row, flat % data.d_k]);
        continue;
      }
      column = flat;
      known = true;
    } else if (back) {
      const flat = back[i % back.length];
      cells.push(operation.dims[0] === "h" ? [Math.floor(flat / data.d_k), row, flat % data.d_k] : [0, row, flat]);
      continue;
    } else if (["log_softmax", "mixture"].includes(operation.kind) || operation.name === "logits") {
      column = i % 2 ? column : data.target[row];
    } else if (operation.mask === "future") {
      column %= row + 1;
    } else if (operation.mask === "padding") {
      column %= data.n_source;
    }
    if (row >= 0)
      cells.push([
        head,
        row,
        !known && i % 2 ? largestOf(matrixOf(operation.name, part, head), operation, row) : column,
      ]);
  }
  return cells;
}

// The column with the largest number of a row, masked ones left out: a cell that says something.
function largestOf(matrix, operation, row) {
  let best = 0;
  for (let column = 0; column < matrix.columns; column++) {
    if (operation.mask && maskedBecause(operation, row, column)) continue;
    if (Math.abs(matrix.at(row, column)) > Math.abs(matrix.at(row, best))) best = column;
  }
  return best;
}

function checkEverything() {
  const result = { total: 0, agreed: 0, failures: [], invariants: 0, held: 0 };
  for (const operation of data.operations) {
    for (const part of ["value", "gradient"]) {
      for (const check of checksOf(operation, part)) {
        result.total += 1;
        if (check.ok) result.agreed += 1;
        else result.failures.push(`${operation.name} ${part} ${check.label}: ${check.computed} is not ${check.stored}`);
      }
    }
    for (const invariant of invariantsOf(operation)) {
      result.invariants += 1;
      if (Math.abs(invariant.value) <= invariant.bound) result.held += 1;
      else result.failures.push(`${operation.name} ${invariant.text}: ${invariant.value} > ${invariant.bound}`);
    }
  }
  return result;
}
