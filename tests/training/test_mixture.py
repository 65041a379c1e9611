"""Every objective can be asked for, alone and mixed; a schedule turns it on and off; nothing depends on the order."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from data.batches import collate
from data.config import DataConfig
from data.example import BadRecords, Example
from data.objectives.table import OBJECTIVES
from data.tokenizers.tokenizer import train_tokenizer
from model.config import preset
from model.fast import make_network
from training.batch_loss import batch_loss
from training.config import TRAINED_ON, ObjectivesConfig
from training.mixture import Mixture
from training.stream import BATCH_KINDS, Stream

PAIRS = [
    Example(f"m:{n}", f"Add {n} to the total.", f"def add_{n}(total):\n    total += {n}\n    return total")
    for n in range(40)
]
CODE = [Example(f"m:code:{n}.0", None, f"count_{n} = 1\nprint(count_{n})") for n in range(40)]
TEXT = [Example(f"m:text:{n}.0", None, f"Some words about {n}.\nAnd some more.", "text") for n in range(20)]
EXAMPLES = [*PAIRS, *CODE, *TEXT]
EVERYTHING = ObjectivesConfig(**dict.fromkeys([*TRAINED_ON, "tae", "rename"], 0.5))


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for e in EXAMPLES for text in (e.nl, e.code) if text], 400)


def only(name, weight=1.0, **more):
    return ObjectivesConfig(**{"pairs": 0.0, name: weight, **more})


def mixture(objectives, tokenizer, examples=EXAMPLES):
    return Mixture(objectives, tokenizer, 3, examples, ["total", "count"], CODE)


def items(objectives, tokenizer, examples=EXAMPLES, epoch=0):
    mixed = mixture(objectives, tokenizer, examples)
    return {e.id: [(item, origin.id) for item, origin in mixed.items(e, epoch)] for e in examples}


@pytest.mark.parametrize("name", TRAINED_ON)
def test_each_objective_alone_gives_items_of_one_kind(tokenizer, name):
    found = [item for made in items(only(name), tokenizer).values() for item, _ in made]
    assert len(found) >= 30 and len({item.kind for item in found}) == 1 and found[0].kind in BATCH_KINDS


def test_half_a_weight_is_half_of_the_examples_and_all_objectives_are_there(tokenizer):
    made = [item for found in items(EVERYTHING, tokenizer).values() for item, _ in found]
    assert Counter(item.kind for item in made).keys() == set(BATCH_KINDS)
    halves = sum(len(found) for found in items(only("causal", 0.5), tokenizer).values())
    assert 30 < halves < 70


def test_what_becomes_of_an_example_does_not_depend_on_the_others_order(tokenizer):
    """So it does not depend on the worker or the process that makes it either."""
    forward = items(EVERYTHING, tokenizer)
    mixed = mixture(EVERYTHING, tokenizer)
    assert {e.id: [(i, o.id) for i, o in mixed.items(e, 0)] for e in reversed(EXAMPLES)} == forward
    assert items(EVERYTHING, tokenizer, epoch=1) != forward


@pytest.mark.parametrize("name", ["infilling", "causal"])  # both write the whole text again
def test_a_described_function_is_read_whole_or_by_its_description(tokenizer, name):
    for both in (False, True):
        for id, found in items(only(name, both_texts=both), tokenizer).items():
            example = next(e for e in EXAMPLES if e.id == id)
            text = example.code if example.nl is None else f"{example.nl}\n{example.code}" if both else example.nl
            assert [tokenizer.decode(item.target) for item, _ in found] == [text]


@pytest.mark.parametrize("name", ["dual", "identifier", "tag", "match"])
def test_objectives_that_know_both_sides_do_not_ask_how_texts_are_read(tokenizer, name):
    assert items(only(name), tokenizer) == items(only(name, both_texts=True), tokenizer)


def test_labels_at_unmasked_positions_never_enter_the_loss(tokenizer):
    """States are blocked between positions: then the loss is that of the asked positions, whatever stands elsewhere."""
    model = model_of(tokenizer).eval()
    for layer in model.encoder:  # without attention a position knows itself alone
        torch.nn.init.zeros_(layer.self_attention.output.weight)
    for name in ("mlm", "tag", "match", "next_sentence"):
        found = [item for made in items(only(name), tokenizer).values() for item, _ in made][:8]
        others = [
            replace(item, source=[token if label >= 0 else 200 for token, label in zip(item.source, item.labels)])
            for item in found
        ]
        losses = [batch_loss(model, collate(some, ["e"] * len(some), tokenizer), 0.0) for some in (found, others)]
        if name in ("mlm", "tag"):  # a match is asked of whole texts
            assert losses[0][0].item() == pytest.approx(losses[1][0].item(), rel=1e-5)
        assert losses[0][1] == sum(label >= 0 for item in found for label in item.labels)


def model_of(tokenizer):
    sizes = {"d_model": 16, "n_heads": 2, "d_ff": 16, "n_encoder_layers": 1, "n_decoder_layers": 1}
    heads = dict.fromkeys(("mlm_head", "tag_head", "match_head", "copy_head"), True)
    return make_network(preset("modern", vocab_size=tokenizer.vocab_size, **sizes, **heads), tokenizer.pad_id)


def test_all_objectives_together_make_batches_that_a_network_learns_from(tokenizer):
    stream = Stream(
        mixture(EVERYTHING, tokenizer), DataConfig(batch_tokens=1200, max_source_length=100, max_target_length=100),
        BadRecords(),
    )
    model, kinds = model_of(tokenizer), Counter()
    for batch in stream.one_epoch():
        loss, n = batch_loss(model, batch, 0.1)
        (loss / n).backward()
        kinds[batch.kind] += 1
    assert kinds.keys() == set(BATCH_KINDS)
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


def test_the_schedule_says_in_which_epochs_an_objective_is_on(tokenizer):
    objectives = only("causal", prefix=1.0, dual=1.0, schedule=("causal:1-2", "dual:3-", "prefix:2"))
    on = [mixture(objectives, tokenizer).on(epoch) for epoch in range(5)]
    assert on == [{"causal"}, {"causal", "prefix"}, {"dual"}, {"dual"}, {"dual"}]
    made = items(objectives, tokenizer, epoch=2)
    assert all(len(found) == (e.nl is not None) for e, found in zip(EXAMPLES, made.values(), strict=True))


@pytest.mark.parametrize("entry", ["causal", "causal:0-2", "causal:3-2", "nonsense:1", "causal:a", "mask_rate:1"])
def test_a_schedule_that_makes_no_sense_is_refused(entry):
    with pytest.raises(ValueError, match="write denoise:1-6"):
        ObjectivesConfig(schedule=(entry,))


@pytest.mark.parametrize("schedule", [("causal:1-2",), ("causal:1", "mlm:3-"), ("causal:2-",)])
def test_a_schedule_with_an_epoch_without_anything_is_refused(schedule):
    with pytest.raises(ValueError, match="leaves nothing on in epoch"):
        only("causal", schedule=schedule)


def test_code_alone_stands_beside_a_share_of_the_pairs(tokenizer):
    made = items(replace(ObjectivesConfig(), tae=0.5), tokenizer, PAIRS)
    beside = [origin for found in made.values() for item, origin in found if item.kind == "autoencoding"]
    assert 10 < len(beside) < 30 and set(beside) <= {e.id for e in CODE}
    assert all(sum(item.kind == "seq2seq" for item, _ in found) == 1 for found in made.values())


def test_every_objective_of_the_settings_has_a_function():
    assert set(OBJECTIVES) == {*TRAINED_ON, "tae", "rename"}
    for name in OBJECTIVES:
        with pytest.raises(ValueError, match="a share from 0 to 1"):
            ObjectivesConfig(**{name: 1.5})
