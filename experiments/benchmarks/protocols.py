"""When a line of Django, or a card of Hearthstone, counts as right in the papers that are compared with.

    strict   token by token as in this project (evaluation/exact_match.py)
    TranX    code goes through Python's parser, so quotes, blanks and needless parentheses do not count, and a string
             that stands in quotes in the description is a slot on both sides (Yin and Neubig 2018, 4.1); a part of
             a statement is completed before, so that `try :` and `except :` are alike, as in their code
    TAE      the same, and everything in lower case (Norouzi, Tang and Cao 2021, 3.1)
    cards    mean over the cards of a smoothed sentence BLEU over words, parts of names and signs (Ling et al. 2016;
             Yin and Neubig 2017, 5.1)
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

from sacrebleu.metrics import BLEU

from data.slots import QUOTED
from evaluation.exact_match import completed


def tranx_form(code: str, description: str) -> str:
    """Code as TranX compares it; what does not parse, even completed to a statement, is compared by its words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in (code.strip(), completed(code.strip())):
            try:
                return ast.unparse(with_slots(ast.parse(text), quoted_values(description)))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return " ".join(code.split())


def tae_form(code: str, description: str) -> str:
    """Code as TAE compares it."""
    return tranx_form(code, description).lower()


def quoted_values(description: str) -> dict[str, str]:
    """Value of each quoted string of a description -> its slot, in the order of their first occurrence."""
    values = dict.fromkeys(found[0][1:-1] for found in QUOTED.finditer(description))
    return {value: f"_STR:{number}_" for number, value in enumerate(values)}


def with_slots(tree: ast.AST, slots: dict[str, str]) -> ast.AST:
    """The tree with slots for the strings that have one; prefixes such as u are gone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value, node.kind = slots.get(node.value, node.value), None
    return tree


def card_bleu(references: Sequence[str], predictions: Sequence[str]) -> list[float]:
    """Smoothed sentence BLEU of each card, 0 to 100. Smoothing is NIST's, the third of Chen and Cherry 2014."""
    bleu = BLEU(tokenize="none", smooth_method="exp", force=True)
    return [
        bleu.corpus_score([" ".join(card_tokens(prediction))], [[" ".join(card_tokens(reference))]]).score
        for reference, prediction in zip(references, predictions, strict=True)
    ]


def card_tokens(code: str) -> list[str]:
    """Words, parts of names in camel case, and single signs; all quotation marks are alike."""
    code = re.sub(r"([^A-Za-z0-9_])", r" \1 ", code)
    code = re.sub(r"([a-z])([A-Z])", r"\1 \2", code)
    return re.sub("[\"']", "`", code).split()
