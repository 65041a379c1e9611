"""Operations on numbers: predicates, changes, and whole-number steps."""

from __future__ import annotations

from data.generated.operations import Change, Operation, Predicate

PREDICATES = (
    Predicate(
        "even", "int", "{e} % 2 == 0", lambda x: x % 2 == 0, (),
        ("is even", "is an even number", "is not odd"), ("even",),
        ("can be divided by 2", "that 2 divides"),
    ),
    Predicate(
        "odd", "int", "{e} % 2 == 1", lambda x: x % 2 == 1, (),
        ("is odd", "is an odd number", "is not even"), ("odd",),
        ("leaves remainder 1 when halved", "that 2 does not divide"),
    ),
    Predicate(
        "positive", "int", "{e} > 0", lambda x: x > 0, (),
        ("is positive", "is above zero"), ("positive", "above zero"),
        ("is greater than zero", "greater than zero"),
    ),
    Predicate(
        "negative", "int", "{e} < 0", lambda x: x < 0, (),
        ("is negative", "is below zero"), ("negative", "below zero"),
        ("is less than zero", "less than zero"),
    ),
    Predicate(
        "above", "int", "{e} > {0}", lambda x, k: x > k, ("threshold",),
        ("is greater than {0}", "is larger than {0}", "is above {0}"),
        ("greater than {0}", "larger than {0}", "above {0}"),
        ("is bigger than {0}", "bigger than {0}"),
    ),
    Predicate(
        "below", "int", "{e} < {0}", lambda x, k: x < k, ("threshold",),
        ("is less than {0}", "is smaller than {0}", "is below {0}"),
        ("less than {0}", "smaller than {0}", "below {0}"),
        ("is lower than {0}", "lower than {0}"),
    ),
    Predicate(
        "multiple", "int", "{e} % {0} == 0", lambda x, k: x % k == 0, ("divisor",),
        ("is divisible by {0}", "is a multiple of {0}"),
        ("divisible by {0}", "that are multiples of {0}"),
        ("can be divided by {0}", "that {0} divides"),
    ),
    Predicate(
        "between", "int", "{0} <= {e} <= {1}", lambda x, low, high: low <= x <= high, ("low", "high"),
        ("is between {0} and {1} inclusive", "is at least {0} and at most {1}"),
        ("between {0} and {1} inclusive", "from {0} to {1} inclusive"),
        ("is no less than {0} and no more than {1}", "no less than {0} and no more than {1}"),
    ),
)

