// A matrix on a canvas, rows are positions: labels, cells, textures of masks, and lights over it. Behind it a table.
"use strict";

const CELL = { least: 1, named: 10, most: 26, high: 17 };
const MOST_TOKENS = 56; // columns of the vocabulary that are drawn at first

// {name, part, head, role, width, onHover, onPick} -> {element, light, canvas}
function matrixPanel(options) {
  const { name, part, head, role: roleName } = options,
    operation = operationOf[name];
  const matrix = options.matrix || matrixOf(name, part, head),
    dims = dimsOf(name);
  if (!matrix) return { element: absent(name, part, dims, roleName), light() {}, canvas: null };
  const rowAxis = dims[dims.length - 2] || "T",
    columnAxis = dims.length > 1 ? dims[dims.length - 1] : "1";
  const panel = {
    ...options,
    operation,
    matrix,
    rowAxis,
    columnAxis,
    columns: columnsShown(matrix, columnAxis, options.allTokens),
    scale: options.scale || scaleOf(name, part, sliceLimit(matrix)),
  };
  panel.layout = layoutOf(panel);
  const canvas = el("canvas", {}),
    lights = el("canvas", { class: "lights" }),
    tip = el("div", { class: "tip", hidden: true });
  drawMatrix(canvas, panel);
  sizeCanvas(lights, panel.layout);
  const holder = el(
    "div",
    {
      class: "canvas",
      tabindex: "0",
      role: "img",
      "data-panel": roleName,
      "aria-label": `${panelTitle(panel)}. ${rowsAndColumns(panel)} Arrow keys move from cell to cell, Enter opens a cell.`,
    },
    canvas,
    lights,
    tip,
  );
  const element = el(
    "figure",
    {
      class: "matrix role-box",
      "data-role": roleName,
      style: `width:min(100% - 1.8rem, ${Math.max(250, Math.ceil(panel.layout.width) + 4)}px)`,
    },
    el("figcaption", {}, panelCaption(panel)),
    el("div", { class: "scroll" }, holder),
    legendElement(panel.scale, masksOf(panel)),
    tableBehind(panel),
    exportButtons(panel),
  );
  panel.cursor = null;
  const light = (list) => drawLights(lights, panel, list);
  listen(holder, panel, tip, light);
  return { element, light, canvas, panel };
}

function dimsOf(name) {
  if (operationOf[name])
    return operationOf[name].dims.length > 1 ? operationOf[name].dims : [operationOf[name].dims[0], "1"];
  const axis = name.startsWith("encoder") ? "S" : "T",
    leaf = name.split(".").pop();
  if (leaf === "bias") return ["h", axis, axis];
  return [axis, leaf === "positions" ? "d" : "k"];
}

function columnsShown(matrix, axis, all) {
  const every = Array.from({ length: matrix.columns }, (_, i) => i);
  if (axis !== "V" || all || matrix.columns <= MOST_TOKENS) return every;
  const chosen = new Set(data.target);
  for (let rank = 0; rank < data.top[0].length && chosen.size < MOST_TOKENS; rank++) {
    for (const step of data.top) if (chosen.size < MOST_TOKENS) chosen.add(step[rank][0]);
  }
  return [...chosen];
}

function sliceLimit(matrix) {
  let limit = 0;
  for (let i = 0; i < matrix.rows; i++) for (const value of matrix.row(i)) limit = Math.max(limit, Math.abs(value));
  return limit;
}

function layoutOf({ matrix, rowAxis, columnAxis, columns, width }) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = LABEL_FONT;
  const widest = (texts) => Math.max(8, ...texts.map((text) => pen.measureText(text).width));
  const named = ["S", "T", "V"].includes(columnAxis) && columns.length <= 64;
  const left =
    Math.ceil(
      Math.min(width < 500 ? 104 : 170, widest(Array.from({ length: matrix.rows }, (_, i) => rowLabel(rowAxis, i)))),
    ) + 30;
  const cellWidth = Math.max(
    named ? CELL.named : CELL.least,
    Math.min(state.slide ? 2 * CELL.most : CELL.most, (width - left - 4) / columns.length),
  );
  const above = named ? Math.ceil(Math.min(110, widest(columns.map((i) => labelOf(columnAxis, i))))) + 12 : 16;
  const cellHeight = state.slide
    ? Math.max(8, Math.min(24, (innerHeight - 530 - above) / matrix.rows))
    : Math.min(CELL.high, Math.max(14, cellWidth));
  return {
    left,
    above,
    cellWidth,
    cellHeight,
    named,
    width: left + cellWidth * columns.length + 3,
    height: above + cellHeight * matrix.rows + 3,
  };
}

function cellAt(panel, x, y) {
  const { left, above, cellWidth, cellHeight } = panel.layout;
  const j = Math.floor((x - left) / cellWidth),
    i = Math.floor((y - above) / cellHeight);
  if (i < 0 || j < 0 || i >= panel.matrix.rows || j >= panel.columns.length || !isRevealed(panel, i)) return null;
  return { row: i, column: panel.columns[j] };
}

