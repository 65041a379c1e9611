"""Costs by formula against PyTorch's own counter and against what the NumPy reference keeps."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from model.attention import MultiHeadAttention
from model.config import preset
from model.feed_forward import FeedForward
from model.numpy_reference.initialisation import initialise
from model.numpy_reference.transformer import encode
from system.options import run_and_report
from teaching.the_math.number_blocks import read
from teaching.the_math.piece_costs import Settings, main, pieces, table
from training.flops import encoder_flops

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "the_math.md").read_text(encoding="utf-8")
CONFIG = preset(
    "vaswani2017", vocab_size=50, d_model=16, n_heads=4, d_ff=24, n_encoder_layers=1, n_decoder_layers=1, biases=False,
    dropout=0.0, speed="readable",
)
BATCH, LENGTH = 3, 5
COSTS = pieces(CONFIG, BATCH, LENGTH)


def counted(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def test_flops_are_those_that_pytorch_counts_forward_and_backward():
    x = torch.randn(BATCH, LENGTH, CONFIG.d_model, requires_grad=True)
    attention, feed_forward = MultiHeadAttention(CONFIG), FeedForward(CONFIG)

    def attend():
        return attention(x, *attention.keys_and_values(x), None)[0]

    of_attention = sum(COSTS[name].flops for name in ("x W^Q, x W^K, x W^V", "Q K^T", "A V", "heads W^O"))
    assert counted(attend) == of_attention
    assert counted(lambda: attend().sum().backward()) == 3 * of_attention
    assert counted(lambda: feed_forward(x).sum().backward()) == 3 * COSTS["feed-forward"].flops


def test_the_sum_is_the_formula_that_budgets_are_counted_with():
    total = sum(cost.flops for name, cost in COSTS.items() if name != "logits")
    assert total == BATCH * encoder_flops(CONFIG, LENGTH)


def test_kept_numbers_are_those_of_the_reference():
    ids = np.random.default_rng(1).integers(1, 50, (BATCH, LENGTH))
    saved = encode(ids, ids > 0, initialise(CONFIG, 0, np.random.default_rng(2)), CONFIG)[1]["layers"][0]
    inside = saved["self_attention"]["inside"]
    assert COSTS["Q K^T"].kept == inside["queries"].size + inside["keys"].size
    assert COSTS["softmax"].kept == inside["weights"].size
    assert COSTS["A V"].kept == inside["values"].size and COSTS["heads W^O"].kept == inside["heads"].size
    left, fed = saved["self_attention"]["norm"], saved["feed_forward"]["inside"]
    assert COSTS["two LayerNorms"].kept == 2 * (left["x_hat"].size + left["sigma"].size)
    assert COSTS["feed-forward"].kept == fed["x"].size + fed["slope"].size + fed["hidden"].size


def test_weights_are_those_of_the_network():
    weights = initialise(CONFIG, 0, np.random.default_rng(1))
    sizes = {name: weight.size for name, weight in weights.items()}
    layer = sum(size for name, size in sizes.items() if name.startswith("encoder.0."))
    by_formula = sum(COSTS[name].weights for name in ("x W^Q, x W^K, x W^V", "heads W^O", "feed-forward"))
    assert layer == by_formula + 2 * CONFIG.d_model  # two norms with a gain alone, for there are no biases
    assert COSTS["embedding + positions"].weights == sizes["embedding.weight"]


def test_the_pages_table_is_the_programs_and_the_shape_can_be_changed(capsys):
    np.testing.assert_allclose(read(PAGE)["costs"], table(Settings()).values, atol=0.5e-4)
    assert main(["--length", "128"]) == 0
    assert "Q K^T" in capsys.readouterr().out
    assert run_and_report(main, ["--d_model", "10"]) == 2
    assert "not divisible" in capsys.readouterr().err
