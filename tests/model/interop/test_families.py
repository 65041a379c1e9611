"""What a conversion says of settings that the other side cannot express and of weights that are left over."""

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig, preset
from model.decoding import SpecialIds
from model.fast import make_network
from model.interop.families import FAMILIES
from model.interop.hugging_face import (
    ConversionError,
    fill,
    from_hugging_face,
    lost_dropout,
    own_tensors,
    to_hugging_face,
    unsayable,
)
from model.positions import sinusoidal_positions

UNSAID = {"preset": "t5", "scale_initial_queries": False}  # a name, and what decides about first weights alone
SPECIAL = SpecialIds(pad_id=0, end_id=1, decoder_start_id=3)
SIZES = {"vocab_size": 19, "d_model": 16, "n_heads": 2, "d_ff": 24, "n_encoder_layers": 2, "n_decoder_layers": 3}
NETWORKS = {
    "t5": preset("t5", **SIZES),
    "bart": preset("bart", **SIZES, position_offset=2, logits_bias=True),
    "marian": preset("vaswani2017", **SIZES, sinusoid_layout="halves", feed_forward="swish", logits_bias=True),
}


def folder_of(kind: str) -> tuple[dict[str, object], dict[str, Tensor]]:
    """The config.json and the weights of a tiny network of a family, a tied output and copies left out."""
    torch.manual_seed(0)
    model = make_network(NETWORKS[kind], SPECIAL.pad_id)
    return to_hugging_face(kind, model.config, own_tensors(model), SPECIAL)


def test_every_field_is_decided_for_every_family():
    """A field that is added to ModelConfig has to be put into each table before anything converts again."""
    by_weights = {"preset", "speed", "feed_forward", "tie_embeddings", "logits_bias"}
    for family in FAMILIES.values():
        said = {setting.ours for setting in family.settings} | {*family.fixed} | family.without_effect | by_weights
        assert {"d_kv" if field == "d_k" else field for field in said} == {field.name for field in fields(ModelConfig)}


def refused(convert, *arguments) -> ConversionError:
    with pytest.raises(ConversionError) as refusal:
        convert(*arguments)
    assert "\n" not in str(refusal.value)
    return refusal.value


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("bart", {"encoder_layerdrop": 0.1, "activation_function": "tanh", "decoder_ffn_dim": 48},
         {"encoder_layerdrop=0.1", "activation_function=tanh", "decoder_ffn_dim=48 beside encoder_ffn_dim=24"}),
        ("bart", {"decoder_attention_heads": 4}, {"decoder_attention_heads=4 beside encoder_attention_heads=2"}),
        ("t5", {"feed_forward_proj": "gated-relu", "is_encoder_decoder": False},
         {"feed_forward_proj=gated-relu", "is_encoder_decoder=False"}),
        ("marian", {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 20},
         {"share_encoder_decoder_embeddings=False", "decoder_vocab_size=20 beside vocab_size=19"}),
        ("t5", {"pad_token_id": 19, "bad_words_ids": [[3, 4]]}, {"pad_token_id=19", "bad_words_ids=[[3, 4]]"}),
        ("t5", {"d_ff": "24", "num_layers": True, "d_kv": None, "num_heads": 1.5},
         {"d_ff='24' is no int", "num_layers=True is no int", "d_kv is not given", "num_heads=1.5 is no int"}),
        ("t5", {"dense_act_fn": "gelu_new", "is_gated_act": True},
         {"dense_act_fn=gelu_new beside feed_forward_proj=relu", "is_gated_act=True beside feed_forward_proj=relu"}),
        ("t5", {"feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu"},  # gelu_new is what gated-gelu means
         {"dense_act_fn=gelu beside feed_forward_proj=gated-gelu"}),
        ("t5", {"dense_act_fn": ["relu"], "hidden_size": 32, "num_hidden_layers": 1, "head_dim": 4},
         {"dense_act_fn=['relu'] beside feed_forward_proj=relu", "hidden_size=32 beside d_model=16",
          "num_hidden_layers=1 beside num_layers=2", "head_dim=4 beside d_kv=8"}),
        ("bart", {"hidden_size": 8, "num_attention_heads": 4, "num_hidden_layers": 3},
         {"hidden_size=8 beside d_model=16", "num_attention_heads=4 beside encoder_attention_heads=2",
          "num_hidden_layers=3 beside encoder_layers=2"}),
        ("marian", {"num_hidden_layers": 6, "scale_embedding": "yes", "activation_function": ["relu", "gelu"]},
         {"num_hidden_layers=6 beside encoder_layers=2", "scale_embedding='yes' is no bool",
          "activation_function=['relu', 'gelu']"}),
        ("bart", {"encoder_layers": 900}, {"900 + 3 layers"}),
        ("bart", {"encoder_layers": 10**9}, {"model.n_encoder_layers=1000000000 must be at most 1000"}),
        ("t5", {"model_type": "gpt2"}, {"model_type=gpt2; known are t5, mt5, bart, plbart, marian"}),
    ],
)  # fmt: skip
def test_settings_that_ours_cannot_say_are_all_listed(kind, changes, expected):
    values, tensors = folder_of(kind)
    assert {*refused(from_hugging_face, {**values, **changes}, tensors).cannot_express} == expected


