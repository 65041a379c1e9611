"""Presets say what the papers say, and impossible settings are refused with one line that helps."""

import inspect
import math
from dataclasses import FrozenInstanceError

import pytest
from torch import nn

from model.config import PRESETS, ModelConfig, preset


def test_presets_have_the_norms_positions_and_activations_of_their_papers():
    told = {name: (c.norm, c.norm_position, c.positions, c.feed_forward) for name, c in PRESETS.items()}
    assert told == {
        "vaswani2017": ("layer", "post", "sinusoidal", "relu"),
        "bart": ("layer", "post", "learned", "gelu"),
        "t5": ("rms", "pre", "t5_relative", "relu"),
        "t5_v1_1": ("rms", "pre", "t5_relative", "geglu"),
        "modern": ("rms", "pre", "rotary", "swiglu"),
    }
    assert [name for name, c in PRESETS.items() if not c.tie_embeddings] == ["t5_v1_1"]
    assert [name for name, c in PRESETS.items() if not c.scale_attention] == ["t5", "t5_v1_1"]
    assert [name for name, c in PRESETS.items() if c.biases] == ["vaswani2017", "bart"]


def test_each_preset_has_the_quirks_of_its_paper_and_no_other():
    """Vaswani et al. 2017, 3.4; BART's layernorm_embedding; Raffel et al. 2020 (T5 v1.1 unties the output)."""
    t5s = ["t5", "t5_v1_1"]
    quirks = {
        "scale_embeddings": ["vaswani2017"], "norm_embeddings": ["bart"], "scale_initial_queries": t5s,
        "scale_output": ["t5"], "learn_padding": t5s, "final_norm": [], "logits_bias": [], "position_offset": [],
        "d_kv": [], "copy_head": [], "mlm_head": [], "tag_head": [], "match_head": [],
    }  # fmt: skip
    assert quirks == {quirk: [name for name, c in PRESETS.items() if getattr(c, quirk)] for quirk in quirks}


def test_every_preset_has_all_pieces_and_what_is_taken_out_is_named():
    assert all(config.removed == () for config in PRESETS.values())
    taken_out = {"residual": False, "cross_attention": False, "causal": False, "norm": "none", "feed_forward": "none"}
    for name, without in taken_out.items():
        assert ModelConfig(**{name: without}).removed == (name,)
    assert ModelConfig(**taken_out).removed == tuple(taken_out)


def test_a_pre_norm_stack_ends_with_a_norm_and_a_post_norm_one_where_it_is_asked_for():
    asked = {(position, final): ModelConfig(norm_position=position, final_norm=final).has_final_norm
             for position in ("pre", "post") for final in (False, True)}  # fmt: skip
    assert [choice for choice, has_norm in asked.items() if not has_norm] == [("post", False)]


def test_the_epsilons_of_the_norms_are_those_of_the_published_code():
    """BART and the Transformer of 2017 as PyTorch has them: nn.LayerNorm's default; T5 and its kin: 1e-6."""
    of_layer_norm = inspect.signature(nn.LayerNorm).parameters["eps"].default
    assert {name: c.norm_epsilon for name, c in PRESETS.items()} == {
        "vaswani2017": of_layer_norm, "bart": of_layer_norm, "t5": 1e-6, "t5_v1_1": 1e-6, "modern": 1e-6
    }  # fmt: skip


def test_t5s_numbers_are_those_of_hugging_face():
    theirs = pytest.importorskip("transformers", reason="transformers is not installed").T5Config()
    for config in (PRESETS["t5"], PRESETS["t5_v1_1"]):
        assert config.norm_epsilon == theirs.layer_norm_epsilon
        assert config.relative_buckets == theirs.relative_attention_num_buckets
        assert config.relative_max_distance == theirs.relative_attention_max_distance
        assert config.dropout == theirs.dropout_rate


def test_a_preset_carries_its_own_name():
    assert all(config.preset == name for name, config in PRESETS.items())


def test_a_preset_can_be_changed_in_part_and_nothing_else_moves():
    changed = preset("bart", d_model=64)
    assert (changed.d_model, changed.d_k, changed.norm_embeddings) == (64, 16, True)
    assert PRESETS["bart"].d_model == 256
    with pytest.raises(FrozenInstanceError):
        changed.d_model = 32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_model": 250, "n_heads": 8}, "model.d_model=250 is not divisible by model.n_heads=8; choose 248"),
        ({"vocab_size": 0}, "model.vocab_size=0 must be at least 1"),
        ({"dropout": 1.0}, "model.dropout=1.0 must be at least 0 and below 1"),
        ({"d_kv": -1}, "model.d_kv=-1 must be at least 0"),
        ({"position_offset": -2}, "model.position_offset=-2 must be at least 0"),
        ({"d_model": 250, "n_heads": 8, "d_kv": 3}, "rotary positions need an even key width, not 3"),
        ({"d_model": 12, "n_heads": 4}, "rotary positions need an even key width, not 3"),
        ({"d_model": 15, "n_heads": 5, "positions": "sinusoidal"}, "sinusoidal positions need an even model.d_model"),
        ({"d_model": 2, "n_heads": 5}, "model.d_model=2 is not divisible by model.n_heads=5; choose 5"),
        ({"relative_buckets": 2}, "model.relative_buckets=2 must be even and at least 4"),
        ({"relative_buckets": 7}, "model.relative_buckets=7 must be even and at least 4"),
        ({"relative_buckets": 8, "relative_max_distance": 4}, "model.relative_max_distance=4 must be above half of"),
        ({"norm_epsilon": -1e-9}, "model.norm_epsilon=-1e-09 must be at least 0"),
        ({"norm_epsilon": math.inf}, "model.norm_epsilon=inf must be at least 0"),
        ({"dropout_output": -0.1}, "model.dropout_output=-0.1 must be at least 0 and below 1"),
    ],
)
def test_impossible_sizes_are_refused_with_one_line_that_says_the_mend(settings, message):
    with pytest.raises(ValueError, match=message) as refusal:
        ModelConfig(**settings)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_encoder_layers": 1, "n_decoder_layers": 1, "n_heads": 1, "d_ff": 1, "vocab_size": 1, "max_length": 1},
        {"d_kv": 0, "position_offset": 0}, {"d_model": 250, "n_heads": 8, "d_kv": 2}, {"d_model": 2, "n_heads": 1},
        {"relative_buckets": 4, "relative_max_distance": 3}, {"norm_epsilon": 0.0}, {"dropout": 0.0},
    ],
)  # fmt: skip
def test_the_smallest_possible_sizes_are_taken(settings):
    config = ModelConfig(**settings)
    assert {name: getattr(config, name) for name in settings} == settings


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="model.preset=gpt9 is unknown; choose one of vaswani2017, bart, t5"):
        preset("gpt9")


@pytest.mark.parametrize("name", ["n_encoder_layers", "n_decoder_layers"])
def test_more_layers_than_anybody_has_trained_are_refused(name):
    with pytest.raises(ValueError, match=f"model.{name}=10000000 must be at most 1000"):
        preset("modern", **{name: 10**7})
