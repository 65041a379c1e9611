// The generated pieces one after the other: a slider, what has been read and what comes next with its alternatives.
"use strict";

function stepWords(step) {
  const target = data.target[step - 1];
  return `step ${step} of ${N_TARGET}: has read ${pieceText(data.input[step - 1])}, ${data.generated ? "writes" : "is to write"} ${pieceText(target)} (${percent(Math.exp(-data.loss[step - 1]))})`;
}

function percent(share) {
  return share > 0.9995 ? "100%" : share < 0.0005 ? "<0.1%" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
}

function makeSlider() {
  const slider = document.getElementById("step");
  slider.max = N_TARGET;
  slider.addEventListener("input", () => go({ step: Number(slider.value) }, true));
  document.getElementById("pieces").append(
    ...data.target.map((id, i) =>
      el(
        "button",
        {
          type: "button",
          tabindex: "-1",
          title: stepWords(i + 1),
          onclick: () => go({ step: i + 1 }, true),
        },
        pieceText(id),
      ),
    ),
  );
}

function showStep() {
  const slider = document.getElementById("step"),
    pieces = document.getElementById("pieces");
  slider.value = state.step;
  slider.setAttribute("aria-valuetext", stepWords(state.step));
  document.getElementById("step-words").textContent = stepWords(state.step);
  [...pieces.children].forEach((piece, i) => {
    piece.className = i < state.step - 1 ? "read" : i === state.step - 1 ? "now" : "later";
  });
  const now = pieces.children[state.step - 1];
  pieces.scrollLeft = now.offsetLeft - pieces.clientWidth / 2;
}

// The most probable pieces of a step, generated and copied part side by side; the temperature reshapes them.
function distributionElement(step) {
  const gate = operationOf["copy.gate"] && matrixOf("copy.gate", "value", 0);
  const share = gate ? sigmoid(-gate.at(step - 1, 0)) : 0;
  const table = el("tbody", {}, ...alternativeRows(step)),
    heading = el("p", { class: "soft" }, temperatureWords());
  const slider = el("input", {
    type: "range",
    min: "0.1",
    max: "3",
    step: "0.1",
    value: state.temperature,
    "data-panel": "temperature",
    "aria-label": "Temperature",
    disabled: !array("log_probs", "value"),
  });
  slider.addEventListener("input", () => {
    state.temperature = Number(slider.value);
    table.replaceChildren(...alternativeRows(step));
    heading.textContent = temperatureWords();
  });
  slider.addEventListener("change", () => go({ temperature: state.temperature }, true));
  const box = el("section", { class: "card distribution", "aria-label": "Distribution over the vocabulary" });
  box.append(
    el("h3", {}, `What comes after ${pieceText(data.input[step - 1])}?`),
    el(
      "p",
      { class: "soft" },
      `Step ${step} of ${N_TARGET}. ${data.generated ? "The piece that was generated" : "The reference's piece"} is bold.`,
    ),
    el("table", {}, el("caption", { class: "hidden" }, "Most probable pieces"), table),
  );
  if (gate) {
    box.append(
      el(
        "p",
        { class: "copy" },
        el(
          "span",
          { class: "bars" },
          el("i", { class: "generated", style: `width:${100 * (1 - share)}%` }),
          el("i", { class: "copied", style: `width:${100 * share}%` }),
        ),
        el("span", {}, `generated ${percent(1 - share)}, `),
        el("span", { class: "copied-word" }, `copied from the description ${percent(share)}`),
      ),
    );
  }
  box.append(heading, slider);
  return box;
}

function temperatureWords() {
  return `Temperature ${state.temperature.toFixed(1)}: log-probabilities are divided by it before the softmax`;
}

function alternativeRows(step) {
  return alternativesAt(step).map(([id, probability, generated, copied]) =>
    el(
      "tr",
      { class: id === data.target[step - 1] ? "target" : "" },
      el("th", { scope: "row" }, pieceText(id)),
      el(
        "td",
        { class: "bars" },
        el("i", { class: "generated", style: `width:${100 * generated}%` }),
        el("i", { class: "copied", style: `width:${100 * copied}%` }),
      ),
      el("td", {}, percent(probability)),
    ),
  );
}

// [id, P, generated, copied], at temperature 1 as the network had them, else computed from all log-probabilities.
function alternativesAt(step) {
  if (state.temperature === 1 || !array("log_probs", "value")) return data.top[step - 1];
  const row = matrixOf("log_probs", "value", 0).row(step - 1),
    count = data.top[step - 1].length;
  const soft = softmaxRow(
    (i) => row[i] / state.temperature,
    row.length,
    () => true,
  ).weights;
  const best = soft
    .map((probability, id) => [id, probability])
    .sort((a, b) => b[1] - a[1])
    .slice(0, count);
  return best.map(([id, probability]) => [id, probability, probability, 0]);
}
