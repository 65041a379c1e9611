"""The names that other libraries have for our settings and weights.

One `Family` a kind of model of Hugging Face, and the names in `torch.nn.Transformer`: tables that
model/interop/hugging_face.py and model/interop/torch_transformer.py read in both directions. Each was checked against
the class of that name in transformers 5.23 and torch 2.13; the quirks' sources stand beside their fields in
model/config.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from model.config import PRETRAINING_HEADS, ModelConfig

WHOLE = {  # fields: other libraries leave no piece out and have none of our heads
    "residual": True, "cross_attention": True, "causal": True, "copy_head": False,
    **dict.fromkeys(PRETRAINING_HEADS, False),
}  # fmt: skip
# Fields that decide about a network's first weights alone, and about a head that they have not.
WITHOUT_EFFECT = ("scale_initial_queries", "copy_form")

Rules = tuple[tuple[str, str], ...]  # regular expression in our name, what stands there in theirs; applied in order


class Setting(NamedTuple):
    """One setting under our name and theirs. A name may stand in several settings: then all of them must agree."""

    theirs: str
    ours: str


@dataclass(frozen=True)
class Family:
    """How one family of networks names our settings and our weights."""

    architecture: str  # the class that `from_pretrained` makes
    settings: tuple[Setting, ...]
    fixed: dict[str, Any]  # our field -> the one value that the family has
    fixed_theirs: dict[str, Any]  # their setting -> the one value that we have
    without_effect: frozenset[str]  # our fields that change nothing in a network of this family
    activation: str  # their setting that names the activation
    activations: dict[str, str]  # its values -> ours; where ours has two names, the first is written
    defaults: Callable[[Mapping[str, Any]], dict[str, Any]]  # settings that older config.json files leave out
    rules: Callable[[ModelConfig], Rules]  # our names of weights -> theirs
    copies: tuple[str, ...]  # their further names of the embedding
    default_start: str  # their setting that gives the decoder's first token where decoder_start_token_id is not given
    unread: frozenset[str] = field(default=frozenset())  # weights in old files that their class leaves unread too
    aliases: Mapping[str, str] = field(default_factory=dict)  # further names that their class obeys before the setting
    implied: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda values: {}  # settings that the activation decides


def t5_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """T5's classes scale the output unless the file says that it is not tied (configuration_t5.py)."""
    return {
        "num_decoder_layers": values.get("num_layers"), "feed_forward_proj": "relu", "dropout_rate": 0.1,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "layer_norm_epsilon": 1e-6,
        "scale_decoder_outputs": values.get("tie_word_embeddings") is not False,
    }


def t5_implied(values: Mapping[str, Any]) -> dict[str, Any]:
    """What feed_forward_proj means (configuration_t5.py): T5's class obeys these where a file has them."""
    kind, _, activation = str(values.get("feed_forward_proj")).rpartition("-")
    activation = "gelu_new" if (kind, activation) == ("gated", "gelu") else activation
    return {"is_gated_act": kind == "gated", "dense_act_fn": activation}


def mt5_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """MT5Config's: a gate unless the file says otherwise. Its class never scales the output."""
    return {**t5_defaults(values), "feed_forward_proj": "gated-gelu"}


def t5_rules(config: ModelConfig) -> Rules:
    """Sublayers have numbers: layer.0 is self-attention, the last one the feed-forward layer."""
    inner = r".wi_1." if config.gated else r".wi."
    return (
        (r"^embedding\.", "shared."),
        (r"^output\.", "lm_head."),
        (r"^(encoder|decoder)_norm\.gain$", r"\1.final_layer_norm.weight"),
        (r"^(\w+)_positions\.relative\.table", r"\1.block.0.layer.0.SelfAttention.relative_attention_bias"),
        (r"^(\w+)\.(\d+)\.self_attention", r"\1.block.\2.layer.0.SelfAttention"),
        (r"^(\w+)\.(\d+)\.cross_attention", r"\1.block.\2.layer.1.EncDecAttention"),
        (r"^encoder\.(\d+)\.feed_forward", r"encoder.block.\1.layer.1.DenseReluDense"),
        (r"^decoder\.(\d+)\.feed_forward", r"decoder.block.\1.layer.2.DenseReluDense"),
        (r"\.\w+_residual\.norm\.gain$", ".layer_norm.weight"),
        (r"\.query\.", ".q."), (r"\.key\.", ".k."), (r"\.value\.", ".v."), (r"Attention\.output\.", "Attention.o."),
        (r"\.gate\.", ".wi_0."), (r"\.inner\.", inner), (r"\.outer\.", ".wo."),
    )


