"""Shape B: both kinds of batches go through the same pairs, and a turn counts real tokens."""

from data.example import Example
from data.tokenizers.tokenizer import train_tokenizer
from experiments.speed.django import PAIRS_A_BATCH, Django, Epoch, padding_of
from experiments.speed.training import Trainer


def made_up(ours, n=300):
    examples = [Example(f"e{i}", "add one " * (1 + i % 7), f"x{i} = y + {i}\n" * (1 + i % 5)) for i in range(n)]
    return Django(examples, train_tokenizer([text for e in examples for text in (e.nl, e.code)], 400), ours)


def test_padding_is_counted_over_the_epoch_by_hand():
    assert padding_of([(2, 2), (4, 4), (3, 1)], [[0, 1], [2]]) == 1 - 16 / (2 * 8 + 4)


def test_both_plans_hold_every_pair_once_and_as_many_batches():
    random, ours = made_up(False), made_up(True)
    lengths = random.lengths()
    plans = [django.plan(lengths)[0] for django in (random, ours)]
    assert all(sorted(index for batch in plan for index in batch) == list(range(300)) for plan in plans)
    assert len(plans[0]) == -(-300 // PAIRS_A_BATCH) and abs(len(plans[1]) - len(plans[0])) <= 2
    assert padding_of(lengths, plans[1]) < padding_of(lengths, plans[0])


def test_a_turn_goes_on_where_the_last_one_ended_and_counts_real_tokens():
    seen = []
    epoch = Epoch(made_up(True), Trainer(seen.append, None, "toy"))
    first = epoch.turn(200)
    n_first = len(seen)
    epoch.turn(10**9 // 10**9)
    real = [int(pairs.source_mask.sum() + (pairs.labels >= 0).sum()) for pairs in seen]
    assert first[1] == sum(real[:n_first]) >= 200 > sum(real[: n_first - 1]) and first[0] > 0
    assert len(seen) == n_first + 1
    assert seen[n_first].source.shape[0] == len(epoch.plan[n_first % len(epoch.plan)])
