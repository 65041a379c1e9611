"""Every exercise: its solution passes, its stub does not, and each of its known mistakes is told by name."""

import ast
import itertools
import re

import numpy as np
import pytest

from teaching.exercises.catalogue import EXERCISES
from teaching.exercises.grading import agree, grade, known_answers, largest
from teaching.exercises.pages import EXERCISES_FOLDER, all_pages, index

PAGES = all_pages()
MISTAKES = [(exercise, mistake) for exercise in EXERCISES.values() for mistake in exercise.mistakes]
EACH_MISTAKE = pytest.mark.parametrize(
    ("exercise", "mistake"), MISTAKES, ids=[f"{exercise.name}: {mistake.name}" for exercise, mistake in MISTAKES]
)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_the_grader_knows_the_exercises_that_have_a_folder_in_their_order():
    assert [page.name for page in PAGES] == list(EXERCISES)
    assert [page.number for page in PAGES] == list(range(1, len(PAGES) + 1))
    assert len(PAGES) >= 15


@each_page
def test_a_stub_is_not_finished_and_says_so(page, grade_file):
    verdict = grade_file(EXERCISES[page.name], page.folder / "stub.py")
    assert verdict.status == "unfinished" and verdict.line.startswith(f"{page.name}: not finished, ")


@each_page
def test_a_solution_passes(page, grade_file):
    verdict = grade_file(EXERCISES[page.name], page.folder / "solution.py")
    assert verdict.status == "passed", verdict.line


@EACH_MISTAKE
def test_a_known_mistake_is_not_the_truth_and_is_told_by_name(exercise, mistake):
    for function in mistake.functions:
        with np.errstate(all="ignore"):
            verdict = grade(exercise, function)
        assert verdict.status == "wrong"
        assert mistake.name in [name for name, _ in verdict.mistakes] and mistake.name in verdict.line


def test_every_known_mistake_is_far_from_the_truth():
    for exercise in EXERCISES.values():
        truths, mistaken = known_answers(exercise)
        for mistake, theirs in mistaken:
            found = [largest(*pair) for mine, right in zip(theirs, truths) for pair in zip(mine, right)]
            assert max(found) > 1e-3, (exercise.name, mistake.name)


def test_no_two_mistakes_of_an_exercise_are_the_same():
    for exercise in EXERCISES.values():
        mistaken = known_answers(exercise)[1]
        for (mistake, mine), (other, theirs) in itertools.combinations(mistaken, 2):
            same = all(agree(*pair) for a, b in zip(mine, theirs) for pair in zip(a, b))
            assert mistake is other or not same, (exercise.name, mistake.name, other.name)


@each_page
def test_stub_and_solution_have_the_same_functions_and_need_numpy_alone(page):
    trees = [ast.parse(text) for text in (page.stub, page.solution)]
    functions = [
        {node.name: [arg.arg for arg in node.args.args] for node in tree.body if isinstance(node, ast.FunctionDef)}
        for tree in trees
    ]
    assert functions[0][page.name] == functions[1][page.name]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported <= {"numpy", "collections.abc"}


@each_page
def test_no_hint_before_the_third_contains_a_line_of_the_solution(page):
    lines = {line.strip() for line in page.solution.splitlines()} - {line.strip() for line in page.stub.splitlines()}
    code = [line.partition("  #")[0] for line in lines if re.search(r"[=(]", line) and len(line) > 12]
    right_sides = [line.partition(" = ")[2] or line.removeprefix("return ") for line in code]
    early = page.hints[0] + page.hints[1]
    assert not [side for side in right_sides if len(side) > 3 and side in early]


@each_page
def test_a_page_says_how_to_begin_and_its_hints_how_to_get_them_one_by_one(page):
    command = f"`python -m teaching.exercises {page.name}"
    assert command + "`" in (page.folder / "README.md").read_text(encoding="utf-8")
    assert command + " --hint`" in (page.folder / "hints.md").read_text(encoding="utf-8")


def test_the_list_on_the_page_is_that_of_the_folders():
    assert index(PAGES) in (EXERCISES_FOLDER / "README.md").read_text(encoding="utf-8")
