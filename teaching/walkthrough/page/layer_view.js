// One layer: its operations in the order of the data flow, the residual stream as a line beside them.
"use strict";

function layerView() {
  const layer = state.at,
    steps = data.operations.filter((operation) => layerOf(operation) === layer);
  const places = [...new Set(steps.map((operation) => operation.place))];
  const sections = places.map((place) => {
    const here = steps.filter((operation) => operation.place === place),
      name = place.split(".")[2];
    return el(
      "section",
      { class: "sublayer" },
      name ? el("h2", {}, SUBLAYERS[name], subtitle(place)) : null,
      el("div", { class: "cards" }, ...here.map(operationCard)),
    );
  });
  return el(
    "div",
    { class: "layer" },
    el("p", { class: "soft lead" }, leadOf(layer)),
    ...sections,
    layer === "output" ? distributionElement(state.step) : null,
  );
}

function subtitle(place) {
  const [stack, , name] = place.split(".");
  if (name === "cross_attention")
    return el("small", {}, " queries from the decoder, keys and values from the encoder's memory");
  if (name === "self_attention")
    return el(
      "small",
      {},
      stack === "encoder" ? " every piece looks at every piece" : " every piece looks at itself and at earlier ones",
    );
  return el("small", {}, " each position by itself");
}

function leadOf(layer) {
  if (layer === "output")
    return "From the decoder's states to a distribution over the vocabulary, equation (3), and to the loss, equation (6).";
  if (!layer.includes("."))
    return (
      "Pieces become ids, ids become rows of the embedding; " +
      (data.config.positions === "sinusoidal" || data.config.positions === "learned"
        ? "a vector of the position is added."
        : "nothing is added: order enters inside attention.")
    );
  return `${data.config.norm_position === "pre" ? "Norm, sublayer, sum" : "Sublayer, sum, norm"}: what a sublayer gives is added to the stream that runs past it.`;
}

function operationCard(operation) {
  const checks = [...checksOf(operation, "value"), ...checksOf(operation, "gradient")],
    good = checks.filter((check) => check.ok).length;
  return el(
    "a",
    { class: "opcard", "data-kind": operation.kind, href: link({ at: operation.name }) },
    thumbnail(operation.name, state.part),
    el("b", {}, stepName(operation.name)),
    shapeElement(operation),
    el(
      "span",
      { class: "from" },
      Object.values(operation.inputs).length
        ? `from ${Object.values(operation.inputs)
            .map((name) => stepName(name).toLowerCase())
            .join(", ")}`
        : "from ids",
    ),
    el(
      "span",
      { class: good === checks.length ? "ok" : "bad" },
      `${good === checks.length ? "✓" : "✗"} ${good} of ${checks.length} cells`,
    ),
  );
}