function listen(holder, panel, tip, light) {
  const show = (cell) => {
    panel.cursor = cell;
    tip.hidden = !cell;
    if (cell) placeTip(tip, panel, cell);
    panel.onHover(cell, panel);
  };
  holder.addEventListener("pointermove", (event) => {
    const box = holder.getBoundingClientRect();
    show(cellAt(panel, event.clientX - box.left, event.clientY - box.top));
  });
  holder.addEventListener("pointerleave", () => show(null));
  holder.addEventListener("blur", () => show(null));
  holder.addEventListener("click", (event) => {
    const box = holder.getBoundingClientRect(),
      cell = cellAt(panel, event.clientX - box.left, event.clientY - box.top);
    if (cell) panel.onPick(cell, panel);
  });
  holder.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] },
      move = moves[event.key];
    if (event.key === "Enter" && panel.cursor) panel.onPick(panel.cursor, panel);
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const start = panel.cursor || panel.start;
    const j = start ? panel.columns.indexOf(start.column) + move[1] : 0,
      i = start ? start.row + move[0] : 0;
    if (i < 0 || j < 0 || i >= panel.matrix.rows || j >= panel.columns.length) return;
    show({ row: i, column: panel.columns[j] });
    announce(cellWords(panel, panel.cursor));
    if (panel.onMove) panel.onMove(panel.cursor, panel);
  });
}

function placeTip(tip, panel, cell) {
  const { left, above, cellWidth, cellHeight, width } = panel.layout,
    x = left + panel.columns.indexOf(cell.column) * cellWidth;
  tip.textContent = cellWords(panel, cell);
  tip.style.top = `${above + (cell.row + 1) * cellHeight + 6}px`;
  tip.style.left = `${Math.max(0, Math.min(x, width - 230))}px`;
}

// row 3 `sum`, column 1 `return`: 0.41
function cellWords(panel, { row: i, column }) {
  const value = panel.matrix.at(i, column),
    because = panel.operation && panel.operation.mask ? maskedBecause(panel.operation, i, column) : "";
  const columnText = ["S", "T", "V"].includes(panel.columnAxis) ? ` ${labelOf(panel.columnAxis, column)}` : "";
  const place = `row ${i + 1} ${rowLabel(panel.rowAxis, i)}, column ${column + 1}${columnText}: `;
  if (!because)
    return (
      place +
      (panel.name === "log_probs" && panel.part === "value"
        ? `log P ${digits(value)}, P ${digits(Math.exp(value), 3)}`
        : digits(value))
    );
  const leaf = panel.name.split(".").pop();
  return (
    place +
    (leaf === "scores" && panel.part === "value"
      ? `${digits(value)} → −∞, masked: ${EXPLAINED[because]}`
      : `${digits(value)}, masked: ${EXPLAINED[because]}`)
  );
}

function masksOf({ operation, matrix, rowAxis }) {
  const kinds = new Set();
  if (operation && operation.mask === "future") kinds.add("future");
  if (data.n_source < N_SOURCE && (rowAxis === "S" || (operation && operation.mask === "padding")))
    kinds.add("padding");
  return [...kinds].filter(() => matrix.rows > 1);
}

function panelTitle(panel) {
  const head = panel.matrix.heads > 1 ? `, head ${panel.head + 1}` : "";
  const operation = panel.operation;
  return (
    (panel.title || (operation ? operationName(operation) : stepName(panel.name))) +
    head +
    (panel.part === "gradient" ? ", gradient" : "")
  );
}

function panelCaption(panel) {
  const operation = panel.operation,
    far = operation && panel.role !== "out" && panel.current && operation.place !== panel.current.place;
  const where = far ? ` (${layerName(layerOf(operation))})` : "";
  const computed = panel.matrix.derived
    ? el("span", { class: "computed", title: "Not stored: computed here from other arrays" }, "computed here")
    : null;
  const shape = operation ? shapeElement(operation) : null;
  const title =
    operation && panel.role !== "out" && !panel.title
      ? el("a", { href: link({ at: operation.name }) }, panelTitle(panel))
      : panelTitle(panel);
  const from = panel.role !== "out" ? el("small", { class: "soft" }, "computed from ") : null;
  return el(
    "span",
    {},
    from,
    el("b", { class: "role", "data-role": panel.role }, title),
    where,
    " ",
    shape,
    " ",
    computed,
  );
}

function rowsAndColumns({ matrix, rowAxis, columnAxis }) {
  return `${matrix.rows} rows (${DIMENSIONS[rowAxis]}), ${matrix.columns} columns (${DIMENSIONS[columnAxis]}).`;
}

function absent(name, part, dims, roleName) {
  const why = (data.arrays[name] || {})[part]
    ? "left out, to keep the page small; --megabytes gives it more room"
    : part === "gradient"
      ? "nothing learned lies before it, so it has no gradient"
      : "not there";
  return el(
    "figure",
    { class: "matrix absent role-box", "data-role": roleName },
    el("figcaption", {}, el("b", {}, stepName(name))),
    el("p", {}, `${part}: ${why}.`),
  );
}

// The numbers for those who do not see a canvas; made when it is opened, for a large one takes time.
function tableBehind(panel) {
  const details = el("details", { class: "behind" }, el("summary", {}, "Numbers as a table"));
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("table")) return;
    const head = el(
      "tr",
      {},
      el("th", {}, ""),
      ...panel.columns.map((j) => el("th", { scope: "col" }, labelOf(panel.columnAxis, j))),
    );
    const rows = Array.from({ length: panel.matrix.rows }, (_, i) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, rowLabel(panel.rowAxis, i)),
        ...panel.columns.map((j) => el("td", {}, isRevealed(panel, i) ? digits(panel.matrix.at(i, j)) : "")),
      ),
    );
    details.append(
      el(
        "div",
        { class: "scroll" },
        el("table", {}, el("caption", {}, panelTitle(panel)), el("thead", {}, head), el("tbody", {}, ...rows)),
      ),
    );
  });
  return details;
}