CHANGES = (
    Change(
        "square", "int", "{e} ** 2", lambda x: x**2, (),
        ("its square", "itself squared"),
        ("the square of {x}", "{x} squared", "the second power of {x}"),
        ("square {x}", "raise {x} to the power of 2"),
        ("the squares of {them}", "the square of each number in {x}", "{them} squared"),
        ("square {them}", "square each number[ in {x}]", "replace each number[ in {x}] by its square"),
        ("the result of squaring {x}", "multiply {x} by itself"),
        ("the results of squaring {them}", "multiply each number[ in {x}] by itself"),
    ),
    Change(
        "times", "int", "{e} * {0}", lambda x, k: x * k, ("small",),
        ("{0} times itself", "its product with {0}"),
        ("{0} times {x}", "{x} multiplied by {0}", "the product of {0} and {x}"),
        ("multiply {x} by {0}", "take {x} {0} times"),
        ("{0} times each number in {x}", "the products of {0} and {them}", "{them} multiplied by {0}"),
        ("multiply {them} by {0}", "multiply each number[ in {x}] by {0}", "scale {them} by {0}"),
        ("the {0}-fold of {x}", "scale {x} by {0}"),
        ("{0} times every one of {them}", "make every number[ in {x}] {0} times as large"),
    ),
    Change(
        "plus", "int", "{e} + {0}", lambda x, k: x + k, ("small",),
        ("itself plus {0}", "the number {0} above it"),
        ("{0} more than {x}", "{x} plus {0}", "{x} increased by {0}"),
        ("add {0} to {x}", "increase {x} by {0}"),
        ("{0} more than each number in {x}", "{them} increased by {0}", "the sums of {0} and each number in {x}"),
        ("add {0} to each number[ in {x}]", "increase {them} by {0}", "add {0} to each of {them}"),
        ("{0} added to {x}", "raise {x} by {0}"),
        ("{0} more than every one of {them}", "raise each number[ in {x}] by {0}"),
    ),
    Change(
        "minus", "int", "{e} - {0}", lambda x, k: x - k, ("small",),
        ("itself minus {0}", "the number {0} below it"),
        ("{0} less than {x}", "{x} minus {0}", "{x} decreased by {0}"),
        ("subtract {0} from {x}", "decrease {x} by {0}"),
        ("{0} less than each number in {x}", "{them} decreased by {0}", "{them} minus {0}"),
        ("subtract {0} from each number[ in {x}]", "decrease {them} by {0}", "subtract {0} from each of {them}"),
        ("{0} taken from {x}", "lower {x} by {0}"),
        ("{0} less than every one of {them}", "lower each number[ in {x}] by {0}"),
    ),
    Change(
        "absolute", "int", "abs({e})", abs, (),
        ("its absolute value", "itself without its sign"),
        ("the absolute value of {x}", "{x} without its sign", "the magnitude of {x}"),
        ("take the absolute value[ of {x}]", "drop the sign[ of {x}]"),
        ("the absolute values of {them}", "the absolute value of each number in {x}", "the magnitudes of {them}"),
        ("take the absolute values[ of {them}]", "drop the signs[ of {them}]", "make each number[ in {x}] absolute"),
        ("the size without sign of {x}", "make {x} absolute"),
        ("the absolute amounts of {them}", "remove the sign of each number[ in {x}]"),
    ),
    Change(
        "negate", "int", "-{e}", lambda x: -x, (),
        ("its negative", "itself with the opposite sign"),
        ("the negative of {x}", "{x} with the opposite sign", "{x} negated"),
        ("negate {x}", "flip the sign[ of {x}]"),
        ("the negatives of {them}", "the negative of each number in {x}", "{them} with opposite signs"),
        ("negate {them}", "flip the sign of each number[ in {x}]", "flip the signs[ of {them}]"),
        ("the opposite of {x}", "change the sign[ of {x}]"),
        ("the opposites of {them}", "change the sign of each number[ in {x}]"),
    ),
    Change(
        "remainder", "int", "{e} % {0}", lambda x, k: x % k, ("divisor",),
        ("its remainder modulo {0}", "itself modulo {0}"),
        ("the remainder modulo {0} of {x}", "{x} modulo {0}", "the remainder of {x} divided by {0}"),
        ("take {x} modulo {0}", "find the remainder modulo {0}[ of {x}]"),
        ("the remainders modulo {0} of {them}", "{them} modulo {0}", "the remainder modulo {0} of each number in {x}"),
        ("take {them} modulo {0}", "reduce {them} modulo {0}", "take each number[ in {x}] modulo {0}"),
        ("the rest modulo {0} of {x}", "reduce {x} modulo {0}"),
        ("the rests modulo {0} of {them}", "replace each number[ in {x}] by its remainder modulo {0}"),
    ),
    Change(
        "quotient", "int", "{e} // {0}", lambda x, k: x // k, ("small",),
        ("itself divided by {0} rounded down", "its quotient by {0} rounded down"),
        ("the rounded down quotient by {0} of {x}", "{x} divided by {0} and rounded down",
         "the floor of {x} divided by {0}"),
        ("divide {x} by {0} and round down", "divide {x} by {0} rounding down"),
        ("the rounded down quotients by {0} of {them}", "{them} divided by {0} and rounded down",
         "the quotient by {0} rounded down of each number in {x}"),
        ("divide {them} by {0} and round down", "divide each number[ in {x}] by {0} rounding down",
         "divide each of {them} by {0} and round down"),
        ("the integer quotient by {0} of {x}", "divide {x} by {0} dropping the remainder"),
        ("the integer quotients by {0} of {them}", "divide {them} by {0} rounding down"),
    ),
    Change(
        "cap", "int", "min({e}, {0})", lambda x, k: min(x, k), ("threshold",),
        ("the smaller of itself and {0}", "itself capped at {0}"),
        ("the smaller of {0} and {x}", "{x} capped at {0}", "{x} but at most {0}"),
        ("cap {x} at {0}", "limit {x} to at most {0}"),
        ("the smaller of {0} and each number in {x}", "{them} capped at {0}", "{them} limited to at most {0}"),
        ("cap {them} at {0}", "limit each number[ in {x}] to at most {0}", "cap each number[ in {x}] at {0}"),
        ("the minimum of {0} and {x}", "lower {x} to {0} if it is larger"),
        ("the minimum of {0} and each number in {x}", "limit {them} to at most {0}"),
    ),
)

OPERATIONS = (
    Operation(
        "digits", "int", "ints", "[int(c) for c in str(abs({v}))]", lambda n: [int(c) for c in str(abs(n))], (),
        ("the digits of {x}", "the list of the digits of {x}", "the decimal digits of {x}"),
        ("list the digits[ of {x}]", "split {x} into its digits", "take the digits[ of {x}]"),
        ("all digits of {x}", "break {x} into digits"),
    ),
    Operation(
        "count_up", "int", "ints", "list(range(1, {v} + 1))", lambda n: list(range(1, n + 1)), (),
        ("the numbers from 1 to {x}", "the whole numbers from 1 up to {x}", "the list of numbers from 1 to {x}"),
        ("list the numbers from 1 to {x}", "count from 1 up to {x}", "take the numbers from 1 to {x}"),
        ("all numbers from 1 up to {x}", "count up from 1 to {x}"),
    ),
    Operation(
        "divisors", "int", "ints", "[d for d in range(1, {v} + 1) if {v} % d == 0]",
        lambda n: [d for d in range(1, n + 1) if n % d == 0], (),
        ("the divisors of {x}", "the positive divisors of {x}", "the list of the divisors of {x}"),
        ("list the divisors[ of {x}]", "find the divisors[ of {x}]", "take the divisors[ of {x}]"),
        ("all divisors of {x}", "collect the divisors[ of {x}]"),
    ),
    Operation(
        "multiples_of", "int", "ints", "[{v} * (i + 1) for i in range({0})]",
        lambda n, k: [n * i for i in range(1, k + 1)], ("take",),
        ("the first {0} multiples of {x}", "the list of the first {0} multiples of {x}", "{0} multiples of {x}"),
        ("list the first {0} multiples[ of {x}]", "find the first {0} multiples[ of {x}]",
         "take the first {0} multiples[ of {x}]"),
        ("the {0} first multiples of {x}", "write down the first {0} multiples[ of {x}]"),
    ),
    Operation(
        "number_text", "int", "text", "str({v})", str, (),
        ("the text of {x}", "{x} as a string", "the string of {x}"),
        ("turn {x} into a string", "convert {x} to a string", "write {x} as a string"),
        ("the string form of {x}", "make a string of {x}"),
    ),
)
