"""What heads do, on networks whose heads are known."""

import math

import pytest
import torch

from data.batches import collate
from data.example import Item
from experiments.studies.head_analysis import analyse, attention_of, mean_loss, plot, without_head
from model.config import preset
from model.decoding import SpecialIds
from model.fast import make_network
from model.fused_attention import FusedAttention
from model.transformer import Transformer

SIZES = {"vocab_size": 19, "d_model": 16, "n_heads": 2, "d_ff": 24, "n_encoder_layers": 1, "n_decoder_layers": 2,
         "max_length": 32}  # fmt: skip


@pytest.fixture
def model() -> Transformer:
    torch.manual_seed(0)
    return make_network(preset("modern", **SIZES), pad_id=0).double().eval()


@pytest.fixture
def batches() -> list:
    """Two batches whose targets are copies of their sources' ends."""
    special = SpecialIds(pad_id=0, end_id=1, decoder_start_id=3)
    items = [Item([5, 6, 7, 8, 1], [7, 8, 1]), Item([9, 10, 1], [10, 1]), Item([4, 5, 6, 1], [5, 6, 1])]
    return [collate(items[:2], ["a", "b"], special), collate(items[2:], ["c"], special)]


def test_a_head_that_gives_zeros_is_not_missed(model, batches):
    attention = attention_of(model, "cross", 1)
    with torch.no_grad():
        attention.output.weight[:, 8:] = 0  # what W^O reads of the second head
    whole, heads = analyse(model, batches)
    of_head = {(head.kind, head.layer, head.head): head.importance for head in heads}
    assert len(of_head) == 2 * (1 + 2 + 2)
    assert of_head["cross", 1, 1] == pytest.approx(0, abs=1e-12)
    assert all(abs(value) > 1e-6 for place, value in of_head.items() if place != ("cross", 1, 1))
    assert whole == pytest.approx(mean_loss(model, batches))


def test_silencing_is_setting_the_heads_columns_to_zero(model, batches):
    attention = attention_of(model, "decoder self", 0)
    with without_head(attention, 1):
        silenced = mean_loss(model, batches)
    with torch.no_grad():
        attention.output.weight[:, 8:] = 0
    assert mean_loss(model, batches) == pytest.approx(silenced, abs=1e-12)


def test_a_head_that_looks_everywhere_has_the_largest_entropy_and_copies_by_chance(model, batches):
    attention = attention_of(model, "cross", 0)
    with torch.no_grad():
        attention.query.weight[:8] = 0  # the first head's scores are all equal
    (head,) = [h for h in analyse(model, batches)[1] if (h.kind, h.layer, h.head) == ("cross", 0, 0)]
    lengths = [5] * 3 + [3] * 2 + [4] * 3  # of the sources, for each target token
    assert head.entropy == pytest.approx(sum(map(math.log, lengths)) / len(lengths))
    assert head.copying == pytest.approx(sum(1 / n for n in lengths) / len(lengths))  # each token stands there once


def test_the_forms_of_attention_are_as_they_were(model, batches):
    analyse(model, batches)
    assert all(isinstance(module, FusedAttention) for module in model.modules() if hasattr(module, "n_heads"))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_picture_has_a_map_for_each_kind(model, batches, tmp_path):
    plot(analyse(model, batches)[1], tmp_path / "heads.svg")
    assert (tmp_path / "heads.svg").stat().st_size > 10_000


def test_a_decoder_without_cross_attention_has_no_such_heads(batches):
    model = make_network(preset("modern", **SIZES, cross_attention=False), pad_id=0).double().eval()
    assert {head.kind for head in analyse(model, batches)[1]} == {"encoder self", "decoder self"}
