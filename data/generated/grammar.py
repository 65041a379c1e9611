"""The typed grammar: every operation as a form, one step from a type to a type.

A predicate on numbers is not a step, but "keep the even numbers", "is n even", "are all even" and "square the even
ones" are: the tables' rows are lifted here to all such forms. A form of two operations counts as two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from data.generated import on_dictionaries, on_lists, on_numbers, on_text
from data.generated.combining import COMBINERS
from data.generated.operations import ITEMS, Change, Operation, Predicate, Quantifier

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
    held_nouns: tuple[str, ...] = ()
    held_clauses: tuple[str, ...] = ()
    parts: tuple[tuple[Form, int, int], ...] = ()  # simpler forms inside, with the slice of the constants they take
    filters: bool = False
    order: int = 0  # place in FORMS
    lists_numbers: bool = False  # makes a list from a number, as long as the number perhaps


def _plural(such: str) -> str:
    verb, _, rest = such.partition(" ")
    plural = {"is": "are", "has": "have", "does": "do"}.get(verb, verb[:-1])
    return f"{plural} {rest}".replace("are an even number", "are even numbers").replace(
        "are an odd number", "are odd numbers").replace("are a multiple", "are multiples").replace(
        "are a palindrome", "are palindromes").replace("its own", "their own").strip()


def _negated(such: str) -> str:
    verb, _, rest = such.partition(" ")
    if verb in ("does", "lacks", "has") or rest.startswith("not "):
        return ""
    return f"is not {rest}" if verb == "is" else f"does not {verb[:-1]} {rest}"


def _shifted(template: str, by: int) -> str:
    """`template` with its constants numbered from `by`."""
    for index in (1, 0):
        template = template.replace(f"{{{index}}}", f"{{{index + by}}}")
    return template


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

    noun, clause = operation.held
    return Form(
        (operation.name,), takes, gives, code, run, operation.kinds, tuple(map(say, operation.nouns)),
        tuple(map(say, operation.clauses)), (say(noun),), (say(clause),),
    )


def _filter_nouns(items: str, such: Sequence[str], which: Sequence[str]) -> tuple[str, ...]:
    nouns = [f"the {items} in {{x}} that {_plural(s)}" for s in such]
    for w in which:
        if " " in w:
            link = "among" if w.startswith("that ") else "in"
            nouns += [f"the {items} {w} {link} {{x}}", f"all {items} {w} {link} {{x}}", f"those {w} among {{them}}"]
        else:
            nouns += [f"the {w} {items} in {{x}}", f"all {w} {items} in {{x}}", f"the {w} ones among {{them}}"]
    return tuple(nouns)


def _filter_clauses(items: str, item: str, such: Sequence[str], which: Sequence[str]) -> tuple[str, ...]:
    chosen = [f"{items}[ {{of}} {{x}}] {w}" if " " in w else f"{w} {items}[ {{of}} {{x}}]" for w in which]
    clauses = [f"{verb} the {c}".replace("{of}", link) for c in chosen
               for verb, link in (("keep", "of"), ("keep only", "in"), ("pick out", "from"))]
    removed = [_negated(s) for s in such]
    return tuple(clauses + [f"remove every {item} that {r}[ from {{x}}]" for r in removed if r])


def _filter(predicate: Predicate) -> Form:
    takes = LIST_OF[predicate.item]
    item, items, _, _ = ITEMS[takes]
    e = ELEMENT[predicate.item]
    test, such, which = predicate.run, *((held,) for held in predicate.held)
    return Form(
        (predicate.name,), takes, takes, f"[{e} for {e} in {{v}} if {predicate.code.replace('{e}', e)}]",
        lambda xs, *constants: [x for x in xs if test(x, *constants)], predicate.kinds,
        _filter_nouns(items, predicate.such, predicate.which),
        _filter_clauses(items, item, predicate.such, predicate.which),
        _filter_nouns(items, such, which), _filter_clauses(items, item, (), which), filters=True,
    )


def _scalar_test(predicate: Predicate) -> Form:
    def clauses(such: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"{verb} whether {{x}} {s}" for s in such for verb in ("check", "tell", "test"))

    return Form(
        (predicate.name,), predicate.item, "bool", predicate.code.replace("{e}", "{v}"), predicate.run,
        predicate.kinds, tuple(f"whether {{x}} {s}" for s in predicate.such), clauses(predicate.such),
        (f"whether {{x}} {predicate.held[0]}",), clauses(predicate.held[:1]),
    )


def _scalar_change(change: Change) -> Form:
    return Form(
        (change.name,), change.item, change.item, change.code.replace("{e}", "{v}"), change.run, change.kinds,
        change.one, change.one_clauses, change.held_one[:1], change.held_one[1:],
    )


def _each_change(change: Change) -> Form:
    takes, run, e = LIST_OF[change.item], change.run, ELEMENT[change.item]
    return Form(
        (change.name,), takes, takes, f"[{change.code.replace('{e}', e)} for {e} in {{v}}]",
        lambda xs, *constants: [run(x, *constants) for x in xs], change.kinds, change.each, change.each_clauses,
        change.held_each[:1], change.held_each[1:],
    )


def _guarded_change(predicate: Predicate, change: Change, keep: Form, each: Form) -> Form:
    takes, e, n = keep.takes, ELEMENT[change.item], len(predicate.kinds)
    item = ITEMS[takes][0]
    test, run = predicate.run, change.run
    pairs = [(s, _shifted(i, n)) for s in predicate.such for i in change.its]
    code = f"[{_shifted(change.code, n)} if {predicate.code} else {{e}} for {{e}} in {{v}}]".replace("{e}", e)
    return Form(
        (predicate.name, change.name), takes, takes, code,
        lambda xs, *c: [run(x, *c[n:]) if test(x, *c[:n]) else x for x in xs], predicate.kinds + change.kinds,
        tuple(f"{head} that {s} replaced by {i}" if "with" in head else f"{head} that {s} by {i} in {{x}}"
              for s, i in pairs for head in (f"{{them}} with each {item}", f"the result of replacing each {item}")),
        tuple(t for s, i in pairs for t in (f"replace each {item}[ in {{x}}] that {s} by {i}",
                                           f"replace every {item} that {s} by {i}[ in {{x}}]")),
        parts=((keep, 0, n), (each, n, n + len(change.kinds))),
    )


def _quantified(quantifier: Quantifier, predicate: Predicate, keep: Form) -> Form:
    item, items, _, _ = ITEMS[keep.takes]
    e, test, run = ELEMENT[predicate.item], predicate.run, quantifier.run

    def said(templates: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            t.replace("{items}", items).replace("{item}", item).replace("{is}", s).replace("{are}", _plural(s))
            for t in templates for s in predicate.such)

    return Form(
        (predicate.name, quantifier.name), keep.takes, "bool",
        quantifier.code.replace("{test}", predicate.code).replace("{e}", e),
        lambda xs, *constants: run([test(x, *constants) for x in xs]), predicate.kinds,
        said(quantifier.nouns), said(quantifier.clauses), said(quantifier.held[:1]), said(quantifier.held[1:]),
    )


def _all_forms() -> list[Form]:
    forms: list[Form] = []
    tables = (on_lists.ANY, on_lists.NUMBERS, on_lists.WORDS, on_text.OPERATIONS, on_numbers.OPERATIONS,
              on_dictionaries.OPERATIONS)
    for operation in (row for table in tables for row in table):
        forms += _expanded(operation)
    for room in (on_numbers, on_text):
        keeps = {p.name: _filter(p) for p in room.PREDICATES}
        eaches = {c.name: _each_change(c) for c in room.CHANGES}
        forms += [*keeps.values(), *eaches.values()]
        forms += map(_scalar_test, room.PREDICATES)
        forms += map(_scalar_change, room.CHANGES)
        forms += [_guarded_change(p, c, keeps[p.name], eaches[c.name]) for p in room.PREDICATES for c in room.CHANGES]
        forms += [_quantified(q, p, keeps[p.name]) for q in on_lists.QUANTIFIERS for p in room.PREDICATES]
    return forms


def _placed(forms: list[Form]) -> tuple[Form, ...]:
    """The forms with their places filled in; the forms that others refer to as parts come first."""
    for order, form in enumerate(forms):
        form.order = order
        form.lists_numbers = form.takes == "int" and form.gives == "ints"
    return tuple(forms)


FORMS = _placed(_all_forms())
OPERATION_NAMES = tuple(dict.fromkeys([op for form in FORMS for op in form.ops] + [c.name for c in COMBINERS]))


def may_follow(before: Form, after: Form) -> bool:
    """Whether `after` may come right behind `before`: the types meet, no operation is repeated at once, and filters,
    which commute, stand in the tables' order, so that one meaning has one program."""
    if before.gives != after.takes or set(before.ops) & set(after.ops):
        return False
    return not (before.filters and after.filters and before.order > after.order)


def phrasings() -> dict[str, set[str]]:
    """Operation -> its phrasings (of forms of one operation; for a quantifier, with its predicate left open)."""
    said: dict[str, set[str]] = {name: set() for name in OPERATION_NAMES}
    for form in FORMS:
        if len(form.ops) == 1:
            said[form.ops[0]].update((*form.nouns, *form.clauses, *form.held_nouns, *form.held_clauses))
    for quantifier in on_lists.QUANTIFIERS:
        said[quantifier.name].update((*quantifier.nouns, *quantifier.clauses, *quantifier.held))
    for combiner in COMBINERS:
        said[combiner.name].update((*combiner.nouns, combiner.held))
    return said
