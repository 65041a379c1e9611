"""The short form of a run's line in docs/results/*.jsonl: `compact` writes it, `expand` gives back what readers know.

What several lines of a file have in common stands there once, in a line of its own under a key, and they name the key
in `shares`. Settings are those that differ from the defaults, a score is [value, low, high, n], the ends of its
interval to six digits, and the 0/1 vectors of the test examples are packed together. A file of one run (each line on
one line there, and with more scores):

    {"shared":"9307c043","command":"python train.py django --training.steps=750 --seed=SEED",
     "config":{"corpus":"django","training":{"steps":750}}}
    {"shared":"f3cb3718","device":"cpu","machine":"2 cores, AMD EPYC",
     "versions":{"python":"3.11.7","torch":"2.13.0"}}
    {"schema":2,"suite":"published","row":"base","config_hash":"1b885341ff11fdf4","code_hash":"ab6511dd3461caab",
     "data_hash":"0739d953495e6a0d","seed":1,"threads":1,"commit":"1b1fb198","budget":{"steps":750,"wall_seconds":236.9},
     "held_out_loss":4.21,"scores":{"dev":{"exact_match":[0.213,0.188,0.240025,1000]}},
     "bits":[{"dev":{"exact":5}},"c-q?l006N7u>"],"shares":["9307c043","f3cb3718"]}

`config` of the whole line is the whole tree of settings, and its `wall_seconds` those of its budget. A measurement has
no settings and stands as it is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from evaluation.config import EvaluationConfig
from system.errors import UserError
from training.recipes import TrainingSettings
from training.run.old_settings import SCHEMA, differing, flat, nested, read_old
from training.run.settings_file import to_dict

Line = dict[str, Any]

TOGETHER = (  # fields that stand in one shared line
    ("command", "config"), ("device", "machine", "versions"), ("baselines", "beside"), ("pretraining",),
)  # fmt: skip
SCORE_KEYS = ("value", "low", "high", "n")
INTERVAL_DIGITS = 6  # of an interval's ends
SHARED_SEED = "--seed=SEED"  # in a shared command; each line has its own
NOT_CONFIGURATION = {  # where and on what it ran, or identity of its own; the hash of the data stands for its path
    "version", "schema", "special_ids", "run", "seed", "device", "threads", "data.path", "data.workers",
}  # fmt: skip
OF_THE_FILE = {"schema", "shares", "shared"}  # fields that a whole line does not have


def compact(line: Line) -> tuple[Line, dict[str, Line]]:
    """A line's short form, and the shared lines that it names by their keys."""
    if "config" not in line:
        return line, {}

    short = {"schema": SCHEMA, **line, "config": not_default(line["config"], defaults())}
    short["command"] = line["command"].replace(f"--seed={line['seed']}", SHARED_SEED)
    for name in ("scores", "baselines"):
        if name in line:
            short[name] = scores_as_lists(line[name])
    if "bits" in line:
        short["bits"] = pack_together(line["bits"])
    if "wall_seconds" in line and line["wall_seconds"] == line["budget"].get("wall_seconds"):
        del short["wall_seconds"]
    if "pretraining" in line:
        rooms = {room: not_default(values, defaults()[room]) for room, values in line["pretraining"]["config"].items()}
        short["pretraining"] = {**line["pretraining"], "config": rooms}

    shared = {}
    for names in TOGETHER:
        part = {name: short.pop(name) for name in names if name in short}
        if part:
            key = short_hash(part)[:8]
            shared[key] = {"shared": key, **part}
    return {**short, "shares": [*shared]}, shared


def expand(line: Line, shared: Mapping[str, Line]) -> Line:
    """The whole line; `shared`: the file's shared lines by their keys. One that was never short comes out whole too.

    Raises UserError, which does not know file and line, where a shared line is missing or the packed bits are damaged.
    """
    parts = [line]
    for key in line.get("shares", ()):
        if key not in shared:
            raise UserError(f"no line of this file has the part {key} that this one shares; restore it from git")
        parts.append(shared[key])
    whole = {name: value for part in parts for name, value in part.items() if name not in OF_THE_FILE}

    if "config" not in whole:
        return whole

    schema = line.get("schema", 0)
    whole["config"] = whole_settings(whole["config"], schema)
    if "wall_seconds" in whole.get("budget", {}):
        whole.setdefault("wall_seconds", whole["budget"]["wall_seconds"])
    whole["command"] = whole["command"].replace(SHARED_SEED, f"--seed={whole['seed']}")
    for name in ("scores", "baselines"):
        if name in whole:
            whole[name] = scores_as_dicts(whole[name])
    if isinstance(whole.get("bits"), list):
        whole["bits"] = unpack_together(*whole["bits"])
    if "pretraining" in whole:
        config = whole_settings(whole["pretraining"]["config"], schema)
        rooms = {room: config[room] for room in whole["pretraining"]["config"]}
        whole["pretraining"] = {**whole["pretraining"], "config": rooms}
    return whole


