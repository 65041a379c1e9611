"""The count of the grammar's tasks, against counting by hand."""

from itertools import product

from data.tasks.counting import LONGEST_TASK, count_tasks, estimate_tasks, families, pipelines
from data.tasks.grammar import FORMS, may_follow
from data.tasks.tasks import PROGRAM_SIZES


def written_out(argument, gives, size):
    """Pipelines found by trying every tuple of forms."""
    found = 0
    for length in range(1, size + 1):
        for chain in product(FORMS, repeat=length):
            fits = chain[0].takes == argument and chain[-1].gives == gives
            if fits and sum(len(form.ops) for form in chain) == size:
                found += all(may_follow(a, b) for a, b in zip(chain, chain[1:]))
    return found


def test_pipelines_are_counted_as_if_written_out():
    for argument, gives in (("ints", "ints"), ("text", "int"), ("dict", "bool")):
        for size in (1, 2):
            assert pipelines(argument, gives, size) == written_out(argument, gives, size)


def test_every_size_of_the_splits_is_counted_and_no_other():
    assert max(max(sizes) for sizes in PROGRAM_SIZES.values()) == LONGEST_TASK
    joined = {sum(f.sizes) + bool(f.combiner) + bool(f.test) for f in families()}
    assert joined == set(range(1, LONGEST_TASK + 1))


def test_there_are_at_least_ten_million_different_tasks():
    lower, share = estimate_tasks(draws=1000, seed=1)
    assert 0 < share < 1
    assert lower <= share * count_tasks()
    assert lower >= 10**7
