"""Operations on lists: of anything, of numbers, of words."""

from __future__ import annotations

from collections.abc import Callable

from data.generated.operations import Operation, Quantifier

QUANTIFIERS = (
    Quantifier(
        "every", "all({test} for {e} in {v})", all,
        ("whether every {item} in {x} {is}", "whether all {items} in {x} {are}", "whether each {item} in {x} {is}"),
        ("check whether every {item}[ in {x}] {is}", "check that all {items}[ in {x}] {are}",
         "tell whether all {items}[ in {x}] {are}"),
        ("whether it is true of every {item} in {x} that it {is}", "check that each {item}[ in {x}] {is}"),
    ),
    Quantifier(
        "some", "any({test} for {e} in {v})", any,
        ("whether some {item} in {x} {is}", "whether any {item} in {x} {is}",
         "whether at least one {item} in {x} {is}"),
        ("check whether some {item}[ in {x}] {is}", "check whether any {item}[ in {x}] {is}",
         "tell whether at least one {item}[ in {x}] {is}"),
        ("whether there is a {item} in {x} that {is}", "check for a {item}[ in {x}] that {is}"),
    ),
)


def _unique(xs: list) -> list:
    return list(dict.fromkeys(xs))


def _running(xs: list[int]) -> list[int]:
    totals: list[int] = []
    for x in xs:
        totals.append(x + (totals[-1] if totals else 0))
    return totals


def _most_common(xs: list, none: object) -> object:
    return sorted(xs, key=lambda x: (-xs.count(x), xs.index(x)))[0] if xs else none


def _grouped(xs: list, key: Callable) -> dict:
    groups: dict = {}
    for x in xs:
        groups.setdefault(key(x), []).append(x)
    return groups


