"""Names: what generated programs may call, and what their functions and arguments are called."""

from __future__ import annotations

# Every builtin function and method (and keyword) that a generated program uses. Programs that load another global
# name, or read another attribute, are outside the grammar.
ALLOWED_NAMES = frozenset(
    "abs all any dict int len list max min range sorted str sum zip True "
    "count endswith fromkeys get items join lower replace split startswith swapcase upper values".split()
)

ARGUMENTS = {
    "ints": ("xs", "values", "numbers", "nums", "scores", "data"),
    "words": ("words", "names", "tags", "tokens", "labels", "strings"),
    "text": ("text", "s", "line", "sentence", "phrase", "message"),
    "int": ("n", "number", "value", "num", "amount"),
    "dict": ("prices", "ages", "stock", "points", "table", "weights"),
}
# Second arguments, standing for a constant. None of them is a loop variable of a code template.
PARAMETERS = {"int": ("limit", "m", "p", "bound", "q"), "text": ("mark", "part", "t", "piece", "sign")}

DEFAULT_FUNCTION = "solve"
FUNCTIONS = (
    "total answer compute process convert build extract transform collect evaluate measure select prepare analyse "
    "handle derive make produce check work calculate apply reduce shape go task job f report finish summary score "
    "summarise rank merge clean trim gather scan outcome find_it main"
).split()
