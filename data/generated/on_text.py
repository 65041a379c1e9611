"""Operations on strings: predicates and changes (of a text, or of each word), and steps on a whole text."""

from __future__ import annotations

from data.generated.operations import Change, Operation, Predicate

PREDICATES = (
    Predicate(
        "longer", "text", "len({e}) > {0}", lambda w, k: len(w) > k, ("length",),
        ("is longer than {0} letters", "has more than {0} letters"),
        ("longer than {0} letters", "with more than {0} letters"),
        ("has a length above {0}", "with a length above {0}"),
    ),
    Predicate(
        "shorter", "text", "len({e}) < {0}", lambda w, k: len(w) < k, ("length",),
        ("is shorter than {0} letters", "has fewer than {0} letters"),
        ("shorter than {0} letters", "with fewer than {0} letters"),
        ("has a length below {0}", "with a length below {0}"),
    ),
    Predicate(
        "starts", "text", "{e}.startswith({0})", lambda w, k: w.startswith(k), ("letter",),
        ("starts with {0}", "begins with {0}"), ("starting with {0}", "that start with {0}", "that begin with {0}"),
        ("has {0} at the start", "with {0} at the start"),
    ),
    Predicate(
        "ends", "text", "{e}.endswith({0})", lambda w, k: w.endswith(k), ("letter",),
        ("ends with {0}", "ends in {0}"), ("ending with {0}", "that end in {0}", "that end with {0}"),
        ("has {0} at the end", "with {0} at the end"),
    ),
    Predicate(
        "contains", "text", "{0} in {e}", lambda w, k: k in w, ("letter",),
        ("contains {0}", "has {0} in it"), ("containing {0}", "that contain {0}", "with {0} in them"),
        ("includes {0}", "including {0}"),
    ),
    Predicate(
        "lacks", "text", "{0} not in {e}", lambda w, k: k not in w, ("letter",),
        ("does not contain {0}", "lacks {0}"), ("without {0}", "that lack {0}", "that do not contain {0}"),
        ("is free of {0}", "free of {0}"),
    ),
    Predicate(
        "palindrome", "text", "{e} == {e}[::-1]", lambda w: w == w[::-1], (),
        ("is a palindrome", "reads the same in both directions"),
        ("that are palindromes", "that read the same in both directions"),
        ("equals its own reverse", "equal to their own reverse"),
    ),
)

