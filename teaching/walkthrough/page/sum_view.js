// One cell written as a sum with its own numbers, its gradient by the rule of what reads it, and the panel's proofs.
"use strict";

const SHOWN_TERMS = 8,
  MOST_WHOLE = 64; // a longer sum is shown whole only when asked for
let allTerms = false;

function sumElement(operation, head, cell, whole) {
  const matrix = matrixOf(operation.name, "value", head),
    box = el("section", { class: "sum", "aria-label": "This cell" });
  if (!cell) {
    box.append(
      el("h3", {}, "One cell"),
      el(
        "p",
        { class: "soft" },
        "Point at a cell, or focus the matrix and use the arrow keys: its row, column, term and line light up, and its sum is written here.",
      ),
    );
    return box;
  }
  const value = matrix && matrix.at(cell.row, cell.column),
    sum = sumOf(operation, head, cell.row, cell.column);
  box.append(el("h3", {}, cellTitle(operation, head, cell)));
  if (state.part === "gradient") box.append(gradientParts(operation, head, cell), el("h4", {}, "Value"));
  box.append(el("p", { class: state.part === "value" ? "big" : "big small" }, matrix ? digits(value) : "left out"));
  if (sum.because) box.append(el("p", { class: "masked" }, maskedWords(operation, sum)));
  if (sum.missing) box.append(el("p", { class: "soft" }, sum.missing));
  else box.append(...sumParts(sum, whole), agreement(sum, value, matrix ? matrix.limit : 0));
  if (state.part === "value") box.append(gradientParts(operation, head, cell));
  return box;
}

function cellTitle(operation, head, cell) {
  const dims = dimsOf(operation.name),
    columns = dims[dims.length - 1],
    rows = dims[dims.length - 2];
  const column = ["S", "T", "V"].includes(columns) ? ` · ${labelOf(columns, cell.column)}` : "";
  return (
    `Row ${cell.row + 1} · ${rowLabel(rows, cell.row)}, column ${cell.column + 1}${column}` +
    (operation.dims[0] === "h" ? `, head ${head + 1}` : "")
  );
}

function maskedWords(operation, sum) {
  return operation.kind === "weights"
    ? `Masked (${EXPLAINED[sum.because]}): the score becomes −∞, so this weight is 0 and takes no part in the sum.`
    : `Masked (${EXPLAINED[sum.because]}): this score is computed, then replaced by −∞ before the softmax.`;
}

function sumParts(sum, whole) {
  const parts = [];
  if (sum.terms) {
    const ranked = [...sum.terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const count = sum.terms.length <= MOST_WHOLE || allTerms ? sum.terms.length : 2 * SHOWN_TERMS;
    const shown =
      whole && count === sum.terms.length
        ? sum.terms
        : ranked.slice(0, whole ? count : SHOWN_TERMS).filter((term) => term.value !== 0);
    const rest = sum.terms.length - shown.length,
      listed = new Set(shown),
      left = total(sum.terms.filter((term) => !listed.has(term)));
    const most = Math.abs(ranked[0].value) || 1;
    const rows = shown.map((term) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, term.name),
        ...term.factors.map((factor) => el("td", {}, digits(factor, 3))),
        el("td", { class: "product" }, digits(term.value, 3)),
        el(
          "td",
          { class: "weight" },
          el("i", { class: term.value < 0 ? "minus" : "plus", style: `width:${(100 * Math.abs(term.value)) / most}%` }),
        ),
      ),
    );
    if (shown.length < sum.terms.length)
      rows.push(
        el(
          "tr",
          { class: "rest" },
          el("th", { scope: "row" }, `${rest} more`),
          ...(shown[0] ? shown[0].factors.map(() => el("td", {}, "")) : []),
          el("td", { class: "product" }, digits(left, 3)),
          el("td", {}, ""),
        ),
      );
    const names =
      sum.columnsOf.length > 1 && sum.terms[0].factors.length === 1
        ? [sum.columnsOf[0], sum.columnsOf[1]]
        : [...sum.columnsOf, "product"];
    parts.push(
      el(
        "div",
        { class: "scroll" },
        el(
          "table",
          { class: "terms" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              el("th", {}, sum.terms.length > shown.length ? "largest terms" : "terms"),
              ...names.map((name) => el("th", { scope: "col" }, name)),
              el("th", {}, ""),
            ),
          ),
          el("tbody", {}, ...rows),
          el(
            "tfoot",
            {},
            el(
              "tr",
              {},
              el("th", { scope: "row" }, `sum of ${sum.terms.length}`),
              ...sum.terms[0].factors.map(() => el("td", {}, "")),
              el("td", { class: "product" }, digits(total(sum.terms))),
              el("td", {}, ""),
            ),
          ),
        ),
      ),
    );
  }
  if (whole && sum.terms && sum.terms.length > MOST_WHOLE) {
    parts.push(
      el(
        "button",
        {
          type: "button",
          onclick: () => {
            allTerms = !allTerms;
            render();
          },
        },
        allTerms ? "only the largest terms" : `all ${sum.terms.length} terms`,
      ),
    );
  }
  if (sum.steps && sum.steps.length) {
    parts.push(
      el(
        "dl",
        { class: "steps" },
        ...sum.steps.map(([text, value]) => el("div", {}, el("dt", {}, text), el("dd", {}, digits(value)))),
      ),
    );
  }
  return parts;
}