ANY = (
    Operation(
        "reverse", "list", "list", "{v}[::-1]", lambda xs: xs[::-1], (),
        ("the reverse of {x}", "{them} in reverse order", "{them} from last to first"),
        ("reverse {x}", "turn {x} around", "put {them} in reverse order"),
        ("the reversed order of {them}", "list {them} from last to first"),
    ),
    Operation(
        "take", "list", "list", "{v}[:{0}]", lambda xs, k: xs[:k], ("take",),
        ("the first {0} of {them}", "the first {0} {items} in {x}", "the {0} {items} at the start of {x}"),
        ("take the first {0}[ of {them}]", "keep the first {0}[ of {them}]", "take the first {0} {items}[ of {x}]"),
        ("the {0} first {items} of {x}", "keep only the first {0} {items}[ of {x}]"),
    ),
    Operation(
        "tail", "list", "list", "{v}[-{0}:]", lambda xs, k: xs[-k:], ("take",),
        ("the last {0} of {them}", "the last {0} {items} in {x}", "the {0} {items} at the end of {x}"),
        ("take the last {0}[ of {them}]", "keep the last {0}[ of {them}]", "take the last {0} {items}[ of {x}]"),
        ("the {0} last {items} of {x}", "keep only the last {0} {items}[ of {x}]"),
    ),
    Operation(
        "skip", "list", "list", "{v}[{0}:]", lambda xs, k: xs[k:], ("take",),
        ("all but the first {0} of {them}", "{x} without the first {0} {items}",
         "everything after the first {0} of {them}"),
        ("skip the first {0}[ of {them}]", "drop the first {0} {items}[ of {x}]",
         "leave out the first {0}[ of {them}]"),
        ("everything but the first {0} {items} of {x}", "remove the first {0} {items}[ of {x}]"),
    ),
    Operation(
        "cut_end", "list", "list", "{v}[:-{0}]", lambda xs, k: xs[:-k], ("take",),
        ("all but the last {0} of {them}", "{x} without the last {0} {items}",
         "everything before the last {0} of {them}"),
        ("leave out the last {0}[ of {them}]", "drop the last {0} {items}[ of {x}]",
         "cut off the last {0}[ of {them}]"),
        ("everything but the last {0} {items} of {x}", "remove the last {0} {items}[ of {x}]"),
    ),
    Operation(
        "every_second", "list", "list", "{v}[::2]", lambda xs: xs[::2], (),
        ("every second {item} of {x} starting with the first", "every other {item} in {x}",
         "the {items} at even positions of {x}"),
        ("take every second {item}[ of {x}] starting with the first", "take every other {item}[ of {x}]",
         "keep every other {item}[ of {x}]"),
        ("every other one of {them}", "keep the {items} at even positions[ of {x}]"),
    ),
    Operation(
        "distinct", "list", "list", "list(dict.fromkeys({v}))", _unique, (),
        ("the distinct {items} in {x}", "{x} without duplicates", "the different {items} in {x}"),
        ("remove the duplicates[ from {x}]", "drop the repeated {items}[ from {x}]",
         "keep the distinct {items}[ of {x}]"),
        ("the unique {items} of {x}", "keep each {item}[ of {x}] only once"),
    ),
    Operation(
        "most_common", "list", "item", "max({v}, key={v}.count, default={none})", _most_common, (),
        ("the most common {item} in {x}", "the most frequent {item} in {x}",
         "the {item} that occurs most often in {x}"),
        ("find the most common {item}[ in {x}]", "find the most frequent {item}[ in {x}]",
         "pick the {item} that occurs most often[ in {x}]"),
        ("the {item} with the most occurrences in {x}", "pick the most common {item}[ in {x}]"),
    ),
    Operation(
        "first", "list", "item", "{v}[0] if {v} else {none}", lambda xs, none: xs[0] if xs else none, (),
        ("the first of {them}", "the first {item} in {x}", "the {item} at the start of {x}"),
        ("take the first {item}[ of {x}]", "pick the first[ of {them}]", "take the {item} at the start[ of {x}]"),
        ("the very first {item} of {x}", "pick the first {item}[ in {x}]"),
    ),
    Operation(
        "last", "list", "item", "{v}[-1] if {v} else {none}", lambda xs, none: xs[-1] if xs else none, (),
        ("the last of {them}", "the last {item} in {x}", "the {item} at the end of {x}"),
        ("take the last {item}[ of {x}]", "pick the last[ of {them}]", "take the {item} at the end[ of {x}]"),
        ("the very last {item} of {x}", "pick the last {item}[ in {x}]"),
    ),
    Operation(
        "size", "list", "int", "len({v})", len, (),
        ("the number of {items} in {x}", "how many {items} there are in {x}", "the count of {them}"),
        ("count {them}", "count the {items}[ in {x}]", "count how many {items} there are[ in {x}]"),
        ("the amount of {items} in {x}", "find out how many {items} there are[ in {x}]"),
    ),
    Operation(
        "many", "list", "bool", "len({v}) > {0}", lambda xs, k: len(xs) > k, ("take",),
        ("whether there are more than {0} {items} in {x}", "whether {x} has more than {0} {items}",
         "whether the length of {x} is more than {0}"),
        ("check whether there are more than {0} {items}[ in {x}]", "tell whether there are more than {0}[ of {them}]",
         "check whether more than {0} {items} are there[ in {x}]"),
        ("whether {x} contains more than {0} {items}", "tell whether more than {0} {items} are there[ in {x}]"),
    ),
    Operation(
        "in_order", "list", "bool", "{v} == sorted({v})", lambda xs: all(x <= y for x, y in zip(xs, xs[1:])), (),
        ("whether {x} is sorted", "whether {x} is in ascending order", "whether {x} is in order"),
        ("check whether the {items}[ in {x}] are sorted", "tell whether the {items}[ in {x}] are in ascending order",
         "check whether the {items}[ in {x}] are in order"),
        ("whether {x} is in sorted order", "tell whether the {items}[ in {x}] are sorted"),
    ),
)

