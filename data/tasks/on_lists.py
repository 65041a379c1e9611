"""Operations on lists: of anything, of numbers, of words."""

from __future__ import annotations

from data.tasks.operations import Operation, Quantifier

QUANTIFIERS = (
    Quantifier(
        "every", "all({test} for {e} in {v})", all,
        ("whether every {item} in {x} {is}", "whether each {item} in {x} {is}", "whether all {items} in {x} {are}",
         "whether all of {them} {are}"),
        ("check whether every {item}[ in {x}] {is}", "check whether all {items}[ in {x}] {are}",
         "tell whether all {items}[ in {x}] {are}"),
        "whether every single {item} in {x} {is}",
    ),
    Quantifier(
        "some", "any({test} for {e} in {v})", any,
        ("whether any {item} in {x} {is}", "whether some {item} in {x} {is}", "whether any of {them} {is}",
         "whether at least one {item} in {x} {is}"),
        ("check whether any {item}[ in {x}] {is}", "check whether some {item}[ in {x}] {is}",
         "tell whether any {item}[ in {x}] {is}"),
        "whether there is a {item} in {x} that {is}",
    ),
)


def _most_common(xs: list, none: object) -> object:
    return sorted(xs, key=lambda x: (-xs.count(x), xs.index(x)))[0] if xs else none


