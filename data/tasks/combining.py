"""Operations that join two results computed from the same argument, told in the order in which they are computed.

A comma or the words around both keep the first result apart: "the square of n plus 3" would have two readings.
"""

from __future__ import annotations

from data.tasks.operations import Combiner

COMBINERS = (
    Combiner(
        "add", "int", "int", "a + b", lambda a, b: a + b,
        ("{a}, plus {b}", "the sum of {a} and {b}", "{a}, added to {b}", "the result of adding {a} and {b}",
         "the result of {a}, plus {b}", "the addition of {a} and {b}"),
        "{a}, increased by {b}",
    ),
    Combiner(
        "subtract", "int", "int", "a - b", lambda a, b: a - b,
        ("{a}, minus {b}", "the difference between {a} and {b}", "{a}, reduced by {b}", "the difference of {a} and {b}",
         "the result of {a}, minus {b}", "the result of reducing {a} by {b}"),
        "{a}, decreased by {b}",
    ),
    Combiner(
        "chain", "ints", "ints", "a + b", lambda a, b: a + b,
        ("{a}, followed by {b}", "{a}, and then {b}", "the list of {a}, followed by {b}",
         "the list of {a}, and then {b}", "the concatenation of {a} and {b}", "the result of chaining {a} and {b}"),
        "{a}, extended by {b}",
    ),
)
