"""Operations that join two results computed from the same argument, told in the order in which they are computed."""

from __future__ import annotations

from data.generated.operations import Combiner

COMBINERS = (
    Combiner(
        "add", "int", "int", "a + b", lambda a, b: a + b,
        ("{a} plus {b}", "{a}, plus {b}", "the sum of {a} and {b}", "{a} added to {b}", "{a} and {b} added together",
         "the result of adding {a} and {b}"),
        "{a} increased by {b}",
    ),
    Combiner(
        "subtract", "int", "int", "a - b", lambda a, b: a - b,
        ("{a} minus {b}", "{a}, minus {b}", "the difference {a} minus {b}", "{a} reduced by {b}",
         "the difference of {a} and {b}", "the result of {a} minus {b}"),
        "{a} decreased by {b}",
    ),
    Combiner(
        "chain", "ints", "ints", "a + b", lambda a, b: a + b,
        ("{a} followed by {b}", "{a}, followed by {b}", "{a} and then {b}", "the list of {a} followed by {b}",
         "the list of {a} and then {b}", "the concatenation of {a} and {b}"),
        "{a} extended by {b}",
    ),
)
