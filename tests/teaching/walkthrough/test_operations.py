"""The list of operations is the network's: each step is traced, and each stands beside a line of the source."""

import pytest

from model.attention import written_out_attention
from teaching.walkthrough import code_lines
from teaching.walkthrough.code_lines import LINES, code_line, find_line
from teaching.walkthrough.operations import operations


def test_every_step_is_traced_and_reads_steps_before_it(story):
    known = {name for name in story.trace.activations if name.split(".")[-1] in ("positions", "cosine", "sine", "bias")}
    for step in operations(story.model):
        assert step.name == "loss" or step.name in story.trace.activations
        assert set(step.inputs.values()) <= known
        known.add(step.name)
    assert set(story.trace.activations) <= known


def test_shapes_are_those_of_the_named_axes(story):
    config, trace = story.model.config, story.trace
    sizes = {"S": len(trace.source), "T": len(trace.target), "d": config.d_model, "h": config.n_heads, "k": config.d_k,
             "f": config.d_ff, "V": config.vocab_size, "1": 1}
    for step in operations(story.model):
        value = trace.loss if step.name == "loss" else trace.activations[step.name].value
        assert list(value.shape) == [sizes[axis] for axis in step.dims]


def test_every_step_stands_beside_the_line_that_computes_it(story):
    for step in operations(story.model):
        found = code_line(step.kind, step.name, step.variant)
        source = (code_lines.ROOT / found.file).read_text().splitlines()
        assert source[found.line - 1].strip() == found.text


@pytest.mark.parametrize("kind", LINES)
def test_every_line_of_the_list_is_in_the_source(kind):
    assert find_line(*LINES[kind]).file.endswith(".py")


def test_a_line_that_is_gone_is_noticed():
    with pytest.raises(LookupError, match="mend teaching/walkthrough/code_lines.py"):
        find_line(written_out_attention, "scores = keys @ queries")
    with pytest.raises(LookupError, match="no source line is known"):
        code_line("convolution", "x", "")