NUMBERS = (
    Operation(
        "ascending", "ints", "ints", "sorted({v})", sorted, (),
        ("the sorted list of {them}", "{them} in ascending order", "{them} sorted from smallest to largest"),
        ("sort {them}", "sort {x} in ascending order", "sort {them} from smallest to largest"),
        ("the ascending order of {them}", "put {them} in ascending order"),
    ),
    Operation(
        "descending", "ints", "ints", "sorted({v}, reverse=True)", lambda xs: sorted(xs)[::-1], (),
        ("the descending list of {them}", "{them} in descending order", "{them} sorted from largest to smallest"),
        ("sort {x} in descending order", "sort {them} from largest to smallest", "sort {them} with the largest first"),
        ("the descending order of {them}", "put {them} in descending order"),
    ),
    Operation(
        "differences", "ints", "ints", "[j - i for i, j in zip({v}, {v}[1:])]",
        lambda xs: [xs[i + 1] - xs[i] for i in range(len(xs) - 1)], (),
        ("the differences between neighbours in {x}", "the differences of neighbouring numbers in {x}",
         "the steps from each number to the next in {x}"),
        ("take the differences between neighbours[ in {x}]", "subtract each number[ in {x}] from the next",
         "find the differences of neighbouring numbers[ in {x}]"),
        ("the differences of each number to the next in {x}", "find the differences between neighbours[ in {x}]"),
    ),
    Operation(
        "running_totals", "ints", "ints", "[sum({v}[:i + 1]) for i in range(len({v}))]", _running, (),
        ("the running totals of {them}", "the running sums of {them}", "the cumulative sums of {them}"),
        ("take the running totals[ of {them}]", "form the running sums[ of {them}]",
         "replace each number[ in {x}] by the running total"),
        ("the cumulative totals of {them}", "form the cumulative sums[ of {them}]"),
    ),
    Operation(
        "total", "ints", "int", "sum({v})", sum, (),
        ("the sum of {them}", "the total of {them}", "the sum of all {them}"),
        ("add {them} up", "sum {them}", "take the sum[ of {them}]", "sum up {them}"),
        ("the sum total of {them}", "add {them} together"),
    ),
    Operation(
        "largest", "ints", "int", "max({v}, default=0)", lambda xs: sorted(xs)[-1] if xs else 0, (),
        ("the largest number in {x}", "the largest of {them}", "the maximum of {them}", "the biggest number in {x}"),
        ("find the largest number[ in {x}]", "take the maximum[ of {them}]", "find the largest[ of {them}]"),
        ("the greatest of {them}", "find the maximum[ of {them}]"),
    ),
    Operation(
        "smallest", "ints", "int", "min({v}, default=0)", lambda xs: sorted(xs)[0] if xs else 0, (),
        ("the smallest number in {x}", "the smallest of {them}", "the minimum of {them}", "the lowest number in {x}"),
        ("find the smallest number[ in {x}]", "take the minimum[ of {them}]", "find the smallest[ of {them}]"),
        ("the least of {them}", "find the minimum[ of {them}]"),
    ),
    Operation(
        "spread", "ints", "int", "max({v}, default=0) - min({v}, default=0)",
        lambda xs: sorted(xs)[-1] - sorted(xs)[0] if xs else 0, (),
        ("the range of {them}", "the difference between the largest and the smallest number in {x}",
         "the gap between the smallest and the largest of {them}"),
        ("find the range[ of {them}]", "subtract the smallest number from the largest[ in {x}]",
         "find the gap between the smallest and the largest[ of {them}]"),
        ("the distance from the smallest to the largest of {them}", "take the range[ of {them}]"),
    ),
    Operation(
        "occurrences", "ints", "int", "{v}.count({0})", lambda xs, k: xs.count(k), ("likely",),
        ("the number of times {0} occurs in {x}", "how often {0} occurs in {x}", "the count of {0} in {x}"),
        ("count how often {0} occurs[ in {x}]", "count the occurrences of {0}[ in {x}]",
         "find how often {0} occurs[ in {x}]"),
        ("how many times {0} occurs in {x}", "count how many times {0} occurs[ in {x}]"),
    ),
    Operation(
        "member", "ints", "bool", "{0} in {v}", lambda xs, k: k in xs, ("likely",),
        ("whether {0} is in {x}", "whether {0} occurs in {x}", "whether {x} contains {0}"),
        ("check whether {0} is there[ in {x}]", "tell whether {0} occurs[ in {x}]",
         "check whether {0} occurs[ in {x}]"),
        ("whether {0} can be found in {x}", "tell whether {0} is there[ in {x}]"),
    ),
    Operation(
        "as_strings", "ints", "words", "[str(x) for x in {v}]", lambda xs: [str(x) for x in xs], (),
        ("the strings of {them}", "{them} as strings", "{them} converted to strings"),
        ("turn {them} into strings", "convert each number[ in {x}] to a string", "convert {them} to strings"),
        ("the string forms of {them}", "turn each number[ in {x}] into a string"),
    ),
    Operation(
        "group_by_remainder", "ints", "groups", "{{x % {0}: [y for y in {v} if y % {0} == x % {0}] for x in {v}}}",
        lambda xs, k: _grouped(xs, lambda x: x % k), ("divisor",),
        ("a dictionary from each remainder modulo {0} to the list of its numbers in {x}",
         "{them} grouped by their remainder modulo {0}", "the groups by remainder modulo {0} of {them}"),
        ("group {them} by their remainder modulo {0}", "group {them} by remainder modulo {0}",
         "put {them} into groups by remainder modulo {0}"),
        ("the groups with equal remainder modulo {0} of {them}", "collect {them} by their remainder modulo {0}"),
    ),
)

