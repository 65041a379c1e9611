// Drawing a matrix: cells, grid, labels on both axes, lights; and small pictures of whole arrays.
"use strict";

const LEGIBLE = 8; // pixels a cell needs to carry a sign

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
        Math.min(cellWidth, cellHeight) >= LEGIBLE &&
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
  pen.font = LABEL_FONT.replace("12px", `${Math.min(12, Math.floor(cellWidth))}px`);
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
