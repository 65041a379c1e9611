"""Questions to answer before looking: one for each section of the page, answered from this model's own numbers.

They are about what readers of attention most often get wrong: what the mask does, over which axis softmax runs, which
piece a row predicts, what the gradient of a softmax sums to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from teaching.walkthrough.operations import Operation
from teaching.walkthrough.story import Story


@dataclass(frozen=True)
class Question:
    """One question with its choices; `operation` is the panel on which it can be seen."""

    operation: str
    question: str
    choices: list[str]
    right: int
    answer: str


def questions(story: Story, steps: list[Operation]) -> list[dict[str, Any]]:
    """The questions that this model and description can answer, in the order of the forward pass."""
    names = {step.name: step for step in steps}
    makers: list[Callable[[Story, dict[str, Operation]], Question | None]] = [
        about_embedding, about_padding, about_norm, about_scale, about_softmax, about_residual, about_hidden,
        about_causal, about_cross, about_values, about_doubt, about_copying, about_loss, about_gradient,
    ]
    made = [make(story, names) for make in makers]
    return [asdict(question) for question in made if question is not None]


def value(story: Story, name: str) -> Tensor:
    """The tensor that a hook saw."""
    return story.trace.activations[name].value


def piece(story: Story, index: int) -> str:
    """A token as it is written on the page."""
    return f"`{story.pieces[index]}`"


def about_embedding(story: Story, names: dict[str, Operation]) -> Question | None:
    """The same piece has the same embedding wherever it stands."""
    ids = story.trace.source.tolist()[: story.trace.n_source]
    repeated = next((i for i, token in enumerate(ids) if token in ids[:i]), None)
    if repeated is None:
        return None
    first = ids.index(ids[repeated])
    same = "input" if (value(story, "encoder.input")[first] == value(story, "encoder.input")[repeated]).all() else ""
    later = (
        "here nothing is added to them, so even the first layer's input is the same: order enters inside attention"
        if same else "what differs is added afterwards: the positions"
    )
    return Question(
        "encoder.embedding",
        f"{piece(story, ids[first])} stands at positions {first + 1} and {repeated + 1}. Are its two rows the same?",
        ["yes, cell by cell", "no, positions make them differ", "nearly"], 0,
        f"The embedding is a lookup by id, and both have id {ids[first]}; {later}.",
    )


def about_padding(story: Story, names: dict[str, Operation]) -> Question | None:
    """Padded queries are computed, and nobody reads them."""
    n, name = story.trace.n_source, "encoder.0.self_attention.weights"
    if n == len(story.trace.source):
        return None
    weights = value(story, name)  # (h, S, S)
    row = float(weights[:, n:].sum(-1).mean())
    gradient = float(story.trace.activations["encoder.0.self_attention.queries"].gradient[:, n:].abs().max())
    return Question(
        name, "The rows of padding: what do their weights sum to, and does the loss notice them?",
        ["0; they are masked", "1, and the loss does not notice", "1, and the loss notices"], 1,
        f"They sum to {row:.4g}: a padded query attends to the real pieces like any other. But no real row reads the "
        f"padded keys (their columns are 0), so the largest gradient that reaches a padded query is {gradient:g}.",
    )


def about_norm(story: Story, names: dict[str, Operation]) -> Question | None:
    """Normalisation is of each row alone."""
    step = next(step for step in names.values() if step.kind == "norm")
    x = value(story, step.inputs["x"])[: story.trace.n_source]
    lengths = x.norm(dim=-1)
    normed = (x - x.mean(-1, keepdim=True)) if step.variant == "layer" else x
    size = (normed.square().mean(-1) / (normed.square().mean(-1) + step.numbers["epsilon"])).sqrt()
    return Question(
        step.name, f"The rows of x are {lengths.min():.3g} to {lengths.max():.3g} long. After the division, before the "
        "gain: how large is the typical (root mean square) value of each row?",
        ["the same for every row, 1", "still different from row to row", "1 on average over all rows"], 0,
        f"Each row is divided by its own size: all lie between {size.min():.4g} and {size.max():.4g} (1 but for "
        "epsilon). Other rows do not enter.",
    )


def about_scale(story: Story, names: dict[str, Operation]) -> Question | None:
    """Why scores are divided by sqrt(d_k)."""
    step = names["encoder.0.self_attention.scores"]
    n, scale = story.trace.n_source, step.numbers["scale"]
    scores = value(story, step.name)[:, :n, :n]
    d_k = story.model.config.d_k
    if scale == 1:
        return Question(
            step.name, f"Equation (4) divides by the square root of d_k = {d_k}. This network does not. Where is it?",
            ["in the initial size of the query matrix", "in the softmax", "nowhere; it is not needed"], 0,
            f"T5 folds it into the initialisation of W_Q; here the scores spread by {float(scores.std()):.3g} "
            "(standard deviation) without it.",
        )
    spread = float(scores.std())
    return Question(
        step.name, f"Without the division by the square root of d_k = {d_k}, would the weights be flatter or sharper?",
        ["sharper", "flatter", "the same"], 0,
        f"The scores spread by {spread:.3g} (standard deviation); undivided it would be {spread / scale:.3g}, "
        f"{1 / scale:.3g} times as much, and softmax would put nearly all weight on the largest.",
    )


def about_softmax(story: Story, names: dict[str, Operation]) -> Question | None:
    """Rows sum to one, columns do not."""
    name = "encoder.1.self_attention.weights"
    if name not in names:
        return None
    n = story.trace.n_source
    sums = value(story, name)[0, :n, :n].sum(0)
    low, high = int(sums.argmin()), int(sums.argmax())
    ids = story.trace.source.tolist()
    return Question(
        name, "Each row of head 1 sums to 1. What do the columns sum to?",
        ["1 each", "more for some pieces than for others", "1 only without padding"], 1,
        f"A column says how much a piece is read by all rows together: {piece(story, ids[high])} gets "
        f"{sums[high]:.3g}, {piece(story, ids[low])} {sums[low]:.2g}. Softmax runs over the keys of one query.",
    )


def about_residual(story: Story, names: dict[str, Operation]) -> Question | None:
    """How much a sublayer adds to the stream."""
    step = next(step for step in names.values() if step.kind == "residual")
    real = slice(story.trace.n_source)
    x, output = (value(story, step.inputs[role])[real].norm(dim=-1).mean() for role in ("x", "output"))
    ratio = float(output / x)
    choices = ["much smaller (below a fifth)", "of similar size", "much larger (above five times)"]
    return Question(
        step.name, "What the first sublayer adds, beside the stream it is added to, is ..", choices,
        0 if ratio < 0.2 else 2 if ratio > 5 else 1,
        f"Rows of the stream are {x:.3g} long on average, what is added {output:.3g}: {ratio:.2g} times.",
    )


def about_hidden(story: Story, names: dict[str, Operation]) -> Question | None:
    """Few hidden values are large."""
    name = "encoder.0.feed_forward.hidden"
    hidden = value(story, name)[: story.trace.n_source].abs()
    share = float((hidden > 0.1 * hidden.amax(-1, keepdim=True)).float().mean())
    choices = ["below a quarter", "a quarter to a half", "more than a half"]
    return Question(
        name, "Which share of a position's hidden values is larger than a tenth of its largest?", choices,
        0 if share < 0.25 else 1 if share < 0.5 else 2,
        f"{share:.0%}, on average over the positions: the rest of the {hidden.shape[-1]} contribute little.",
    )


def about_causal(story: Story, names: dict[str, Operation]) -> Question | None:
    """The first row of a causal map."""
    name = "decoder.0.self_attention.weights"
    return Question(
        name, "What is the first row of this map, in every head?",
        ["1 on the start token, 0 elsewhere", f"1/{len(story.trace.target)} everywhere", "it depends on the head"], 0,
        f"The first position may look at itself alone, so softmax has one number to share 1 among: "
        f"{float(value(story, name)[:, 0, 0].min()):.4g} in every head, exactly 0 on all later pieces.",
    )


def about_cross(story: Story, names: dict[str, Operation]) -> Question | None:
    """Where the last layer looks for one piece that it is about to write."""
    name = f"decoder.{len(story.model.decoder) - 1}.cross_attention.weights"
    n = story.trace.n_source
    mean = value(story, name).mean(0)[:, :n]  # (T, n)
    row = int(mean.amax(-1).argmax())
    ids, target = story.trace.source.tolist(), story.trace.target.tolist()
    order = mean[row].argsort(descending=True).tolist()
    best = order[0]
    others = [i for i in order[1:] if ids[i] != ids[best]]
    wrong = list(dict.fromkeys([others[0], others[-1]])) if others else []
    chosen = sorted([best, *wrong])
    return Question(
        name, f"Row {row + 1} has just read {piece(story, story.trace.decoder_input.tolist()[row])} and predicts "
        f"{piece(story, target[row])}. Which piece of the description does it look at most (mean of the heads)?",
        [f"{piece(story, ids[i])}, piece {i + 1}" for i in chosen], chosen.index(best),
        f"{piece(story, ids[best])} gets {float(mean[row, best]):.1%} of the weight. The row belongs to the piece that "
        "is written next, not to the one just read; every decoder layer reads the same encoder output.",
    )


def about_values(story: Story, names: dict[str, Operation]) -> Question | None:
    """A high weight on a short value adds little."""
    place = f"decoder.{len(story.model.decoder) - 1}.cross_attention"
    n = story.trace.n_source
    weights, values = value(story, f"{place}.weights")[0, :, :n], value(story, f"{place}.values")[0, :n]
    by_weight, by_size = weights.argmax(-1), (weights * values.norm(dim=-1)).argmax(-1)
    differ = int((by_weight != by_size).sum())
    share = differ / len(by_weight)
    return Question(
        f"{place}.heads", "In head 1: for how many target pieces is the source piece with the largest weight not the "
        "one with the largest weight times value?",
        ["none", "less than a quarter", "a quarter or more"], 0 if differ == 0 else 1 if share < 0.25 else 2,
        f"{differ} of {len(by_weight)}. A weight says how much is taken, not how much there was to take.",
    )


def about_doubt(story: Story, names: dict[str, Operation]) -> Question | None:
    """The step of which the model is least sure."""
    loss, target = story.trace.loss, story.trace.target.tolist()
    if len(target) < 3:
        return None
    order = loss.argsort(descending=True).tolist()
    worst = order[0]
    chosen = sorted([worst, order[len(order) // 2], order[-1]])
    return Question(
        "log_probs", "Of which of these steps is the model least sure?",
        [f"{piece(story, target[i])}, step {i + 1}" for i in chosen], chosen.index(worst),
        f"Step {worst + 1}, {piece(story, target[worst])}: P = {float((-loss[worst]).exp()):.3g}. "
        f"The surest is step {order[-1] + 1}, P = {float((-loss[order[-1]]).exp()):.4g}.",
    )


def about_copying(story: Story, names: dict[str, Operation]) -> Question | None:
    """What the copy head is used for."""
    if "copy.gate" not in names:
        return None
    shares = 1 - value(story, "copy.gate")[:, 0].sigmoid()  # (T)
    most, n_copied = int(shares.argmax()), int((shares > 0.5).sum())
    target = story.trace.target.tolist()
    share = n_copied / len(target)
    return Question(
        "copy.gate", f"Of {len(target)} steps, how many take more than half of their probability from copying?",
        ["none", "less than a third", "a third or more"], 0 if n_copied == 0 else 1 if share < 1 / 3 else 2,
        f"{n_copied}. The largest share, {float(shares[most]):.1%}, is at step {most + 1}, "
        f"{piece(story, target[most])}.",
    )


def about_loss(story: Story, names: dict[str, Operation]) -> Question | None:
    """One number for each position, from one pass."""
    loss = story.trace.loss
    most = int(loss.argmax())
    share = float(loss[most] / loss.sum().clamp_min(1e-12))
    choices = ["below a quarter", "a quarter to a half", "more than a half"]
    return Question(
        "loss", f"One forward pass gave the loss of all {len(loss)} pieces. Which share does the worst one have?",
        choices, 0 if share < 0.25 else 1 if share < 0.5 else 2,
        f"Step {most + 1}, {piece(story, story.trace.target.tolist()[most])}, has {share:.0%} of the sum of "
        f"{float(loss.sum()):.4g}; the mean is {float(loss.mean()):.4g}, a uniform guess would have "
        f"ln V = {math.log(len(story.pieces)):.3g}.",
    )


def about_gradient(story: Story, names: dict[str, Operation]) -> Question | None:
    """Softmax cannot tell when all scores rise together."""
    name = f"decoder.{len(story.model.decoder) - 1}.cross_attention.scores"
    gradient = story.trace.activations[name].gradient
    largest = float(gradient.abs().max())
    return Question(
        name, "Each row of the gradient of the scores sums to ..",
        ["0", "1", "the row's share of the loss"], 0,
        f"The largest sum of a row is {float(gradient.sum(-1).abs().max()):.1g}, beside single values up to "
        f"{largest:.2g}: raising all scores of a row together changes no weight.",
    )
