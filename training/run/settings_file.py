"""Settings (nested frozen dataclasses) to and from JSON, under the same names as in Python."""

from __future__ import annotations

import json
import keyword
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dacite

from system.errors import UserError
from system.options import Settings, spelled


def to_dict(settings: Any) -> dict[str, Any]:
    """Convert a settings dataclass to JSON's own types."""
    named = asdict(settings, dict_factory=lambda pairs: {spelled(name): value for name, value in pairs})
    return json.loads(json.dumps(named))


def from_dict(kind: type[Settings], values: dict[str, Any], where: str | Path) -> Settings:
    """Settings of class `kind` from what `to_dict` gave; absent fields have their defaults.

    Raises UserError, one line that names `where`, for an unknown field, a value of the wrong type or one that the
    settings themselves refuse.
    """
    rules = dacite.Config(strict=True, cast=[tuple], type_hooks={float: whole_numbers_are_floats})
    try:
        return dacite.from_dict(kind, in_python(values), rules)
    except dacite.UnexpectedDataError as error:
        names = ", ".join(sorted(error.keys))
        raise UserError(f"{where}: unknown setting {names}; remove it or correct its name") from error
    except (dacite.DaciteError, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{where}: {error}") from error


def in_python(values: Any) -> Any:
    """JSON's names as Python's fields: `from` is a keyword, so the field is `from_`."""
    if not isinstance(values, dict):
        return values
    return {name + "_" * keyword.iskeyword(name): in_python(value) for name, value in values.items()}


def whole_numbers_are_floats(value: Any) -> Any:
    """Accept 1 for a field of type float, as a person who edits JSON may write it."""
    return float(value) if type(value) is int else value
