"""Bounds stand beside the field that they bound: they are checked, and --help prints them. So is the field's type."""

import importlib
import math
import re
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy
import pytest

import eval as eval_program
import train
from data.config import DataConfig
from model.config import PRESET_NAMES, PRESETS, ModelConfig
from system.bounds import (
    BelowOne,
    Count,
    FromOne,
    NotNegative,
    Positive,
    Seed,
    Share,
    bounds,
    bounds_of,
    check_bounds,
    expected,
    hints_of,
)
from system.errors import UserError
from system.options import parse
from training.config import LoopConfig, ObjectivesConfig
from training.run.settings_file import from_dict

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Settings:
    count: Count = 0
    several: FromOne = 1
    amount: NotNegative = 0.0
    rate: Positive = 1.0
    share: Share = 1.0
    decay: BelowOne = 0.0
    sharpness: Annotated[float, bounds(above=0, most=1)] = 1.0
    free: float = -5.0
    word: str = "any"

    def __post_init__(self):
        check_bounds(self, "room")


INSIDE = {
    "count": [0, 7], "several": [1, 7], "amount": [0.0, 1e9], "rate": [1e-9, 1e9], "share": [0.0, 1.0],
    "decay": [0.0, 0.999], "sharpness": [1e-9, 1.0], "free": [-1e300, 3],
}  # fmt: skip
OUTSIDE = {
    "count": ([-1], "at least 0"),
    "several": ([0], "at least 1"),
    "amount": ([-1e-9, math.inf, math.nan], "at least 0"),
    "rate": ([0.0, math.inf, math.nan], "above 0"),
    "share": ([-1e-9, 1.001, math.nan], "a share from 0 to 1"),
    "decay": ([-1e-9, 1.0, math.nan], "at least 0 and below 1"),
    "sharpness": ([0.0, 1.001], "above 0 and at most 1"),
}


@pytest.mark.parametrize("name", INSIDE)
def test_the_ends_that_belong_to_it_are_taken(name):
    for value in INSIDE[name]:
        Settings(**{name: value})


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_lies_outside_is_refused_with_name_value_and_bound(name):
    values, words = OUTSIDE[name]
    for value in values:
        with pytest.raises(ValueError) as error:
            Settings(**{name: value})
        assert str(error.value) == f"room.{name}={value} must be {words}"


def test_a_field_without_bounds_has_none():
    assert {*bounds_of(Settings)} == {*OUTSIDE}


# What the types of fields allow

RIGHT = {
    int: [0, -(2**63), 2**64 - 1, numpy.int64(4)], float: [0.5, 1, numpy.float32(0.5), -1e300], bool: [True, False],
    str: ["", "text"], int | None: [None, 4], tuple[str, ...]: [(), ("a", "b"), ["a"]],
    Literal["relu", "gelu"]: ["gelu"], Literal["a", "b"] | None: [None, "b"], tuple[Literal["a"], ...]: [("a",)],
    Path | None: [None, Path("x")], Seed: [0, 2**64 - 1], ModelConfig: [ModelConfig()], Any: [object()],
}  # fmt: skip
WRONG = {
    int: [2.5, 2.0, "2", True, None, math.nan, 2**64, -(2**63) - 1, 10**400, (1,), numpy.float64(2)],
    float: [math.nan, math.inf, -math.inf, "0.5", True, None, 10**400, 1j, numpy.float32("nan")],
    bool: [1, 0, "True", None, "false"],
    str: [None, 3, b"text", Path("x"), ("a",)],
    int | None: [2.5, "2", False],
    tuple[str, ...]: ["numpy", None, ("a", 1), {"a"}, 3],
    Literal["relu", "gelu"]: ["gelus", "", None, "RELU", 1, ["relu"], ("relu",)],
    Literal["a", "b"] | None: ["c", ""],
    tuple[Literal["a"], ...]: ["a", ("a", "b")],
    Seed: [-1, 2**64, 10**20, 0.5, "1", math.nan],
    Share: [True, "0.5", None, math.nan],
    ModelConfig: [None, {}, LoopConfig()],
}  # fmt: skip


@pytest.mark.parametrize("hint", RIGHT, ids=str)
def test_values_of_a_fields_type_are_taken(hint):
    assert [expected(value, hint) for value in RIGHT[hint]] == [""] * len(RIGHT[hint])


@pytest.mark.parametrize("hint", WRONG, ids=str)
def test_values_of_another_type_are_answered_in_words(hint):
    for value in WRONG[hint]:
        words = expected(value, hint)
        assert words and "\n" not in words, value


def test_a_choice_that_is_none_is_answered_with_the_choices_and_the_one_that_was_meant():
    with pytest.raises(ValueError) as error:
        LoopConfig(schedule="cosinus")
    assert str(error.value) == (
        "schedule='cosinus' must be one of constant, linear, cosine, inverse_sqrt; did you mean cosine?"
    )
    with pytest.raises(ValueError, match="packages='numpy' must be a list"):
        DataConfig(packages="numpy")


def test_a_refused_value_is_shown_in_one_short_line():
    for value in ("x" * 10_000, "two\nlines", 10**3000):
        with pytest.raises(ValueError) as error:
            LoopConfig(schedule=value)
        assert len(str(error.value)) < 200 and "\n" not in str(error.value)


# Wherever they come from


