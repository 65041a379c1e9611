"""The names and defaults that settings had in files of older code.

SCHEMA counts the changes: config.json, result lines and suites say which schema they were written in, what says none is
of schema 0. `read_old` brings their settings to today's names. `in_first_names` goes the other way: a hash of settings
is made of the names of schema 0, so a new name changes no hash, and neither does a new setting at its default.

A new name, or another default, is one row of SETTING_CHANGES, and a SCHEMA of one more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = 2
UNCHANGED = object()

Flat = dict[str, Any]  # dotted name -> value, "model.d_model": 256


@dataclass(frozen=True)
class Change:
    """A setting whose name or default was another one until some schema."""

    until: int  # the last schema in which it was so
    old: str  # its dotted name then
    new: str  # its dotted name today
    default: Any = UNCHANGED  # what it was then where nothing was said, if that was not today's default
    same: bool = False  # whether today's default means the same to every run that said nothing then


SETTING_CHANGES: tuple[Change, ...] = (  # by `until`, the lowest first
    Change(0, "strategies.last_layers", "strategies.layers.last"),
    Change(0, "strategies.unfreeze_every", "strategies.layers.unfreeze_every"),
    Change(0, "strategies.layer_decay", "strategies.layers.decay"),
    Change(0, "strategies.auxiliary", "strategies.auxiliary.task"),
    Change(0, "strategies.auxiliary_weight", "strategies.auxiliary.weight"),
    Change(0, "strategies.tasks", "strategies.tasks.names"),
    Change(0, "strategies.task_temperature", "strategies.tasks.temperature"),
    Change(0, "strategies.adversary", "strategies.adversary.kind"),
    Change(0, "strategies.epsilon", "strategies.adversary.epsilon"),
    Change(0, "strategies.ascents", "strategies.adversary.ascents"),
    Change(0, "strategies.ascent_rate", "strategies.adversary.ascent_rate"),
    Change(0, "strategies.meta", "strategies.meta.kind"),
    Change(0, "strategies.inner_rate", "strategies.meta.inner_rate"),
    Change(0, "strategies.inner_steps", "strategies.meta.inner_steps"),
    Change(0, "strategies.teacher", "strategies.teacher.run"),
    Change(0, "strategies.sequence_level", "strategies.teacher.sequence_level"),
    Change(0, "strategies.teacher_weight", "strategies.teacher.weight"),
    Change(0, "strategies.temperature", "strategies.teacher.temperature"),
    Change(0, "strategies.lora_rank", "strategies.lora.rank"),
    Change(0, "strategies.lora_alpha", "strategies.lora.alpha"),
    # Read by runs on a user's own files alone, and these write it down; Python's is what they guess today.
    Change(1, "data.language", "data.language", default="python", same=True),
)

# What the first runs wrote before schemas were counted: another name and other values, and what is an entry of a list.
FIRST_SPEEDS = {"written_out": "readable", "fused": "fast"}
FIRST_EPOCHS = ("denoise", "rename")


def read_old(values: Mapping[str, Any], schema: int, changes: Sequence[Change] | None = None) -> Flat:
    """Settings written in an older `schema`, dotted name -> value, under today's names.

    A setting whose default was another then has it where the values do not name the setting.
    """
    found = before_schemas(values) if schema == 0 else dict(values)
    for change in SETTING_CHANGES if changes is None else changes:
        if schema > change.until:
            continue
        if change.old in found:
            found[change.new] = found.pop(change.old)
        elif change.default is not UNCHANGED and not change.same:
            found.setdefault(change.new, change.default)
    return found


def before_schemas(values: Mapping[str, Any]) -> Flat:
    """The settings of the first runs under the names of schema 0."""
    found = dict(values)
    if "model.attention" in found:
        found["model.speed"] = FIRST_SPEEDS.get(found.pop("model.attention"), "fast")
    for phase in ("pretraining", "training"):
        for name in FIRST_EPOCHS:
            if epochs := found.pop(f"{phase}.objectives.{name}_epochs", 0):
                schedule = f"{phase}.objectives.schedule"
                found[schedule] = [*found.get(schedule, ()), f"{name}:1-{epochs}"]
    return found


def in_first_names(values: Mapping[str, Any], changes: Sequence[Change] | None = None) -> Flat:
    """Settings under today's names -> under those of schema 0; a setting that is younger keeps its name."""
    found = dict(values)
    for change in reversed(SETTING_CHANGES if changes is None else changes):
        if change.new in found:
            found[change.old] = found.pop(change.new)
    return found


def first_name(name: str, changes: Sequence[Change] | None = None) -> str:
    """The name of a setting in schema 0, or its first name where it came later."""
    return next(iter(in_first_names({name: None}, changes)))


def newer_name(name: str, changes: Sequence[Change] | None = None) -> str:
    """Today's name of a setting that has, or once had, this name."""
    for change in SETTING_CHANGES if changes is None else changes:
        name = change.new if name == change.old else name
    return name


def differing(values: Mapping[str, Any], defaults: Mapping[str, Any], changes: Sequence[Change] | None = None) -> Flat:
    """The settings that set a run apart: those whose value is not their first default, or one that means the same.

    `values` and `defaults`: all settings and today's defaults, dotted name -> value. The names are those of schema 0.
    """
    table = SETTING_CHANGES if changes is None else changes
    first = {change.new: change.default for change in reversed(table) if change.default is not UNCHANGED}
    same = {change.new for change in table if change.same}
    changed = {
        name: value for name, value in values.items()
        if value != {**defaults, **first}[name] and not (name in same and value == defaults[name])
    }  # fmt: skip
    return in_first_names(changed, changes)


def flat(values: Mapping[str, Any], prefix: str = "") -> Flat:
    """Nested settings, as JSON has them, as dotted name -> value."""
    found: Flat = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {prefix + name: value}
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted name -> value as nested dictionaries."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *rooms, last = name.split(".")
        room = found
        for part in rooms:
            room = room.setdefault(part, {})
        room[last] = value
    return found
