"""The numbers in the answers to the questions, and that the pages say them."""

import ast
import re

import numpy as np
import pytest

from teaching.exercises.pages import all_pages

LONGEST_LINE = 120
PAGES = {page.name: page for page in all_pages()}


def reference(name):
    """The function of an exercise's solution, which the grader has found right."""
    names = {}
    exec(PAGES[name].solution, names)
    return names[name]


def silu(u):
    return u / (1 + np.exp(-u))


def softmax(*scores):
    return reference("softmax")(np.array(scores, dtype=float))


def norm_of(x, ddof):
    return (x[0] - x.mean()) / x.std(ddof=ddof)


FIRST, HALVES = np.array([1.0, 0, 0, 0]), np.array([0.5, 0.5])
ONE_TOKEN = np.full((1, 1, 1), 10.0), np.array([[[1.0, 2]]]), np.array([[5.0, 6]])  # d_y, x, W


@pytest.mark.parametrize(("name", "words", "numbers", "digits"), [
    ("embed", "(2, 3, 4)", lambda: np.zeros((8, 4))[np.array([[5, 2, 5], [2, 2, 0]])].shape, 0),
    ("sinusoids", "0, 1, 0, 1, 0, 1", lambda: reference("sinusoids")(1, 6)[0], 6),
    ("sinusoids", "sin 1 = 0.84", lambda: [1, reference("sinusoids")(2, 6)[1, 0]], 2),
    ("sinusoids", "1 to 0.54", lambda: reference("sinusoids")(2, 6)[:, 1], 2),
    ("self_attention_mask", "17 cells",
     lambda: [reference("self_attention_mask")(np.array([2, 4]), 4).sum()], 0),
    ("softmax", "0.09, 0.24 and 0.67", lambda: softmax(1, 2, 3), 2),
    ("softmax", "0.09, 0.24 and 0.67", lambda: softmax(1001, 1002, 1003), 2),
    ("softmax", "0.02, 0.12 and 0.87", lambda: softmax(2, 4, 6), 2),
    ("attention", "(a) 1 and 0.", lambda: softmax(3, -np.inf), 6),
    ("attention", "(b) 0.5 and 0.5", lambda: softmax(0, 0), 6),
    ("layer_norm", "1.732", lambda: [norm_of(FIRST, 0)], 3),
    ("layer_norm", "1.5", lambda: [norm_of(FIRST, 1)], 3),
    ("layer_norm", "0.1875", lambda: [FIRST.var()], 4),
    ("gated_feed_forward", "SiLU(2) = 1.762", lambda: [2, silu(2)], 3),
    ("gated_feed_forward", "SiLU(1) = 0.731", lambda: [1, silu(1)], 3),
    ("cross_entropy", "= 1.75", lambda: [np.mean([4, 1, 0, 2])], 6),
    ("cross_entropy", "= 2.5", lambda: [np.mean([4, np.mean([1, 0, 2])])], 6),
    ("cross_entropy", "log 1000 = 6.91", lambda: [1000, np.log(1000)], 2),
    ("cross_entropy_backward", "0.7, -0.8 and 0.1",
     lambda: reference("cross_entropy_backward")(
         np.log([[[0.7, 0.2, 0.1]]]), np.array([[1]]), np.array([[True]]), 0.0), 6),
    ("linear_backward", "dL/dx = (50, 60)",
     lambda: reference("linear_backward")(*ONE_TOKEN)[0], 6),
    ("linear_backward", "dL/dW = ((10, 20))",
     lambda: reference("linear_backward")(*ONE_TOKEN)[1], 6),
    ("layer_norm_backward", "0.",
     lambda: [abs(reference("layer_norm_backward")(np.full((1, 1, 4), 2.0), FIRST[None, None], np.ones(4))[0].max())],
     6),
    ("softmax_backward", "0 and 0",
     lambda: reference("softmax_backward")(np.array([3.0, 3]), HALVES), 6),
    ("softmax_backward", "= 0.25", lambda: reference("softmax_backward")(np.array([1.0, 0]), HALVES)[:1], 6),
    ("softmax_backward", "= -0.25", lambda: reference("softmax_backward")(np.array([1.0, 0]), HALVES)[1:], 6),
    ("greedy", "0.6 / 3 = 0.2", lambda: [0.6, 3, 0.6 / 3], 6),
    ("greedy", "0.4 x 0.9 = 0.36", lambda: [0.4, 0.9, 0.4 * 0.9], 6),
    ("beam_step", "-4.5 / 6 = -0.75 against -3.0 / 3 = -1",
     lambda: [-4.5, 6, (-4 - 0.5) / (5 + 1), -3, 3, -3 / 3], 6),
    ("nucleus", "0.625 and 0.375", lambda: np.array([0.5, 0.3]) / 0.8, 6),
])  # fmt: skip
def test_a_number_in_an_answer_is_what_comes_out(name, words, numbers, digits):
    assert words in PAGES[name].answer
    said = [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", words)]
    assert said == np.round(np.ravel(numbers()).astype(float), digits).tolist()


def test_the_nuclei_of_the_question_are_those_of_the_answer():
    logits = np.log([[0.5, 0.3, 0.15, 0.05]])
    for top_p, kept in ((0.7, [0.625, 0.375, 0, 0]), (0.4, [1, 0, 0, 0])):
        np.testing.assert_allclose(reference("nucleus")(logits, np.eye(4), 1.0, top_p)[0], kept, atol=1e-12)


def test_an_indexed_sum_adds_once_for_an_index_that_occurs_twice():
    a = np.zeros(4)
    a[[1, 1, 2]] += 1
    assert str(a.astype(int).tolist()) in PAGES["embedding_backward"].answer


def test_the_cut_of_the_split_is_as_the_page_says():
    x = np.arange(12).reshape(1, 3, 4)
    answer = PAGES["split_heads"].answer
    assert str(reference("split_heads")(x, 2)[0, 0].tolist()) in answer
    assert str(x.reshape(1, 2, 3, 2)[0, 0].tolist()) in answer


def test_the_first_step_of_adamw_is_as_long_as_the_learning_rate():
    for gradient in (0.001, 1000.0):
        moved, _, _ = reference("adamw_step")(
            np.zeros(1), np.full(1, gradient), np.zeros(1), np.zeros(1), 1, 0.1, 0.0
        )
        assert abs(abs(moved[0]) - 0.1) < 1e-5


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_files_of_exercises_are_no_tests_and_lines_are_short(page):
    files = sorted(page.folder.iterdir())
    assert [path.name for path in files] == ["README.md", "hints.md", "solution.py", "stub.py"]
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not [line for line in text.splitlines() if len(line) > LONGEST_LINE], path
        assert path.suffix != ".py" or not [
            node for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
        ]
