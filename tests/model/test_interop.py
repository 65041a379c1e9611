"""Hugging Face's own classes as oracles: the same logits, losses, gradients and outputs from the same weights."""

import json
import math
from dataclasses import fields, replace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from model.config import ModelConfig, preset
from model.decoding import SpecialIds, beam_search, greedy
from model.families import FAMILIES
from model.interop import ConversionError, fill, from_hugging_face, own_tensors, to_hugging_face
from model.transformer import Transformer

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

N_NEW = 9
T5 = {"vocab_size": 19, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 2,
      "relative_attention_num_buckets": 8, "relative_attention_max_distance": 12, "dropout_rate": 0.0,
      "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}  # fmt: skip
BART = {"vocab_size": 19, "d_model": 16, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 32,
        "dropout": 0.0, "attention_dropout": 0.0, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
        "decoder_start_token_id": 2, "forced_eos_token_id": None}  # fmt: skip
MARIAN = {**BART, "pad_token_id": 18, "eos_token_id": 0, "decoder_start_token_id": 18, "bos_token_id": None}
PEERS = {
    "T5": ("T5ForConditionalGeneration", "T5Config", T5),
    # Flan-T5's shape: a gate, an output of its own that is not scaled, heads wider than d_model / n_heads.
    "T5 v1.1": ("T5ForConditionalGeneration", "T5Config",
                {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "d_kv": 6, "num_heads": 4}),
    "T5, gated SiLU, narrow heads": ("T5ForConditionalGeneration", "T5Config",
                                     {**T5, "feed_forward_proj": "gated-silu", "d_kv": 4}),
    "BART": ("BartForConditionalGeneration", "BartConfig", {**BART, "activation_function": "gelu"}),
    "PLBART": ("PLBartForConditionalGeneration", "PLBartConfig", {**BART, "scale_embedding": True}),
    "Marian": ("MarianMTModel", "MarianConfig",
               {**MARIAN, "activation_function": "swish", "scale_embedding": True}),
    "BART, tanh GELU": ("BartForConditionalGeneration", "BartConfig", {**BART, "activation_function": "gelu_new"}),
}  # fmt: skip
ENDS = {"T5": (1.5, 4.5), "T5 v1.1": (2, 4.5), "T5, gated SiLU, narrow heads": (1.5, 1), "BART": (1.5, 3),
        "PLBART": (1.5, 3), "Marian": (1, 1.5), "BART, tanh GELU": (1.5, 3)}  # sharpness, how likely the end is
WORST = {torch.float64: 1e-10, torch.float32: 1e-4}


class FullPrecisionT5LayerNorm(transformers.models.t5.modeling_t5.T5LayerNorm):
    """T5's norm as it is written; the library's takes the mean square in float32 even where all else is float64."""

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon))