def _by_length(words: list[str]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    for word in words:
        groups.setdefault(len(word), []).append(word)
    return groups


ANY = (
    Operation(
        "reverse", "list", "list", "{v}[::-1]", lambda xs: xs[::-1], (),
        ("the reverse of {x}", "the reversed list of {them}", "{them} in reverse order", "{them} from last to first"),
        ("reverse {x}", "reverse the order[ of {them}]", "put {them} in reverse order"),
        "the backward order of {them}",
    ),
    Operation(
        "take", "list", "list", "{v}[:{0}]", lambda xs, k: xs[:k], ("take",),
        ("the first {0} of {them}", "the first {0} {items} in {x}", "the first {0} {items} of {x}",
         "the {0} {items} at the start of {x}"),
        ("take the first {0}[ of {them}]", "take the first {0} {items}[ of {x}]", "keep the first {0}[ of {them}]"),
        "the leading {0} {items} of {x}",
    ),
    Operation(
        "tail", "list", "list", "{v}[-{0}:]", lambda xs, k: xs[-k:], ("take",),
        ("the last {0} of {them}", "the last {0} {items} in {x}", "the last {0} {items} of {x}",
         "the {0} {items} at the end of {x}"),
        ("take the last {0}[ of {them}]", "take the last {0} {items}[ of {x}]", "keep the last {0}[ of {them}]"),
        "the trailing {0} {items} of {x}",
    ),
    Operation(
        "skip", "list", "list", "{v}[{0}:]", lambda xs, k: xs[k:], ("take",),
        ("all but the first {0} of {them}", "all but the first {0} {items} in {x}",
         "everything after the first {0} of {them}", "{x} without the first {0} {items}"),
        ("drop the first {0}[ of {them}]", "drop the first {0} {items}[ of {x}]", "remove the first {0}[ of {them}]"),
        "everything but the first {0} {items} of {x}",
    ),
    Operation(
        "every_second", "list", "list", "{v}[::2]", lambda xs: xs[::2], (),
        ("every second {item} of {x}", "every second {item} in {x}", "every other {item} of {x}",
         "every other {item} in {x}"),
        ("take every second {item}[ of {x}]", "keep every second {item}[ of {x}]", "take every other {item}[ of {x}]"),
        "every other one of {them}",
    ),
    Operation(
        "distinct", "list", "list", "list(dict.fromkeys({v}))", lambda xs: list(dict.fromkeys(xs)), (),
        ("the distinct {items} in {x}", "the distinct {items} of {x}", "the different {items} in {x}",
         "{x} without duplicates"),
        ("remove the duplicates[ from {x}]", "drop the duplicates[ from {x}]", "keep the distinct {items}[ of {x}]"),
        "the unique {items} of {x}",
    ),
    Operation(
        "most_common", "list", "item", "max({v}, key={v}.count, default={none})", _most_common, (),
        ("the most common {item} in {x}", "the most common of {them}", "the most frequent {item} in {x}",
         "the {item} that occurs most often in {x}"),
        ("find the most common {item}[ in {x}]", "find the most frequent {item}[ in {x}]",
         "take the most common {item}[ in {x}]"),
        "the {item} with the most occurrences in {x}",
    ),
    Operation(
        "first", "list", "item", "{v}[0] if {v} else {none}", lambda xs, none: xs[0] if xs else none, (),
        ("the first of {them}", "the first {item} in {x}", "the first {item} of {x}",
         "the {item} at the start of {x}"),
        ("take the first {item}[ of {x}]", "take the first[ of {them}]", "get the first {item}[ of {x}]"),
        "the very first {item} of {x}",
    ),
    Operation(
        "last", "list", "item", "{v}[-1] if {v} else {none}", lambda xs, none: xs[-1] if xs else none, (),
        ("the last of {them}", "the last {item} in {x}", "the last {item} of {x}", "the {item} at the end of {x}"),
        ("take the last {item}[ of {x}]", "take the last[ of {them}]", "get the last {item}[ of {x}]"),
        "the very last {item} of {x}",
    ),
    Operation(
        "size", "list", "int", "len({v})", len, (),
        ("the number of {items} in {x}", "how many {items} there are in {x}", "how many {items} are in {x}",
         "the count of {them}"),
        ("count {them}", "count the {items}[ in {x}]", "count how many {items} there are[ in {x}]"),
        "the amount of {items} in {x}",
    ),
)

NUMBERS = (
    Operation(
        "ascending", "ints", "ints", "sorted({v})", sorted, (),
        ("the sorted list of {them}", "the ascending list of {them}", "{them} in ascending order",
         "{them} sorted from smallest to largest"),
        ("sort {them}", "sort {them} in ascending order", "sort {them} from smallest to largest"),
        "the ascending order of {them}",
    ),
    Operation(
        "descending", "ints", "ints", "sorted({v}, reverse=True)", lambda xs: sorted(xs)[::-1], (),
        ("the descending list of {them}", "the reverse sorted list of {them}", "{them} in descending order",
         "{them} sorted from largest to smallest"),
        ("sort {them} in descending order", "sort {them} from largest to smallest", "sort {them} in reverse order"),
        "the descending order of {them}",
    ),
    Operation(
        "total", "ints", "int", "sum({v})", sum, (),
        ("the sum of {them}", "the sum of all {them}", "the total of {them}", "the total sum of {them}"),
        ("sum {them}", "add up {them}", "take the sum[ of {them}]"),
        "the sum total of {them}",
    ),
    Operation(
        "largest", "ints", "int", "max({v}, default=0)", lambda xs: sorted(xs)[-1] if xs else 0, (),
        ("the largest number in {x}", "the largest of {them}", "the maximum of {them}", "the biggest number in {x}"),
        ("find the largest number[ in {x}]", "find the largest[ of {them}]", "take the maximum[ of {them}]"),
        "the greatest of {them}",
    ),
    Operation(
        "smallest", "ints", "int", "min({v}, default=0)", lambda xs: sorted(xs)[0] if xs else 0, (),
        ("the smallest number in {x}", "the smallest of {them}", "the minimum of {them}", "the lowest number in {x}"),
        ("find the smallest number[ in {x}]", "find the smallest[ of {them}]", "take the minimum[ of {them}]"),
        "the least of {them}",
    ),
    Operation(
        "occurrences", "ints", "int", "{v}.count({0})", lambda xs, k: xs.count(k), ("likely",),
        ("the number of times {0} occurs in {x}", "how often {0} occurs in {x}", "how many times {0} occurs in {x}",
         "the count of {0} in {x}"),
        ("count {0}[ in {x}]", "count how often {0} occurs[ in {x}]", "count the occurrences of {0}[ in {x}]"),
        "the frequency of {0} in {x}",
    ),
    Operation(
        "member", "ints", "bool", "{0} in {v}", lambda xs, k: k in xs, ("likely",),
        ("whether {0} is in {x}", "whether {0} occurs in {x}", "whether {x} contains {0}",
         "whether {x} has {0} in it"),
        ("check whether {0} is in {x}", "check whether {0} occurs in {x}", "tell whether {0} is in {x}"),
        "whether {0} can be found in {x}",
    ),
)

WORDS = (
    Operation(
        "alphabetical", "words", "words", "sorted({v})", sorted, (),
        ("the alphabetical list of {them}", "the alphabetically sorted list of {them}",
         "{them} in alphabetical order", "{them} sorted alphabetically"),
        ("sort {them} alphabetically", "sort {them} in alphabetical order", "put {them} in alphabetical order"),
        "the alphabetical order of {them}",
    ),
    Operation(
        "by_length", "words", "words", "sorted({v}, key=len)", lambda ws: sorted(ws, key=len), (),
        ("the list sorted by length of {them}", "{them} sorted by length", "{them} in order of length",
         "{them} from shortest to longest"),
        ("sort {them} by length", "sort {them} from shortest to longest", "order {them} by length"),
        "the order by length of {them}",
    ),
    Operation(
        "join", "words", "text", "{0}.join({v})", lambda ws, k: k.join(ws), ("separator",),
        ("the string with {0} between {them}", "one string with {0} between {them}", "{them} joined with {0}",
         "{them} joined by {0}"),
        ("join {them} with {0}", "join {them} by {0}", "join {them} with {0} into a string"),
        "the string with {0} joining {them}",
    ),
    Operation(
        "longest", "words", "text", "max({v}, key=len, default='')",
        lambda ws: next((w for w in ws if len(w) == max(map(len, ws))), ""), (),
        ("the longest word in {x}", "the longest word of {x}", "the longest of {them}",
         "the word with the most letters in {x}"),
        ("find the longest word[ in {x}]", "find the longest[ of {them}]", "take the longest word[ of {x}]"),
        "the word of greatest length in {x}",
    ),
    Operation(
        "shortest", "words", "text", "min({v}, key=len, default='')",
        lambda ws: next((w for w in ws if len(w) == min(map(len, ws))), ""), (),
        ("the shortest word in {x}", "the shortest word of {x}", "the shortest of {them}",
         "the word with the fewest letters in {x}"),
        ("find the shortest word[ in {x}]", "find the shortest[ of {them}]", "take the shortest word[ of {x}]"),
        "the word of smallest length in {x}",
    ),
    Operation(
        "lengths", "words", "ints", "[len(w) for w in {v}]", lambda ws: [len(w) for w in ws], (),
        ("the lengths of {them}", "the length of each word in {x}", "the length of every word in {x}",
         "the word lengths of {x}"),
        ("take the lengths[ of {them}]", "take the length of each word[ in {x}]",
         "replace each word[ in {x}] by its length"),
        "the letter counts of {them}",
    ),
    Operation(
        "tally", "words", "dict", "{{w: {v}.count(w) for w in {v}}}", lambda ws: {w: ws.count(w) for w in ws}, (),
        ("how often each word occurs in {x}", "the count of each word in {x}", "the counts of the words in {x}",
         "a dictionary from each word to its count in {x}"),
        ("count each word[ in {x}]", "count how often each word occurs[ in {x}]",
         "map each word[ in {x}] to its count"),
        "the frequency of each word in {x}",
    ),
    Operation(
        "group_by_length", "words", "groups", "{{len(w): [u for u in {v} if len(u) == len(w)] for w in {v}}}",
        _by_length, (),
        ("the groups by length of {them}", "{them} grouped by length", "{them} grouped by their length",
         "a dictionary from each length to the words in {x}"),
        ("group {them} by length", "group {them} by their length", "put {them} into groups by length"),
        "the groups of equal length of {them}",
    ),
)
