"""A task as English: nested ("the sum of the even numbers in xs") or step by step ("keep the even numbers of xs, ...").

Where words follow the slot of a noun phrase its reading could become ambiguous ("the first 3 of xs in reverse order"),
so: such a phrase takes the bare argument only, or, when it starts with the slot, stands outermost behind a comma.
"""

from __future__ import annotations

import re
from random import Random

from data.generated.composition import PARAMETER, Step, Task
from data.generated.grammar import Form
from data.generated.operations import ITEMS
from data.generated.values import pick

_OPTIONAL = re.compile(r"\[([^]]*)\]")
_PLAIN, _AROUND, _BEHIND = "plain", "around", "behind"


def _place(noun: str) -> str:
    if noun.startswith(("{x}", "{them}")):
        return _BEHIND
    return _PLAIN if noun.endswith(("{x}", "{them}")) or noun.startswith("whether") else _AROUND


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
                forms += [f"the {items} in {name}", f"the {items} of {name}"]
            return template.replace("{them}", pick(self.random, forms))
        kinds = {"ints": "list", "words": "list", "text": "string", "int": "number", "dict": "dictionary"}
        plain = name if self.random.random() < 0.8 else f"the {kinds[kind]} {name}"
        return template.replace("{x}", plain)

    def choose(self, form: Form, nouns: bool, places: tuple[str, ...]) -> str:
        """One template of the form that may stand in one of `places`."""
        held = form.held_nouns if nouns else form.held_clauses
        pool = form.nouns if nouns else form.clauses
        if self.held and self.held in (form.ops[-1:] if form.takes != "bool" else form.ops) and held:
            if not nouns or any(_place(h) in places for h in held):
                self.used_held, pool = True, held
        if nouns:
            pool = [t for t in pool if _place(t) in places]
        return pick(self.random, pool)

    def noun_phrase(self, pipeline: tuple[Step, ...], outermost: bool = True) -> str:
        """A noun phrase for the result of `pipeline`, its last operation named first."""
        phrase = ""
        for index, step in enumerate(pipeline):
            places = (_PLAIN,) if index else (_PLAIN, _AROUND)
            if outermost and index == len(pipeline) - 1:
                places += (_BEHIND,)
            template = self.constants(self.choose(step.form, True, places), step)
            if not index:
                phrase = self.base(template)
                continue
            if _place(template) == _BEHIND:
                phrase += ","
            phrase = template.replace("{x}", phrase).replace("{them}", phrase)
        return phrase

    def clauses(self, pipeline: tuple[Step, ...], told: int) -> list[str]:
        """Orders, one a step; the first `told` steps are put into a noun phrase inside the first order."""
        inner = self.noun_phrase(pipeline[:told], outermost=False) if told else ""
        orders = []
        for index, step in enumerate(pipeline[told:]):
            template = self.constants(self.choose(step.form, False, ()), step)
            if index:
                pronoun = "them" if step.form.takes in ITEMS else "it"
                if self.random.random() < 0.3:
                    pronoun = "the result"
                template = _OPTIONAL.sub("", template).replace("{x}", pronoun).replace("{them}", pronoun)
            else:
                template = _OPTIONAL.sub(r"\1", template)
                template = (template.replace("{x}", inner).replace("{them}", inner) if told else self.base(template))
            orders.append(template)
        return orders


def _sequence(orders: list[str], random: Random) -> str:
    if len(orders) == 1:
        return orders[0]
    link = pick(random, (", then ", " and then ", ", and ", " and ", ", then "))
    return ", ".join(orders[:-1]) + link + orders[-1]


def _condition(wording: Wording, step: Step) -> str:
    nouns = [n for n in step.form.nouns if n.startswith("whether ")]
    held = step.form.held_nouns if wording.held in step.form.ops else ()
    if held:
        nouns, wording.used_held = held, True
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
        f"if {condition}, return {a}, otherwise return {b}",
        f"return {a} if {condition}, otherwise {b}",
        f"if {condition} return {a}, else return {b}",
        f"return {a} if {condition}, else {b}",
        f"when {condition}, return {a}, and otherwise {b}",
        f"return {b} unless {condition}, in which case return {a}",
    ))


_NOUN_FRAMES = (
    "return {np}", "return {np}", "return {np}", "return {np}", "compute {np}", "find {np}", "give back {np}",
    "get {np}", "given {args}, return {np}", "work out {np}",
)
_NAMED_NOUN_FRAMES = (
    "write a function {f} that returns {np}", "write {f}, a function that returns {np}",
    "define {f} to return {np}", "a function {f} that takes {args} and returns {np}",
    "write a function named {f} that computes {np}", "write {f}({sig}) to return {np}",
)
_ORDER_FRAMES = (
    "{orders}", "{orders}", "{orders}", "{orders} and return the result", "given {args}, {orders}",
    "write a function that will {orders}",
)
_NAMED_ORDER_FRAMES = (
    "write a function {f}: {orders}", "write a function {f} that will {orders}", "define {f} to {orders}",
    "in a function {f}, {orders}", "write {f}({sig}): {orders}",
)


def describe(wording: Wording, function: str) -> str:
    """The description; `function` is its name where the description gives one, else empty."""
    task, random = wording.task, wording.random
    two = task.parameter
    args = f"{wording.argument} and {wording.parameter}" if two else wording.argument
    signature = f"{wording.argument}, {wording.parameter}" if two else wording.argument
    nested = random.random() < 0.6
    if task.test:
        frames, key, said = (_NAMED_ORDER_FRAMES if function else ("{orders}", "given {args}, {orders}")), "{orders}", ""
        said = _choice(wording)
    elif task.combiner or nested:
        frames, key = (_NAMED_NOUN_FRAMES if function else _NOUN_FRAMES), "{np}"
        said = _pair(wording) if task.combiner else wording.noun_phrase(task.pipelines[0])
    else:
        steps = task.pipelines[0]
        told = int(random.random() * len(steps)) if random.random() < 0.4 else 0
        frames, key = (_NAMED_ORDER_FRAMES if function else _ORDER_FRAMES), "{orders}"
        said = _sequence(wording.clauses(steps, told), random)
    frame = pick(random, frames)
    return frame.replace("{f}", function).replace("{args}", args).replace("{sig}", signature).replace(key, said)