def sines_then_cosines(length: int, width: int) -> Tensor:
    """Marian's table number by number in Python's floats; the library rounds its own to float32."""
    rows = [[position / 10000 ** (2 * column / width) for column in range(width // 2)] for position in range(length)]
    halves = [[math.sin(angle) for angle in row] + [math.cos(angle) for angle in row] for row in rows]
    return torch.tensor(halves, dtype=torch.float64)


def make_peer(name: str, dtype: torch.dtype = torch.float64):
    """A tiny random network of Hugging Face, every weight moved away from its tidy start, with eager attention."""
    class_name, config_name, settings = PEERS[name]
    torch.manual_seed(3)
    config = getattr(transformers, config_name)(**settings, attn_implementation="eager")
    peer = getattr(transformers, class_name)(config).to(dtype).eval()
    if name == "T5 v1.1":
        peer.lm_head.weight = torch.nn.Parameter(torch.randn_like(peer.shared.weight))
    for module in peer.modules():
        if isinstance(module, transformers.models.t5.modeling_t5.T5LayerNorm) and dtype == torch.float64:
            module.__class__ = FullPrecisionT5LayerNorm
        if isinstance(module, transformers.models.marian.modeling_marian.MarianSinusoidalPositionalEmbedding):
            module.weight.data = sines_then_cosines(*module.weight.shape).to(dtype)
    with torch.no_grad():
        for parameter in peer.parameters():
            if parameter.requires_grad:  # Marian's sinusoids are frozen parameters
                parameter += 0.25 * torch.randn_like(parameter)
        if hasattr(peer, "final_logits_bias"):
            peer.final_logits_bias.normal_(std=0.5)
    return peer


def convert(peer) -> tuple[Transformer, SpecialIds]:
    config, special, weights = from_hugging_face(peer.config.to_dict(), peer.state_dict())
    model = Transformer(config, special.pad_id).to(peer.dtype).eval()
    fill(model, weights)
    return model, special


def make_batch(special: SpecialIds):
    """Padded sources and targets that hold no padding inside; the end token closes them."""
    generator = torch.Generator().manual_seed(5)
    usable = [i for i in range(19) if i not in (special.pad_id, special.end_id)]

    def rows(lengths: list[int]) -> tuple[Tensor, Tensor]:
        ids = torch.tensor(usable)[torch.randint(len(usable), (len(lengths), max(lengths)), generator=generator)]
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        ids[torch.arange(len(lengths)), torch.tensor(lengths) - 1] = special.end_id
        return ids.masked_fill(~mask, special.pad_id), mask

    return *rows([8, 5, 2, 1, 7]), *rows([6, 3, 1, 7, 5])


def our_loss(model: Transformer, special: SpecialIds, source, source_mask, target, target_mask) -> Tensor:
    decoder_input = F.pad(target[:, :-1], (1, 0), value=special.decoder_start_id)
    log_probs, _ = model.target_log_probs(source, source_mask, decoder_input, target, target_mask)
    return -log_probs.mean()


def their_loss(peer, source, source_mask, target, target_mask) -> Tensor:
    labels = target.masked_fill(~target_mask, -100)
    return peer(input_ids=source, attention_mask=source_mask.long(), labels=labels).loss


def error(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a share of the largest number where that is above one."""
    return ((ours - theirs).abs().max() / max(1.0, theirs.abs().max().item())).item()


@pytest.fixture(params=PEERS)
def name(request) -> str:
    return request.param


@pytest.mark.parametrize("dtype", WORST, ids=str)
def test_logits_loss_and_every_gradient_are_those_of_hugging_face(name, dtype):
    peer = make_peer(name, dtype)
    model, special = convert(peer)
    source, source_mask, target, target_mask = batch = make_batch(special)
    decoder_input = F.pad(target[:, :-1], (1, 0), value=special.decoder_start_id)
    states = model.decode(decoder_input, model.encode(source, source_mask), source_mask)
    theirs = peer(input_ids=source, attention_mask=source_mask.long(), decoder_input_ids=decoder_input).logits
    ours_loss, their = our_loss(model, special, *batch), their_loss(peer, *batch)
    ours_loss.backward()
    their.backward()
    gradients = {name: p.grad for name, p in peer.named_parameters() if p.requires_grad}
    biases = {"logits_bias": torch.zeros(19)} if model.logits_bias is not None else {}
    own = {name: p.grad for name, p in model.named_parameters()} | biases
    converted = to_hugging_face(peer.config.model_type, model.config, own, special)[1]
    worst = {
        "logits": error(model.logits(states)[target_mask], theirs[target_mask]),
        "loss": error(ours_loss, their),
        "gradients": max(error(converted[name], gradient) for name, gradient in gradients.items()),
    }
    print(f"{name}, {dtype}: {worst}")  # pytest -s shows them
    assert gradients.keys() <= converted.keys() and len(gradients) >= 50
    assert all(gradient.abs().max() > 0 for gradient in gradients.values())
    assert max(worst.values()) <= WORST[dtype]


def test_the_librarys_rounding_is_all_that_the_float64_comparison_takes_away():
    """Against the untouched T5, whose norm works in float32, and the untouched Marian, whose sinusoids are float32."""
    for name in ("T5", "Marian"):
        peer = make_peer(name)
        model, special = convert(peer)
        for module in peer.modules():
            if isinstance(module, FullPrecisionT5LayerNorm):
                module.__class__ = transformers.models.t5.modeling_t5.T5LayerNorm
            if hasattr(module, "create_weight"):
                module.weight.data = module.create_weight().double()
        batch = make_batch(special)
        assert 0 < abs(our_loss(model, special, *batch) - their_loss(peer, *batch)) < 1e-6


def their_outputs(peer, special: SpecialIds, source: Tensor, source_mask: Tensor, **settings) -> list[list[int]]:
    outputs = peer.generate(  # T5's cache has no room for a decoder that is deeper than the encoder
        source, attention_mask=source_mask.long(), max_new_tokens=N_NEW, do_sample=False, forced_eos_token_id=None,
        decoder_start_token_id=special.decoder_start_id, use_cache=False, **settings,
    )  # fmt: skip
    rows = [row[1:] for row in outputs.tolist()]
    return [row[: row.index(special.end_id)] if special.end_id in row else row for row in rows]


def peer_that_ends(name: str):
    """A peer that is confident, and whose end token is the best at different steps."""
    peer, end_id = make_peer(name), PEERS[name][2]["eos_token_id"]
    sharper, end = ENDS[name]
    with torch.no_grad():
        peer.lm_head.weight *= sharper
        if hasattr(peer, "final_logits_bias"):
            peer.final_logits_bias[0, end_id] += end
        else:
            peer.lm_head.weight[end_id] *= end
    return peer


def test_greedy_decoding_gives_their_tokens(name):
    peer = peer_that_ends(name)
    model, special = convert(peer)
    source, source_mask, *_ = make_batch(special)
    theirs = their_outputs(peer, special, source, source_mask, num_beams=1)
    assert greedy(model, source, source_mask, special, N_NEW) == theirs
    assert len({*map(len, theirs)}) > 1, "the example should end at different steps"


@pytest.mark.parametrize("early_stopping", [False, True])
def test_beam_search_gives_their_tokens(name, early_stopping):
    peer = peer_that_ends(name)
    model, special = convert(peer)
    source, source_mask, *_ = make_batch(special)
    lengths = []
    for length_penalty in (0.0, 1.0, 2.0):
        settings = {"length_penalty": length_penalty, "early_stopping": early_stopping}
        theirs = their_outputs(peer, special, source, source_mask, num_beams=4, num_return_sequences=4, **settings)
        ours = beam_search(model, source, source_mask, special, N_NEW, 4, n_best=4, **settings)
        assert [hypothesis.ids for hypotheses in ours for hypothesis in hypotheses] == theirs
        lengths += map(len, theirs)
    assert len({*lengths}) > 2, "the example should end at different steps"


def test_early_stopping_ends_with_the_first_full_beam():
    model, special = convert(peer_that_ends("BART"))
    source, source_mask, *_ = make_batch(special)
    late, early = (
        beam_search(model, source, source_mask, special, N_NEW, 4, 2.0, early_stopping=stop) for stop in (False, True)
    )
    assert [best[0].ids for best in late] != [best[0].ids for best in early]
    assert all(best[0].score >= first[0].score for best, first in zip(late, early))
    assert all(len(best[0].ids) >= len(first[0].ids) for best, first in zip(late, early))


# Back again


def write_folder(folder, values, tensors) -> None:
    (folder / "config.json").write_text(json.dumps(values))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors",
              {"format": "pt"})  # fmt: skip


@torch.no_grad()
def test_a_converted_network_goes_back_into_a_folder_that_from_pretrained_accepts(name, tmp_path):
    peer = make_peer(name, torch.float32)
    model, special = convert(peer)
    write_folder(tmp_path, *to_hugging_face(peer.config.model_type, model.config, own_tensors(model), special))
    again, info = type(peer).from_pretrained(tmp_path, output_loading_info=True, attn_implementation="eager")
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    source, source_mask, target, target_mask = make_batch(special)
    assert their_loss(again, source, source_mask, target, target_mask) == their_loss(
        peer, source, source_mask, target, target_mask
    )
    ids = again.config.pad_token_id, again.config.eos_token_id, again.config.decoder_start_token_id
    assert ids == (special.pad_id, special.end_id, special.decoder_start_id)


OURS = {  # networks that were never theirs
    "t5": preset("t5", dropout=0.1),
    "t5, tied and not scaled": preset("t5", scale_output=False),
    "t5, gated, untied": preset("t5_v1_1", d_kv=6),
    "bart": preset("bart", position_offset=2, max_length=16),
    "bart, untied": preset("bart", position_offset=2, tie_embeddings=False, logits_bias=True),
    "plbart": preset("bart", position_offset=2, scale_embeddings=True, feed_forward="relu"),
    "marian": preset("vaswani2017", sinusoid_layout="halves", feed_forward="swish", logits_bias=True),
}


@torch.no_grad()
@pytest.mark.parametrize("kind", OURS)
def test_a_network_of_ours_becomes_theirs(kind, tmp_path):
    config = replace(OURS[kind], vocab_size=19, d_model=16, n_heads=2, d_ff=24, n_encoder_layers=1, n_decoder_layers=2)
    special, kind = SpecialIds(0, 1, 3), kind.partition(",")[0]
    torch.manual_seed(0)
    model = Transformer(config, special.pad_id).eval()
    for tensor in own_tensors(model).values():
        tensor += 0.3 * torch.randn_like(tensor)
    write_folder(tmp_path, *to_hugging_face(kind, config, own_tensors(model), special))
    peer = getattr(transformers, FAMILIES[kind].architecture).from_pretrained(tmp_path, attn_implementation="eager")
    source, source_mask, target, _ = make_batch(special)
    theirs = peer(input_ids=source, attention_mask=source_mask.long(), decoder_input_ids=target).logits
    ours = model.logits(model.decode(target, model.encode(source, source_mask), source_mask))
    assert error(ours, theirs) < 1e-4


# What cannot be said


def test_every_field_is_decided_for_every_family():
    """A field that is added to ModelConfig has to be put into each table before anything converts again."""
    by_weights = {"preset", "attention", "feed_forward", "tie_embeddings", "logits_bias"}
    for family in FAMILIES.values():
        said = {setting.ours for setting in family.settings} | {*family.fixed} | family.without_effect | by_weights
        assert {"d_kv" if field == "d_k" else field for field in said} == {field.name for field in fields(ModelConfig)}


def refused(convert, *arguments) -> ConversionError:
    with pytest.raises(ConversionError) as refusal:
        convert(*arguments)
    assert "\n" not in str(refusal.value)
    return refusal.value


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("BART", {"encoder_layerdrop": 0.1, "activation_function": "tanh", "decoder_ffn_dim": 48},
         {"encoder_layerdrop=0.1", "activation_function=tanh", "decoder_ffn_dim=48 beside encoder_ffn_dim=24"}),
        ("BART", {"decoder_attention_heads": 4}, {"decoder_attention_heads=4 beside encoder_attention_heads=2"}),
        ("T5", {"feed_forward_proj": "gated-relu", "is_encoder_decoder": False},
         {"feed_forward_proj=gated-relu", "is_encoder_decoder=False"}),
        ("Marian", {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 20},
         {"share_encoder_decoder_embeddings=False", "decoder_vocab_size=20 beside vocab_size=19"}),
        ("T5", {"pad_token_id": 19, "bad_words_ids": [[3, 4]]}, {"pad_token_id=19", "bad_words_ids=[[3, 4]]"}),
        ("T5", {"d_ff": "24", "num_layers": True, "d_kv": None, "num_heads": 1.5},
         {"d_ff='24' is no int", "num_layers=True is no int", "d_kv is not given", "num_heads=1.5 is no int"}),
        ("BART", {"encoder_layers": 10**9}, {"1000000000 + 3 layers"}),
        ("T5", {"model_type": "gpt2"}, {"model_type=gpt2; known are t5, bart, plbart, marian"}),
    ],
)  # fmt: skip
def test_settings_that_ours_cannot_say_are_all_listed(name, changes, expected):
    peer = make_peer(name)
    values = {**peer.config.to_dict(), **changes}
    assert {*refused(from_hugging_face, values, peer.state_dict()).cannot_express} == expected


def test_weights_left_over_and_missing_are_listed_on_their_side():
    peer = make_peer("BART")
    tensors = peer.state_dict()
    tensors["model.encoder.layers.7.fc1.weight"] = tensors.pop("model.decoder.layers.2.fc2.bias")
    del tensors["lm_head.weight"]
    refusal = refused(from_hugging_face, {**peer.config.to_dict(), "tie_word_embeddings": False}, tensors)
    assert refusal.left_over == ["model.encoder.layers.7.fc1.weight"]
    assert refusal.missing == ["lm_head.weight", "model.decoder.layers.2.fc2.bias"]
    assert all(name in str(refusal) for name in (*refusal.left_over, *refusal.missing))


def test_sizes_that_do_not_fit_are_listed():
    peer = make_peer("T5")
    refusal = refused(from_hugging_face, {**peer.config.to_dict(), "d_ff": 25}, peer.state_dict())
    first = "encoder.0.feed_forward.inner.weight is (24, 16), the configuration says (25, 16)"
    assert refusal.cannot_express[0] == first
    assert len(refusal.cannot_express) == 10 and "and 4 more" in str(refusal)


def test_embeddings_of_their_own_are_refused_and_copies_of_the_first_are_not():
    peer = make_peer("BART")
    tensors = {name: tensor.clone() for name, tensor in peer.state_dict().items()}
    assert from_hugging_face(peer.config.to_dict(), tensors).config.tie_embeddings
    tensors["model.encoder.embed_tokens.weight"] += 1
    refusal = refused(from_hugging_face, peer.config.to_dict(), tensors)
    assert refusal.cannot_express == ["model.encoder.embed_tokens.weight differs from model.shared.weight"]


def test_an_embedding_is_found_under_whatever_name_it_was_kept():
    peer = make_peer("BART")
    expected = from_hugging_face(peer.config.to_dict(), peer.state_dict()).weights
    tensors = {name: t for name, t in peer.state_dict().items() if "shared" not in name and "embed_tokens" not in name}
    found = from_hugging_face(peer.config.to_dict(), tensors).weights
    assert found.keys() == expected.keys() and all(found[name].equal(expected[name]) for name in expected)


def test_files_of_the_class_without_an_output_are_read_too():
    peer = make_peer("BART")
    expected = from_hugging_face(peer.config.to_dict(), peer.state_dict()).weights
    found = from_hugging_face(peer.config.to_dict(), peer.model.state_dict()).weights
    assert found.keys() == expected.keys() - {"logits_bias"} and all(found[n].equal(expected[n]) for n in found)


def test_stored_sinusoids_are_read_and_any_other_table_is_left_over():
    peer = make_peer("Marian")
    tensors = peer.state_dict()
    assert "model.encoder.embed_positions.weight" in tensors
    tensors["model.decoder.embed_positions.weight"] = tensors["model.decoder.embed_positions.weight"].roll(1, 0)
    refusal = refused(from_hugging_face, peer.config.to_dict(), tensors)
    assert refusal.left_over == ["model.decoder.embed_positions.weight"]


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("t5", preset("modern", copy_head=True),
         {"scale_attention=True", "positions=rotary", "learn_padding=False", "copy_head=True",
          "dropout_attention=0.0 beside dropout=0.1", "dropout_feed_forward=0.0 beside dropout=0.1",
          "dropout_output=0.0 beside dropout=0.1"}),
        ("bart", preset("bart"), {"position_offset=0"}),
        ("marian", preset("bart"), {"norm_embeddings=True", "positions=learned", "sinusoid_layout=interleaved"}),
        ("plbart", preset("t5"),
         {"norm=rms", "norm_position=pre", "norm_epsilon=1e-06", "norm_embeddings=False", "positions=t5_relative",
          "position_offset=0", "biases=False", "scale_attention=False", "scale_output=True", "learn_padding=True",
          "dropout_output=0.1"}),
    ],
)  # fmt: skip
def test_settings_that_theirs_cannot_say_are_all_listed(kind, config, expected):
    model = Transformer(replace(config, vocab_size=19, d_model=16, n_heads=2), 0)
    refusal = refused(to_hugging_face, kind, model.config, own_tensors(model), SpecialIds(0, 1, 3))
    assert {*refusal.cannot_express} == expected


def test_filling_a_network_leaves_nothing_over_on_either_side():
    model = Transformer(preset("t5", vocab_size=19, d_model=16, n_heads=2, copy_head=True), 0)
    weights = own_tensors(Transformer(preset("t5", vocab_size=19, d_model=16, n_heads=2), 0))
    fill(model, weights, new=("copy_head.",))
    assert model.embedding.weight.equal(weights["embedding.weight"])
    missing = ["copy_head.gate.bias", "copy_head.gate.weight", "copy_head.key.weight", "copy_head.query.weight"]
    assert refused(fill, model, weights).missing == missing
    weights["nothing.weight"] = weights["embedding.weight"][:3]
    weights["embedding.weight"] = weights["nothing.weight"]
    refusal = refused(fill, model, weights, ("copy_head.",))
    assert refusal.left_over == ["nothing.weight"]
    assert refusal.cannot_express == ["embedding.weight is (3, 16), the network's is (19, 16)"]