def settings_with_choices() -> dict[tuple[type, str], tuple]:
    """(class, field) -> its words, of every dataclass of the project that has a field of words to choose from."""
    found = {}
    for path in [*ROOT.glob("*.py"), *(p for room in ROOT.glob("[a-z]*") for p in room.rglob("*.py"))]:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        is_source = not name.startswith("tests") and name not in ("setup",) and not re.search("worker|server", name)
        if not is_source or "Literal[" not in path.read_text(encoding="utf-8"):
            continue
        for kind in vars(importlib.import_module(name)).values():
            if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == name:
                for field, hint in hints_of(kind).items():
                    while get_origin(hint) is Annotated:
                        hint = get_args(hint)[0]
                    options = hint if get_origin(hint) is Literal else next(
                        (part for part in get_args(hint) if get_origin(part) is Literal), None
                    )  # fmt: skip
                    if options is not None:
                        found[kind, field] = get_args(options)
    return found


ARE_RESULTS = {("Outcome", "status"), ("Piece", "kind")}  # made by the project, given by nobody


def test_every_choice_of_every_settings_class_is_checked_in_python():
    choices = settings_with_choices()
    assert (ModelConfig, "norm") in choices and (LoopConfig, "schedule") in choices and len(choices) > 15
    for kind, field in choices:
        if (kind.__name__, field) in ARE_RESULTS:
            continue
        needed = {one.name: "" for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING}
        with pytest.raises(ValueError) as error:
            kind(**{**needed, field: "nosuch"})
        assert "must be" in str(error.value), (kind, field)


UNKNOWN = {
    "positions": ["rope", "relative", "sinusoid", ""], "norm": ["layernorm", "RMS", None], "speed": ["slow"],
    "norm_position": ["sandwich"], "feed_forward": ["silu", "SwiGLU"], "copy_form": ["pointer"],
    "sinusoid_layout": ["half"], "preset": ["gpt", "bart-large", None],
    "n_encoder_layers": [2.5, "2", True, math.nan, 10**7, None], "d_model": [256.0, 10**12], "n_heads": ["4"],
    "biases": [1, "False"], "dropout": ["0.1", math.nan, True, None], "norm_epsilon": [math.nan, "1e-6"],
    "vocab_size": [10**10, math.inf], "max_length": [1e3],
}  # fmt: skip


@pytest.mark.parametrize("field", UNKNOWN)
def test_a_network_is_not_built_of_what_is_no_variant_and_no_size(field):
    for value in UNKNOWN[field]:
        with pytest.raises(ValueError, match=f"model.{field}=") as error:
            ModelConfig(**{field: value})
        assert "\n" not in str(error.value)
        with pytest.raises(UserError, match=field) as error:
            from_dict(ModelConfig, {field: value}, "config.json")
        assert "\n" not in str(error.value) and str(error.value).startswith("config.json: ")


def test_the_names_of_presets_are_those_of_the_presets():
    assert tuple(PRESETS) == PRESET_NAMES


ABSURD = {
    train.Settings: {
        "--training.final_share nan": "final_share=nan", "--training.final_share=-1": "final_share=-1.0",
        "--training.learning_rate inf": "learning_rate=inf", "--training.warmup_steps 1e3": "warmup_steps",
        "--training.label_smoothing nan": "label_smoothing=nan", "--model.dropout nan": "model.dropout=nan",
        "--training.ema_decay nan": "ema_decay=nan", "--training.clip_norm inf": "clip_norm=inf",
        "--training.clip_norm=-1": "clip_norm=-1", "--training.weight_decay nan": "weight_decay=nan",
        "--training.epochs 1e300": "epochs=1e+300", "--training.steps 99999999999999999999": "steps=9999",
        "--seed 99999999999999999999": "seed=9999", "--seed=-99999999999999999999": "seed=-9999",
        "--threads 1000000": "threads=1000000", "--data.workers 100000": "workers=100000",
        "--model.n_decoder_layers 10000000": "at most 1000",
        "--evaluation.length_penalty nan": "length_penalty=nan", "--evaluation.length_penalty 2000": "at most 10",
        "--evaluation.beam 1000000000": "at most 1000", "--evaluation.max_new_tokens 1000000000": "at most 100000",
        "--data.vocab_size 1000000000000": "at most 1,000,000", "--evaluation.time_limit 1e300": "at most 3600",
        "--training.accumulate 1000000000000": "at most 10000", "--evaluation.memory_limit 1000000000000": "at most",
        "--evaluation.time_limit inf": "time_limit=inf", "--strategies.teacher.temperature inf": "temperature=inf",
        "--training.objectives.mean_span inf": "mean_span=inf", "--training.beta2 nan": "beta2=nan",
    },
    eval_program.Options: {
        "--prompt x --samples 1 --temperature inf": "temperature=inf", "--prompt x --samples 1 --top_p nan": "top_p",
        "--prompt x --samples 1 --temperature nan": "temperature=nan", "--prompt x --length_penalty nan": "penalty=nan",
        "--prompt x --samples 1 --seed 99999999999999999999": "seed=9999", "--reverse a --reverse_weight inf": "weight",
        "--speed slow": "speed", "--limit 1.5": "limit", "--beam 99999999999999999999": "beam=9999",
    },
}  # fmt: skip


@pytest.mark.parametrize(("kind", "words"), [(kind, words) for kind, lines in ABSURD.items() for words in lines])
def test_an_absurd_number_on_the_command_line_is_refused_in_one_line(kind, words):
    with pytest.raises(UserError) as error:
        parse(kind, words.split(), kind(), "description")
    assert ABSURD[kind][words] in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, True, "0.5", None, -1, {"a": 1}, [0.5]])
def test_an_absurd_number_in_a_runs_config_is_refused_with_the_files_name(value):
    fields_of = {DataConfig: "packages", LoopConfig: "final_share", ObjectivesConfig: "mask_rate"}
    for kind, field in fields_of.items():
        with pytest.raises(UserError, match="^config.json: ") as error:
            from_dict(kind, {field: value}, "config.json")
        assert field in str(error.value) and "\n" not in str(error.value)
