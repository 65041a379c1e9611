"""Operations on strings: predicates and changes (of a text, or of each word), and steps on a whole text."""

from __future__ import annotations

from data.tasks.operations import Change, Operation, Predicate

PREDICATES = (
    Predicate(
        "longer", "text", "len({e}) > {0}", lambda w, k: len(w) > k, ("length",),
        ("is longer than {0} letters", "has more than {0} letters"),
        ("longer than {0} letters", "with more than {0} letters"),
        ("has over {0} letters", "with over {0} letters"),
    ),
    Predicate(
        "shorter", "text", "len({e}) < {0}", lambda w, k: len(w) < k, ("length",),
        ("is shorter than {0} letters", "has fewer than {0} letters"),
        ("shorter than {0} letters", "with fewer than {0} letters"),
        ("has under {0} letters", "with under {0} letters"),
    ),
    Predicate(
        "starts", "text", "{e}.startswith({0})", lambda w, k: w.startswith(k), ("letter",),
        ("starts with {0}", "begins with {0}"), ("starting with {0}", "beginning with {0}"),
        ("has {0} at the start", "with {0} at the start"),
    ),
    Predicate(
        "ends", "text", "{e}.endswith({0})", lambda w, k: w.endswith(k), ("letter",),
        ("ends with {0}", "ends in {0}"), ("ending with {0}", "ending in {0}"),
        ("has {0} at the end", "with {0} at the end"),
    ),
    Predicate(
        "contains", "text", "{0} in {e}", lambda w, k: k in w, ("letter",),
        ("contains {0}", "has {0} in it"), ("containing {0}", "with {0} in them"),
        ("includes {0}", "including {0}"),
    ),
)

CHANGES = (
    Change(
        "upper", "text", "{e}.upper()", str.upper, (),
        ("the upper case form of {x}", "{x} in upper case"),
        ("convert {x} to upper case",),
        ("the upper case forms of {them}", "the upper case form of each word in {x}", "{them} in upper case",
         "{them} converted to upper case"),
        ("convert {them} to upper case", "convert each word[ in {x}] to upper case", "put {them} in upper case"),
        ("the capital letter form of {x}", "the capital letter forms of {them}"),
    ),
    Change(
        "lower", "text", "{e}.lower()", str.lower, (),
        ("the lower case form of {x}", "{x} in lower case"),
        ("convert {x} to lower case",),
        ("the lower case forms of {them}", "the lower case form of each word in {x}", "{them} in lower case",
         "{them} converted to lower case"),
        ("convert {them} to lower case", "convert each word[ in {x}] to lower case", "put {them} in lower case"),
        ("the small letter form of {x}", "the small letter forms of {them}"),
    ),
    Change(
        "backwards", "text", "{e}[::-1]", lambda w: w[::-1], (),
        ("the reverse of {x}", "{x} spelled backwards"),
        ("reverse {x}", "spell {x} backwards"),
        ("the reverse of each word in {x}", "the reverse of every word in {x}",
         "the reversed spelling of each word in {x}", "{them} each spelled backwards"),
        ("reverse each word[ in {x}]", "reverse every word[ in {x}]", "spell each word[ in {x}] backwards"),
        ("the mirrored form of {x}", "the mirrored form of each word in {x}"),
    ),
    Change(
        "initial", "text", "{e}[:1]", lambda w: w[:1], (),
        ("the first letter of {x}", "the initial of {x}"),
        ("take the first letter[ of {x}]",),
        ("the first letters of {them}", "the first letter of each word in {x}", "the first letter of every word in {x}",
         "the initials of {them}"),
        ("take the first letters[ of {them}]", "take the first letter of each word[ in {x}]",
         "take the initials[ of {them}]"),
        ("the starting letter of {x}", "the starting letter of each word in {x}"),
    ),
    Change(
        "append", "text", "{e} + {0}", lambda w, k: w + k, ("piece",),
        ("the result of appending {0} to {x}", "{x} followed by {0}"),
        ("append {0}[ to {x}]", "add {0} at the end[ of {x}]"),
        ("the results of appending {0} to each word in {x}", "the results of appending {0} to {them}",
         "{them} each followed by {0}", "{them} with {0} at the end of each"),
        ("append {0} to each word[ in {x}]", "append {0} to every word[ in {x}]",
         "add {0} at the end of each word[ in {x}]"),
        ("the result of attaching {0} to {x}", "the results of attaching {0} to each word in {x}"),
    ),
    Change(
        "replace", "text", "{e}.replace({0}, {1})", lambda w, a, b: w.replace(a, b), ("letter", "mark"),
        ("the result of replacing {0} by {1} in {x}", "{x} with {0} replaced by {1}"),
        ("replace {0} by {1}[ in {x}]", "replace every {0} by {1}[ in {x}]"),
        ("the results of replacing {0} by {1} in each word of {x}", "the results of replacing {0} by {1} in {them}",
         "{them} with {0} replaced by {1}", "{them} with every {0} replaced by {1}"),
        ("replace {0} by {1} in each word[ of {x}]", "replace every {0} by {1} in each word[ of {x}]",
         "replace {0} by {1} in every word[ of {x}]"),
        ("the result of changing {0} to {1} in {x}", "the results of changing {0} to {1} in each word of {x}"),
    ),
    Change(
        "repeat", "text", "{e} * {0}", lambda w, k: w * k, ("copies",),
        ("{0} copies of {x}", "{x} repeated {0} times"),
        ("repeat {x} {0} times",),
        ("{0} copies of each word in {x}", "{0} copies of every word in {x}", "{them} each repeated {0} times",
         "{them} each written {0} times"),
        ("repeat each word[ in {x}] {0} times", "repeat every word[ in {x}] {0} times",
         "write each word[ in {x}] {0} times"),
        ("{0} repetitions of {x}", "{0} repetitions of each word in {x}"),
    ),
)