def test_weights_left_over_and_missing_are_listed_on_their_side():
    values, tensors = folder_of("bart")
    tensors["model.encoder.layers.7.fc1.weight"] = tensors.pop("model.decoder.layers.2.fc2.bias")
    refusal = refused(from_hugging_face, {**values, "tie_word_embeddings": False}, tensors)
    assert refusal.left_over == ["model.encoder.layers.7.fc1.weight"]
    assert refusal.missing == ["lm_head.weight", "model.decoder.layers.2.fc2.bias"]
    assert all(name in str(refusal) for name in (*refusal.left_over, *refusal.missing))


def test_a_file_that_says_untied_and_has_one_matrix_is_refused():
    """Their class ties all of the four or none, and draws anew what is missing."""
    values, tensors = folder_of("bart")
    tensors["lm_head.weight"] = tensors["model.shared.weight"].clone()
    assert from_hugging_face(values, tensors).config.tie_embeddings
    refusal = refused(from_hugging_face, {**values, "tie_word_embeddings": False}, tensors)
    sides = ("encoder", "decoder")
    expected = [f"tie_word_embeddings=False beside no model.{side}.embed_tokens.weight" for side in sides]
    assert refusal.cannot_express == expected
    copies = {f"model.{side}.embed_tokens.weight": tensors["model.shared.weight"].clone() for side in sides}
    assert from_hugging_face({**values, "tie_word_embeddings": False}, {**tensors, **copies}).weights
    refusal = refused(from_hugging_face, {**values, "tie_word_embeddings": "no"}, tensors)
    assert refusal.cannot_express == ["tie_word_embeddings='no' is no bool"]


def test_a_token_that_is_forbidden_many_times_is_forbidden_once():
    values, tensors = folder_of("t5")
    said = {**values, "bad_words_ids": [[3], [5]] * 1000}
    assert from_hugging_face(said, tensors).special.never_ids == (3, 5)


def test_sizes_that_do_not_fit_are_listed():
    values, tensors = folder_of("t5")
    refusal = refused(from_hugging_face, {**values, "d_ff": 25}, tensors)
    first = "encoder.0.feed_forward.inner.weight is (24, 16), the configuration says (25, 16)"
    assert refusal.cannot_express[0] == first
    assert len(refusal.cannot_express) == 10 and "and 4 more" in str(refusal)


def test_embeddings_of_their_own_are_refused_and_copies_of_the_first_are_not():
    values, tensors = folder_of("bart")
    name = "model.encoder.embed_tokens.weight"
    tensors[name] = tensors["lm_head.weight"] = tensors["model.shared.weight"].clone()
    assert from_hugging_face(values, tensors).config.tie_embeddings
    refusal = refused(from_hugging_face, values, {**tensors, name: tensors[name] + 1})
    assert refusal.cannot_express == [f"{name} differs from model.shared.weight"]


@pytest.mark.parametrize("name", ["lm_head.weight", "model.decoder.embed_tokens.weight"])
def test_an_embedding_is_found_under_whatever_name_it_was_kept(name):
    values, tensors = folder_of("bart")
    expected = from_hugging_face(values, tensors).weights
    tensors[name] = tensors.pop("model.shared.weight")
    found = from_hugging_face(values, tensors).weights
    assert found.keys() == expected.keys() and all(found[name].equal(expected[name]) for name in expected)


def test_files_of_the_class_without_an_output_are_read_too():
    """BartModel's own file: no `model.` before its names, and neither an output matrix nor a bias of the logits."""
    values, tensors = folder_of("bart")
    expected = from_hugging_face(values, tensors).weights
    bare = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    found = from_hugging_face(values, bare).weights
    assert found.keys() == expected.keys() - {"logits_bias"} and all(found[n].equal(expected[n]) for n in found)


def test_stored_sinusoids_are_read_and_any_other_table_is_left_over():
    values, tensors = folder_of("marian")
    table, name = sinusoidal_positions(torch.arange(30), 16, "halves").half(), "model.decoder.embed_positions.weight"
    assert from_hugging_face(values, {**tensors, name: table}).weights
    for other in (table.roll(1, 0), sinusoidal_positions(torch.arange(30), 16), table[:, :8]):
        assert refused(from_hugging_face, values, {**tensors, name: other}).left_over == [name]


