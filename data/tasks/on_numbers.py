"""Operations on numbers: predicates, changes, and whole-number steps."""

from __future__ import annotations

from data.tasks.operations import Change, Operation, Predicate

PREDICATES = (
    Predicate(
        "even", "int", "{e} % 2 == 0", lambda x: x % 2 == 0, (),
        ("is even", "is an even number"), ("even", "even"),
        ("can be divided by 2", "that can be divided by 2"),
    ),
    Predicate(
        "odd", "int", "{e} % 2 == 1", lambda x: x % 2 == 1, (),
        ("is odd", "is an odd number"), ("odd", "odd"),
        ("cannot be divided by 2", "that cannot be divided by 2"),
    ),
    Predicate(
        "positive", "int", "{e} > 0", lambda x: x > 0, (),
        ("is positive", "is a positive number"), ("positive", "above zero"),
        ("is greater than zero", "greater than zero"),
    ),
    Predicate(
        "negative", "int", "{e} < 0", lambda x: x < 0, (),
        ("is negative", "is a negative number"), ("negative", "below zero"),
        ("is less than zero", "less than zero"),
    ),
    Predicate(
        "above", "int", "{e} > {0}", lambda x, k: x > k, ("threshold",),
        ("is greater than {0}", "is above {0}"), ("greater than {0}", "above {0}"),
        ("is bigger than {0}", "bigger than {0}"),
    ),
    Predicate(
        "below", "int", "{e} < {0}", lambda x, k: x < k, ("threshold",),
        ("is less than {0}", "is below {0}"), ("less than {0}", "below {0}"),
        ("is lower than {0}", "lower than {0}"),
    ),
    Predicate(
        "multiple", "int", "{e} % {0} == 0", lambda x, k: x % k == 0, ("divisor",),
        ("is divisible by {0}", "is a multiple of {0}"), ("divisible by {0}", "that are multiples of {0}"),
        ("leaves no remainder divided by {0}", "that leave no remainder divided by {0}"),
    ),
)

CHANGES = (
    Change(
        "square", "int", "{e} ** 2", lambda x: x**2, (),
        ("the square of {x}", "{x} squared"),
        ("square {x}",),
        ("the squares of {them}", "the square of each number in {x}", "the square of every number in {x}",
         "{them} squared"),
        ("square {them}", "square each number[ in {x}]", "square every number[ in {x}]"),
        ("the second power of {x}", "the second power of each number in {x}"),
    ),
    Change(
        "times", "int", "{e} * {0}", lambda x, k: x * k, ("small",),
        ("{0} times {x}", "{x} multiplied by {0}"),
        ("multiply {x} by {0}",),
        ("{0} times each number in {x}", "{0} times every number in {x}", "the products of {0} and {them}",
         "{them} multiplied by {0}"),
        ("multiply {them} by {0}", "multiply each number[ in {x}] by {0}", "multiply every number[ in {x}] by {0}"),
        ("{0} lots of {x}", "{0} lots of each number in {x}"),
    ),
    Change(
        "plus", "int", "{e} + {0}", lambda x, k: x + k, ("small",),
        ("{0} more than {x}", "{x} plus {0}"),
        ("add {0} to {x}", "increase {x} by {0}"),
        ("{0} more than each number in {x}", "{0} plus each number in {x}", "the sums of {0} and {them}",
         "{them} increased by {0}"),
        ("add {0} to {them}", "add {0} to each number[ in {x}]", "increase each number[ in {x}] by {0}"),
        ("{0} on top of {x}", "{0} on top of each number in {x}"),
    ),
    Change(
        "minus", "int", "{e} - {0}", lambda x, k: x - k, ("small",),
        ("{0} less than {x}", "{x} minus {0}"),
        ("subtract {0} from {x}", "decrease {x} by {0}"),
        ("{0} less than each number in {x}", "{0} less than every number in {x}", "{them} minus {0}",
         "{them} decreased by {0}"),
        ("subtract {0} from {them}", "subtract {0} from each number[ in {x}]", "decrease each number[ in {x}] by {0}"),
        ("{0} subtracted from {x}", "{0} subtracted from each number in {x}"),
    ),
    Change(
        "absolute", "int", "abs({e})", abs, (),
        ("the absolute value of {x}", "the magnitude of {x}"),
        ("take the absolute value[ of {x}]",),
        ("the absolute values of {them}", "the absolute value of each number in {x}",
         "the absolute value of every number in {x}", "the magnitudes of {them}"),
        ("take the absolute values[ of {them}]", "take the absolute value of each number[ in {x}]",
         "drop the sign of each number[ in {x}]"),
        ("the unsigned value of {x}", "the unsigned values of {them}"),
    ),
    Change(
        "negate", "int", "-{e}", lambda x: -x, (),
        ("the negation of {x}", "{x} negated"),
        ("negate {x}",),
        ("the negations of {them}", "the negation of each number in {x}", "the negation of every number in {x}",
         "{them} negated"),
        ("negate {them}", "negate each number[ in {x}]", "flip the sign of each number[ in {x}]"),
        ("the opposite of {x}", "the opposite of each number in {x}"),
    ),
)

OPERATIONS = (
    Operation(
        "digits", "int", "ints", "[int(c) for c in str(abs({v}))]", lambda n: [int(c) for c in str(abs(n))], (),
        ("the digits of {x}", "the list of digits of {x}", "the decimal digits of {x}", "each digit of {x}"),
        ("list the digits[ of {x}]", "split {x} into digits", "take the digits[ of {x}]"),
        "all digits of {x}",
    ),
    Operation(
        "divisors", "int", "ints", "[d for d in range(1, {v} + 1) if {v} % d == 0]",
        lambda n: [d for d in range(1, n + 1) if n % d == 0], (),
        ("the divisors of {x}", "the list of divisors of {x}", "the positive divisors of {x}",
         "the numbers that divide {x}"),
        ("list the divisors[ of {x}]", "find the divisors[ of {x}]", "take the divisors[ of {x}]"),
        "all divisors of {x}",
    ),
)
