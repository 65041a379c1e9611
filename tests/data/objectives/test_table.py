import inspect

import pytest

from data.objectives.table import OBJECTIVES, objective
from model.config import PRETRAINING_HEADS
from model.heads import ENCODER_HEADS
from training.first_tokenizer import NEEDS

OTHERS = {"all": "others", "neighbours": "others"}  # what a row takes -> the argument that it becomes


@pytest.mark.parametrize("name", sorted(OBJECTIVES.keys() - {"rename"}))  # which changes an example and makes no item
def test_a_row_gives_its_function_what_that_takes(name):
    parameters = inspect.signature(objective(name)).parameters
    given = {"example", "tokenizer", "generator", *(OTHERS.get(taken, taken) for taken in OBJECTIVES[name].takes)}
    asked = {parameter for parameter, of in parameters.items() if of.default is of.empty}
    assert asked <= given <= {*parameters}


def test_every_head_has_a_row_a_switch_and_an_objective_that_teaches_it():
    assert {row.head for row in OBJECTIVES.values() if row.head} == set(PRETRAINING_HEADS)
    assert [f"{kind}_head" for kind in ENCODER_HEADS] == list(PRETRAINING_HEADS)


def test_what_a_row_needs_of_a_tokenizer_can_be_asked_of_one():
    assert {row.needs for row in OBJECTIVES.values() if row.needs} == set(NEEDS)
