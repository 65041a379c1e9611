"""Every choice of the network in one frozen dataclass. Each field is an ablation factor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

Positions = Literal["none", "sinusoidal", "learned", "t5_relative", "rotary", "alibi"]
FeedForward = Literal["relu", "gelu", "gelu_tanh", "swish", "geglu", "swiglu", "none"]
PRESET_NAMES = ("vaswani2017", "bart", "t5", "t5_v1_1", "modern")

# The largest sizes that are taken. No machine holds them; what lies beyond would be built for minutes, or overflow.
# Layers: Wang et al. 2022 trained 1,000; a damaged config may say ten millions.
LARGEST_SIZES = {
    "vocab_size": 2**24, "d_model": 2**20, "n_heads": 2**20, "d_ff": 2**20, "n_encoder_layers": 1000,
    "n_decoder_layers": 1000, "max_length": 2**31 - 1, "d_kv": 2**20, "position_offset": 2**20,
    "relative_buckets": 2**20, "relative_max_distance": 2**31 - 1,
}  # fmt: skip


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and variants of the encoder-decoder. The defaults are the preset `modern`."""

    preset: str = "modern"  # vaswani2017, bart, t5, t5_v1_1 or modern: where the variants below start from
    vocab_size: int = 4000  # V, number of token ids; train.py sets it from the tokenizer
    d_model: int = 256  # width of the residual stream
    n_heads: int = 4  # h, attention heads; d_model must be divisible by it unless d_kv is given
    d_kv: int = 0  # width of one head where it is not d_model / n_heads (T5 v1.1: 6 heads of 64 in 512); 0: it is
    d_ff: int = 1024  # inner width of the feed-forward layer
    n_encoder_layers: int = 3  # layers of the encoder
    n_decoder_layers: int = 3  # layers of the decoder
    max_length: int = 1024  # longest source or target in tokens (size of learned position tables)
    norm: Literal["layer", "rms", "none"] = "rms"  # LayerNorm (Ba et al. 2016), RMSNorm (Zhang and Sennrich 2019)
    norm_position: Literal["pre", "post"] = "pre"  # before the sublayer (Xiong et al. 2020) or after the sum
    norm_epsilon: float = 1e-6  # added to the variance inside the norm
    norm_embeddings: bool = False  # normalise the embedded input (BART's layernorm_embedding)
    final_norm: bool = False  # a norm after a post-norm stack too (torch.nn.Transformer); a pre-norm one always has it
    feed_forward: FeedForward = "swiglu"  # activation, gated or not (Shazeer 2020)
    positions: Positions = "rotary"  # how order enters (see model/positions.py)
    position_offset: int = 0  # row of a learned table that position 0 reads (BART: 2; fairseq left room for padding)
    sinusoid_layout: Literal["interleaved", "halves"] = "interleaved"  # sine, cosine in turn; all sines first (Marian)
    relative_buckets: int = 32  # T5's buckets of distance, per head; one table for all layers (Raffel et al. 2020, 2.1)
    relative_max_distance: int = 128  # distance from which T5's last bucket serves
    tie_embeddings: bool = True  # source, target and output embedding are one matrix (Press and Wolf 2017)
    biases: bool = False  # biases in linear layers and LayerNorm
    residual: bool = True  # add each sublayer's input to its output (He et al. 2016)
    cross_attention: bool = True  # the decoder attends to the source; without, it is a language model of the targets
    causal: bool = True  # a target token sees no later one; without, training shows the decoder what it is to say
    scale_attention: bool = True  # divide scores by sqrt(d_k), equation (4)
    scale_initial_queries: bool = False  # divide W^Q's initial values by sqrt(d_k): there T5 has the factor
    scale_embeddings: bool = False  # multiply embeddings by sqrt(d_model) (Vaswani et al. 2017, 3.4)
    scale_output: bool = False  # multiply decoder states by d_model^-0.5 before a tied output (T5)
    logits_bias: bool = False  # add a number that is not trained to each logit (BART's, Marian's final_logits_bias)
    learn_padding: bool = False  # inputs teach the padding token's embedding too (T5, whose decoder starts with it)
    dropout: float = 0.1  # probability of zeroing a value of a sublayer's output and of the embeddings
    dropout_attention: float = 0.0  # of zeroing an attention weight
    dropout_feed_forward: float = 0.0  # of zeroing a value after the activation
    dropout_output: float = 0.0  # of zeroing a value of what a whole stack gives (T5)
    copy_head: bool = False  # mix in copying from the source (pointer-generator; See, Liu and Manning 2017)
    copy_form: Literal["mixture", "scores"] = "mixture"  # the copy head's: shares of probability, or added to logits
    mlm_head: bool = False  # a head that predicts masked source tokens (Devlin et al. 2019)
    tag_head: bool = False  # a head that tells identifiers from the rest of the code (Wang et al. 2021)
    match_head: bool = False  # a head that tells whether two texts belong together (model/heads.py)
    speed: Literal["fast", "readable"] = "fast"  # the same numbers; the readable forms show every step

    def __post_init__(self) -> None:
        check(self)

    @property
    def d_k(self) -> int:
        """The width of one head's queries, keys and values."""
        return self.d_kv or self.d_model // self.n_heads

    @property
    def gated(self) -> bool:
        """Whether the feed-forward layer has a gate, a third matrix."""
        return self.feed_forward in ("geglu", "swiglu")

    @property
    def removed(self) -> tuple[str, ...]:
        """The pieces of the Transformer that this network lacks (experiments/suites/pieces.py measures their worth)."""
        missing = {
            "residual": not self.residual, "cross_attention": not self.cross_attention, "causal": not self.causal,
            "norm": self.norm == "none", "feed_forward": self.feed_forward == "none",
        }  # fmt: skip
        return tuple(name for name, is_missing in missing.items() if is_missing)

    @property
    def has_final_norm(self) -> bool:
        """Whether a norm follows a stack's last layer; a post-norm layer ends with one and seldom needs another."""
        return self.norm_position == "pre" or self.final_norm


