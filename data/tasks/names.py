"""Names: what generated programs may call, and what their functions and arguments are called."""

from __future__ import annotations

# Builtin functions and methods (and keywords) that a generated program may use. Programs that load another global
# name, or read another attribute, are outside the grammar.
ALLOWED_NAMES = frozenset(
    "abs all any dict int len list max min range sorted str sum "
    "count endswith fromkeys get items join lower replace split startswith upper values".split()
)

ARGUMENTS = {
    "ints": ("xs", "nums", "numbers", "scores", "data", "items", "sizes", "grades"),
    "words": ("words", "names", "tags", "tokens", "labels", "strings", "terms", "cities"),
    "text": ("text", "s", "line", "sentence", "phrase", "message", "title", "note"),
    "int": ("n", "number", "value", "num", "amount", "size", "year", "depth"),
    "dict": ("prices", "ages", "stock", "points", "table", "weights", "totals", "counts"),
}
# Second arguments, standing for a constant. None of them is a loop variable of a code template.
PARAMETERS = {"int": ("m", "p", "q", "bound"), "text": ("part", "piece", "sign", "mark")}

DEFAULT_FUNCTION = "solve"
FUNCTION_NAMES = "answer apply build compute convert derive extract handle prepare process task transform".split()
