// A matrix on a canvas, rows are positions: labels, cells, textures of masks, and lights over it. Behind it a table.
"use strict";

const CELL = { least: 1.25, most: 26, high: 17, legible: 8 };
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
    named ? 12 : CELL.least,
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

const LABEL_FONT = "12px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";

function sizeCanvas(canvas, { width, height }) {
  canvas.width = Math.ceil(width * devicePixelRatio);
  canvas.height = Math.ceil(height * devicePixelRatio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  return pen;
}

// A row of the target is there once its piece has been read; gradients come after all of it.
function isRevealed(panel, index) {
  return panel.rowAxis !== "T" || panel.part === "gradient" || index < state.step;
}

function drawMatrix(canvas, panel) {
  const { layout, matrix, columns } = panel,
    pen = sizeCanvas(canvas, layout);
  const { left, above, cellWidth, cellHeight } = layout;
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, layout.width, layout.height);
  const textures = { future: texture(pen, "future"), padding: texture(pen, "padding") };
  for (let i = 0; i < matrix.rows; i++) {
    if (!isRevealed(panel, i)) continue;
    columns.forEach((column, j) => {
      const x = left + j * cellWidth,
        y = above + i * cellHeight;
      const because = panel.operation && panel.operation.mask ? maskedBecause(panel.operation, i, column) : "";
      const value = panel.scale.shown(matrix.at(i, column));
      pen.fillStyle = because ? textures[because] : colourOf(value, panel.scale);
      pen.fillRect(x, y, cellWidth + 0.3, cellHeight + 0.3);
      if (
        !because &&
        panel.scale.kind === "signed" &&
        value < 0 &&
        Math.min(cellWidth, cellHeight) >= CELL.legible &&
        strength(value, panel.scale.limit) > 0.12
      ) {
        pen.fillStyle = strength(value, panel.scale.limit) > 0.6 ? "#fff" : "#7a3403";
        pen.fillRect(x + cellWidth / 2 - 2, y + cellHeight / 2 - 0.5, 4, 1);
      }
    });
    if (isPadding(panel.rowAxis, i)) {
      pen.globalAlpha = 0.5;
      pen.fillStyle = textures.padding;
      pen.fillRect(left, above + i * cellHeight, cellWidth * columns.length, cellHeight);
      pen.globalAlpha = 1;
    }
  }
  drawGrid(pen, panel);
  drawCorner(pen, panel);
  drawRowLabels(pen, panel);
  drawColumnLabels(pen, panel);
}

function drawGrid(pen, { layout, matrix, columns }) {
  const { left, above, cellWidth, cellHeight } = layout,
    right = left + cellWidth * columns.length;
  pen.strokeStyle = "#d8d4cc";
  pen.lineWidth = 1;
  pen.strokeRect(left - 0.5, above - 0.5, right - left + 1, cellHeight * matrix.rows + 1);
  if (cellWidth < 8) return;
  pen.strokeStyle = "rgba(255,255,255,.75)";
  pen.beginPath();
  for (let i = 1; i < matrix.rows; i++)
    (pen.moveTo(left, above + i * cellHeight), pen.lineTo(right, above + i * cellHeight));
  for (let j = 1; j < columns.length; j++) {
    pen.moveTo(left + j * cellWidth, above);
    pen.lineTo(left + j * cellWidth, above + cellHeight * matrix.rows);
  }
  pen.stroke();
}

// Which axis is which, and each in the colour of its dimension.
function drawCorner(pen, panel) {
  const { layout, operation, rowAxis, columnAxis, matrix, columns } = panel,
    { left, above, cellWidth, cellHeight } = layout;
  const square = operation && operation.mask,
    colour = (axis) => getComputedStyle(document.body).getPropertyValue(`--${axis}`) || "#5c626b";
  pen.fillStyle = colour(rowAxis);
  pen.fillRect(left - 3, above, 2, cellHeight * matrix.rows);
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "right";
  pen.textBaseline = "alphabetic";
  pen.fillText(`${square ? "query" : rowAxis} ↓`, left - 6, above - 3);
  pen.fillStyle = colour(columnAxis);
  pen.fillRect(left, above - 3, cellWidth * columns.length, 2);
  if (above > 26) pen.fillText(`${square ? "key" : columnAxis} →`, left - 6, above - 16);
}

function drawRowLabels(pen, panel) {
  const { left, above, cellHeight } = panel.layout;
  pen.font = LABEL_FONT.replace("12px", `${Math.min(12, Math.floor(cellHeight))}px`);
  pen.textBaseline = "middle";
  for (let i = 0; i < panel.matrix.rows; i++) {
    const y = above + (i + 0.5) * cellHeight + 0.5,
      struck = isPadding(panel.rowAxis, i);
    pen.fillStyle = struck || !isRevealed(panel, i) ? "#b1ada5" : "#3a3d42";
    pen.textAlign = "right";
    pen.save();
    pen.beginPath();
    pen.rect(0, y - cellHeight, left - 6, 2 * cellHeight);
    pen.clip();
    const text = fitted(pen, rowLabel(panel.rowAxis, i), left - 30);
    pen.fillText(text, left - 6, y);
    pen.fillStyle = "#9a958b";
    pen.textAlign = "left";
    pen.fillText(String(i + 1), 0, y);
    if (struck) pen.fillRect(left - 6 - pen.measureText(text).width, y, pen.measureText(text).width, 1);
    pen.restore();
  }
}

