"""A stream of batches goes on from anywhere, shows each example once an epoch, and loses nothing silently."""

from collections import Counter
from itertools import islice

import pytest

from data.config import DataConfig
from data.example import BadRecords, Example
from data.tokenizers.tokenizer import train_tokenizer
from system.errors import UserError
from training import stream as stream_module
from training.config import ObjectivesConfig
from training.mixture import Mixture
from training.strategies.config import AuxiliaryConfig, StrategiesConfig
from training.stream import Stream, StreamPosition

EXAMPLES = [Example(f"e:{n}", f"add {n} to total", f"total += {n}") for n in range(30)]
LONG = Example("e:long", "word " * 60, "x = 1")


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([e.nl + e.code for e in EXAMPLES], 400)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(stream_module, "CHUNK_EXAMPLES", 12)


@pytest.fixture
def make(tokenizer):
    def make(examples=EXAMPLES, seed=1, objectives=None, **data):
        data = DataConfig(**{"batch_tokens": 0, "batch_examples": 4, "max_source_length": 40} | data)
        mixture = Mixture(objectives or ObjectivesConfig(), tokenizer, seed, examples, ["total"])
        return Stream(mixture, data, BadRecords())

    return make


def content(batch):
    labels = None if batch.labels is None else batch.labels.tolist()
    return batch.ids, batch.kind, batch.source.tolist(), batch.target.tolist(), labels


def epoch_of(stream, epoch=0):
    """The batches of one epoch."""
    batches = []
    for place, batch in stream.batches(StreamPosition(epoch)):
        if place.epoch > epoch:
            return batches
        batches.append(batch)


MIXED = ObjectivesConfig(mlm=0.5, span=0.5, denoise=1.0, schedule=("denoise:1",), rename=0.5)


@pytest.mark.parametrize("data", [{}, {"batch_tokens": 200, "max_target_length": 40}])
def test_from_any_place_the_stream_is_that_of_an_uninterrupted_one(make, data):
    whole = list(islice(make(objectives=MIXED, **data).batches(), 60))
    assert whole[-1][0].epoch >= 1 and max(place.chunk for place, _ in whole) == 2
    for done in range(0, 59):
        rest = make(objectives=MIXED, **data).batches(whole[done][0])
        for (place, batch), (expected_place, expected) in zip(islice(rest, 3), whole[done + 1 :], strict=False):
            assert place == expected_place and content(batch) == content(expected)


def test_each_example_comes_once_an_epoch_in_another_order_each_time(make):
    orders = [[name for batch in epoch_of(make(), epoch) for name in batch.ids] for epoch in (0, 1)]
    for order in orders:
        assert sorted(order) == sorted(e.id for e in EXAMPLES)
    assert orders[0] != orders[1]
    assert orders[0] != [name for batch in epoch_of(make(seed=2)) for name in batch.ids]


def test_a_weight_is_the_share_of_the_examples_under_an_objective(make):
    examples = [Example(f"e:{n}", "add one", "x += 1") for n in range(600)]
    kinds = Counter()
    for batch in epoch_of(make(examples, objectives=ObjectivesConfig(pairs=0, mlm=0.3, span=1))):
        kinds[batch.kind] += len(batch.ids)
    assert kinds["seq2seq"] == 600
    assert 130 < kinds["mlm"] < 230  # 180 wanted, 4.5 standard deviations either way


def test_what_is_too_long_is_skipped_and_counted_once(make):
    stream = make([*EXAMPLES, LONG])
    stream.count_batches(3)
    for epoch in (0, 1):
        assert "e:long" not in [name for batch in epoch_of(stream, epoch) for name in batch.ids]
    assert stream.bad.counts == {"skipped: longer than 40 + 256 tokens": 1}
    assert "e:long" in stream.bad.places[0]


def test_a_task_beside_a_pair_is_left_out_where_it_is_too_long(tokenizer):
    """Tags are of description and code in one text."""
    strategies = StrategiesConfig(auxiliary=AuxiliaryConfig("tag"))
    mixture = Mixture(ObjectivesConfig(), tokenizer, 0, EXAMPLES, strategies=strategies)
    lengths = [len(item.auxiliary.source) for example in EXAMPLES for item, _ in mixture.items(example, 0)]
    longest = max(lengths) - 1
    stream = Stream(mixture, DataConfig(max_source_length=longest), BadRecords())
    batches = list(stream.one_epoch())
    pairs, beside = (sum(len(one.ids) for one in made) for made in (batches, [batch.auxiliary for batch in batches]))
    assert pairs == len(EXAMPLES) > beside == sum(length <= longest for length in lengths) > 0
    assert all(batch.auxiliary.source.shape[1] <= longest for batch in batches)
    assert stream.bad.counts == {f"without strategies.auxiliary.task: longer than {longest} tokens": pairs - beside}


