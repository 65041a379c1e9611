"""Conversion of settings and weights to and from Hugging Face's T5, mT5, BART, PLBART and Marian.

No file is read here and nothing of Hugging Face is imported: a model of theirs is the dictionary of its config.json and
its name -> tensor. T5 v1.1 and Flan-T5 are T5 with a gate and without a tied output, CodeT5 is T5. What the families
call things stands in model/interop/families.py; `torch.nn.Transformer` has a file of its own,
model/interop/torch_transformer.py.

A conversion gives exactly the same function or fails: ConversionError lists every setting that the other side cannot
express, every weight that would be left over on either side, and every size that does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from model.config import ModelConfig, preset
from model.decoding import SpecialIds
from model.interop.families import FAMILIES, Family
from model.positions import sinusoidal_positions
from model.transformer import Transformer

Tensors = dict[str, Tensor]
ALWAYS_TIED = ("t5", "mt5")  # their classes tie whatever the file says, unless the output is there and another matrix
DROPOUTS = ("dropout", "dropout_attention", "dropout_feed_forward", "dropout_output")
NAMES_SHOWN = 6  # names of a list that stand in an error's line; the error's attributes hold all of them


class ConversionError(ValueError):
    """The reasons why a conversion fails. The text is one line, the attributes are the whole lists."""

    def __init__(self, cannot_express: list[str], left_over: Iterable[str] = (), missing: Iterable[str] = ()) -> None:
        self.cannot_express, self.left_over, self.missing = cannot_express, sorted(left_over), sorted(missing)
        lists = {
            "cannot be expressed": self.cannot_express, "weights left over": self.left_over,
            "weights missing": self.missing,
        }  # fmt: skip
        super().__init__("; ".join(f"{title}: {shortened(names)}" for title, names in lists.items() if names))


def shortened(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


class Imported(NamedTuple):
    """A network of another library in our terms: Transformer(config, special.pad_id) and its weights."""

    config: ModelConfig
    special: SpecialIds
    weights: Tensors


def from_hugging_face(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Imported:
    """Convert the values of a config.json and the model's weights. Raises ConversionError."""
    family = family_of(values)
    values, contradictions = one_name_each(family, values)
    values = {**family.defaults(values), **values}
    contradictions += untied_in_name_alone(family, values, tensors)
    tensors = with_embedding(family, with_prefix(family, tensors))
    chosen, problems = our_settings(family, values, contradictions)

    named = original_name(family)
    if named in tensors:
        output = tensors.get("lm_head.weight")
        tied = values["model_type"] in ALWAYS_TIED or values.get("tie_word_embeddings", True)
        chosen["tie_embeddings"] = tied if output is None else same(output, tensors[named])
        chosen["logits_bias"] = "final_logits_bias" in tensors
        problems += differing_copies(family, tensors)

    try:
        special = special_ids(values)
    except ConversionError as error:
        problems += error.cannot_express
    try:
        config = ModelConfig(preset=nearest_preset(chosen), **chosen)
    except ValueError as error:
        raise ConversionError([*problems, str(error)]) from None
    if config.n_encoder_layers + config.n_decoder_layers > len(tensors):  # before anything of that size is built
        raise ConversionError([*problems, f"{config.n_encoder_layers} + {config.n_decoder_layers} layers"])

    names = their_names(family, config)
    weights = {ours: tensors[theirs] for ours, theirs in names.items() if theirs in tensors}
    computed = computed_tables(config, tensors)
    repeated = {*family.copies, "lm_head.weight"} if config.tie_embeddings else {*family.copies}
    left_over = tensors.keys() - {*names.values()} - repeated - family.unread - computed
    missing = [theirs for theirs in names.values() if theirs not in tensors]

    if "logits_bias" in weights:
        weights["logits_bias"] = weights["logits_bias"].flatten()  # theirs is (1, V)
    problems += misfits(config, weights)
    if problems or left_over or missing:
        raise ConversionError(problems, left_over, missing)
    return Imported(config, special, weights)