def whole_settings(settings: dict[str, Any], schema: int) -> dict[str, Any]:
    """All settings under today's names, made from those that a line has because they differ from the defaults.

    Raises UserError for a schema to come.
    """
    if schema > SCHEMA:
        raise UserError(f"its settings are of schema {schema}, and this code knows {SCHEMA}; use newer code")
    return fill(defaults(), nested(read_old(flat(settings), schema)))


def config_hash(config: Mapping[str, Any]) -> str:
    """A hash of the settings that differ from the defaults. New names, and new settings at their default, keep it."""
    default = {**flat(defaults()), **{name: None for name in flat(config) if name not in flat(defaults())}}
    return short_hash(differing(flat(config), default))


def defaults() -> dict[str, Any]:
    """Every setting that a line may have at its default, the same as `train.Settings()`, as a tree of its own."""
    return json.loads(defaults_as_text())


@cache
def defaults_as_text() -> str:
    """All defaults as JSON."""
    settings = {**to_dict(TrainingSettings()), "evaluation": to_dict(EvaluationConfig())}  # without loading torch
    return json.dumps(settings_that_count(settings))


def not_default(settings: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """The settings that are not the default's, in their rooms."""
    usual = {name: json.dumps(value) for name, value in flat(default).items()}  # 1 is not 1.0 there, nor True
    return nested({name: value for name, value in flat(settings).items() if json.dumps(value) != usual.get(name)})


def fill(whole: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """`whole`, with these settings put into it; a room without settings changes nothing."""
    for name, value in settings.items():
        if isinstance(value, dict) and isinstance(whole.get(name), dict):
            fill(whole[name], value)
        else:
            whole[name] = value
    return whole


def scores_as_lists(scores: Any) -> Any:
    """The scores with each single score, however deep it lies, as a list of its four values."""
    if not isinstance(scores, dict):
        return scores
    if {*scores} != {*SCORE_KEYS}:
        return {name: scores_as_lists(value) for name, value in scores.items()}
    low, high = (end if end is None else float(f"{end:.{INTERVAL_DIGITS}g}") for end in (scores["low"], scores["high"]))
    return [scores["value"], low, high, scores["n"]]


def scores_as_dicts(scores: Any) -> Any:
    """The scores that `scores_as_lists` was given, with fewer digits in the intervals' ends."""
    if isinstance(scores, list):
        return dict(zip(SCORE_KEYS, scores, strict=True))
    return {name: scores_as_dicts(value) for name, value in scores.items()} if isinstance(scores, dict) else scores


def pack_together(bits: dict[str, dict[str, str]]) -> list[Any]:
    """All 0/1 vectors of a line, each "n:base64 of the bits", as [their lengths, base85 of all of them deflated].

    Vectors of one run are much alike, what is exact and what passes its tests, so together they take half the room.
    """
    lengths = {split: {what: int(text.partition(":")[0]) for what, text in of.items()} for split, of in bits.items()}
    content = b"".join(base64.b64decode(text.partition(":")[2]) for of in bits.values() for text in of.values())
    return [lengths, base64.b85encode(zlib.compress(content, 9)).decode("ascii")]


def unpack_together(lengths: dict[str, dict[str, int]], packed: str) -> dict[str, dict[str, str]]:
    """The vectors that `pack_together` was given. Raises UserError where they are damaged."""
    try:
        content = zlib.decompress(base64.b85decode(packed))
    except (ValueError, zlib.error) as error:
        raise UserError(f"its packed bits are damaged ({error}); restore this line from git") from None
    bits: dict[str, dict[str, str]] = {}
    begin = 0
    for split, of in lengths.items():
        bits[split] = {}
        for what, n in of.items():
            end = begin + (n + 7) // 8
            bits[split][what] = f"{n}:{base64.b64encode(content[begin:end]).decode('ascii')}"
            begin = end
    return bits


def settings_that_count(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The configuration without what names a place or a machine; a path that is left becomes PATH."""
    kept = {}
    for key, value in config.items():
        if prefix + key in NOT_CONFIGURATION:
            continue
        kept[key] = settings_that_count(value, f"{prefix}{key}.") if isinstance(value, dict) else without_place(value)
    return kept


def without_place(value: Any) -> Any:
    """`value`, or PATH where it is an absolute path of this machine."""
    if not isinstance(value, str):
        return value
    return "PATH" if PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute() else value


def short_hash(value: Any) -> str:
    """16 hexadecimal digits of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
