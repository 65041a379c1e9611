"""A tiny network, a vocabulary and batches, for the tests of strategies."""

import pytest
import torch

from data.batches import collate
from data.example import Example
from data.objectives.pairs import pairs
from data.tokenizers.tokenizer import train_tokenizer
from model.config import preset
from model.fast import make_network

EXAMPLES = [Example(f"e:{n}", f"add {n} to the total", f"total += {n}") for n in range(6)]


@pytest.fixture(scope="session")
def examples():
    return EXAMPLES


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer([text for e in EXAMPLES for text in (e.nl, e.code)], 400)


@pytest.fixture
def batch(tokenizer):
    items = [pairs(example, tokenizer, None) for example in EXAMPLES]
    return collate(items, [example.id for example in EXAMPLES], tokenizer)


@pytest.fixture
def make_model(tokenizer):
    def make(seed=0, **more):
        torch.manual_seed(seed)
        sizes = {"d_model": 16, "n_heads": 2, "d_ff": 32, "n_encoder_layers": 2, "n_decoder_layers": 2, "dropout": 0.0}
        return make_network(preset("modern", vocab_size=tokenizer.vocab_size, **sizes | more), tokenizer.pad_id)

    return make