def to_hugging_face(
    kind: str, config: ModelConfig, weights: Mapping[str, Tensor], special: SpecialIds
) -> tuple[dict[str, Any], Tensors]:
    """A config.json and weights that the class of `kind`, a name in FAMILIES, accepts. Raises ConversionError.

    `weights` are what `weights_of` gives, a tied output left out.
    """
    family = family_of({"model_type": kind})
    values, problems = their_settings(family, config)
    names = their_names(family, config)
    left_over = [name for name in weights if name not in names]
    missing = [name for name in names if name not in weights]
    if problems or left_over or missing:
        raise ConversionError(problems, left_over, missing)

    tensors = {theirs: weights[ours] for ours, theirs in names.items()}
    if "final_logits_bias" in tensors:
        tensors["final_logits_bias"] = tensors["final_logits_bias"][None]  # (1, V)

    embedding = tensors[original_name(family)]
    if not config.tie_embeddings:  # BART's classes tie all of the four or none
        tensors |= {name: embedding.clone() for name in family.copies}
    if kind in ALWAYS_TIED and config.tie_embeddings and not config.scale_output:
        tensors["lm_head.weight"] = embedding.clone()  # older T5 classes take an unscaled output for an untied one

    ids = {
        "pad_token_id": special.pad_id, "eos_token_id": special.end_id,
        "decoder_start_token_id": special.decoder_start_id,
    }  # fmt: skip
    tie = config.scale_output if kind in ALWAYS_TIED else config.tie_embeddings
    unforced = {} if kind in ALWAYS_TIED else {"forced_eos_token_id": None, "bos_token_id": None}
    about = {"model_type": kind, "architectures": [family.architecture], "tie_word_embeddings": tie}
    return {**values, **ids, **unforced, **about}, tensors


def family_of(values: Mapping[str, Any]) -> Family:
    """The tables of the family that a config.json belongs to. Raises ConversionError for an unknown family."""
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise ConversionError([f"model_type={kind}; known are {', '.join(FAMILIES)}"])
    return FAMILIES[kind]