def test_weights_that_their_own_class_leaves_unread_are_left_unread():
    values, tensors = folder_of("t5")
    tensors["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = torch.ones(32, 2)  # t5-small's
    assert from_hugging_face(values, tensors).config.scale_output


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("t5", preset("modern", copy_head=True),
         {"scale_attention=True", "positions=rotary", "learn_padding=False", "copy_head=True"}),
        ("bart", preset("bart"), {"position_offset=0"}),
        ("marian", preset("bart"), {"norm_embeddings=True", "positions=learned", "sinusoid_layout=interleaved"}),
        ("plbart", preset("t5"),
         {"norm=rms", "norm_position=pre", "norm_epsilon=1e-06", "norm_embeddings=False", "positions=t5_relative",
          "position_offset=0", "biases=False", "scale_attention=False", "scale_output=True", "learn_padding=True"}),
    ],
)  # fmt: skip
def test_settings_that_theirs_cannot_say_are_all_listed(kind, config, expected):
    model = make_network(replace(config, vocab_size=19, d_model=16, n_heads=2), 0)
    refusal = refused(to_hugging_face, kind, model.config, own_tensors(model), SpecialIds(0, 1, 3))
    assert {*refusal.cannot_express} == expected


def test_filling_a_network_leaves_nothing_over_on_either_side():
    model = make_network(preset("t5", vocab_size=19, d_model=16, n_heads=2, copy_head=True), 0)
    weights = own_tensors(make_network(preset("t5", vocab_size=19, d_model=16, n_heads=2), 0))
    fill(model, weights, new=("copy_head.",))
    assert model.embedding.weight.equal(weights["embedding.weight"])
    missing = ["copy_head.gate.bias", "copy_head.gate.weight", "copy_head.key.weight", "copy_head.query.weight"]
    assert refused(fill, model, weights).missing == missing
    weights["nothing.weight"] = weights["embedding.weight"][:3]
    weights["embedding.weight"] = weights["nothing.weight"]
    refusal = refused(fill, model, weights, ("copy_head.",))
    assert refusal.left_over == ["nothing.weight"]
    assert refusal.cannot_express == ["embedding.weight is (3, 16), the network's is (19, 16)"]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("t5", {"dense_act_fn": "relu", "is_gated_act": False}),
        ("t5", {"d_model": None, "hidden_size": 16, "num_hidden_layers": 2}),  # a further name alone
        ("marian", {"activation_function": "silu", "num_attention_heads": 2}),
    ],
)
def test_settings_that_are_said_twice_and_agree_are_read(kind, changes):
    values, tensors = folder_of(kind)
    assert from_hugging_face({**values, **changes}, tensors).config == from_hugging_face(values, tensors).config


def test_dropout_does_not_keep_a_network_from_leaving_and_what_has_no_name_there_is_told():
    for kind, network in NETWORKS.items():
        rates = {"dropout": 0.2, "dropout_attention": 0.3, "dropout_feed_forward": 0.4, "dropout_output": 0.5}
        model = make_network(replace(network, **rates), 0)
        values, tensors = to_hugging_face(kind, model.config, own_tensors(model), SPECIAL)
        assert values["dropout_rate" if kind == "t5" else "dropout"] == 0.2
        said = {"t5": 0.2, "bart": 0.3, "marian": 0.3}[kind]
        found = from_hugging_face(values, tensors).config
        assert found.dropout_attention == said and replace(found, **rates, **UNSAID) == replace(model.config, **UNSAID)
        expected = ["dropout_output=0.5"]
        if kind == "t5":
            expected = ["dropout_attention=0.3", "dropout_feed_forward=0.4", *expected]
        assert lost_dropout(kind, model.config) == expected and not unsayable(kind, model.config)


def test_mt5_is_t5s_table_with_a_gate_and_an_unscaled_output():
    config = preset("t5_v1_1", **SIZES)
    model = make_network(config, 0)
    values, tensors = to_hugging_face("mt5", config, own_tensors(model), SPECIAL)
    assert values["model_type"] == "mt5" and values["architectures"] == ["MT5ForConditionalGeneration"]
    del values["feed_forward_proj"]  # MT5Config's own default
    found = from_hugging_face(values, tensors)
    assert replace(found.config, **UNSAID) == replace(config, **UNSAID)
    assert all(found.weights[name].equal(tensor) for name, tensor in own_tensors(model).items())
    assert refused(to_hugging_face, "mt5", preset("t5"), {}, SPECIAL).cannot_express == ["scale_output=True"]
