"""The attention maps of the report are those of the network."""

import pytest
import torch

from data.config import DataConfig
from data.example import Example
from data.tokenizers.tokenizer import source_ids, train_tokenizer
from evaluation.attention import attention_maps
from model.config import preset
from model.fast import make_network
from model.fused_attention import FusedAttention

DATA = DataConfig(max_source_length=64)
EXAMPLES = [Example("a", "return the sum of xs", "sum(xs)"), Example("b", "return x", "x")]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([e.nl + e.code for e in EXAMPLES], 400)


def make_model(tokenizer, **changes):
    torch.manual_seed(0)
    config = preset("modern", vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2, d_ff=16, **changes)
    return make_network(config, tokenizer.pad_id).eval()


@pytest.mark.parametrize("copy_head", [False, True])
def test_a_row_for_each_output_piece_and_a_share_for_each_source_piece(tokenizer, copy_head):
    maps = attention_maps(make_model(tokenizer, copy_head=copy_head), tokenizer, EXAMPLES, ["sum(xs)", ""], DATA)
    for drawn, example in zip(maps, EXAMPLES, strict=True):
        assert len(drawn["source"]) == len(source_ids(example.nl, tokenizer, 64))
        assert len(drawn["weights"]) == len(drawn["target"])
        for row in drawn["weights"]:
            assert len(row) == len(drawn["source"]) and sum(row) == pytest.approx(1, abs=1e-5)
        if copy_head:
            assert len(drawn["copy"]) == len(drawn["target"]) and all(0 <= share <= 1 for share in drawn["copy"])
        else:
            assert drawn["copy"] is None
    assert maps[1]["target"] == tokenizer.pieces([tokenizer.end_id])  # the empty prediction is its end token alone


def test_looking_changes_nothing(tokenizer):
    model = make_model(tokenizer)
    source = torch.tensor([source_ids("return x", tokenizer, 64)])
    mask, start = torch.ones_like(source, dtype=torch.bool), torch.tensor([[tokenizer.decoder_start_id]])
    with torch.no_grad():
        before = model(source, mask, start)
        attention_maps(model, tokenizer, EXAMPLES, ["x", "x"], DATA)
        assert torch.equal(model(source, mask, start), before)
    assert isinstance(model.decoder[-1].cross_attention, FusedAttention)
