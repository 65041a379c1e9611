import numpy as np
import pytest

from teaching.exercises.exercise import Case, Exercise, Mistake
from teaching.exercises.grading import CannotBeGraded, copied, differences, grade, same_inside

DOUBLE = Exercise(
    "double", ("twice", "half"),
    lambda draw: [Case("one", (np.arange(1.0, 4.0), [np.ones(2)])), Case("two", (draw.normal(size=(2, 3)), []))],
    lambda x, others: (2 * x, x / 2),
    (
        Mistake("tripled", (lambda x, others: (3 * x, x / 3),), "2 of 1 is 2"),
        Mistake("half for double", (lambda x, others: (x / 2, x / 2),), "2 of 1 is 2"),
    ),
)  # fmt: skip


def test_what_is_equal_to_rounding_passes():
    verdict = grade(DOUBLE, lambda x, others: (x + x * (1 + 1e-12), x * 0.5))
    assert verdict.status == "passed" and verdict.line == "double: passed, equal to rounding in 2 cases"


def test_the_verdict_has_the_largest_difference_and_the_first_wrong_index():
    def wrong(x, others):
        twice = 2 * x
        twice[..., 1:] += np.arange(1, 3) / 4
        return twice, x / 2

    verdict = grade(DOUBLE, wrong)
    assert verdict.line == "double: wrong, largest difference 0.5, first wrong index twice[1] in case 1"
    assert verdict.details == ["at twice[1] of case 1: expected 4, yours 4.25"]
    assert verdict.table[1:] == [["1", "one", "0.5", "ok"], ["2", "two", "0.5", "ok"]]


def test_each_wrong_output_is_explained_by_the_mistake_that_gives_it():
    verdict = grade(DOUBLE, lambda x, others: (x / 2, x / 3))
    assert [name for name, _ in verdict.mistakes] == ["half for double", "tripled"]
    assert verdict.line.endswith(": half for double, and tripled")


def test_a_mistake_that_holds_in_one_case_only_is_not_named():
    verdict = grade(DOUBLE, lambda x, others: (3 * x if x.ndim == 1 else 5 * x, x / 2))
    assert verdict.status == "wrong" and not verdict.mistakes


@pytest.mark.parametrize(("answer", "words"), [
    (lambda x: None, "`return` missing"),
    (lambda x: 2 * x, "one ndarray came back; return twice, half"),
    (lambda x: (x, x, x), "3 values came back"),
    (lambda x: (2 * x, None), "half is None"),
])  # fmt: skip
def test_an_answer_that_cannot_be_compared_is_refused_in_one_line(answer, words):
    with pytest.raises(CannotBeGraded, match=words):
        grade(DOUBLE, lambda x, others: answer(x))


@pytest.mark.parametrize(("half", "words"), [
    (lambda x: x[None] / 2, r"half has shape (1, 3); (3,) is expected (case 1)"),
    (lambda x: list(x / 2), "half is a list; an array of shape (3,) is expected"),
    (lambda x: (x / 2).astype(np.float32), "half holds float32; float64 is expected"),
    (lambda x: x > 1, "half holds bool; float64 is expected"),
    (lambda x: x / 2 * np.nan, "largest difference not finite, first wrong index half[0] in case 1"),
    (lambda x: np.array([None, "a", 3.0]), "half holds object; float64 is expected"),
    (lambda x: np.array(["a", "b", "c"]), "half holds <U1; float64 is expected"),
    (lambda x: x / 2 + 0j, "half holds complex128; float64 is expected"),
    (lambda x: [[1.0], [1.0, 2.0]], "half is a list; an array of shape (3,) is expected"),
    (lambda x: 3.0, "half is a float; an array of shape (3,) is expected"),
])  # fmt: skip
def test_type_shape_kind_and_nan_are_told(half, words):
    verdict = grade(DOUBLE, lambda x, others: (2 * x, half(x)))
    assert verdict.status == "wrong" and words in verdict.line and "\n" not in verdict.line


def test_an_argument_changed_in_place_is_told_by_its_place():
    def first(x, others):
        x *= 2
        return x, x / 4

    def second(x, others):
        others.append(x)
        return 2 * x, x / 2

    for place, function in ((1, first), (2, second)):
        with pytest.raises(CannotBeGraded, match=f"argument {place} was changed in place"):
            grade(DOUBLE, function)


def test_a_change_inside_of_lists_and_dictionaries_is_seen():
    before = ({"w": [np.zeros(2)]}, 3, "a", len)
    after = copied(before)
    assert same_inside(before, after)
    after[0]["w"][0][1] = 1
    assert not same_inside(before, after) and before[0]["w"][0][1] == 0


def test_differences_within_rounding_are_none():
    assert not differences(np.array([1.0 + 1e-12, 1e12 + 1]), np.array([1.0, 1e12])).any()
    assert differences(np.array([np.inf, 0.5]), np.array([1.0, 0.5])).tolist() == [np.inf, 0.0]