T5 = Family(
    architecture="T5ForConditionalGeneration",
    settings=(
        Setting("vocab_size", "vocab_size"), Setting("d_model", "d_model"), Setting("d_kv", "d_k"),
        Setting("d_ff", "d_ff"), Setting("num_heads", "n_heads"), Setting("num_layers", "n_encoder_layers"),
        Setting("num_decoder_layers", "n_decoder_layers"),
        Setting("relative_attention_num_buckets", "relative_buckets"),
        Setting("relative_attention_max_distance", "relative_max_distance"),
        Setting("layer_norm_epsilon", "norm_epsilon"), Setting("scale_decoder_outputs", "scale_output"),
        Setting("dropout_rate", "dropout"), Setting("dropout_rate", "dropout_attention"),
        Setting("dropout_rate", "dropout_feed_forward"), Setting("dropout_rate", "dropout_output"),
    ),
    fixed={
        "norm": "rms", "norm_position": "pre", "norm_embeddings": False, "positions": "t5_relative", "biases": False,
        "scale_attention": False, "scale_embeddings": False, "learn_padding": True, "logits_bias": False,
        **WHOLE,
    },
    fixed_theirs={"is_encoder_decoder": True},
    without_effect=frozenset({"max_length", "position_offset", "sinusoid_layout", "final_norm", *WITHOUT_EFFECT}),
    activation="feed_forward_proj",
    activations={
        "relu": "relu", "gated-gelu": "geglu", "gated-silu": "swiglu", "gelu": "gelu", "gelu_new": "gelu_tanh",
        "silu": "swish", "swish": "swish", "gated-gelu_new": "geglu", "gated-swish": "swiglu",
        "gelu_pytorch_tanh": "gelu_tanh", "gated-gelu_pytorch_tanh": "geglu",
    },
    defaults=t5_defaults,
    rules=t5_rules,
    copies=("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"),
    default_start="pad_token_id",
    unread=frozenset({"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"}),
    aliases={
        "hidden_size": "d_model", "num_attention_heads": "num_heads", "num_hidden_layers": "num_layers",
        "head_dim": "d_kv",
    },
    implied=t5_implied,
)  # fmt: skip

# mT5 (Xue et al. 2021) is T5 v1.1 with another vocabulary; its class never scales the output.
MT5 = replace(
    T5,
    architecture="MT5ForConditionalGeneration",
    settings=tuple(setting for setting in T5.settings if setting.ours != "scale_output"),
    fixed={**T5.fixed, "scale_output": False},
    defaults=mt5_defaults,
)


def bart_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """BartConfig's defaults, for what the file does not say."""
    return {
        "activation_function": "gelu", "dropout": 0.1, "attention_dropout": 0.0, "activation_dropout": 0.0,
        "scale_embedding": False, "max_position_embeddings": 1024,
    }


def bart_rules(config: ModelConfig) -> Rules:
    """A layer's last norm has the name of a final one."""
    return (
        (r"^embedding\.", "model.shared."),
        (r"^output\.", "lm_head."),
        (r"^logits_bias$", "final_logits_bias"),
        (r"^(encoder|decoder)_positions\.learned\.", r"model.\1.embed_positions."),
        (r"^(encoder|decoder)_embedding_norm\.", r"model.\1.layernorm_embedding."),
        (r"^(encoder|decoder)\.(\d+)\.", r"model.\1.layers.\2."),
        (r"\.self_attention_residual\.norm\.", ".self_attn_layer_norm."),
        (r"\.cross_attention_residual\.norm\.", ".encoder_attn_layer_norm."),
        (r"\.feed_forward_residual\.norm\.", ".final_layer_norm."),
        (r"\.self_attention\.", ".self_attn."), (r"\.cross_attention\.", ".encoder_attn."),
        (r"\.query\.", ".q_proj."), (r"\.key\.", ".k_proj."), (r"\.value\.", ".v_proj."),
        (r"attn\.output\.", "attn.out_proj."),
        (r"\.feed_forward\.inner\.", ".fc1."), (r"\.feed_forward\.outer\.", ".fc2."), (r"\.gain$", ".weight"),
    )


