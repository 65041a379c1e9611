// From numbers to colours: blue for positive, orange for negative, violet for shares of 1; masked is a texture.
"use strict";

const GROUND = [250, 249, 246];
const POSITIVE = [18, 74, 176],
  NEGATIVE = [214, 92, 8],
  SHARE = [84, 36, 140];
const PATTERN_SIDE = 6; // pixels
const EXPLAINED = { future: "a later piece", padding: "padding" };

// Square root, so that small values are seen; every legend prints the limit and where a quarter of it lies.
function strength(value, limit) {
  return limit > 0 ? Math.sqrt(Math.min(1, Math.abs(value) / limit)) : 0;
}

function colourOf(value, scale) {
  const full = scale.kind === "share" ? SHARE : value < 0 ? NEGATIVE : POSITIVE,
    amount = strength(value, scale.limit);
  return `rgb(${GROUND.map((ground, i) => Math.round(ground + (full[i] - ground) * amount)).join(",")})`;
}

// How an array is coloured: shares of 1 by themselves, log-probabilities as probabilities, all else by sign and size.
function scaleOf(name, part, limit) {
  const leaf = name.split(".").pop();
  if (part === "value" && leaf === "weights") return { kind: "share", limit: 1, shown: (value) => value };
  if (part === "value" && name === "log_probs") return { kind: "share", limit: 1, shown: Math.exp };
  return { kind: "signed", limit, shown: (value) => value };
}

function texture(context, kind) {
  const tile = document.createElement("canvas"),
    side = PATTERN_SIDE * devicePixelRatio;
  tile.width = tile.height = side;
  const pen = tile.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, side, side);
  pen.strokeStyle = pen.fillStyle = "#a8a49c";
  pen.lineWidth = devicePixelRatio;
  if (kind === "future") {
    // slanted lines
    for (const shift of [-side, 0, side]) {
      pen.moveTo(shift, side);
      pen.lineTo(shift + side, 0);
    }
    pen.stroke();
  } else {
    // dots
    pen.beginPath();
    pen.arc(side / 2, side / 2, side / 5, 0, 2 * Math.PI);
    pen.fill();
  }
  return context.createPattern(tile, "repeat");
}

function legendElement(scale, masks) {
  const share = scale.kind === "share",
    stops = [];
  for (let i = 0; i <= 20; i++) {
    const place = share ? i / 20 : i / 10 - 1;
    stops.push(colourOf(Math.sign(place) * place * place * scale.limit, scale)); // inverse of the square root
  }
  const marks = share ? ["0", "¼", "1"] : [`−${digits(scale.limit, 3)}`, "0", digits(scale.limit, 3)];
  const bar = el("span", { class: "bar", style: `background:linear-gradient(90deg,${stops.join(",")})` });
  const keys = masks.map((kind) =>
    el("span", { class: "mask-key" }, el("i", { class: `swatch ${kind}` }), EXPLAINED[kind]),
  );
  return el(
    "div",
    { class: `legend ${scale.kind}` },
    el("span", { class: "scale" }, bar, el("span", { class: "marks" }, ...marks.map((mark) => el("span", {}, mark)))),
    share ? "share of 1" : "square-root scale, − negative",
    ...keys,
  );
}