# The switches of the encoder's heads (model/heads.py: ENCODER_HEADS), which pretraining objectives teach.
PRETRAINING_HEADS = tuple(
    name for name in ModelConfig.__dataclass_fields__ if name.endswith("_head") and name != "copy_head"
)


def check(config: ModelConfig) -> None:
    """Refuse unknown variants and impossible sizes with one line that says what to change. Raises ValueError."""
    for name, kind in kinds_of_fields().items():
        if wanted := expected(getattr(config, name), kind):
            raise ValueError(f"model.{name}={getattr(config, name)!r} must be {wanted}")
    if config.preset not in PRESET_NAMES:
        raise ValueError(f"model.preset={config.preset!r} is unknown; choose one of {', '.join(PRESET_NAMES)}")
    for name in ("vocab_size", "d_model", "n_heads", "d_ff", "n_encoder_layers", "n_decoder_layers", "max_length"):
        if getattr(config, name) < 1:
            raise ValueError(f"model.{name}={getattr(config, name)} must be at least 1")
    for name in ("d_kv", "position_offset"):
        if getattr(config, name) < 0:
            raise ValueError(f"model.{name}={getattr(config, name)} must be at least 0")
    for name, most in LARGEST_SIZES.items():
        if getattr(config, name) > most:
            raise ValueError(f"model.{name}={getattr(config, name)} must be at most {most}")

    if not config.d_kv and config.d_model % config.n_heads:
        nearest = round(config.d_model / config.n_heads) or 1
        raise ValueError(
            f"model.d_model={config.d_model} is not divisible by model.n_heads={config.n_heads}; "
            f"choose {nearest * config.n_heads}"
        )
    if config.positions == "rotary" and config.d_k % 2:
        raise ValueError(f"rotary positions need an even key width, not {config.d_k}; change d_model or n_heads")
    if config.positions == "sinusoidal" and config.d_model % 2:
        raise ValueError(f"sinusoidal positions need an even model.d_model, not {config.d_model}")

    if config.relative_buckets < 4 or config.relative_buckets % 2:
        raise ValueError(
            f"model.relative_buckets={config.relative_buckets} must be even and at least 4: two for each direction"
        )
    if config.relative_max_distance <= config.relative_buckets // 2:
        raise ValueError(
            f"model.relative_max_distance={config.relative_max_distance} must be above half of "
            f"model.relative_buckets={config.relative_buckets}"
        )

    if not 0 <= config.norm_epsilon < math.inf:
        raise ValueError(f"model.norm_epsilon={config.norm_epsilon} must be at least 0")
    for name in ("dropout", "dropout_attention", "dropout_feed_forward", "dropout_output"):
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f"model.{name}={getattr(config, name)} must be at least 0 and below 1")


