// The arrays of the trace: base64 -> deflate -> two planes of bytes -> float16 -> numbers, decoded once.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
// Without the names that every object has: an address may be "#constructor".
const operationOf = Object.assign(
  Object.create(null),
  Object.fromEntries(data.operations.map((operation) => [operation.name, operation])),
);
const decoded = new Map(); // "name value" or "name gradient" -> {shape, limit, values}

const HALVES = new Float32Array(65536); // every float16 as a number
for (let bits = 0; bits < 65536; bits++) {
  const exponent = (bits >> 10) & 31,
    mantissa = bits & 1023;
  const size = exponent ? 2 ** (exponent - 15) * (1 + mantissa / 1024) : 2 ** -24 * mantissa;
  HALVES[bits] = bits >> 15 ? -size : size;
}

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = planes.length / 2,
    values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = HALVES[planes[i] | (planes[count + i] << 8)] * packed.limit;
  return { shape: packed.shape, limit: packed.limit, values };
}

async function decodeAll() {
  const waiting = [];
  for (const [name, parts] of Object.entries(data.arrays)) {
    for (const [part, packed] of Object.entries(parts)) {
      if (packed.data !== undefined) {
        waiting.push(unpack(packed).then((array) => decoded.set(`${name} ${part}`, array)));
      }
    }
  }
  for (const operation of data.operations) {
    // the excerpts of parameters: packed in place
    for (const [role, packed] of Object.entries(operation.excerpts)) {
      if (packed && packed.data !== undefined) {
        waiting.push(
          unpack(packed).then((array) => {
            operation.excerpts[role] = array;
          }),
        );
      }
    }
  }
  await Promise.all(waiting);
  const steps = data.loss.length;
  decoded.set("loss value", { shape: [steps, 1], limit: Math.max(...data.loss), values: Float32Array.from(data.loss) });
  decoded.set("loss gradient", {
    shape: [steps, 1],
    limit: 1 / steps,
    values: new Float32Array(steps).fill(1 / steps),
  });
}

// The array, or null where the page has none; `part` is value or gradient.
function array(name, part) {
  const key = `${name} ${part}`;
  if (decoded.has(key)) return decoded.get(key);
  const packed = (data.arrays[name] || {})[part];
  if (!packed || packed.left_out) return null;
  const found = packed.same ? sameArray(packed) : derive(name, part, packed.shape);
  if (found) decoded.set(key, found);
  return found;
}

function sameArray(packed) {
  const other = decoded.get(packed.same);
  return { shape: packed.shape, limit: other.limit, values: other.values };
}

// What is not stored because it is a plain function of stored arrays: see `checks.js`, which compares samples.
function derive(name, part, shape) {
  const operation = operationOf[name];
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const [rows, columns] = shape;
  const target = part === "value" ? operation : readersOf(name)[0];
  const inputs = Object.values(target.inputs);
  if (inputs.some((input) => !array(input, "value")) || (part === "gradient" && !array(target.name, "gradient"))) {
    return null;
  }
  for (let row = 0; row < rows; row++) {
    if (part === "value" && operation.kind === "norm") {
      values.set(normRow(operation, row).output, row * columns);
      continue;
    }
    for (let column = 0; column < columns; column++) {
      values[row * columns + column] =
        part === "value"
          ? activationCell(operation, row, column).result
          : activationGradient(target, name, row, column).result;
    }
  }
  return { shape, limit: largest(values), values, derived: true };
}

function largest(values) {
  let limit = 0;
  for (const value of values) limit = Math.max(limit, Math.abs(value));
  return limit;
}

// One matrix of an array: rows, columns and a reader of cells. Arrays of heads are cut at `head`.
function matrixOf(name, part, head) {
  const whole = array(name, part);
  if (!whole) return null;
  const three = whole.shape.length === 3;
  const [rows, columns] = whole.shape.slice(three ? 1 : 0);
  const start = three ? Math.min(head, whole.shape[0] - 1) * rows * columns : 0;
  return {
    rows,
    columns,
    heads: three ? whole.shape[0] : 1,
    limit: whole.limit,
    derived: whole.derived || false,
    at: (row, column) => whole.values[start + row * columns + column],
    row: (row) => whole.values.subarray(start + row * columns, start + (row + 1) * columns),
  };
}

function readersOf(name) {
  return data.operations.filter((operation) => Object.values(operation.inputs).includes(name));
}

// At most four digits: float16 holds no more.
function digits(value, count = 4) {
  if (value === 0 || !Number.isFinite(value))
    return value === 0 ? "0" : String(value).replace("Infinity", "∞").replace("-", "−");
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e5) return String(Number(value.toPrecision(count))).replace("-", "−");
  const [mantissa, exponent] = value.toExponential(count - 2).split("e");
  const raised = [...exponent.replace("+", "")].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("");
  return `${mantissa.replace("-", "−")}·10${raised}`;
}
