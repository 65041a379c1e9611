"""A task as English: nested ("the sum of the even numbers in xs") or step by step ("keep the even numbers of xs, ...").

Where words follow the slot of a noun phrase its reading could become ambiguous ("the first 3 of xs in reverse order"),
so: such a phrase takes the bare argument only, or, when it starts with the slot, stands outermost behind a comma.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random

from data.tasks.composition import PARAMETER, Step, Task
from data.tasks.grammar import Form
from data.tasks.operations import ITEMS
from data.tasks.values import pick

_OPTIONAL = re.compile(r"\[([^]]*)\]")
_PLAIN, _AROUND, _BEHIND, _ASKED = "plain", "around", "behind", "asked"  # _ASKED: "how many ..."


UNDERSTOOD = 0.75  # share of the later orders that leave out what they are about where they can
RESULT = 0.3  # share of the others that say "the result" instead of "them" or "it"


def _place(noun: str) -> str:
    if noun.startswith(("{x}", "{them}")):
        return _BEHIND
    if noun.startswith("how "):
        return _ASKED
    return _PLAIN if noun.endswith(("{x}", "{them}")) or noun.startswith("whether") else _AROUND


@cache
def _standing(nouns: tuple[str, ...], places: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(noun for noun in nouns if _place(noun) in places)


@cache
def _ending_with_slot(clauses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(clause for clause in clauses if clause.endswith(("{x}]", "{them}]", "{x}", "{them}")))


class Wording:
    """The names of one description and its random choices."""

    def __init__(self, task: Task, argument: str, parameter: str, random: Random, held: str = "") -> None:
        self.task, self.argument, self.parameter, self.random = task, argument, parameter, random
        self.held = held  # operation to be told by a held-out phrasing
        self.used_held = False

    def constants(self, template: str, step: Step) -> str:
        """`template` with the step's constants filled in."""
        for index, constant in enumerate(step.constants):
            text = self.parameter if constant is PARAMETER else repr(constant)
            template = template.replace(f"{{{index}}}", text)
        return template

    def base(self, template: str) -> str:
        """`template` with the argument in its slot."""
        kind, name = self.task.argument, self.argument
        if "{them}" in template:
            forms = [name, name]
            if kind in ITEMS:
                items = ITEMS[kind][1]
                forms.append(f"the {items} in {name}")
            return template.replace("{them}", pick(self.random, forms))
        kinds = {"ints": "list", "words": "list", "text": "string", "int": "number", "dict": "dictionary"}
        plain = name if self.random.random() < 0.8 else f"the {kinds[kind]} {name}"
        return template.replace("{x}", plain)

    def noun(self, form: Form, places: tuple[str, ...]) -> str:
        """One noun phrase of the form that may stand in one of `places`; the held-out one where it is asked for."""
        if self.held == form.ops[-1]:
            self.used_held = True
            return form.held
        return pick(self.random, _standing(form.nouns, places))

    def clause(self, form: Form, around_phrase: bool) -> str:
        """One order of the form; around a noun phrase one that ends with its slot, where there is any."""
        ending = _ending_with_slot(form.clauses) if around_phrase else ()
        return pick(self.random, ending or form.clauses)

    def noun_phrase(self, pipeline: tuple[Step, ...], outermost: bool = True) -> str:
        """A noun phrase for the result of `pipeline`, its last operation named first."""
        phrase = ""
        for index, step in enumerate(pipeline):
            places = (_PLAIN,) if index else (_PLAIN, _AROUND)
            if outermost and index == len(pipeline) - 1:
                places += (_BEHIND, _ASKED)
            template = self.constants(self.noun(step.form, places), step)
            if not index:
                phrase = self.base(template)
                continue
            if _place(template) == _BEHIND:
                phrase += ","
            phrase = template.replace("{x}", phrase).replace("{them}", phrase)
        return phrase

    def clauses(self, pipeline: tuple[Step, ...], n_nested: int) -> list[str]:
        """The orders, one per step; the first `n_nested` steps are put into a noun phrase inside the first order."""
        inner = self.noun_phrase(pipeline[:n_nested], outermost=False) if n_nested else ""
        orders = []
        for index, step in enumerate(pipeline[n_nested:]):
            template = self.constants(self.clause(step.form, bool(n_nested) and not index), step)
            if index:
                pronoun = "them" if step.form.takes in ITEMS else "it"
                if self.random.random() < RESULT:
                    pronoun = "the result"
                understood = "" if self.random.random() < UNDERSTOOD else r"\1"
                template = _OPTIONAL.sub(understood, template).replace("{x}", pronoun).replace("{them}", pronoun)
            else:
                template = _OPTIONAL.sub(r"\1", template)
                nested = template.replace("{x}", inner).replace("{them}", inner)
                template = nested if n_nested else self.base(template)
            orders.append(template)
        return orders


def _sequence(orders: list[str], random: Random) -> str:
    if len(orders) == 1:
        return orders[0]
    return ", ".join(orders[:-1]) + pick(random, (", then ", " and then ", " and ")) + orders[-1]


def _condition(wording: Wording, step: Step) -> str:
    nouns = [n for n in step.form.nouns if n.startswith("whether ")]
    if wording.held == step.form.ops[-1]:
        nouns, wording.used_held = [step.form.held], True
    return wording.base(wording.constants(pick(wording.random, nouns), step)).removeprefix("whether ")


def _pair(wording: Wording) -> str:
    """The noun phrase of two combined results."""
    a, b = (wording.noun_phrase(p, outermost=False) for p in wording.task.pipelines)
    combiner = wording.task.combiner
    nouns = combiner.nouns
    if wording.held == combiner.name:
        nouns, wording.used_held = (combiner.held,), True
    return pick(wording.random, nouns).replace("{a}", a).replace("{b}", b)


def _choice(wording: Wording) -> str:
    """The order to choose between two results."""
    a, b = (wording.noun_phrase(p, outermost=False) for p in wording.task.pipelines)
    condition = _condition(wording, wording.task.test)
    return pick(wording.random, (
        f"if {condition}, return {a}, otherwise {b}",
        f"if {condition}, return {a}, otherwise return {b}",
        f"if {condition}, return {a}, else return {b}",
    ))


FRAMES = {  # what is said -> frames without and with the function's name
    "phrase": (
        ("return {said}", "return {said}", "return {said}", "get {said}"),
        ("write a function {f} that returns {said}", "define {f} to return {said}"),
    ),
    "question": (("return {said}",), ("write a function {f} that returns {said}", "define {f} to return {said}")),
    "orders": (("{said}",), ("write a function {f}: {said}",)),
}
NESTED = 0.5  # share of the pipelines told as one noun phrase
PARTLY_NESTED = 0.3  # share of the others whose first steps are


def _say(wording: Wording) -> tuple[str, str]:
    """What the task asks for, and the kind of frame that it needs."""
    task, random = wording.task, wording.random
    if task.test:
        return _choice(wording), "orders"
    if task.combiner or random.random() < NESTED:
        said = _pair(wording) if task.combiner else wording.noun_phrase(task.pipelines[0])
        return said, "question" if said.startswith("whether") else "phrase"
    steps = task.pipelines[0]
    n_nested = int(random.random() * len(steps)) if random.random() < PARTLY_NESTED else 0
    return _sequence(wording.clauses(steps, n_nested), random), "orders"


def describe(wording: Wording, function: str) -> str:
    """The description; `function` is its name where the description gives one, else empty."""
    said, kind = _say(wording)
    frame = pick(wording.random, FRAMES[kind][1 if function else 0])
    return frame.replace("{f}", function).replace("{said}", said)