function fitted(pen, text, width) {
  while (text.length > 2 && pen.measureText(text).width > width) text = text.slice(0, -2) + "…";
  return text;
}

function drawColumnLabels(pen, panel) {
  const { left, above, cellWidth, named } = panel.layout,
    { columns, columnAxis } = panel;
  pen.font = named ? LABEL_FONT : "11px system-ui, sans-serif";
  columns.forEach((column, j) => {
    const x = left + (j + 0.5) * cellWidth;
    if (named) {
      const struck = isPadding(columnAxis, column);
      pen.save();
      pen.translate(x + 1, above - 7);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "left";
      pen.textBaseline = "middle";
      pen.fillStyle = struck ? "#b1ada5" : isMarked(panel, column) ? "#2458b8" : "#3a3d42"; // marked: its sum can be written out
      const text = fitted(pen, labelOf(columnAxis, column), above - 10);
      pen.fillText(text, 0, 0);
      if (struck) pen.fillRect(0, 0, pen.measureText(text).width, 1);
      pen.restore();
    } else if (isMarked(panel, column)) {
      // a column whose sum can be written out
      pen.fillStyle = "#1c1e21";
      pen.fillRect(x - Math.max(0.75, cellWidth / 4), above - 9, Math.max(1.5, cellWidth / 2), 5);
    }
  });
}

// Whether the page holds the column of the matrix that makes this column of the output.
function isMarked({ operation, role: roleName, head, part }, column) {
  if (
    roleName !== "out" ||
    part !== "value" ||
    !operation ||
    !operation.excerpts.columns ||
    operation.kind === "embedding"
  )
    return false;
  return operation.excerpts.columns.includes(operation.dims[0] === "h" ? head * data.d_k + column : column);
}

// Lights: whole rows (column null), whole columns (row null) or single cells; the rest is dimmed a little.
function drawLights(canvas, panel, list) {
  const pen = sizeCanvas(canvas, panel.layout),
    { left, above, cellWidth, cellHeight } = panel.layout;
  for (const { row: i, column } of list) {
    const j = column === null ? 0 : panel.columns.indexOf(column);
    if (j < 0) continue;
    const x = left + j * cellWidth,
      y = above + (i === null ? 0 : i) * cellHeight;
    const width = column === null ? cellWidth * panel.columns.length : cellWidth;
    const height = i === null ? cellHeight * panel.matrix.rows : cellHeight;
    pen.lineWidth = i !== null && column !== null ? 2.5 : 1.75;
    pen.strokeStyle = "#fff";
    pen.strokeRect(x - 1.5, y - 1.5, width + 3, height + 3);
    pen.strokeStyle = "#c2185b";
    pen.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
  }
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

// A small picture of a whole array: each block shows its largest value, so that no peak is lost.
function thumbnail(name, part, head = 0, width = 132, height = 66) {
  const matrix = matrixOf(name, part, head),
    canvas = el("canvas", { class: "thumb", "aria-hidden": "true" });
  const pen = sizeCanvas(canvas, { width, height });
  pen.fillStyle = "#f1efea";
  pen.fillRect(0, 0, width, height);
  if (!matrix) return canvas;
  const operation = operationOf[name],
    scale = scaleOf(name, part, sliceLimit(matrix));
  const textures = { future: texture(pen, "future"), padding: texture(pen, "padding") };
  const columns = Math.min(matrix.columns, width / 3),
    rows = Math.min(matrix.rows, height / 3);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let most = 0,
        closed = "",
        open = false;
      for (
        let r = Math.floor((i * matrix.rows) / rows);
        r < Math.max(Math.floor((i * matrix.rows) / rows) + 1, Math.floor(((i + 1) * matrix.rows) / rows));
        r++
      ) {
        for (
          let c = Math.floor((j * matrix.columns) / columns);
          c <
          Math.max(Math.floor((j * matrix.columns) / columns) + 1, Math.floor(((j + 1) * matrix.columns) / columns));
          c++
        ) {
          const because = operation && operation.mask ? maskedBecause(operation, r, c) : "";
          closed = because || closed;
          if (because) continue;
          open = true;
          const value = scale.shown(matrix.at(r, c));
          if (Math.abs(value) > Math.abs(most)) most = value;
        }
      }
      pen.fillStyle = open ? colourOf(most, scale) : textures[closed];
      pen.fillRect((j * width) / columns, (i * height) / rows, width / columns + 0.4, height / rows + 0.4);
    }
  }
  return canvas;
}
