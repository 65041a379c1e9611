// Predict, then look: one question for each section, answered from this model's own numbers.
"use strict";

// Pieces stand between backticks.
const withPieces = (text) => text.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));
const answered = new Map(); // question -> the choice made

function questionElement(operation) {
  const question = data.questions.find((other) => other.operation === operation.name);
  if (!question) return null;
  const box = el("section", { class: "question", "aria-label": "A question" });
  fillQuestion(box, question);
  return box;
}

function fillQuestion(box, question) {
  const made = answered.get(question.question);
  box.replaceChildren(
    el("h3", {}, "Predict first"),
    el("p", {}, ...withPieces(question.question)),
    el(
      "div",
      { class: "choices" },
      ...question.choices.map((choice, i) =>
        el(
          "button",
          {
            type: "button",
            disabled: made !== undefined,
            class: made === undefined ? "" : i === question.right ? "right" : i === made ? "wrong" : "",
            onclick() {
              answered.set(question.question, i);
              fillQuestion(box, question);
              announce(`${i === question.right ? "Right." : "Not so."} ${question.answer}`);
            },
          },
          made === undefined ? "" : i === question.right ? "✓ " : i === made ? "✗ " : "",
          ...withPieces(choice),
        ),
      ),
    ),
  );
  if (made !== undefined) box.append(el("p", { class: "answer" }, ...withPieces(question.answer)));
}

function questionList() {
  const items = data.questions.map((question) =>
    el(
      "li",
      {},
      el("a", { href: link({ at: question.operation }) }, ...withPieces(question.question)),
      answered.has(question.question) ? " ✓" : "",
    ),
  );
  return el(
    "details",
    { class: "card questions" },
    el("summary", {}, `${data.questions.length} questions to predict first`),
    el("ol", {}, ...items),
  );
}