CHANGES = (
    Change(
        "upper", "text", "{e}.upper()", str.upper, (),
        ("its upper case form", "itself in upper case"),
        ("the upper case form of {x}", "{x} in upper case", "{x} in capital letters"),
        ("turn {x} into upper case", "convert {x} to upper case"),
        ("the upper case forms of {them}", "{them} in upper case", "{them} in capital letters"),
        ("turn {them} into upper case", "convert each word[ in {x}] to upper case", "convert {them} to upper case"),
        ("the capital letter form of {x}", "write {x} in capital letters"),
        ("the capital letter forms of {them}", "write {them} in capital letters"),
    ),
    Change(
        "lower", "text", "{e}.lower()", str.lower, (),
        ("its lower case form", "itself in lower case"),
        ("the lower case form of {x}", "{x} in lower case", "{x} in small letters"),
        ("turn {x} into lower case", "convert {x} to lower case"),
        ("the lower case forms of {them}", "{them} in lower case", "{them} in small letters"),
        ("turn {them} into lower case", "convert each word[ in {x}] to lower case", "convert {them} to lower case"),
        ("the small letter form of {x}", "write {x} in small letters"),
        ("the small letter forms of {them}", "write {them} in small letters"),
    ),
    Change(
        "backwards", "text", "{e}[::-1]", lambda w: w[::-1], (),
        ("its letters in reverse", "itself spelled backwards"),
        ("the reversed string of {x}", "{x} spelled backwards", "the backwards spelling of {x}"),
        ("spell {x} backwards", "reverse the letters[ of {x}]"),
        ("the backwards spellings of {them}", "{them} each spelled backwards",
         "the reversed spelling of each word in {x}"),
        ("spell each word[ in {x}] backwards", "reverse each word[ in {x}]", "spell each of {them} backwards"),
        ("the mirrored form of {x}", "write {x} backwards"),
        ("the mirrored forms of {them}", "write each word[ in {x}] backwards"),
    ),
    Change(
        "initial", "text", "{e}[:1]", lambda w: w[:1], (),
        ("its first letter", "its initial"),
        ("the first letter of {x}", "the initial letter of {x}", "the initial of {x}"),
        ("take the first letter[ of {x}]", "keep only the first letter[ of {x}]"),
        ("the first letters of {them}", "the first letter of each word in {x}", "the initials of {them}"),
        ("take the first letter of each word[ in {x}]", "replace each word[ in {x}] by its first letter",
         "take the initials[ of {them}]"),
        ("the starting letter of {x}", "cut {x} down to the first letter"),
        ("the starting letters of {them}", "cut each word[ in {x}] down to its first letter"),
    ),
    Change(
        "final", "text", "{e}[-1:]", lambda w: w[-1:], (),
        ("its last letter", "its final letter"),
        ("the last letter of {x}", "the final letter of {x}", "the last character of {x}"),
        ("take the last letter[ of {x}]", "keep only the last letter[ of {x}]"),
        ("the last letters of {them}", "the last letter of each word in {x}", "the final letters of {them}"),
        ("take the last letter of each word[ in {x}]", "replace each word[ in {x}] by its last letter",
         "take the last letters[ of {them}]"),
        ("the ending letter of {x}", "cut {x} down to the last letter"),
        ("the ending letters of {them}", "cut each word[ in {x}] down to its last letter"),
    ),
    Change(
        "append", "text", "{e} + {0}", lambda w, k: w + k, ("piece",),
        ("itself followed by {0}", "itself with {0} added at the end"),
        ("{x} followed by {0}", "{x} with {0} added at the end", "the result of adding {0} at the end of {x}"),
        ("add {0} at the end[ of {x}]", "append {0}[ to {x}]"),
        ("{them} each followed by {0}", "{them} with {0} added at the end of each",
         "the results of adding {0} at the end of each word in {x}"),
        ("add {0} at the end of each word[ in {x}]", "append {0} to each word[ in {x}]",
         "append {0} to each of {them}"),
        ("the result of appending {0} to {x}", "put {0} at the end[ of {x}]"),
        ("the results of appending {0} to each word in {x}", "put {0} at the end of each word[ in {x}]"),
    ),
    Change(
        "prepend", "text", "{0} + {e}", lambda w, k: k + w, ("piece",),
        ("{0} followed by itself", "itself with {0} added in front"),
        ("{0} followed by {x}", "{x} with {0} added in front", "the result of adding {0} in front of {x}"),
        ("add {0} in front[ of {x}]", "prepend {0}[ to {x}]"),
        ("{0} followed by each word in {x}", "{them} with {0} added in front of each",
         "the results of adding {0} in front of each word in {x}"),
        ("add {0} in front of each word[ in {x}]", "prepend {0} to each word[ in {x}]",
         "prepend {0} to each of {them}"),
        ("the result of prepending {0} to {x}", "put {0} in front[ of {x}]"),
        ("the results of prepending {0} to each word in {x}", "put {0} in front of each word[ in {x}]"),
    ),
    Change(
        "replace", "text", "{e}.replace({0}, {1})", lambda w, a, b: w.replace(a, b), ("letter", "mark"),
        ("itself with {1} for every {0}", "itself with each {0} replaced by {1}"),
        ("the result of replacing every {0} by {1} in {x}", "{x} with each {0} replaced by {1}",
         "{x} with {1} in place of {0}"),
        ("replace every {0}[ in {x}] by {1}", "replace each {0} by {1}[ in {x}]"),
        ("the results of replacing every {0} by {1} in each word of {x}", "{them} with each {0} replaced by {1}",
         "{them} with {1} in place of {0}"),
        ("replace every {0} by {1} in each word[ of {x}]", "write {1} for each {0} in each word[ of {x}]",
         "in each word[ of {x}] replace {0} by {1}"),
        ("the result of changing every {0} to {1} in {x}", "change every {0}[ in {x}] to {1}"),
        ("the results of changing every {0} to {1} in each word of {x}",
         "change every {0} to {1} in each word[ of {x}]"),
    ),
    Change(
        "twice", "text", "{e} * 2", lambda w: w * 2, (),
        ("itself written twice", "its own repetition"),
        ("{x} written twice", "the double of {x}", "{x} repeated twice"),
        ("write {x} twice", "repeat {x} twice"),
        ("{them} each written twice", "the double of each word in {x}", "the doubled forms of {them}"),
        ("write each word[ in {x}] twice", "double each word[ in {x}]", "double each of {them}"),
        ("the doubled form of {x}", "double {x}"),
        ("the twice written forms of {them}", "repeat each word[ in {x}] twice"),
    ),
    Change(
        "headless", "text", "{e}[1:]", lambda w: w[1:], (),
        ("itself without its first letter", "everything after its first letter"),
        ("everything after the first letter of {x}", "{x} without its first letter",
         "the rest after the first letter of {x}"),
        ("drop the first letter[ of {x}]", "remove the first letter[ of {x}]"),
        ("the rest after the first letter of each word in {x}", "{them} without their first letters",
         "{them} each without the first letter"),
        ("drop the first letter of each word[ in {x}]", "remove the first letter of each word[ in {x}]",
         "drop the first letters[ of {them}]"),
        ("all but the first letter of {x}", "cut off the first letter[ of {x}]"),
        ("all but the first letter of each word in {x}", "cut off the first letter of each word[ in {x}]"),
    ),
)


