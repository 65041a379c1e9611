"""The tables: enough operations and phrasings, and code that does what the reference semantics say."""

import ast
import builtins
from random import Random

import pytest

from data.tasks.combining import COMBINERS
from data.tasks.grammar import FORMS, OPERATION_NAMES, phrasings
from data.tasks.names import ALLOWED_NAMES, ARGUMENTS, FUNCTION_NAMES, PARAMETERS
from data.tasks.values import CONSTANTS, pick, pool

LOOP_VARIABLES = {"x", "w", "c", "d", "i", "j", "k", "v", "u", "y", "a", "b"}


def test_there_are_at_least_sixty_operations():
    assert len(OPERATION_NAMES) >= 60


def test_every_operation_has_at_least_six_phrasings_beside_the_held_out_one():
    assert {name: len(said) for name, said in phrasings().items() if len(said) < 7} == {}


def test_every_operation_has_a_phrasing_that_training_never_uses():
    held = {f.ops[-1] for f in FORMS if f.held} | {c.name for c in COMBINERS if c.held}
    assert held == set(OPERATION_NAMES)


def test_no_held_out_phrasing_is_also_used_in_training():
    used = {said for form in FORMS for said in (*form.nouns, *form.clauses)}
    assert not used & {form.held for form in FORMS}
    assert all(c.held not in c.nouns for c in COMBINERS)


def test_one_phrasing_never_means_two_programs():
    meaning = {}
    for form in FORMS:
        for said in (*form.nouns, *form.clauses, form.held):
            assert meaning.setdefault((form.takes, said), form.code) == form.code


def test_the_code_of_a_form_tells_it_from_every_other_form_over_the_same_type():
    assert len({(form.takes, form.code) for form in FORMS}) == len(FORMS)


def test_phrasings_name_every_constant_and_the_argument():
    for form in FORMS:
        for said in (*form.nouns, *form.clauses, form.held):
            assert all(f"{{{index}}}" in said for index in range(len(form.kinds))), said
            assert ("{x}" in said) + ("{them}" in said) == 1, said


@pytest.mark.parametrize("takes", sorted(ARGUMENTS))
def test_code_does_what_the_reference_says(takes):
    random = Random(0)
    for form in [f for f in FORMS if f.takes == takes]:
        code = compile(form.code.format(*[f"c[{i}]" for i in range(len(form.kinds))], v="value"), "form", "eval")
        for value in pool(takes)[:40]:
            constants = [pick(random, CONSTANTS[kind]) for kind in form.kinds]
            result = eval(code, {"value": value, "c": constants})
            expected = form.run(value, *constants)
            assert result == expected and type(result) is type(expected), (form.code, value, constants)


@pytest.mark.parametrize("combiner", COMBINERS, ids=lambda c: c.name)
def test_combiners_do_what_the_reference_says(combiner):
    values = pool(combiner.parts)[:12]
    assert all(eval(combiner.code, {"a": a, "b": b}) == combiner.run(a, b) for a in values for b in values)


def test_results_have_the_type_that_the_table_says():
    types = {"int": int, "text": str, "ints": list, "words": list, "dict": dict, "groups": dict, "bool": bool}
    items = {"ints": int, "words": str}
    for form in FORMS:
        constants = [CONSTANTS[kind][-1] for kind in form.kinds]
        for value in pool(form.takes)[:30]:
            result = form.run(value, *constants)
            assert type(result) is types[form.gives], form.code
            assert form.gives not in items or all(type(item) is items[form.gives] for item in result), form.code


def test_inputs_are_left_as_they_were():
    for form in FORMS:
        value = pool(form.takes)[20]
        before = repr(value)
        form.run(value, *[CONSTANTS[kind][0] for kind in form.kinds])
        assert repr(value) == before, form.code


def test_programs_use_only_the_allowed_names():
    for form in FORMS:
        tree = ast.parse(form.code.format(*["''"] * len(form.kinds), v="value"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert names - {"value"} - LOOP_VARIABLES <= ALLOWED_NAMES, form.code
        assert attributes <= ALLOWED_NAMES, form.code


def test_nothing_dangerous_is_allowed():
    forbidden = set("open exec eval getattr setattr compile globals locals vars input format".split())
    assert not forbidden & ALLOWED_NAMES
    assert not any(name.startswith("_") for name in ALLOWED_NAMES)


def test_two_results_are_told_in_the_order_in_which_they_are_computed():
    for said in (said for combiner in COMBINERS for said in (*combiner.nouns, combiner.held)):
        assert said.index("{a}") < said.index("{b}"), said


def test_held_out_phrasings_fit_into_any_other_phrase():
    assert all(form.held.startswith("whether ") or form.held.endswith(("{x}", "{them}")) for form in FORMS)


def test_names_of_arguments_and_functions_never_hide_one_another():
    arguments = [name for names in (*ARGUMENTS.values(), *PARAMETERS.values()) for name in names]
    others = LOOP_VARIABLES | {"result"} | {name for name in ALLOWED_NAMES if hasattr(builtins, name)}
    assert len(arguments) == len(set(arguments))
    assert not set(arguments) & others
    assert not set(FUNCTION_NAMES) & (set(arguments) | others)
