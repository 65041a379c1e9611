"""Hugging Face's own classes as oracles: the same logits, losses, gradients and outputs from the same weights."""

import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from model.config import preset
from model.decoding import SpecialIds, beam_search, greedy
from model.fast import make_network
from model.interop.families import FAMILIES
from model.interop.hugging_face import fill, from_hugging_face, own_tensors, to_hugging_face
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
    "mT5": ("MT5ForConditionalGeneration", "MT5Config", {**T5, "d_kv": 6}),
    "BART": ("BartForConditionalGeneration", "BartConfig", {**BART, "activation_function": "gelu"}),
    "PLBART": ("PLBartForConditionalGeneration", "PLBartConfig", {**BART, "scale_embedding": True}),
    "Marian": ("MarianMTModel", "MarianConfig",
               {**MARIAN, "activation_function": "swish", "scale_embedding": True}),
    "BART, tanh GELU": ("BartForConditionalGeneration", "BartConfig", {**BART, "activation_function": "gelu_new"}),
}  # fmt: skip
ENDS = {"T5": (1.5, 4.5), "T5 v1.1": (2, 4.5), "T5, gated SiLU, narrow heads": (1.5, 1), "BART": (1.5, 3),
        "PLBART": (1.5, 3), "Marian": (1, 1.5), "BART, tanh GELU": (1.5, 3),
        "mT5": (1, -2)}  # sharpness, how likely the end is
WORST = {torch.float64: 1e-10, torch.float32: 1e-4}
SPEEDS = ("fast", "readable")


class FullPrecisionT5LayerNorm(transformers.models.t5.modeling_t5.T5LayerNorm):
    """T5's norm as it is written; the library's takes the mean square in float32 even where all else is float64."""

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon))


def sines_then_cosines(length: int, width: int) -> Tensor:
    """Marian's table number by number in Python's floats; the library rounds its own to float32."""
    rows = [[position / 10000 ** (2 * column / width) for column in range(width // 2)] for position in range(length)]
    halves = [[math.sin(angle) for angle in row] + [math.cos(angle) for angle in row] for row in rows]
    return torch.tensor(halves, dtype=torch.float64)


def make_peer(name: str, dtype: torch.dtype = torch.float64, **changes: object):
    """A tiny random network of Hugging Face, every weight moved away from its tidy start, with eager attention."""
    class_name, config_name, settings = PEERS[name]
    torch.manual_seed(3)
    config = getattr(transformers, config_name)(**{**settings, **changes}, attn_implementation="eager")
    peer = getattr(transformers, class_name)(config).to(dtype).eval()
    if name in ("T5 v1.1", "mT5"):
        peer.lm_head.weight = torch.nn.Parameter(torch.randn_like(peer.shared.weight))
    for module in peer.modules():
        if type(module).__name__ in ("T5LayerNorm", "MT5LayerNorm") and dtype == torch.float64:
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


def convert(peer, speed: str = "fast") -> tuple[Transformer, SpecialIds]:
    config, special, weights = from_hugging_face(peer.config.to_dict(), peer.state_dict())
    model = make_network(replace(config, speed=speed), special.pad_id).to(peer.dtype).eval()
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


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("dtype", WORST, ids=str)
def test_logits_loss_and_every_gradient_are_those_of_hugging_face(name, dtype, speed):
    peer = make_peer(name, dtype)
    model, special = convert(peer, speed)
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
    print(f"{name}, {dtype}, {speed}: {worst}")  # pytest -s shows them
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


def test_dropout_falls_on_the_same_numbers_in_the_same_order(name):
    """With one seed both draw the same masks, if every dropout has its place, its shape and its probability."""
    dropout = {"dropout": 0.3, "attention_dropout": 0.2, "activation_dropout": 0.1}
    peer = make_peer(name, **({"dropout_rate": 0.3} if "T5" in name else dropout)).train()
    config, special, weights = from_hugging_face(peer.config.to_dict(), peer.state_dict())
    model = make_network(replace(config, speed="readable"), special.pad_id).double().train()
    fill(model, weights)
    losses = []
    for loss, network in ((our_loss, (model, special)), (their_loss, (peer,))):
        torch.manual_seed(9)
        losses.append(loss(*network, *make_batch(special)))
    assert error(*losses) < 1e-10
    assert error(losses[0], our_loss(model.eval(), special, *make_batch(special))) > 1e-4


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
    models, special = [convert(peer, speed)[0] for speed in SPEEDS], convert(peer)[1]
    source, source_mask, *_ = make_batch(special)
    theirs = their_outputs(peer, special, source, source_mask, num_beams=1)
    for model in models:
        assert greedy(model, source, source_mask, special, N_NEW) == theirs
    assert len({*map(len, theirs)}) > 1, "the example should end at different steps"


@pytest.mark.parametrize("early_stopping", [False, True])
def test_beam_search_gives_their_tokens(name, early_stopping):
    peer = peer_that_ends(name)
    models, special = [convert(peer, speed)[0] for speed in SPEEDS], convert(peer)[1]
    source, source_mask, *_ = make_batch(special)
    lengths = []
    for length_penalty in (0.0, 1.0, 2.0):
        settings = {"length_penalty": length_penalty, "early_stopping": early_stopping}
        theirs = their_outputs(peer, special, source, source_mask, num_beams=4, num_return_sequences=4, **settings)
        for model in models:
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
    model = make_network(config, special.pad_id).eval()
    for tensor in own_tensors(model).values():
        tensor += 0.3 * torch.randn_like(tensor)
    write_folder(tmp_path, *to_hugging_face(kind, config, own_tensors(model), special))
    peer = getattr(transformers, FAMILIES[kind].architecture).from_pretrained(tmp_path, attn_implementation="eager")
    source, source_mask, target, _ = make_batch(special)
    theirs = peer(input_ids=source, attention_mask=source_mask.long(), decoder_input_ids=target).logits
    ours = model.logits(model.decode(target, model.encode(source, source_mask), source_mask))
    assert error(ours, theirs) < 1e-4