@cache
def kinds_of_fields() -> dict[str, Any]:
    """The types of the fields by name."""
    return get_type_hints(ModelConfig)


def expected(value: Any, kind: Any) -> str:
    """What a field of this type must be, in words, where the value is not; else nothing.

    system/bounds.py has the same for the settings of other rooms; this room imports none.
    """
    if get_origin(kind) is Literal:
        return "" if value in get_args(kind) else f"one of {', '.join(get_args(kind))}"
    if kind in (int, float):
        number = {int: Integral, float: Real}[kind]
        is_right = isinstance(value, number) and not isinstance(value, bool)
        return "" if is_right else {int: "a whole number", float: "a number"}[kind]
    return "" if isinstance(value, kind) else {bool: "True or False", str: "a text"}[kind]


PRESETS = {
    # Vaswani et al. 2017: post-norm, sinusoids, ReLU, embeddings scaled; dropout on sublayer outputs and embeddings.
    "vaswani2017": ModelConfig(
        preset="vaswani2017", norm="layer", norm_position="post", norm_epsilon=1e-5, feed_forward="relu",
        positions="sinusoidal", biases=True, scale_embeddings=True,
    ),
    # Lewis et al. 2020: post-norm, learned positions, GELU, normalised embeddings, dropout on attention too.
    "bart": ModelConfig(
        preset="bart", norm="layer", norm_position="post", norm_epsilon=1e-5, norm_embeddings=True,
        feed_forward="gelu", positions="learned", biases=True, dropout_attention=0.1,
    ),
    # Raffel et al. 2020: pre-RMSNorm, bucketed relative bias, no biases, unscaled scores, dropout everywhere.
    "t5": ModelConfig(
        preset="t5", feed_forward="relu", positions="t5_relative", scale_attention=False, scale_initial_queries=True,
        scale_output=True, learn_padding=True, dropout_attention=0.1, dropout_feed_forward=0.1, dropout_output=0.1,
    ),
    # Shazeer 2020 and T5's release notes: gated GELU, untied output.
    "t5_v1_1": ModelConfig(
        preset="t5_v1_1", feed_forward="geglu", positions="t5_relative", scale_attention=False,
        scale_initial_queries=True, tie_embeddings=False, learn_padding=True, dropout_attention=0.1,
        dropout_feed_forward=0.1, dropout_output=0.1,
    ),
    # Today's usual choices: pre-RMSNorm, rotary positions (Su et al. 2021), SwiGLU, no biases.
    "modern": ModelConfig(),
}


def preset(name: str, **changes: object) -> ModelConfig:
    """The preset `name` with some fields changed. Raises ValueError for an unknown name."""
    if name not in PRESETS:
        raise ValueError(f"model.preset={name} is unknown; choose one of {', '.join(PRESETS)}")
    return replace(PRESETS[name], **changes)
