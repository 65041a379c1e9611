"""Two runs that computed the same are equal, and where they part is said."""

import math
from dataclasses import replace

import pytest
import torch

from experiments.record.differences import WITHOUT_INFLUENCE, first_difference, largest_difference
from experiments.record.trees import Computed
from model.config import preset
from model.fast import make_network


def computed():
    losses = {("pretraining", 1, "loss"): 5.0, ("training", 2, "loss"): 4.0, ("training", 2, "held_out_loss"): 4.5}
    weights = {"decoder": torch.ones(2, 2), "encoder": torch.arange(3.0)}
    return Computed(losses, weights, {("dev", "7"): "x = 1"})


def test_equal_is_equal():
    assert first_difference(computed(), computed()) == ""
    assert largest_difference(computed(), computed()) == 0.0


@pytest.mark.parametrize(
    "key, said",
    [
        (("training", 2, "loss"), "training step 2: loss 4.25 instead of 4.0 (+2.5e-01)"),
        (("training", 2, "held_out_loss"), "training step 2: held-out loss 4.25 instead of 4.5 (-2.5e-01)"),
    ],
)
def test_the_step_whose_loss_differs_is_named(key, said):
    new = computed()
    new.losses[key] = 4.25
    assert first_difference(computed(), new) == said


def test_of_several_steps_the_first_is_named_whatever_its_phase_is_called():
    new = computed()
    new.losses.update({key: value + 1 for key, value in new.losses.items()})
    assert first_difference(computed(), new).startswith("pretraining step 1: loss 6.0")


def test_a_step_that_is_missing_is_said():
    new = computed()
    del new.losses["training", 2, "loss"]
    assert first_difference(computed(), new) == "training step 2: loss is missing now"
    assert first_difference(new, computed()) == "training step 2: loss is missing before"


def test_the_tensor_that_differs_is_named_with_how_much_and_how_many():
    new = computed()
    new.weights["encoder"][1] += 0.5
    assert first_difference(computed(), new) == "weights: encoder differs by up to 5.0e-01; 1 of 2 tensors differ"


def test_a_tensor_of_another_shape_or_name_differs():
    new = replace(computed(), weights=computed().weights | {"encoder": torch.ones(1, 3)})
    assert first_difference(computed(), new) == "weights: encoder is float32 (1, 3) instead of float32 (3,)"
    new = replace(computed(), weights=computed().weights | {"head": torch.ones(1)})
    assert first_difference(computed(), new) == "weights: head is missing before"


def test_the_bits_count_and_not_the_values_where_nothing_is_tolerated():
    new = computed()
    new.weights["encoder"][0] = -0.0
    assert first_difference(computed(), new).startswith("weights: encoder differs by up to 0.0e+00")
    assert first_difference(computed(), new, 1e-5) == ""


def test_up_to_the_tolerance_is_equal_and_the_distance_is_known():
    new = computed()
    new.weights["encoder"][1] += 2**-17  # 7.6e-6
    new.losses["training", 2, "loss"] += 1e-6
    assert first_difference(computed(), new, 1e-5) == ""
    assert largest_difference(computed(), new) == 2**-17
    new.weights["encoder"][1] += 2**-17
    assert first_difference(computed(), new, 1e-5).startswith("weights: encoder differs by up to 1.5e-05")


def test_a_large_loss_may_lie_further_apart_than_a_small_one():
    new = computed()
    new.losses["training", 2, "loss"] += 3e-5
    assert first_difference(computed(), new, 1e-5) == ""
    new.losses["training", 2, "loss"] += 3e-5
    assert first_difference(computed(), new, 1e-5).startswith("training step 2: loss 4.0000")


def test_the_bias_of_keys_counts_only_where_bits_are_compared():
    name = "decoder.0.cross_attention.key.bias"
    old, new = (replace(computed(), weights=computed().weights | {name: torch.full((3,), at)}) for at in (0.0, 0.5))
    assert first_difference(old, new).startswith(f"weights: {name} differs by up to 5.0e-01")
    assert first_difference(old, new, 1e-5) == "" and largest_difference(old, new) == 0.0


@pytest.mark.parametrize("name", ["vaswani2017", "bart"])
def test_the_bias_of_keys_changes_nothing_that_a_network_says(name):
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "d_model": 16, "n_heads": 2, "d_ff": 16, "n_encoder_layers": 1, "n_decoder_layers": 1}
    model = make_network(preset(name, speed="readable", **sizes), pad_id=0).double().eval()
    ids = torch.tensor([[5, 6, 7, 1]])
    inputs = ids, torch.ones_like(ids, dtype=torch.bool), ids
    with torch.no_grad():
        before = model(*inputs)
        for tensor_name, tensor in model.named_parameters():
            if tensor_name.endswith(WITHOUT_INFLUENCE):
                tensor += torch.randn_like(tensor)
        assert (model(*inputs) - before).abs().max() < 1e-12
    assert sum(tensor_name.endswith(WITHOUT_INFLUENCE) for tensor_name, _ in model.named_parameters()) == 3


def test_what_is_not_a_number_equals_only_its_like():
    old, new = computed(), computed()
    for one in (old, new):
        one.losses["training", 2, "loss"] = math.nan
        one.weights["encoder"][2] = math.nan
    assert first_difference(old, new) == first_difference(old, new, 1e-5) == ""
    assert first_difference(computed(), new, 1e-5).startswith("training step 2: loss nan instead of 4.0")
    assert "encoder differs by up to inf" in first_difference(replace(computed(), losses=new.losses), new, 1e-5)


def test_the_example_with_other_code_is_named():
    new = replace(computed(), predictions={("dev", "7"): "x = 2" + " + 1" * 20})
    assert first_difference(computed(), new) == (
        "dev 7: prediction 'x = 2 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + …' instead of 'x = 1'"
    )
    assert first_difference(computed(), replace(computed(), predictions={})) == "dev 7: the prediction is missing now"