def test_what_is_too_long_is_cut_before_its_end_when_asked_for(make, tokenizer):
    stream = make([LONG], truncate=True)
    (batch,) = epoch_of(stream)
    assert batch.source.shape == (1, 40) and batch.source[0, -1] == tokenizer.end_id
    assert stream.bad.counts == {"truncated: longer than 40 + 256 tokens": 1}


def test_a_strict_run_names_what_is_too_long_before_it_begins(make):
    make(strict=True).check_lengths()
    with pytest.raises(UserError, match=r"e:long has \d+ \+ \d+ tokens") as error:
        make([*EXAMPLES, LONG], strict=True).check_lengths()
    assert "\n" not in str(error.value)


def test_a_run_in_which_nothing_fits_is_refused_before_it_begins(make):
    make([*EXAMPLES, LONG]).check_lengths()
    make([LONG], truncate=True).check_lengths()
    with pytest.raises(UserError, match=r"every example is longer than 40 \+ 256"):
        make([LONG]).check_lengths()


def test_a_chunk_in_which_nothing_fits_does_not_stop_the_others(make):
    examples = [*EXAMPLES[:12], LONG]  # one of the two chunks holds a single example
    for seed in range(20):
        ids = [name for batch in epoch_of(make(examples, seed=seed)) for name in batch.ids]
        assert sorted(ids) == sorted(e.id for e in EXAMPLES[:12])


def test_the_order_of_an_epoch_is_drawn_once_for_all_of_its_chunks(make, monkeypatch):
    drawn, draw = [], Stream.draw
    monkeypatch.setattr(Stream, "draw", lambda stream, epoch: (drawn.append(epoch), draw(stream, epoch))[1])
    places = [place for place, _ in islice(make().planned(), 17)]
    assert places[-1].epoch == 2 and len({(place.epoch, place.chunk) for place in places}) == 7
    assert drawn == [0, 1, 2]


@pytest.mark.parametrize("examples", [[], [LONG]])
def test_a_stream_without_any_example_says_so_instead_of_waiting(make, examples):
    stream = make(examples)
    assert list(stream.one_epoch()) == [] and stream.count_batches(1) == 0
    with pytest.raises(UserError, match="no training example is left"):
        next(stream.batches())


def test_batches_are_counted_for_whole_and_broken_epochs(make):
    n = len(epoch_of(make()))
    assert n == 8  # chunks of 12, 12 and 6 examples in batches of 4
    counted = {epochs: make().count_batches(epochs) for epochs in (0, 0.5, 1, 2.5)}
    assert counted == {0: 0, 0.5: 4, 1: 8, 2.5: 20}


def test_epochs_with_denoising_are_counted_as_longer_ones(make):
    objectives = ObjectivesConfig(denoise=1.0, schedule=("denoise:1-2",))
    stream = make(objectives=objectives)
    lengths = [len(epoch_of(stream, epoch)) for epoch in range(4)]
    assert lengths == [15, 15, 8, 8]
    assert stream.count_batches(4) == sum(lengths)
    assert stream.count_batches(1.5) == round(1.5 * lengths[0])


def test_counting_changes_no_batch_and_makes_no_chunk_twice(make, monkeypatch):
    made, chunk = Counter(), Stream.chunk

    def counting(stream, epoch, number):
        made[epoch, number] += 1
        return chunk(stream, epoch, number)

    expected = [(place, content(batch)) for place, batch in islice(make(objectives=MIXED).batches(), 40)]
    monkeypatch.setattr(Stream, "chunk", counting)
    stream = make(objectives=MIXED)
    stream.count_batches(1)
    counted = Counter(made)
    assert [(place, content(batch)) for place, batch in islice(stream.batches(), 40)] == expected
    assert made[0, 0] == counted[0, 0] == 1
    rest = [(place, content(batch)) for place, batch in islice(stream.batches(expected[2][0]), 37)]
    assert rest == expected[3:]


def test_a_stream_that_was_counted_goes_on_from_any_place(make):
    whole = list(islice(make(objectives=MIXED).batches(), 40))
    for done in range(0, 39, 3):
        stream = make(objectives=MIXED)
        stream.count_batches(2)
        for (place, batch), (expected_place, expected) in zip(
            islice(stream.batches(whole[done][0]), 3), whole[done + 1 :], strict=False
        ):
            assert place == expected_place and content(batch) == content(expected)


def test_unlabelled_text_is_no_pair(make):
    texts = [Example("t:1", None, "x = 1"), EXAMPLES[0]]
    assert [batch.ids for batch in epoch_of(make(texts))] == [["e:0"]]
