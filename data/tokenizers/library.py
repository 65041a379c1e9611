"""The `tokenizers` library, held in bounds: files of strangers may make it break off, or blow texts up.

It is written in Rust. What it did not expect it ends with a `PanicException`, which is no `Exception`, after lines of
its own on standard error.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from system.errors import UserError
from system.from_disk import refuse_in_its_place

Result = TypeVar("Result")
MOST_GROWTH = 1000  # letters that a normaliser or a decoder may make of one; real ones make four
MOST_AROUND = 16  # special ids around a text
PROBE = "def f(x):\n\treturn 'a' + \"é 漢字\"  # aaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1111111111111111, \n"


def import_tokenizers() -> Any:
    """The library, which only users of checkpoints need. Raises UserError where it is not installed."""
    try:
        import tokenizers
    except ImportError as error:
        raise UserError(
            "a checkpoint's tokenizer needs the tokenizers library; pip install -e '.[pretrained]' -c constraints.txt"
        ) from error
    return tokenizers


def load(path: Path) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """The tokenizer in a tokenizer.json, and the special ids before and behind a text. Raises UserError."""
    tokenizers, fault = import_tokenizers(), f"{path} cannot be used"
    refuse_in_its_place(path)
    with silent():
        named = f"{path} is no file of the tokenizers library"
        backend = guarded(tokenizers.Tokenizer.from_file, str(path), fault=named)
        backend.no_padding()
        backend.no_truncation()
        backend.encode_special_tokens = True
        inside, framed = (
            guarded(backend.encode, "a", add_special_tokens=special, fault=fault).ids for special in (False, True)
        )
        guarded(lambda: backend.decode(backend.encode(PROBE).ids), fault=fault)
    starts = [at for at in range(len(framed)) if framed[at : at + len(inside)] == inside]
    if not inside or not starts:
        raise UserError(f"{path} does not say what stands around a text; its post_processor is missing")
    prefix, suffix = tuple(framed[: starts[0]]), tuple(framed[starts[0] + len(inside) :])
    n_around = len(prefix) + len(suffix)
    if n_around > MOST_AROUND:
        raise UserError(f"{path} puts {n_around} special ids around a text; fetch the checkpoint again")
    return backend, prefix, suffix


def guarded(call: Callable[..., Result], *arguments: Any, fault: str, **named: Any) -> Result:
    """`call(*arguments, **named)`. Raises UserError that begins with `fault` where the library refuses or panics."""
    try:
        return call(*arguments, **named)
    except BaseException as error:  # the library raises nothing narrower
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise UserError(f"{fault} ({error}); fetch the checkpoint again") from error


def check_growth(path: Path, values: Any) -> None:
    """Refuse a tokenizer.json, read as `values`, whose replacements blow texts up. Raises UserError."""
    for part in ("normalizer", "decoder"):
        growth = growth_of(values.get(part))
        if growth > MOST_GROWTH:
            raise UserError(
                f"{path}: its {part} makes up to {growth:.0e} letters of one, {MOST_GROWTH} are allowed; "
                "fetch the checkpoint again"
            )


def blows_up(encode: Callable[[str], list[int]]) -> bool:
    """Whether far more ids come out than letters go in."""
    return len(encode(PROBE)) > MOST_GROWTH * len(PROBE)


def growth_of(step: Any) -> float:
    """How many letters the replacements in a step, and in the steps within it, make of one letter at most."""
    if isinstance(step, list):
        growth = 1.0
        for inner in step:
            growth = min(growth * growth_of(inner), 1e300)
        return growth
    if not isinstance(step, dict):
        return 1.0
    growth = 1.0 + sum(len(str(step[name])) for name in ("content", "prepend") if name in step)
    return growth * growth_of([inner for inner in step.values() if isinstance(inner, (list, dict))])


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing is written to standard error meanwhile, by whomever: a panic writes its stack there."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
