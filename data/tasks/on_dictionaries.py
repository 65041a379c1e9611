"""Operations on dictionaries from words to numbers."""

from __future__ import annotations

from data.tasks.operations import Operation

OPERATIONS = (
    Operation(
        "keys", "dict", "words", "list({v})", list, (),
        ("the keys of {x}", "the keys in {x}", "the list of keys of {x}", "all keys of {x}"),
        ("take the keys[ of {x}]", "list the keys[ of {x}]", "get the keys[ of {x}]"),
        "each key of {x}",
    ),
    Operation(
        "values", "dict", "ints", "list({v}.values())", lambda d: [d[k] for k in d], (),
        ("the values of {x}", "the values in {x}", "the list of values of {x}", "all values of {x}"),
        ("take the values[ of {x}]", "list the values[ of {x}]", "get the values[ of {x}]"),
        "each value of {x}",
    ),
    Operation(
        "entries_above", "dict", "dict", "{{k: v for k, v in {v}.items() if v > {0}}}",
        lambda d, t: {k: d[k] for k in d if d[k] > t}, ("threshold",),
        ("the entries with a value greater than {0} in {x}", "the entries with a value above {0} in {x}",
         "all entries with a value greater than {0} in {x}", "the entries of {x} with a value greater than {0}"),
        ("keep the entries with a value greater than {0}[ of {x}]", "keep the entries with a value above {0}[ of {x}]",
         "keep only the entries with a value above {0}[ of {x}]"),
        "the entries with a value bigger than {0} in {x}",
    ),
    Operation(
        "best_key", "dict", "text", "max({v}, key={v}.get, default='')",
        lambda d: next((k for k in d if d[k] == max(d.values())), ""), (),
        ("the key with the largest value in {x}", "the key of the largest value in {x}",
         "the key with the highest value in {x}", "the key of the highest value in {x}"),
        ("find the key with the largest value[ in {x}]", "find the key of the largest value[ in {x}]",
         "take the key with the highest value[ in {x}]"),
        "the key with the greatest value in {x}",
    ),
    Operation(
        "look_up", "dict", "int", "{v}.get({0}, 0)", lambda d, t: d[t] if t in d else 0, ("key",),
        ("the value of {0} in {x}", "the value for {0} in {x}", "the value for the key {0} in {x}",
         "the value of the key {0} in {x}"),
        ("look up {0}[ in {x}]", "get the value of {0}[ in {x}]", "look up the value of {0}[ in {x}]"),
        "the value under {0} in {x}",
    ),
    Operation(
        "keys_by_value", "dict", "words", "sorted({v}, key={v}.get)", lambda d: sorted(d, key=lambda k: d[k]), (),
        ("the keys in order of value of {x}", "the keys of {x} sorted by value", "the keys of {x} in order of value",
         "the list sorted by value of the keys of {x}"),
        ("sort the keys[ of {x}] by value", "sort the keys[ of {x}] by their values",
         "order the keys[ of {x}] by value"),
        "the value order of the keys of {x}",
    ),
    Operation(
        "has_key", "dict", "bool", "{0} in {v}", lambda d, t: t in list(d), ("key",),
        ("whether {0} is a key of {x}", "whether {0} is a key in {x}", "whether {x} has the key {0}",
         "whether {x} has a key {0}"),
        ("check whether {0} is a key[ of {x}]", "check whether there is a key {0}[ in {x}]",
         "tell whether {0} is a key[ of {x}]"),
        "whether {x} contains the key {0}",
    ),
)