function agreement(sum, stored, limit) {
  if (stored === undefined || stored === null) return el("p", { class: "tick" }, `= ${digits(sum.result)}`);
  const check = compared("", sum, stored, limit);
  return el(
    "p",
    { class: check.ok ? "tick ok" : "tick bad" },
    `${check.ok ? "✓" : "✗"} computed here ${digits(sum.result)}, stored ${digits(stored)}`,
  );
}

function gradientParts(operation, head, cell) {
  const matrix = matrixOf(operation.name, "gradient", head),
    holder = el("div", { class: "back" });
  if (!matrix) return holder;
  const stored = matrix.at(cell.row, cell.column);
  holder.append(el("h4", {}, "Gradient of the loss"), el("p", { class: "big small" }, digits(stored)));
  const computed = operation.name === "loss" ? null : gradientOf(operation.name, head, cell.row, cell.column);
  if (computed) holder.append(el("p", { class: "rule" }, computed.rule), agreement(computed, stored, matrix.limit));
  else if (operation.name === "loss") holder.append(el("p", { class: "rule" }, "The mean hands 1/T to each piece."));
  else holder.append(el("p", { class: "soft" }, gradientNotInPage(operation)));
  return holder;
}

// Which columns have a gradient that can be computed again; the page holds a few rows of the matrices behind them.
function gradientNotInPage(operation) {
  const back = readersOf(operation.name)
    .map((reader) => reader.excerpts.back)
    .find(Boolean);
  const known = (back || []).map((flat) =>
    operation.dims[0] === "h"
      ? `${(flat % data.d_k) + 1} of head ${Math.floor(flat / data.d_k) + 1}`
      : String(flat + 1),
  );
  return known.length
    ? `Computed again here in column ${known.join(" and ")}: the page holds a few columns of the matrices that read it.`
    : "What this gradient is computed from was left out of this page.";
}

// What was computed here and what is stored; they may differ in the last digits, which float16 does not hold.
function twoNumbers({ computed, stored }) {
  return `${digits(computed)} ${digits(computed) === digits(stored) ? "=" : "≈"} ${digits(stored)}`;
}

// The ticks of a panel: cells computed again, and what must hold for its gradient.
function proofElement(operation, part) {
  const checks = checksOf(operation, part),
    invariants = part === "gradient" ? invariantsOf(operation) : rowSums(operation);
  const box = el("section", { class: "proof", "aria-label": "Proof" }, el("h3", {}, "Computed again here"));
  if (checks.length) {
    box.append(
      el(
        "ul",
        {},
        ...checks.map((check) =>
          el(
            "li",
            { class: check.ok ? "ok" : "bad" },
            el(
              "a",
              { href: link({ head: check.cell[0], row: check.cell[1], column: check.cell[2] }) },
              `${check.ok ? "✓" : "✗"} ${check.label}`,
            ),
            el("span", {}, twoNumbers(check)),
          ),
        ),
      ),
    );
  } else box.append(el("p", { class: "soft" }, "Nothing to compute here."));
  if (invariants.length) {
    box.append(
      el("h3", {}, "Must hold"),
      el(
        "ul",
        {},
        ...invariants.map(({ text, value, bound, shown }) => {
          const ok = Math.abs(value) <= bound;
          return el(
            "li",
            { class: ok ? "ok" : "bad" },
            el("span", {}, `${ok ? "✓" : "✗"} ${text}`),
            el("span", {}, shown || digits(value, 2)),
          );
        }),
      ),
    );
  }
  return box;
}

function rowSums(operation) {
  if (operation.kind !== "weights") return [];
  const weights = array(operation.name, "value");
  if (!weights) return [];
  const columns = weights.shape[2];
  let worst = 0;
  for (let start = 0; start < weights.values.length; start += columns) {
    const sum = weights.values.subarray(start, start + columns).reduce((a, b) => a + b, 0);
    if (Math.abs(sum - 1) > Math.abs(worst)) worst = sum - 1;
  }
  return [{ text: "every row sums to 1; furthest from it", value: worst, bound: 2 ** -10, shown: digits(1 + worst) }];
}
