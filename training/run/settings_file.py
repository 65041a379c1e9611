"""Settings (nested frozen dataclasses) to and from JSON, under the same names as in Python."""

from __future__ import annotations

import json
import keyword
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dacite

from system.bounds import is_finite, problem_with
from system.errors import UserError
from system.options import Settings, spelled

WORDS = tuple[str, ...]


def to_dict(settings: Any) -> dict[str, Any]:
    """Convert a settings dataclass to JSON's own types."""
    named = asdict(settings, dict_factory=lambda pairs: {spelled(name): value for name, value in pairs})
    return json.loads(json.dumps(named))


def from_dict(kind: type[Settings], values: dict[str, Any], where: str | Path) -> Settings:
    """Settings of class `kind` from what `to_dict` gave; absent fields have their defaults.

    Raises UserError, one line that names `where`, for an unknown field, a value of the wrong type or one that the
    settings themselves refuse.
    """
    rules = dacite.Config(strict=True, type_hooks={float: whole_numbers_are_floats, WORDS: only_lists})
    if not isinstance(values, dict):
        raise UserError(f"{where}: {str(values)[:60]!r} stands where settings should; restore the file")
    try:
        return dacite.from_dict(kind, in_python(values), rules)
    except dacite.UnexpectedDataError as error:
        names = ", ".join(sorted(error.keys))
        raise UserError(f"{where}: unknown setting {names}; remove it or correct its name") from error
    except dacite.WrongTypeError as error:
        problem = problem_with(error.field_path or "it", error.value, error.field_type)
        raise UserError(f"{where}: {problem or error}") from error
    except (dacite.DaciteError, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{where}: {error}") from error


def in_python(values: Any) -> Any:
    """JSON's names as Python's fields: `from` is a keyword, so the field is `from_`. Lists become tuples."""
    if isinstance(values, list):
        return tuple(values)
    if not isinstance(values, dict):
        return values
    return {name + "_" * keyword.iskeyword(name): in_python(value) for name, value in values.items()}


def whole_numbers_are_floats(value: Any) -> Any:
    """Accept 1 for a field of type float, as a person who edits JSON may write it."""
    return float(value) if type(value) is int and is_finite(value) else value


def only_lists(value: Any) -> Any:
    """Refuse anything but a list of words: dacite would take a word for a list of its letters."""
    if not isinstance(value, tuple):
        raise dacite.WrongTypeError(WORDS, value)
    return value