OPERATIONS = (
    Operation(
        "split", "text", "words", "{v}.split()", str.split, (),
        ("the words in {x}", "the words of {x}", "the list of words in {x}", "all words of {x}"),
        ("split {x} into words", "take the words[ of {x}]", "list the words[ in {x}]"),
        "the separate words of {x}",
    ),
    Operation(
        "text_length", "text", "int", "len({v})", len, (),
        ("the length of {x}", "the number of characters in {x}", "the character count of {x}",
         "how many characters there are in {x}"),
        ("find the length[ of {x}]", "count the characters[ in {x}]", "count how many characters there are[ in {x}]"),
        "the amount of characters in {x}",
    ),
    Operation(
        "occurrences", "text", "int", "{v}.count({0})", lambda s, k: s.count(k), ("letter",),
        ("the number of times {0} occurs in {x}", "how often {0} occurs in {x}", "how many times {0} occurs in {x}",
         "the count of {0} in {x}"),
        ("count {0}[ in {x}]", "count how often {0} occurs[ in {x}]", "count the occurrences of {0}[ in {x}]"),
        "the frequency of {0} in {x}",
    ),
    Operation(
        "vowels", "text", "text", "''.join(c for c in {v} if c in 'aeiou')",
        lambda s: "".join(c for c in s if c in "aeiou"), (),
        ("the vowels in {x}", "the vowels of {x}", "only the vowels of {x}", "the string of vowels in {x}"),
        ("keep the vowels[ of {x}]", "keep only the vowels[ in {x}]", "select the vowels[ of {x}]"),
        "just the vowels of {x}",
    ),
    Operation(
        "take", "text", "text", "{v}[:{0}]", lambda s, k: s[:k], ("take",),
        ("the first {0} characters of {x}", "the first {0} characters in {x}", "the first {0} letters of {x}",
         "the {0} characters at the start of {x}"),
        ("take the first {0} characters[ of {x}]", "keep the first {0} characters[ of {x}]",
         "keep only the first {0} characters[ of {x}]"),
        "the leading {0} characters of {x}",
    ),
    Operation(
        "tail", "text", "text", "{v}[-{0}:]", lambda s, k: s[-k:], ("take",),
        ("the last {0} characters of {x}", "the last {0} characters in {x}", "the last {0} letters of {x}",
         "the {0} characters at the end of {x}"),
        ("take the last {0} characters[ of {x}]", "keep the last {0} characters[ of {x}]",
         "keep only the last {0} characters[ of {x}]"),
        "the trailing {0} characters of {x}",
    ),
)
