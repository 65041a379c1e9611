"""The walkthrough in the terminal: the same steps as on the page, as tables."""

from __future__ import annotations

import math

from torch import Tensor

from teaching.walkthrough.code_lines import code_line
from teaching.walkthrough.operations import Operation, operations
from teaching.walkthrough.story import Story
from teaching.walkthrough.trace import Trace

FIRST_VALUES = 4  # of the first row, printed of each array
STRONGEST = 3  # keys named for each row of an attention map
N_TOP = 4  # alternatives of each step


def show(story: Story) -> None:
    """Print the whole walkthrough."""
    print("\n".join(lines(story)))


def lines(story: Story) -> list[str]:
    """All lines, one section after the other."""
    steps = operations(story.model)
    result = [*heading(story), *pieces_table(story)]
    places = list(dict.fromkeys(step.place for step in steps))
    for place in places:
        here = [step for step in steps if step.place == place]
        result += section(place_title(place)) + [array_header(), *(array_row(step, story.trace) for step in here)]
        for step in here:
            if step.kind == "weights":
                result += attention_rows(step, story)
    return [*result, *distribution(story), *gradients(story)]


def section(title: str) -> list[str]:
    """A title with a line under it."""
    return ["", title, "-" * len(title)]


def place_title(place: str) -> str:
    """`decoder.1.cross_attention` as words."""
    stack, *rest = place.split(".")
    if not rest:
        return {"encoder": "Encoder: from ids to memory", "decoder": "Decoder: from ids to states"}.get(
            stack, "Output: distribution and loss")
    return f"{stack.capitalize()} layer {int(rest[0]) + 1}: {rest[1].replace('_', '-')}"


def heading(story: Story) -> list[str]:
    """The description, its code and the loss, and how closely the traced pass agrees with the production code."""
    trace = story.trace
    of = "the generated code" if story.reference is None else "the reference code"
    ids = {True: "the traced pass prefers the very ids that were generated", None: "teacher forcing on the reference",
           False: "the traced pass prefers other ids at some step: two tokens were nearly equal"}[story.same_ids]
    return [
        f"description   {story.prompt}" + ("  (cut to the longest source)" if story.cut else ""),
        *(f"{'code' if i == 0 else '':<14}{line}" for i, line in enumerate(story.code.split("\n"))),
        *([] if story.ended else ["              (cut at the longest output, before an end token)"]),
        f"loss          {float(trace.loss.sum()):.4f}, the sum over {len(trace.loss)} pieces of {of}; "
        f"mean {float(trace.loss.mean()):.4f}",
        f"same as fused log-probabilities differ by at most {trace.fused_difference:.1e}; {ids}",
    ]


def pieces_table(story: Story) -> list[str]:
    """Pieces and ids: the source, and beside each decoder input the target that it has to predict."""
    trace = story.trace
    header = f"{'':>4}  {'source':<18} {'id':>6}   {'decoder reads':<18} {'predicts':<18} {'id':>6}"
    result = [*section("Pieces and ids"), header]
    source, target, given = trace.source.tolist(), trace.target.tolist(), trace.decoder_input.tolist()
    for i in range(max(len(source), len(target))):
        left = f"{story.pieces[source[i]]:<18} {source[i]:>6}" if i < len(source) else " " * 25
        right = ""
        if i < len(target):
            right = f"   {story.pieces[given[i]]:<18} {story.pieces[target[i]]:<18} {target[i]:>6}"
        result.append(f"{i + 1:>4}  {left}{right}".rstrip())
    return result


def array_header() -> str:
    """The header over the rows of `array_row`."""
    return f"{'step':<12} {'shape':<18} {'norm':>9} {'gradient':>9}   {'first values':<{9 * FIRST_VALUES}} source"


def array_row(step: Operation, trace: Trace) -> str:
    """The row of an operation: its output's shape, sizes of value and gradient, a few values, and its source line."""
    value = trace.loss if step.name == "loss" else trace.activations[step.name].value
    gradient = None if step.name == "loss" else trace.activations[step.name].gradient
    shape = " x ".join(f"{name} {size}" for name, size in zip(step.dims, value.shape, strict=True))
    first = " ".join(f"{number:>8.3g}" for number in value.flatten()[:FIRST_VALUES].tolist())
    code = code_line(step.kind, step.name, step.variant)
    return (
        f"{step.name.rpartition('.')[2]:<12} {shape:<18} {size(value):>9} {size(gradient):>9}   "
        f"{first:<{9 * FIRST_VALUES}} {code.file}:{code.line}"
    )


def size(tensor: Tensor | None) -> str:
    """The Euclidean norm as text, or a dash."""
    return "-" if tensor is None else f"{float(tensor.norm()):.3g}"


def attention_rows(step: Operation, story: Story) -> list[str]:
    """The keys with the largest weights of each row, mean of the heads."""
    trace = story.trace
    mean = trace.activations[step.name].value.mean(0)  # (T, S)
    queries = trace.source.tolist() if step.dims[1] == "S" else trace.decoder_input.tolist()
    keys = trace.source.tolist() if step.dims[2] == "S" else trace.decoder_input.tolist()
    real = trace.n_source if step.dims[1] == "S" else len(queries)
    result = ["", "  row looks at (mean of the heads)"]
    for row in range(real):
        best = mean[row].topk(min(STRONGEST, len(keys)))
        seen = [(float(w), story.pieces[keys[int(i)]]) for w, i in zip(*best, strict=True) if w > 0]
        where = "  ".join(f"{weight:>5.1%} {piece:<14}" for weight, piece in seen)
        result.append(f"  {row + 1:>3} {story.pieces[queries[row]]:<16} {where}".rstrip())
    return result


def distribution(story: Story) -> list[str]:
    """For each step the target, its probability, the copied share and the most probable alternatives."""
    trace = story.trace
    copies = trace.activations.get("copy.gate")
    result = section("Distribution over the vocabulary")
    result.append(f"{'step':>4}  {'target':<16} {'P':>7} {'-log P':>8} {'copied':>7}   most probable")
    for t, target in enumerate(trace.target.tolist()):
        copied = "-" if copies is None else f"{float(1 - copies.value[t, 0].sigmoid()):.1%}"
        top = "  ".join(f"{story.pieces[int(i)]} {p:.1%}" for i, p, *_ in story.alternatives[t][:N_TOP])
        loss = float(trace.loss[t])
        of_target = f"{story.pieces[target]:<16} {math.exp(-loss):>7.1%} {loss:>8.4f}"
        result.append(f"{t + 1:>4}  {of_target} {copied:>7}   {top}")
    return result


def gradients(story: Story) -> list[str]:
    """Norms of the parameters and of the gradients that flow back to them, last layers first."""
    result = section("Gradients that flow back to the parameters")
    result.append(f"{'parameter':<46} {'shape':<14} {'norm':>9} {'gradient':>9}")
    for norms in reversed(story.trace.parameters):
        shape = " x ".join(map(str, norms.shape))
        result.append(f"{norms.name:<46} {shape:<14} {norms.value:>9.3g} {norms.gradient:>9.3g}")
    return result
