"""Operations that join two results computed from the same argument."""

from __future__ import annotations

from data.generated.operations import Combiner

COMBINERS = (
    Combiner(
        "add", "int", "int", "a + b", lambda a, b: a + b,
        ("{a} plus {b}", "the sum of {a} and {b}", "{a} added to {b}", "{a}, plus {b}", "{a} and {b} added together"),
        "{a} increased by {b}",
    ),
    Combiner(
        "subtract", "int", "int", "a - b", lambda a, b: a - b,
        ("{a} minus {b}", "{a}, minus {b}", "{a} less {b}", "the result of subtracting {b} from {a}",
         "{b} subtracted from {a}"),
        "{a} decreased by {b}",
    ),
    Combiner(
        "multiply", "int", "int", "a * b", lambda a, b: a * b,
        ("{a} times {b}", "the product of {a} and {b}", "{a}, times {b}", "{a} multiplied by {b}",
         "{a} and {b} multiplied together"),
        "the result of multiplying {a} by {b}",
    ),
    Combiner(
        "larger", "int", "int", "max(a, b)", lambda a, b: a if a > b else b,
        ("the larger of {a} and {b}", "the maximum of {a} and {b}", "whichever is larger, {a} or {b}",
         "the bigger of {a} and {b}", "{a} or {b}, whichever is larger"),
        "the greater of {a} and {b}",
    ),
    Combiner(
        "smaller", "int", "int", "min(a, b)", lambda a, b: a if a < b else b,
        ("the smaller of {a} and {b}", "the minimum of {a} and {b}", "whichever is smaller, {a} or {b}",
         "the lower of {a} and {b}", "{a} or {b}, whichever is smaller"),
        "the lesser of {a} and {b}",
    ),
    Combiner(
        "exceeds", "int", "bool", "a > b", lambda a, b: a > b,
        ("whether {a} is greater than {b}", "whether {a} is larger than {b}", "whether {a} is more than {b}",
         "whether {b} is less than {a}", "whether {a} exceeds {b}"),
        "whether {b} is smaller than {a}",
    ),
    Combiner(
        "concatenate", "text", "text", "a + b", lambda a, b: a + b,
        ("{a} followed by {b}", "the string of {a} and then {b}", "{a}, followed by {b}",
         "the concatenation of {a} and {b}", "a string that starts with {a} and goes on with {b}"),
        "{a} with {b} appended",
    ),
    Combiner(
        "chain_numbers", "ints", "ints", "a + b", lambda a, b: a + b,
        ("{a} followed by {b}", "the list of {a} and then {b}", "{a}, followed by {b}",
         "the concatenation of {a} and {b}", "a list that starts with {a} and goes on with {b}"),
        "{a} with {b} appended",
    ),
    Combiner(
        "chain_words", "words", "words", "a + b", lambda a, b: a + b,
        ("{a} followed by {b}", "the list of {a} and then {b}", "{a}, followed by {b}",
         "the concatenation of {a} and {b}", "a list that starts with {a} and goes on with {b}"),
        "{a} with {b} appended",
    ),
)
