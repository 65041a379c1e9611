"""Bounds stand beside the field that they bound: they are checked, and --help prints them."""

import math
from dataclasses import dataclass
from typing import Annotated

import pytest

from system.bounds import BelowOne, Count, FromOne, NotNegative, Positive, Share, bounds, bounds_of, check_bounds


@dataclass(frozen=True)
class Settings:
    count: Count = 0
    several: FromOne = 1
    amount: NotNegative = 0.0
    rate: Positive = 1.0
    share: Share = 1.0
    decay: BelowOne = 0.0
    sharpness: Annotated[float, bounds(above=0, most=1)] = 1.0
    free: float = -5.0
    word: str = "any"

    def __post_init__(self):
        check_bounds(self, "room")


INSIDE = {
    "count": [0, 7], "several": [1, 7], "amount": [0.0, 1e9], "rate": [1e-9, 1e9], "share": [0.0, 1.0],
    "decay": [0.0, 0.999], "sharpness": [1e-9, 1.0], "free": [-math.inf, math.nan],
}  # fmt: skip
OUTSIDE = {
    "count": ([-1], "at least 0"),
    "several": ([0], "at least 1"),
    "amount": ([-1e-9, math.inf, math.nan], "at least 0"),
    "rate": ([0.0, math.inf, math.nan], "above 0"),
    "share": ([-1e-9, 1.001, math.nan], "a share from 0 to 1"),
    "decay": ([-1e-9, 1.0, math.nan], "at least 0 and below 1"),
    "sharpness": ([0.0, 1.001], "above 0 and at most 1"),
}


@pytest.mark.parametrize("name", INSIDE)
def test_the_ends_that_belong_to_it_are_taken(name):
    for value in INSIDE[name]:
        Settings(**{name: value})


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_lies_outside_is_refused_with_name_value_and_bound(name):
    values, words = OUTSIDE[name]
    for value in values:
        with pytest.raises(ValueError) as error:
            Settings(**{name: value})
        assert str(error.value) == f"room.{name}={value} must be {words}"


def test_a_field_without_bounds_has_none():
    assert {*bounds_of(Settings)} == {*OUTSIDE}