def one_name_each(family: Family, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values that are given, with a setting's further names under its own, and a line for each contradiction."""
    given = {name: value for name, value in values.items() if value is not None}
    problems = []
    for alias, name in family.aliases.items():
        if alias in given and given.setdefault(name, given[alias]) != given[alias]:
            problems.append(f"{alias}={given[alias]} beside {name}={given[name]}")
    return given, problems


def our_settings(
    family: Family, values: Mapping[str, Any], contradictions: Iterable[str]
) -> tuple[dict[str, Any], list[str]]:
    """The fields of ModelConfig, and the values that they cannot express. Raises ConversionError for bad sizes."""
    chosen: dict[str, Any] = {}
    problems, unreadable = [*contradictions], []
    for theirs, ours in family.settings:
        value = values.get(theirs)
        if value is None:
            unreadable.append(f"{theirs} is not given")
        elif not is_of_kind(value, getattr(ModelConfig(), ours)):
            unreadable.append(f"{theirs}={value!r} is no {type(getattr(ModelConfig(), ours)).__name__}")
        elif chosen.setdefault(ours, value) != value:
            first = next(setting.theirs for setting in family.settings if setting.ours == ours)
            problems.append(f"{theirs}={value} beside {first}={chosen[ours]}")

    for theirs, value in family.fixed_theirs.items():
        if values.get(theirs, value) != value:
            problems.append(f"{theirs}={values[theirs]}")
    activation = values.get(family.activation)
    if isinstance(activation, str) and activation in family.activations:
        chosen["feed_forward"] = family.activations[activation]
    else:
        problems.append(f"{family.activation}={activation}")
        chosen["feed_forward"] = "geglu" if str(activation).startswith("gated") else "relu"  # so many weights at least
    for name, implied in family.implied(values).items():
        if name in values and not same_activation(family, values[name], implied):
            problems.append(f"{name}={values[name]} beside {family.activation}={activation}")

    if unreadable:
        raise ConversionError(unreadable + problems)
    if "d_k" in chosen:  # a property of ours; the field says it only where it is not d_model / n_heads
        d_k = chosen.pop("d_k")
        chosen["d_kv"] = 0 if d_k * chosen["n_heads"] == chosen["d_model"] else d_k
    return chosen | family.fixed, problems


def same_activation(family: Family, one: Any, other: Any) -> bool:
    """Whether two values are equal or two names of one activation."""
    ours = [family.activations.get(name) if isinstance(name, str) else None for name in (one, other)]
    return one == other or (ours[0] is not None and ours[0] == ours[1])


def is_of_kind(value: Any, example: Any) -> bool:
    """Whether a value out of JSON has the type of `example`; a whole number may be meant as a float."""
    if isinstance(example, bool) or isinstance(value, bool):
        return isinstance(example, bool) and isinstance(value, bool)
    return isinstance(value, type(example)) or (isinstance(example, float) and isinstance(value, int))


def their_settings(family: Family, config: ModelConfig) -> tuple[dict[str, Any], list[str]]:
    """The values of a config.json, and the settings in `config` that they cannot express.

    Dropout is no part of the function: where they have fewer rates than we do, the first one goes (`lost_dropout`).
    """
    if config.d_k * config.n_heads == config.d_model:
        config = replace(config, d_kv=0)
    values: dict[str, Any] = {}
    problems = []
    for theirs, ours in family.settings:
        value = getattr(config, ours)
        if values.setdefault(theirs, value) != value and ours not in DROPOUTS:
            first = next(setting.ours for setting in family.settings if setting.theirs == theirs)
            problems.append(f"{ours}={value} beside {first}={values[theirs]}")
    for ours, value in family.fixed.items():
        if getattr(config, ours) != value and ours not in DROPOUTS:
            problems.append(f"{ours}={getattr(config, ours)}")
    activation = [theirs for theirs, ours in family.activations.items() if ours == config.feed_forward]
    if not activation:
        problems.append(f"feed_forward={config.feed_forward}")
    values[family.activation] = activation[0] if activation else None
    return values | family.fixed_theirs, problems


def unsayable(kind: str, config: ModelConfig) -> list[str]:
    """The settings of a network that a config.json of `kind` cannot say, so that it cannot become one."""
    return their_settings(family_of({"model_type": kind}), config)[1]


def lost_dropout(kind: str, config: ModelConfig) -> list[str]:
    """The rates of dropout that a config.json of `kind` has no place for, or says another value of."""
    family = family_of({"model_type": kind})
    values = their_settings(family, config)[0]
    said = {ours: values[theirs] for theirs, ours in family.settings if ours in DROPOUTS}
    said |= {ours: value for ours, value in family.fixed.items() if ours in DROPOUTS}
    return [f"{ours}={getattr(config, ours)}" for ours, value in said.items() if getattr(config, ours) != value]


def special_ids(values: Mapping[str, Any]) -> SpecialIds:
    """The ids that decoding needs, from the values of a config.json. Raises ConversionError."""
    family = family_of(values)
    vocab_size, forbidden = values.get("vocab_size"), values.get("bad_words_ids") or []
    ids = {name: values.get(name) for name in ("pad_token_id", "eos_token_id", "decoder_start_token_id")}
    if ids["decoder_start_token_id"] is None:
        ids["decoder_start_token_id"] = values.get(family.default_start)

    def is_id(value: Any) -> bool:
        return is_of_kind(value, 0) and is_of_kind(vocab_size, 0) and 0 <= value < vocab_size

    problems = [f"{name}={value}" for name, value in ids.items() if not is_id(value)]
    single = isinstance(forbidden, list) and all(isinstance(ids, list) and len(ids) == 1 for ids in forbidden)
    if not single or not all(is_id(token) for (token,) in forbidden):
        problems.append(f"bad_words_ids={forbidden}")  # phrases cannot be forbidden
    if problems:
        raise ConversionError(problems)
    return SpecialIds(*ids.values(), tuple(dict.fromkeys(phrase[0] for phrase in forbidden)))  # each once


def nearest_preset(chosen: Mapping[str, Any]) -> str:
    """The preset that shares most of these fields. It is a name only: every field stands in the configuration."""
    names = ("bart", "t5", "t5_v1_1", "vaswani2017")
    return max(names, key=lambda name: sum(getattr(preset(name), field) == value for field, value in chosen.items()))


def their_names(family: Family, config: ModelConfig) -> dict[str, str]:
    """A mapping from our name to theirs for every weight of a network of this configuration."""
    return {name: renamed(name, family.rules(config)) for name in shapes(config)}


def renamed(name: str, rules: Iterable[tuple[str, str]]) -> str:
    """A name after every rule has been applied, in their order."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def shapes(config: ModelConfig) -> dict[str, torch.Size]:
    """The shape of every weight by name, without a tied output; nothing is allocated."""
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in own_tensors(Transformer(config, pad_id=0)).items()}


def own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers by name; a tensor with two names (a tied output) has its first."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def misfits(config: ModelConfig, weights: Mapping[str, Tensor]) -> list[str]:
    """A line for each weight whose shape is not the configuration's."""
    expected = shapes(config)
    return [
        f"{name} is {tuple(tensor.shape)}, the configuration says {tuple(expected[name])}"
        for name, tensor in weights.items() if tensor.shape != expected[name]
    ]  # fmt: skip


def original_name(family: Family) -> str:
    """Their name of the embedding that the others are copies of."""
    return renamed("embedding.weight", family.rules(ModelConfig()))


def with_prefix(family: Family, tensors: Mapping[str, Tensor]) -> Tensors:
    """The tensors with the family's "model." before their names: files of a class without an output lack it."""
    prefix = original_name(family).removesuffix("shared.weight")
    if any(name.startswith(prefix) for name in tensors):
        return dict(tensors)
    outside = ("lm_head.weight", "final_logits_bias")
    return {name if name in outside else prefix + name: tensor for name, tensor in tensors.items()}


def with_embedding(family: Family, tensors: Mapping[str, Tensor]) -> Tensors:
    """The tensors with the embedding under its first name: safetensors keeps one name of several, and not always it."""
    named = original_name(family)
    known = [tensors[name] for name in (named, *family.copies, "lm_head.weight") if name in tensors]
    return {**tensors, named: known[0]} if known else dict(tensors)


def differing_copies(family: Family, tensors: Mapping[str, Tensor]) -> list[str]:
    """A line for each embedding of source or target that is a matrix of its own."""
    named = original_name(family)
    return [
        f"{name} differs from {named}" for name in family.copies
        if name in tensors and not same(tensors[name], tensors[named])
    ]  # fmt: skip


def untied_in_name_alone(family: Family, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[str]:
    """A line for each matrix that is missing where the file says that nothing is tied: their class would draw it."""
    tie = values.get("tie_word_embeddings", True)
    if not isinstance(tie, bool):
        return [f"tie_word_embeddings={tie!r} is no bool"]
    if tie or values["model_type"] in ALWAYS_TIED:
        return []
    present = with_prefix(family, tensors)
    return [f"tie_word_embeddings=False beside no {name}" for name in family.copies if name not in present]


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same numbers in the same precision."""
    return one.dtype == other.dtype and torch.equal(one, other)


def computed_tables(config: ModelConfig, tensors: Mapping[str, Tensor]) -> set[str]:
    """The names of stored tables that hold nothing but sinusoids (older Marian files have them)."""
    if config.positions != "sinusoidal":
        return set()
    names = [f"model.{stack}.embed_positions.weight" for stack in ("encoder", "decoder")]
    found = {name: tensors[name] for name in names if name in tensors}
    return {
        name for name, table in found.items()
        if table.shape[1:] == (config.d_model,) and torch.allclose(
            table.double(), sinusoidal_positions(torch.arange(len(table)), config.d_model, config.sinusoid_layout),
            atol=1e-3,  # half precision
        )
    }  # fmt: skip


@torch.no_grad()
def fill(model: Transformer, weights: Mapping[str, Tensor], new: tuple[str, ...] = ()) -> None:
    """Copy weights into the network by name; weights whose names begin with one of `new` may keep their first values.

    Raises ConversionError where anything is left over, missing or of another shape.
    """
    own = own_tensors(model)
    missing = [name for name in own if name not in weights and not name.startswith(new or ("\0",))]
    left_over = [name for name in weights if name not in own]
    sizes = [
        f"{name} is {tuple(tensor.shape)}, the network's is {tuple(own[name].shape)}"
        for name, tensor in weights.items() if name in own and tensor.shape != own[name].shape
    ]  # fmt: skip
    if missing or left_over or sizes:
        raise ConversionError(sizes, left_over, missing)
    for name, tensor in weights.items():
        own[name].copy_(tensor)