BART = Family(
    architecture="BartForConditionalGeneration",
    settings=(
        Setting("vocab_size", "vocab_size"), Setting("d_model", "d_model"),
        Setting("encoder_attention_heads", "n_heads"), Setting("decoder_attention_heads", "n_heads"),
        Setting("encoder_ffn_dim", "d_ff"), Setting("decoder_ffn_dim", "d_ff"),
        Setting("encoder_layers", "n_encoder_layers"), Setting("decoder_layers", "n_decoder_layers"),
        Setting("max_position_embeddings", "max_length"), Setting("scale_embedding", "scale_embeddings"),
        Setting("dropout", "dropout"), Setting("attention_dropout", "dropout_attention"),
        Setting("activation_dropout", "dropout_feed_forward"),
    ),
    fixed={
        "norm": "layer", "norm_position": "post", "norm_epsilon": 1e-5, "norm_embeddings": True, "final_norm": False,
        "positions": "learned", "position_offset": 2, "biases": True, "scale_attention": True, "scale_output": False,
        "learn_padding": False, "dropout_output": 0.0, "d_kv": 0, **WHOLE,
    },
    fixed_theirs={"is_encoder_decoder": True, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0},
    without_effect=frozenset({"sinusoid_layout", "relative_buckets", "relative_max_distance", *WITHOUT_EFFECT}),
    activation="activation_function",
    activations={
        "gelu": "gelu", "relu": "relu", "gelu_new": "gelu_tanh", "silu": "swish", "swish": "swish",
        "gelu_pytorch_tanh": "gelu_tanh",
    },
    defaults=bart_defaults,
    rules=bart_rules,
    copies=("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"),
    default_start="eos_token_id",
    unread=frozenset({"model.encoder.version", "model.decoder.version"}),
    aliases={
        "hidden_size": "d_model", "num_attention_heads": "encoder_attention_heads",
        "num_hidden_layers": "encoder_layers",
    },
)  # fmt: skip

# PLBartConfig's own defaults; its class has no fixed start token and puts the target's last token, the end, in front.
PLBART = replace(
    BART,
    architecture="PLBartForConditionalGeneration",
    defaults=lambda values: {**bart_defaults(values), "attention_dropout": 0.1, "scale_embedding": True},
)

MARIAN = replace(
    BART,
    architecture="MarianMTModel",
    fixed={
        **BART.fixed, "norm_embeddings": False, "positions": "sinusoidal", "sinusoid_layout": "halves",
        "position_offset": 0,
    },
    fixed_theirs={**BART.fixed_theirs, "share_encoder_decoder_embeddings": True},
    settings=(*BART.settings, Setting("decoder_vocab_size", "vocab_size")),
    without_effect=frozenset({"relative_buckets", "relative_max_distance", *WITHOUT_EFFECT}),
    defaults=lambda values: {**bart_defaults(values), "decoder_vocab_size": values.get("vocab_size")},
    default_start="pad_token_id",
)

FAMILIES = {"t5": T5, "mt5": MT5, "bart": BART, "plbart": PLBART, "marian": MARIAN}  # by config.json's model_type

# torch.nn.Transformer numbers its norms; the three input projections are one matrix, here in three parts.
TORCH_RULES: Rules = (
    (r"^(encoder|decoder)_norm\.", r"\1.norm."),
    (r"^(encoder|decoder)\.(\d+)\.", r"\1.layers.\2."),
    (r"\.self_attention_residual\.norm\.", ".norm1."),
    (r"^(decoder\.layers\.\d+)\.cross_attention_residual\.norm\.", r"\1.norm2."),
    (r"^(encoder\.layers\.\d+)\.feed_forward_residual\.norm\.", r"\1.norm2."),
    (r"^(decoder\.layers\.\d+)\.feed_forward_residual\.norm\.", r"\1.norm3."),
    (r"\.self_attention\.", ".self_attn."), (r"\.cross_attention\.", ".multihead_attn."),
    (r"\.(query|key|value)\.(weight|bias)$", r".in_proj_\2.\1"), (r"attn\.output\.", "attn.out_proj."),
    (r"\.feed_forward\.inner\.", ".linear1."), (r"\.feed_forward\.outer\.", ".linear2."), (r"\.gain$", ".weight"),
)
