"""Each question has one right answer, and it is what the tensors say."""

import re

from teaching.walkthrough.operations import operations
from teaching.walkthrough.questions import questions


def asked(story):
    return {question["operation"]: question for question in questions(story, operations(story.model))}


def right(question):
    return question["choices"][question["right"]]


def test_questions_are_about_panels_that_exist_and_have_different_choices(story):
    steps = {step.name for step in operations(story.model)}
    found = questions(story, operations(story.model))
    assert len(found) >= 12 and {question["operation"] for question in found} <= steps
    for question in found:
        assert len(set(question["choices"])) == len(question["choices"]) >= 2
        assert 0 <= question["right"] < len(question["choices"])
        assert "nan" not in question["answer"]


def test_each_panel_has_one_question_at_most(story):
    found = questions(story, operations(story.model))
    assert len({question["operation"] for question in found}) == len(found)


def test_the_piece_looked_at_most_is_the_largest_weight(tell):
    story = tell("modern, copy head")
    question = asked(story)["decoder.1.cross_attention.weights"]
    row = int(re.search(r"Row (\d+)", question["question"]).group(1)) - 1
    weights = story.trace.activations["decoder.1.cross_attention.weights"].value.mean(0)[row]
    assert right(question).endswith(f"piece {int(weights.argmax()) + 1}")


def test_the_least_sure_step_has_the_largest_loss(tell):
    story = tell("vaswani2017")
    assert right(asked(story)["log_probs"]).endswith(f"step {int(story.trace.loss.argmax()) + 1}")


def test_padded_queries_attend_and_are_not_noticed(tell):
    question = asked(tell("t5"))["encoder.0.self_attention.weights"]
    assert right(question).startswith("1, and the loss does not") and "sum to 1:" in question["answer"]
    assert question["answer"].endswith("is 0.")


def test_without_padding_nobody_is_asked_about_it(tell):
    assert "encoder.0.self_attention.weights" not in asked(tell("t5", n_padding=0))


def test_networks_without_a_copy_head_are_not_asked_about_copying(tell):
    assert "copy.gate" in asked(tell("modern, copy head")) and "copy.gate" not in asked(tell("modern"))


def test_t5_is_asked_where_its_scale_is(tell):
    assert "initial size" in right(asked(tell("t5"))["encoder.0.self_attention.scores"])
    assert right(asked(tell("modern"))["encoder.0.self_attention.scores"]) == "sharper"
