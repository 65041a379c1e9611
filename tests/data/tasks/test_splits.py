"""What each split keeps from training."""

import re
from itertools import combinations

import pytest

from data.config import DataConfig
from data.tasks.combining import COMBINERS
from data.tasks.grammar import FORMS, OPERATION_NAMES
from data.tasks.source import generated_source
from data.tasks.splits import held_pairs, on_test_side, stable_hash
from data.tasks.tasks import PROGRAM_SIZES, generate
from system.errors import UserError


def pairs(example):
    return {tuple(sorted(pair)) for pair in combinations(example.meta["ops"], 2)}


def as_pattern(template):
    """A regular expression for a phrasing with anything in its slots; words in brackets may be missing."""
    escaped = re.escape(re.sub(r"\{\w+\}", "\0", template)).replace("\0", ".+?")
    return escaped.replace(r"\[", "(?:").replace(r"\]", ")?")


def test_no_description_or_program_of_the_tests_stands_in_training(drawn):
    train = drawn["train"]
    descriptions, programs = {e.nl for e in train}, {e.code for e in train}
    for split in ("in_distribution", "rephrased", "compositional", "longer"):
        assert not descriptions & {e.nl for e in drawn[split]}
        assert not programs & {e.code for e in drawn[split]}


def test_the_side_of_a_program_is_decided_by_its_text_alone(drawn):
    assert not any(on_test_side(e.code) or on_test_side(e.nl) for e in drawn["train"])
    for split in ("in_distribution", "rephrased"):
        assert all(on_test_side(e.code) and on_test_side(e.nl) for e in drawn[split])


def test_held_out_pairs_are_never_together_in_training(drawn):
    for split in ("train", "in_distribution", "rephrased", "longer"):
        assert not any(pairs(e) & held_pairs() for e in drawn[split]), split


def test_every_compositional_task_has_a_held_out_pair(drawn):
    assert all(pairs(e) & held_pairs() for e in drawn["compositional"])


def test_every_operation_is_in_a_held_out_pair():
    assert {name for pair in held_pairs() for name in pair} == set(OPERATION_NAMES)


def test_every_operation_of_the_compositional_tasks_is_known_from_training(drawn):
    known = {op for e in drawn["train"] for op in e.meta["ops"]}
    assert known == set(OPERATION_NAMES)


def test_longer_tasks_have_more_steps_than_any_in_training(drawn):
    longest = max(len(e.meta["ops"]) for e in drawn["train"])
    assert longest == 3
    assert min(len(e.meta["ops"]) for e in drawn["longer"]) > longest


def test_rephrased_tasks_have_a_phrasing_that_training_never_uses(drawn):
    held = {op: [c.held] for c in COMBINERS for op in [c.name]}
    for form in FORMS:
        held.setdefault(form.ops[-1], []).append(form.held)
    held = {op: [said.removeprefix("whether ") for said in templates] for op, templates in held.items()}
    for example in drawn["rephrased"]:
        templates = [said for op in example.meta["ops"] for said in held[op]]
        assert any(re.search(as_pattern(said), example.nl) for said in templates), example.nl


def test_words_of_held_out_phrasings_are_absent_from_training():
    said = "\n".join(e.nl for e in generate("train", 3000, seed=9))
    distinctive = ("the sum total of", " joining ", "bigger than", "lower than", "divided by 2",
                   "mirrored form", "just the vowels", "the very first", "the amount of",
                   "the frequency of", " lots of ", " on top of ", "extended by")  # fmt: skip
    assert [words for words in distinctive if words in said] == []


def test_the_hash_is_the_same_in_every_process_and_version():
    assert stable_hash("def solve(xs):") == 6305450243189421826


@pytest.mark.parametrize("n_operations", [10, 20, 40, 60])
def test_the_first_so_many_operations_make_tasks_of_their_own(n_operations):
    names = set(OPERATION_NAMES[:n_operations])
    held = held_pairs(n_operations)
    assert {name for pair in held for name in pair} == names
    for split in PROGRAM_SIZES:
        drawn = list(generate(split, 3 * n_operations, 4, n_operations))
        assert {op for e in drawn for op in e.meta["ops"]} == names, split
        if split == "compositional":
            assert all(pairs(e) & held for e in drawn)
        else:
            assert not any(pairs(e) & held for e in drawn), split


def test_all_operations_are_the_grammar_itself():
    for split in PROGRAM_SIZES:
        assert list(generate(split, 70, 4)) == list(generate(split, 70, 4, len(OPERATION_NAMES)))


def test_more_operations_than_there_are_are_refused():
    with pytest.raises(UserError, match="68 is more than the 67"):
        generated_source(DataConfig(generated_operations=len(OPERATION_NAMES) + 1), 0)
    with pytest.raises(ValueError, match="at least 10"):
        DataConfig(generated_operations=3)
