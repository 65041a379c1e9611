"""What a run has cost: counted at real lengths, and over all the processes that worked on it."""

import time

from data.batches import collate
from data.example import IGNORE, Item
from model.config import preset
from training.flops import encoder_head_flops, forward_flops, training_flops
from training.run.budget import Clock, batch_flops


class Special:
    pad_id, decoder_start_id = 0, 3


CONFIG = preset("modern", d_model=16, n_heads=2, d_ff=32, mlm_head=True)


def batch(*items):
    return collate(list(items), ["e"] * len(items), Special)


def test_padding_costs_nothing():
    short, long = Item([7] * 3, [7] * 2), Item([7] * 30, [7] * 20)
    together = batch_flops(CONFIG, batch(short, long))
    assert together == batch_flops(CONFIG, batch(short)) + batch_flops(CONFIG, batch(long))
    assert batch_flops(CONFIG, batch(long)) == training_flops(forward_flops(CONFIG, 30, 20))


def test_masked_language_modelling_pays_the_head_for_masked_places_alone():
    item = Item([7] * 9, labels=[IGNORE] * 7 + [8, 9], kind="mlm")
    assert batch_flops(CONFIG, batch(item)) == training_flops(encoder_head_flops(CONFIG, 9, 2, "mlm"))


def test_the_clock_goes_on_from_what_a_checkpoint_says():
    clock = Clock({"seconds": 100.0, "cpu_seconds": 50.0})
    sum(range(100_000))
    first = clock.read()
    time.sleep(0.01)
    second = clock.read()
    assert 100.0 <= first["seconds"] < second["seconds"]
    assert 50.0 <= first["cpu_seconds"] <= second["cpu_seconds"]
