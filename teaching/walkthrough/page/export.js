// A panel as a file: PNG of what is drawn, SVG of its cells and labels.
"use strict";

function exportButtons(panel) {
  const name = `${panel.name}${panel.matrix.heads > 1 ? `-head${panel.head + 1}` : ""}-${panel.part}`;
  return el(
    "div",
    { class: "export" },
    el(
      "button",
      {
        type: "button",
        "aria-label": `Save ${name} as PNG`,
        onclick: (event) => savePNG(event.target.closest("figure").querySelector("canvas"), name),
      },
      "PNG",
    ),
    el(
      "button",
      {
        type: "button",
        "aria-label": `Save ${name} as SVG`,
        onclick: () => save(new Blob([svgOf(panel)], { type: "image/svg+xml" }), `${name}.svg`),
      },
      "SVG",
    ),
  );
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function savePNG(canvas, name) {
  canvas.toBlob((blob) => save(blob, `${name}.png`));
}

function svgOf(panel) {
  const { layout, matrix, columns } = panel,
    { left, above, cellWidth, cellHeight } = layout,
    parts = [];
  const text = (x, y, words, more = "") =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escapeHTML(words)}</text>`;
  for (let i = 0; i < matrix.rows; i++) {
    const y = above + i * cellHeight;
    parts.push(text(left - 6, y + cellHeight / 2 + 4, rowLabel(panel.rowAxis, i), 'text-anchor="end"'));
    columns.forEach((column, j) => {
      const because = panel.operation && panel.operation.mask ? maskedBecause(panel.operation, i, column) : "";
      const fill = because ? `url(#${because})` : colourOf(panel.scale.shown(matrix.at(i, column)), panel.scale);
      parts.push(
        `<rect x="${(left + j * cellWidth).toFixed(2)}" y="${y}" width="${cellWidth.toFixed(2)}" height="${cellHeight}" fill="${fill}"/>`,
      );
    });
  }
  if (layout.named)
    columns.forEach((column, j) => {
      const x = left + (j + 0.5) * cellWidth + 4;
      parts.push(
        text(x, above - 5, labelOf(panel.columnAxis, column), `transform="rotate(-90 ${x.toFixed(1)} ${above - 5})"`),
      );
    });
  const patterns =
    '<defs><pattern id="future" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6L6 0" stroke="#a8a49c"/></pattern>' +
    '<pattern id="padding" width="6" height="6" patternUnits="userSpaceOnUse"><circle cx="3" cy="3" r="1.2" fill="#a8a49c"/></pattern></defs>';
  const scale = panel.scale.kind === "share" ? "0 to 1" : `limit ±${digits(panel.scale.limit, 3)}`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${layout.width}" height="${layout.height + 20}" font-family="monospace" font-size="12"><title>${escapeHTML(panelTitle(panel))}</title>${patterns}${parts.join("")}` +
    `${text(left, layout.height + 14, `${panelTitle(panel)}, square-root colour scale, ${scale}`)}</svg>`
  );
}

// Printers often lose canvases: each is replaced by a picture of itself while the page is printed.
function stills() {
  document.querySelectorAll("canvas:not(.lights)").forEach((canvas) => {
    const still = el("canvas", {}),
      lights = canvas.parentElement.querySelector(".lights");
    still.width = canvas.width;
    still.height = canvas.height;
    for (const layer of [canvas, lights]) if (layer && layer.width) still.getContext("2d").drawImage(layer, 0, 0);
    canvas.after(el("img", { class: "still", src: still.toDataURL(), alt: "", style: `width:${canvas.style.width}` }));
  });
}

addEventListener("beforeprint", stills);
addEventListener("afterprint", () => document.querySelectorAll("img.still").forEach((picture) => picture.remove()));
