"""The typed grammar: every operation as a form, one step from a type to a type.

A predicate on numbers is not a step, but "keep the even numbers", "is n even" and "are all even" are: the tables' rows
are lifted here to all such forms. A form of two operations counts as two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from data.tasks import on_dictionaries, on_lists, on_numbers, on_text
from data.tasks.combining import COMBINERS
from data.tasks.operations import INPUT_TYPES, ITEMS, Change, Combiner, Operation, Predicate, Quantifier

LIST_OF = {"int": "ints", "text": "words"}
ELEMENT = {"int": "x", "text": "w"}


@dataclass(eq=False, slots=True)
class Form:
    """One step of a program: its type, code, meaning and phrasings."""

    ops: tuple[str, ...]
    takes: str
    gives: str
    code: str
    run: Callable[..., Any]
    kinds: tuple[str, ...]
    nouns: tuple[str, ...]
    clauses: tuple[str, ...]
    held: str  # noun that training never uses
    filters: bool = False
    order: int = 0  # place in FORMS
    lists_numbers: bool = False  # makes a list from a number, as long as the number perhaps


def _plural(such: str) -> str:
    verb, _, rest = such.partition(" ")
    plural = {"is": "are", "has": "have"}.get(verb, verb[:-1])
    return f"{plural} {rest}"


def _expanded(operation: Operation) -> list[Form]:
    """An operation as forms: one, or one per item type when it takes any list."""
    if operation.takes != "list":
        return [_plain(operation, operation.takes, operation.gives, operation.code, operation.run, ())]
    forms = []
    for takes, (item, items, item_type, none) in ITEMS.items():
        gives = {"list": takes, "item": item_type}.get(operation.gives, operation.gives)
        run = operation.run
        if operation.gives == "item":
            default = 0 if item_type == "int" else ""
            run = lambda xs, run=operation.run, default=default: run(xs, default)  # noqa: E731
        words = (("{item}", item), ("{items}", items))
        forms.append(_plain(operation, takes, gives, operation.code.replace("{none}", none), run, words))
    return forms


def _plain(
    operation: Operation, takes: str, gives: str, code: str, run: Callable[..., Any], words: tuple[tuple[str, str], ...]
) -> Form:
    def say(template: str) -> str:
        for slot, word in words:
            template = template.replace(slot, word)
        return template

    return Form(
        (operation.name,), takes, gives, code, run, operation.kinds, tuple(map(say, operation.nouns)),
        tuple(map(say, operation.clauses)), say(operation.held),
    )


def _filter(predicate: Predicate) -> Form:
    takes = LIST_OF[predicate.item]
    _, items, _, _ = ITEMS[takes]
    e, test = ELEMENT[predicate.item], predicate.run
    chosen, others, held = (
        f"{items} {w}" if " " in w else f"{w} {items}" for w in (*predicate.which, predicate.held[1])
    )
    return Form(
        (predicate.name,), takes, takes, f"[{e} for {e} in {{v}} if {predicate.code.replace('{e}', e)}]",
        lambda xs, *constants: [x for x in xs if test(x, *constants)], predicate.kinds,
        (f"the {chosen} in {{x}}", f"all {chosen} in {{x}}", f"the {others} among {{them}}",
         f"the {items} in {{x}} that {_plural(predicate.such[0])}"),
        (f"keep the {chosen}[ of {{x}}]", f"keep only the {chosen}[ in {{x}}]", f"select the {others}[ from {{x}}]"),
        f"the {held} in {{x}}", filters=True,
    )


def _scalar_test(predicate: Predicate) -> Form:
    such, other = predicate.such
    return Form(
        (predicate.name,), predicate.item, "bool", predicate.code.replace("{e}", "{v}"), predicate.run,
        predicate.kinds, (f"whether {{x}} {such}", f"whether {{x}} {other}"),
        (f"check whether {{x}} {such}", f"check whether {{x}} {other}", f"tell whether {{x}} {such}"),
        f"whether {{x}} {predicate.held[0]}",
    )


def _scalar_change(change: Change) -> Form:
    return Form(
        (change.name,), change.item, change.item, change.code.replace("{e}", "{v}"), change.run, change.kinds,
        change.one, change.one_clauses, change.held[0],
    )


def _each_change(change: Change) -> Form:
    takes, run, e = LIST_OF[change.item], change.run, ELEMENT[change.item]
    return Form(
        (change.name,), takes, takes, f"[{change.code.replace('{e}', e)} for {e} in {{v}}]",
        lambda xs, *constants: [run(x, *constants) for x in xs], change.kinds, change.each, change.each_clauses,
        change.held[1],
    )


def _quantified(quantifier: Quantifier, predicate: Predicate) -> Form:
    takes = LIST_OF[predicate.item]
    item, items, _, _ = ITEMS[takes]
    e, test, run, such = ELEMENT[predicate.item], predicate.run, quantifier.run, predicate.such[0]

    def say(template: str) -> str:
        template = template.replace("{items}", items).replace("{item}", item)
        return template.replace("{is}", such).replace("{are}", _plural(such))

    return Form(
        (predicate.name, quantifier.name), takes, "bool",
        quantifier.code.replace("{test}", predicate.code).replace("{e}", e),
        lambda xs, *constants: run([test(x, *constants) for x in xs]), predicate.kinds,
        tuple(map(say, quantifier.nouns)), tuple(map(say, quantifier.clauses)), say(quantifier.held),
    )


def _all_forms() -> list[Form]:
    forms: list[Form] = []
    tables = (on_lists.ANY, on_lists.NUMBERS, on_lists.WORDS, on_text.OPERATIONS, on_numbers.OPERATIONS,
              on_dictionaries.OPERATIONS)
    for operation in (row for table in tables for row in table):
        forms += _expanded(operation)
    for room in (on_numbers, on_text):
        forms += map(_filter, room.PREDICATES)
        forms += map(_each_change, room.CHANGES)
        forms += map(_scalar_test, room.PREDICATES)
        forms += map(_scalar_change, room.CHANGES)
        forms += [_quantified(q, p) for q in on_lists.QUANTIFIERS for p in room.PREDICATES]
    return forms


def _placed(forms: list[Form]) -> tuple[Form, ...]:
    """The forms with their places filled in."""
    for order, form in enumerate(forms):
        form.order = order
        form.lists_numbers = form.takes == "int" and form.gives == "ints"
    return tuple(forms)


FORMS = _placed(_all_forms())
OPERATION_NAMES = tuple(dict.fromkeys([op for form in FORMS for op in form.ops] + [c.name for c in COMBINERS]))


Groups = dict[str, list[list[Form]]]  # a type or an operation -> its forms of one operation, and those of two


@dataclass(frozen=True, eq=False)
class Grammar:
    """All operations, or the first so many of them, and the forms that are made of these alone."""

    operations: tuple[str, ...]
    forms: tuple[Form, ...]
    combiners: tuple[Combiner, ...]
    taking: Groups  # by the type that a form takes
    giving: Groups  # by the type that it gives
    with_operation: Groups


@cache
def grammar(n_operations: int = 0) -> Grammar:
    """The grammar over the first `n_operations` of OPERATION_NAMES; 0: over all."""
    names = OPERATION_NAMES[: n_operations or None]
    forms = tuple(form for form in FORMS if set(form.ops) <= set(names))
    kinds = (*INPUT_TYPES, "bool", "groups")
    return Grammar(
        names, forms, tuple(combiner for combiner in COMBINERS if combiner.name in names),
        {kind: _by_size(form for form in forms if form.takes == kind) for kind in kinds},
        {kind: _by_size(form for form in forms if form.gives == kind) for kind in kinds},
        {name: _by_size(form for form in forms if name in form.ops) for name in names},
    )


def _by_size(forms: Iterable[Form]) -> list[list[Form]]:
    chosen = list(forms)
    return [[form for form in chosen if len(form.ops) == n] for n in (1, 2)]


def may_follow(before: Form, after: Form) -> bool:
    """Whether `after` may come right behind `before`: the types meet, no operation is repeated at once, and filters,
    which commute, stand in the tables' order, so that one meaning has one program."""
    if before.gives != after.takes or set(before.ops) & set(after.ops):
        return False
    return not (before.filters and after.filters and before.order > after.order)


def phrasings() -> dict[str, set[str]]:
    """Operation -> its phrasings, the held-out one among them, as they are said of a list where it has a form for lists
    (for a quantifier with its predicate left open)."""
    said: dict[str, set[str]] = {}
    for form in sorted(FORMS, key=lambda form: form.takes not in ITEMS):
        if len(form.ops) == 1:
            said.setdefault(form.ops[0], {*form.nouns, *form.clauses, form.held})
    for quantifier in on_lists.QUANTIFIERS:
        said[quantifier.name] = {*quantifier.nouns, *quantifier.clauses, quantifier.held}
    for combiner in COMBINERS:
        said[combiner.name] = {*combiner.nouns, combiner.held}
    return said