def _picked(text: str, letters: str) -> str:
    return "".join(c for c in text if c in letters)


def _left(text: str, letters: str) -> str:
    return "".join(c for c in text if c not in letters)


OPERATIONS = (
    Operation(
        "split", "text", "words", "{v}.split()", str.split, (),
        ("the words of {x}", "the list of words in {x}", "the words between the spaces of {x}"),
        ("split {x} into words", "take the words[ of {x}]", "split {x} at the spaces"),
        ("the single words of {x}", "break {x} into words"),
    ),
    Operation(
        "characters", "text", "words", "list({v})", list, (),
        ("the characters of {x}", "the list of characters in {x}", "the single characters of {x}"),
        ("split {x} into characters", "list the characters[ of {x}]", "take the characters[ of {x}]"),
        ("the list of single characters of {x}", "break {x} into characters"),
    ),
    Operation(
        "text_length", "text", "int", "len({v})", len, (),
        ("the length of {x}", "the number of characters in {x}", "how many characters there are in {x}"),
        ("count the characters[ of {x}]", "measure the length[ of {x}]", "find the length[ of {x}]"),
        ("the character count of {x}", "count how many characters there are[ in {x}]"),
    ),
    Operation(
        "count_letter", "text", "int", "{v}.count({0})", lambda s, k: s.count(k), ("letter",),
        ("the number of {0} in {x}", "how often {0} occurs in {x}", "the count of {0} in {x}"),
        ("count the {0}[ in {x}]", "count how often {0} occurs[ in {x}]", "find how often {0} occurs[ in {x}]"),
        ("how many times {0} occurs in {x}", "count each {0}[ in {x}]"),
    ),
    Operation(
        "only_vowels", "text", "text", "''.join(c for c in {v} if c in 'aeiou')", lambda s: _picked(s, "aeiou"), (),
        ("the lower case vowels of {x}", "the lower case vowels in {x}", "only the lower case vowels of {x}"),
        ("keep the lower case vowels[ of {x}]", "keep only the lower case vowels[ in {x}]",
         "pick out the lower case vowels[ of {x}]"),
        ("just the lower case vowels of {x}", "drop all but the lower case vowels[ of {x}]"),
    ),
    Operation(
        "without_vowels", "text", "text",
        "''.join(c for c in {v} if c not in 'aeiou')", lambda s: _left(s, "aeiou"), (),
        ("everything but the lower case vowels of {x}", "{x} without its lower case vowels",
         "{x} with the lower case vowels removed"),
        ("remove the lower case vowels[ from {x}]", "drop the lower case vowels[ of {x}]",
         "delete the lower case vowels[ from {x}]"),
        ("all but the lower case vowels of {x}", "take out the lower case vowels[ of {x}]"),
    ),
    Operation(
        "only_digits", "text", "text", "''.join(c for c in {v} if c in '0123456789')",
        lambda s: _picked(s, "0123456789"), (),
        ("the digits in {x}", "the string of the digits in {x}", "only the digits of {x}"),
        ("keep the digits[ of {x}]", "keep only the digits[ in {x}]", "pick out the digits[ of {x}]"),
        ("just the digits of {x}", "drop all but the digits[ of {x}]"),
    ),
    Operation(
        "without_spaces", "text", "text", "{v}.replace(' ', '')", lambda s: _left(s, " "), (),
        ("everything but the spaces of {x}", "{x} without its spaces", "{x} with the spaces removed"),
        ("remove the spaces[ from {x}]", "drop the spaces[ of {x}]", "delete the spaces[ from {x}]"),
        ("all but the spaces of {x}", "take out the spaces[ of {x}]"),
    ),
    Operation(
        "swap_case", "text", "text", "{v}.swapcase()", str.swapcase, (),
        ("the swapped case form of {x}", "{x} with upper and lower case swapped", "{x} with its case swapped"),
        ("swap the case[ of {x}]", "swap upper and lower case[ in {x}]", "swap the case of each letter[ in {x}]"),
        ("the case swapped form of {x}", "exchange upper and lower case[ in {x}]"),
    ),
    Operation(
        "sort_letters", "text", "text", "''.join(sorted({v}))", lambda s: "".join(sorted(s)), (),
        ("the string of the sorted characters of {x}", "{x} with its characters sorted",
         "the characters in sorted order as a string of {x}"),
        ("sort the letters[ of {x}] into a string", "sort the characters[ of {x}] into a string",
         "put the characters[ of {x}] in order as a string"),
        ("the string of the ordered characters of {x}", "order the characters[ of {x}] into a string"),
    ),
    Operation(
        "repeat", "text", "text", "{v} * {0}", lambda s, k: s * k, ("copies",),
        ("{0} copies of {x}", "{x} repeated {0} times", "{x} written {0} times in a row"),
        ("repeat {x} {0} times", "write {x} {0} times in a row", "join {0} copies of {x}"),
        ("the {0} times repeated string of {x}", "make {0} copies of {x}"),
    ),
    Operation(
        "take", "text", "text", "{v}[:{0}]", lambda s, k: s[:k], ("take",),
        ("the first {0} characters of {x}", "the {0} characters at the start of {x}", "the first {0} letters of {x}"),
        ("take the first {0} characters[ of {x}]", "keep the first {0} characters[ of {x}]",
         "cut {x} after {0} characters"),
        ("the {0} first characters of {x}", "keep only the first {0} characters[ of {x}]"),
    ),
    Operation(
        "tail", "text", "text", "{v}[-{0}:]", lambda s, k: s[-k:], ("take",),
        ("the last {0} characters of {x}", "the {0} characters at the end of {x}", "the last {0} letters of {x}"),
        ("take the last {0} characters[ of {x}]", "keep the last {0} characters[ of {x}]",
         "pick the last {0} characters[ of {x}]"),
        ("the {0} last characters of {x}", "keep only the last {0} characters[ of {x}]"),
    ),
    Operation(
        "letter_tally", "text", "dict", "{{c: {v}.count(c) for c in {v}}}", lambda s: {c: s.count(c) for c in s}, (),
        ("the counts of the characters in {x}", "how often each character occurs in {x}",
         "a dictionary of the character counts of {x}"),
        ("count each character[ of {x}]", "count how often each character occurs[ in {x}]",
         "map each character[ of {x}] to its count"),
        ("the number of times each character occurs in {x}", "tally the characters[ of {x}]"),
    ),
)