WORDS = (
    Operation(
        "alphabetical", "words", "words", "sorted({v})", sorted, (),
        ("the alphabetical list of {them}", "{them} in alphabetical order", "{them} sorted alphabetically"),
        ("sort {them} alphabetically", "sort {x} in alphabetical order", "sort {them} from a to z"),
        ("the alphabetical order of {them}", "put {them} in alphabetical order"),
    ),
    Operation(
        "by_length", "words", "words", "sorted({v}, key=len)", lambda ws: sorted(ws, key=len), (),
        ("the list sorted by length of {them}", "{them} sorted by length", "{them} from shortest to longest"),
        ("sort {them} by length", "sort {them} from shortest to longest", "order {them} by their length"),
        ("the order by length of {them}", "put {them} in order of length"),
    ),
    Operation(
        "join", "words", "text", "{0}.join({v})", lambda ws, k: k.join(ws), ("separator",),
        ("the string with {0} between {them}", "{them} joined with {0}", "{them} joined by {0}"),
        ("join {them} with {0}", "join {them} by {0}", "join {them} into a string with {0} between them"),
        ("the string with {0} joining {them}", "glue {them} together with {0}"),
    ),
    Operation(
        "longest", "words", "text", "max({v}, key=len, default='')",
        lambda ws: next((w for w in ws if len(w) == max(map(len, ws))), ""), (),
        ("the longest word in {x}", "the longest of {them}", "the first longest word in {x}"),
        ("find the longest word[ in {x}]", "pick the longest[ of {them}]", "take the longest word[ of {x}]"),
        ("the word with the most letters in {x}", "pick the word with the most letters[ in {x}]"),
    ),
    Operation(
        "shortest", "words", "text", "min({v}, key=len, default='')",
        lambda ws: next((w for w in ws if len(w) == min(map(len, ws))), ""), (),
        ("the shortest word in {x}", "the shortest of {them}", "the first shortest word in {x}"),
        ("find the shortest word[ in {x}]", "pick the shortest[ of {them}]", "take the shortest word[ of {x}]"),
        ("the word with the fewest letters in {x}", "pick the word with the fewest letters[ in {x}]"),
    ),
    Operation(
        "lengths", "words", "ints", "[len(w) for w in {v}]", lambda ws: [len(w) for w in ws], (),
        ("the lengths of {them}", "the length of each word in {x}", "the word lengths of {x}"),
        ("take the lengths[ of {them}]", "take the length of each word[ in {x}]",
         "replace each word[ in {x}] by its length"),
        ("the letter counts of {them}", "measure the length of each word[ in {x}]"),
    ),
    Operation(
        "letter_counts", "words", "ints", "[w.count({0}) for w in {v}]", lambda ws, k: [w.count(k) for w in ws],
        ("letter",),
        ("the number of {0} in each word of {x}", "how often {0} occurs in each word of {x}",
         "the counts of {0} in each word of {x}"),
        ("count how often {0} occurs in each word[ of {x}]", "count the {0} in each word[ of {x}]",
         "replace each word[ in {x}] by its number of {0}"),
        ("how many times {0} occurs in each word of {x}", "count each {0} in each word[ of {x}]"),
    ),
    Operation(
        "tally", "words", "dict", "{{w: {v}.count(w) for w in {v}}}", lambda ws: {w: ws.count(w) for w in ws}, (),
        ("how often each word occurs in {x}", "the counts of the different words in {x}",
         "a dictionary of the word counts of {x}"),
        ("count each word[ of {x}]", "count how often each word occurs[ in {x}]",
         "map each word[ of {x}] to its count"),
        ("the number of times each word occurs in {x}", "tally the words[ of {x}]"),
    ),
    Operation(
        "length_table", "words", "dict", "{{w: len(w) for w in {v}}}", lambda ws: {w: len(w) for w in ws}, (),
        ("a dictionary from each word to its length in {x}", "the dictionary of the word lengths of {x}",
         "the table of the lengths of the words in {x}"),
        ("map each word[ of {x}] to its length", "make a dictionary from each word[ of {x}] to its length",
         "make a dictionary of the word lengths[ of {x}]"),
        ("the dictionary of words and their lengths of {x}", "make a table of the word lengths[ of {x}]"),
    ),
    Operation(
        "group_by_length", "words", "groups", "{{len(w): [u for u in {v} if len(u) == len(w)] for w in {v}}}",
        lambda ws: _grouped(ws, len), (),
        ("a dictionary from each length to the list of its words in {x}", "{them} grouped by length",
         "the groups by length of {them}"),
        ("group {them} by length", "group {them} by their length", "put {them} into groups by length"),
        ("the groups of equal length of {them}", "collect {them} by their length"),
    ),
)
