"""What is odd about a corpus though each of its records can be read: said before training, when it can be mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data.code.tokens import has_tokens
from data.config import DataConfig
from data.corpora.held_out import TENTH, normalised_pair
from data.example import Example
from data.slots import hide
from data.splits import Splits
from data.tokenizers.tokenizer import Tokenizer

ODD_TEXTS = {  # texts that are hardly meant -> what is to be said of them
    "hold NULs, as damaged files do and those that are UTF-16 in a part": lambda text: "\0" in text,
    "have nan or \\N for a text, as programs write a missing one; leave them out": lambda text: text in NO_TEXT,
}
NO_TEXT = ("nan", "NaN", "<NA>", "#N/A", "\\N")  # of pandas, spreadsheets, databases


def oddities(splits: Splits, tests: Mapping[str, Sequence[Example]], data: DataConfig) -> list[str]:
    """One line for each odd thing about a corpus; `tests`: what is scored, read."""
    known = {normalised_pair(example) for example in splits.published}
    own_tests = {split: examples for split, examples in tests.items() if splits.tests[split] is not splits.held_out}
    found = [in_training(split, examples, known) for split, examples in own_tests.items()]
    found += [without_tokens(split, examples) for split, examples in {"train": splits.train, **tests}.items()]
    for split, examples in {"train": splits.train, **tests}.items():
        found += odd_texts(split, examples)
    whole = splits.published if own_tests else [*splits.train, *splits.held_out]
    found += [repeated(whole), nothing_held_out(whole, splits.held_out, own_tests, data)]
    return [line for line in found if line]


def in_training(split: str, examples: Sequence[Example], known: set[str]) -> str:
    """How many pairs of a split stand in training too."""
    n = sum(normalised_pair(example) in known for example in examples)
    if not n:
        return ""
    if n == len(examples):
        return (
            f"{split}: all {n:,} pairs stand in training too, and its scores will tell what was learnt by heart; take "
            "them out of one of the two"
        )
    return f"{split}: {n:,} of {len(examples):,} pairs stand in training too; exact match is given without them as well"


def without_tokens(split: str, examples: Sequence[Example]) -> str:
    """How many codes hold nothing that counts in their language, and where the first one stands."""
    found = [example for example in examples if not has_tokens(example.code, example.language)]
    if not found:
        return ""
    first = f"{found[0].language} (first: {found[0].place})"
    what = f"{split}: {len(found):,} of {len(examples):,} codes have no token of {first}"
    if any(example.code.strip() for example in found):
        return f"{what}: comments are none; where they are no comments, say the language with --data.language"
    return f"{what}: they are empty, and no output can be right there"


def odd_texts(split: str, examples: Sequence[Example]) -> list[str]:
    """A line for each kind of odd text: how many pairs have one on either side, and where the first one stands."""
    found = []
    for what, is_odd in ODD_TEXTS.items():
        places = [example.place for example in examples if is_odd((example.nl or "").strip()) or is_odd(example.code)]
        if places:
            found.append(f"{split}: {len(places):,} of {len(examples):,} pairs {what} (first: {places[0]})")
    return found


def repeated(examples: Sequence[Example]) -> str:
    """That most of the training pairs are copies of others."""
    n = len({normalised_pair(example) for example in examples})
    if 2 * n > len(examples):
        return ""
    what = "one pair and its copies" if n == 1 else f"{n:,} different pairs and their copies"
    return f"train: its {len(examples):,} pairs are {what}"


def nothing_held_out(
    examples: Sequence[Example], held_out: Sequence[Example], tests: Mapping[str, Sequence[Example]], data: DataConfig
) -> str:
    """That nothing could be held out, and what is missing then."""
    if held_out or not data.held_out:
        return ""
    why = "of fewer than 10" if len(examples) < TENTH else "as every one has more copies than a tenth"
    missing = "there will be no held-out loss" + ("" if tests else " and no scores; add a dev or test file")
    return f"train: none of its {len(examples):,} pairs is held out, {why}: {missing}"


def too_long(
    tests: Mapping[str, Sequence[Example]], tokenizer: Tokenizer, data: DataConfig, max_new_tokens: int
) -> list[str]:
    """One line for each split of which descriptions will be cut, or references cannot be written to their end."""
    found = []
    for split, examples in tests.items():
        hidden = [hide(example, data) for example in examples]
        sources = [len(tokenizer.frame(tokenizer.encode(example.nl or ""))) for example in hidden]
        targets = [len(tokenizer.encode_target(example.code)) for example in hidden]
        for lengths, longest, what in (
            (sources, data.max_source_length, "descriptions are cut to data.max_source_length={} tokens"),
            (targets, max_new_tokens, "codes are longer than evaluation.max_new_tokens={}, where writing ends"),
        ):
            places = [example.place for example, length in zip(examples, lengths, strict=True) if length > longest]
            if places:
                n = f"{len(places):,} of {len(examples):,}"
                found.append(f"{split}: {n} {what.format(longest)} (first: {places[0]})")
    return found
