"""Several processes make a chunk's items together, and each knows the batches that one process would make."""

import threading
from collections import Counter
from itertools import islice

import pytest

from data.config import DataConfig
from data.example import BadRecords, Example
from data.multi_task import Tasks
from data.tokenizers.tokenizer import train_tokenizer
from training import stream as stream_module
from training.config import ObjectivesConfig
from training.mixture import Mixture
from training.shares import Told
from training.strategies.config import AuxiliaryConfig, StrategiesConfig
from training.stream import Stream

EXAMPLES = [Example(f"e:\u00e9\ud800{n}", f"add {n} to total", f"total += {n}") for n in range(40)]
LONG = [Example(f"long:{n}", "word " * 60, "x = 1") for n in range(5)]
CORPUS = [*EXAMPLES[:9], *LONG[:3], *EXAMPLES[9:], *LONG[3:]]
MIXED = ObjectivesConfig(mlm=0.5, span=0.5, denoise=0.5, rename=0.5, tae=0.5, permutation=0.5, next_sentence=0.3)
DATA = DataConfig(batch_tokens=0, batch_examples=4, max_source_length=40)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([e.nl + e.code for e in CORPUS], 400)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(stream_module, "CHUNK_EXAMPLES", 20)


class Threads:
    """Threads that tell each other in the place of processes: `ranks[k]` is what the k-th is given."""

    def __init__(self, world):
        self.barrier, self.told = threading.Barrier(world, timeout=60), [b""] * world
        self.ranks = [Rank(self, number, world) for number in range(world)]

    def run(self, work):
        """The results of work(rank) in all threads at once."""
        found, threads = {}, []
        for rank in self.ranks:
            threads.append(threading.Thread(target=lambda rank=rank: found.update({rank.rank: work(rank)})))
            threads[-1].start()
        for thread in threads:
            thread.join()
        assert len(found) == len(self.ranks), "a thread has failed"
        return [found[rank.rank] for rank in self.ranks]


class Rank:
    def __init__(self, threads, rank, world):
        self.threads, self.rank, self.world = threads, rank, world

    def collect(self, own):
        self.threads.told[self.rank] = own
        self.threads.barrier.wait()
        told = list(self.threads.told)
        self.threads.barrier.wait()
        return told


def content(batch):
    labels = None if batch.labels is None else batch.labels.tolist()
    beside = batch.auxiliary and content(batch.auxiliary)
    return batch.ids, batch.kind, batch.source.tolist(), batch.target.tolist(), labels, batch.n_tokens, beside


def told_of(planned):
    return [(one.id, one.lengths, one.n_predicted) for one in planned]


CASES = {
    "pairs": {},
    "a mixture": {"objectives": MIXED},
    "a task beside": {"strategies": StrategiesConfig(auxiliary=AuxiliaryConfig("tag"))},
    "buckets": {"objectives": MIXED, "data": DataConfig(batch_tokens=200, max_source_length=40, max_target_length=40)},
    "cut": {"data": DataConfig(batch_tokens=0, batch_examples=4, max_source_length=40, truncate=True)},
    "tasks that repeat themselves": {"examples": Tasks({"a": CORPUS, "b": EXAMPLES[:3]}, 4.0)},
    "fewer examples than processes": {"examples": EXAMPLES[:2]},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("world", [1, 2, 3])
def test_batches_and_bad_records_are_those_of_one_process(tokenizer, case, world):
    options = {"examples": CORPUS, "objectives": ObjectivesConfig(), "data": DATA, "strategies": StrategiesConfig()}
    options |= CASES[case]

    def batches(ranks):
        mixture = Mixture(
            options["objectives"], tokenizer, 1, options["examples"], ["total"], EXAMPLES[:5], options["strategies"]
        )
        stream = Stream(mixture, options["data"], BadRecords(), ranks)
        counted = stream.count_batches(1)
        found = [
            (place, content(stream.collated(plan)), told_of(plan)) for place, plan in islice(stream.planned(), 40)
        ]
        return counted, found, stream.bad.counts, stream.bad.places

    expected = batches(None)
    assert all(each == expected for each in Threads(world).run(batches))
    assert max(place.chunk for place, *_ in expected[1]) >= 1 or len(options["examples"]) < 20


@pytest.mark.parametrize("world", [1, 2, 3])
def test_each_process_makes_its_share_of_the_items_and_none_twice(tokenizer, world, monkeypatch):
    made, plain = Counter(), Mixture.items

    def counting(mixture, example, epoch):
        made[threading.get_ident(), example.id] += 1
        return plain(mixture, example, epoch)

    monkeypatch.setattr(Mixture, "items", counting)

    def epoch(ranks):
        stream = Stream(Mixture(MIXED, tokenizer, 1, EXAMPLES, ["total"], EXAMPLES), DATA, BadRecords(), ranks)
        for number, plan in enumerate(stream.planned_epoch()):  # two chunks of 20 examples
            if number % world == ranks.rank:
                stream.collated(plan)
        return threading.get_ident()

    for ident in Threads(world).run(epoch):
        n_made = sum(n for (maker, _), n in made.items() if maker == ident)
        assert n_made in {1: (40,), 2: (20,), 3: (12, 14)}[world]  # of a chunk's 20: 20; 10 and 10; 6, 7 and 7
    assert sorted(id for _, id in made) == sorted(e.id for e in EXAMPLES) and set(made.values()) == {1}


@pytest.mark.parametrize("world", [2, 3])
def test_what_is_too_long_is_counted_once_by_all(tokenizer, world):
    def counted(ranks):
        stream = Stream(Mixture(ObjectivesConfig(), tokenizer, 1, CORPUS), DATA, BadRecords(), ranks)
        stream.count_too_long()
        return stream.bad.counts, stream.bad.places

    alone = counted(None)
    assert alone[0] == {"skipped: longer than 40 + 256 tokens": 5}
    assert all(each == alone for each in Threads(world).run(counted))


def test_a_process_reads_only_what_is_in_its_own_batches(tokenizer, monkeypatch):
    read, plain = Counter(), Told.item.fget
    monkeypatch.setattr(Told, "item", property(lambda told: (read.update([told.id]), plain(told))[1]))

    def first_batch(ranks):
        stream = Stream(Mixture(ObjectivesConfig(), tokenizer, 1, EXAMPLES), DATA, BadRecords(), ranks)
        plans = list(islice(stream.planned_epoch(), 2))
        return stream.collated(plans[ranks.rank]).ids

    ids = Threads(2).run(first_batch)
    assert read == Counter(ids[0] + ids[1])
