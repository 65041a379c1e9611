"""`python -m data describe FOLDER`: a built corpus in figures, in a picture, and as each objective shows it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy
import tyro

from data.code.identifiers import find_identifiers
from data.example import IGNORE, Example, Item, evenly
from data.objectives import example_generator
from data.objectives.matching import Neighbours
from data.objectives.table import OBJECTIVES, objective
from data.shards.command import show_card
from data.shards.picture import picture
from data.shards.store import INDEX, UNIT_KINDS, ShardedExamples
from data.tokenizers.tokenizer import SEGMENT, Tokenizer
from system.atomic_files import write_atomically, write_json
from system.terminal import shown

SAMPLE = 5000  # examples that are decoded for what needs the text
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
WORD = re.compile(r"\w+")
MOST_PIECES = 6  # longer words are counted together
LONGEST_SHOWN = 160  # tokens of an item that is shown


@dataclass(frozen=True)
class Describe:
    """Print and plot what a built corpus holds, with random examples of each pretraining objective."""

    folder: Annotated[str, tyro.conf.Positional]  # of the corpus
    examples: int = 1  # shown of each objective
    seed: int = 0  # of the examples that are shown
    plot: str = ""  # file of the picture; empty: corpus.png in the folder
    json: str = ""  # file that gets the figures


def run_describe(command: Describe) -> None:
    """Print the figures and the examples of a corpus, and save its picture."""
    folder = Path(command.folder).expanduser()
    examples = ShardedExamples(folder)
    figures = corpus_figures(examples)
    print(shown(show_card(examples.card)))
    print("\n" + show_figures(figures))
    items = list(shown_objectives(examples, command.examples, command.seed))
    print(shown("".join(f"\n{lines}\n" for lines in items)), end="")
    place = Path(command.plot) if command.plot else folder / "corpus.png"
    write_atomically(place, picture(examples.card, figures))
    print(f"\npicture: {place}")
    if command.json:
        write_json(Path(command.json), figures | {"card": examples.card, "shown": items})


def corpus_figures(examples: ShardedExamples) -> dict[str, Any]:
    """The lengths of all examples in tokens, and figures about the text from an even sample."""
    index = numpy.concatenate([
        numpy.fromfile(examples.folder / f"{shard['name']}.index", INDEX) for shard in examples.card["shards"]
    ])  # fmt: skip
    described = index["nl"] >= 0
    lengths = {"description": index["nl"][described], "code of it": index["code"][described]}
    kinds = index["kind"][~described]
    for name in UNIT_KINDS[1:]:
        title = f"other {name}" if name == "code" else name
        lengths[title] = index["code"][~described][kinds == UNIT_KINDS.index(name)]
    used = token_counts(examples)
    words, identifiers = Counter(), Counter()
    for example in evenly(examples, SAMPLE):
        count_pieces(example, examples.tokenizer, words, identifiers)
    covered = numpy.cumsum(numpy.sort(used)[::-1]) / max(1, used.sum())  # by the k + 1 most frequent pieces
    return {
        "lengths": {name: quantiles(values) for name, values in lengths.items()},
        "histograms": {name: histogram(values) for name, values in lengths.items()},
        "vocabulary": {
            "pieces": int(len(used)), "never used": int((used == 0).sum()),
            "tokens of the 1,000 most frequent": float(covered[:1000][-1]),
            "covered by the 1, 2, 4, ... most frequent": covered[powers_of_two(len(covered))].tolist(),
        },
        "pieces of words": shares(words), "pieces of identifiers": shares(identifiers),
        "pieces per word": mean(words), "pieces per identifier": mean(identifiers),
        "words in one piece": words[1] / max(1, sum(words.values())),
        "identifiers in one piece": identifiers[1] / max(1, sum(identifiers.values())),
    }  # fmt: skip


def token_counts(examples: ShardedExamples) -> numpy.ndarray:
    """How often each piece of text occurs: (pieces,)."""
    tokenizer = examples.tokenizer
    counts = numpy.zeros(tokenizer.vocab_size, numpy.int64)
    for shard in examples.card["shards"]:
        ids = numpy.memmap(examples.folder / f"{shard['name']}.ids", examples.type, "r")
        counts += numpy.bincount(ids, minlength=tokenizer.vocab_size)
    return counts[tokenizer.first_piece_id :]


def count_pieces(example: Example, tokenizer: Tokenizer, words: Counter[int], identifiers: Counter[int]) -> None:
    """Add the number of pieces of each word and, in Python, of each identifier."""
    names = set()
    if example.language == "python":
        names = {(start, end) for start, end, _ in find_identifiers(example.code)}
    for found in SEGMENT.finditer(example.code):
        if WORD.match(found[0]):
            pieces = len(tokenizer.cache[found[0]])
            words[pieces] += 1
            if found.span() in names:
                identifiers[pieces] += 1


def mean(counts: Counter[int]) -> float:
    """Mean of what was counted."""
    return sum(value * n for value, n in counts.items()) / max(1, sum(counts.values()))


def shares(counts: Counter[int]) -> list[float]:
    """The share of words with 1, 2, ... pieces; the last is of those with MOST_PIECES and more."""
    whole = max(1, sum(counts.values()))
    found = [counts[pieces] / whole for pieces in range(1, MOST_PIECES)]
    return [*found, 1 - sum(found) if counts else 0.0]


def powers_of_two(end: int) -> list[int]:
    """Places of the 1st, 2nd, 4th, ... of so many, and of the last."""
    return [*(2**power - 1 for power in range(end.bit_length()) if 2**power < end), end - 1]


def quantiles(values: numpy.ndarray) -> dict[str, float]:
    """Number, mean and quantiles."""
    if not len(values):
        return {"n": 0}
    found = {f"{share:.0%}": float(numpy.quantile(values, share)) for share in QUANTILES}
    return {"n": len(values), "mean": float(values.mean()), **found}


def histogram(values: numpy.ndarray) -> list[int]:
    """Numbers of examples of 1, 2, 3-4, 5-8, ... tokens."""
    if not len(values):
        return []
    return numpy.bincount(numpy.ceil(numpy.log2(numpy.maximum(values, 1))).astype(int)).tolist()


def show_figures(figures: dict[str, Any]) -> str:
    """The figures as lines for people."""
    heads = ["tokens", "n", "mean", *(f"{share:.0%}" for share in QUANTILES)]
    rows = [[name, *(f"{value:,.0f}" for value in found.values())] for name, found in figures["lengths"].items()]
    widths = [max(len(row[column]) for row in [heads, *rows] if column < len(row)) for column in range(len(heads))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in [heads, *rows]]
    vocabulary = figures["vocabulary"]
    return "\n".join([
        *lines, "",
        f"vocabulary: {vocabulary['pieces']:,} pieces of text, {vocabulary['never used']:,} never used; the 1,000 most "
        f"frequent are {vocabulary['tokens of the 1,000 most frequent']:.0%} of all tokens",
        f"pieces per word {figures['pieces per word']:.2f} ({figures['words in one piece']:.0%} of the words are one), "
        f"per identifier {figures['pieces per identifier']:.2f} ({figures['identifiers in one piece']:.0%} are one)",
    ])  # fmt: skip


def shown_objectives(examples: ShardedExamples, n: int, seed: int) -> Iterator[str]:
    """Random examples under each objective, source and target as text."""
    draw = numpy.random.default_rng(seed)
    sample = [examples[number] for number in draw.permutation(len(examples))[:SAMPLE].tolist()]
    neighbours = Neighbours(sample)
    for number, (name, row) in enumerate(OBJECTIVES.items()):
        n_shown = 0
        turned = sample[number * len(sample) // len(OBJECTIVES) :] + sample  # others for each objective
        for example in turned if name != "rename" else ():  # it changes an example before another objective
            if n_shown == n:
                break
            others = {"all": {"others": sample}, "neighbours": {"others": neighbours.of(example)}}
            given = {key: value for argument in row.takes for key, value in others.get(argument, {}).items()}
            if name == "pairs" and example.nl is None:
                continue
            item = objective(name)(example, examples.tokenizer, example_generator(seed, 0, example.id), **given)
            if item is not None and len(item.source) + len(item.target) <= LONGEST_SHOWN:
                n_shown += 1
                yield f"{name}, {example.id}\n{show_item(item, examples.tokenizer)}"


def show_item(item: Item, tokenizer: Tokenizer) -> str:
    """An item as text, with special ids by their names and labels by their meaning."""
    parts = {"source": readable(item.source, tokenizer)}
    if item.kind == "permutation":
        ranks = [(rank, tokenizer.readable(token)) for rank, token in zip(item.labels, item.target) if rank]
        hidden = [tokenizer.mask_id if rank else token for rank, token in zip(item.labels, item.target)]
        parts |= {"given": readable(hidden, tokenizer), "in order": " ".join(text for _, text in sorted(ranks))}
    elif item.target:
        parts["target"] = readable(item.target, tokenizer)
    elif item.kind == "match":
        parts["label"] = "they belong together" if item.labels[0] else "they do not"
    elif item.kind == "mlm":
        parts["hidden"] = readable([label for label in item.labels if label != IGNORE], tokenizer)
    elif item.kind == "tag":
        names = [token for token, label in zip(item.source, item.labels) if label == 1]
        parts["names"] = readable(names, tokenizer)
    else:
        parts["labels"] = " ".join(str(label) for label in item.labels if label != IGNORE)
    return "\n".join(f"  {name:<10}" + text.replace("\n", "\n" + " " * 12) for name, text in parts.items())


def readable(ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """The text of the ids, with the names of special ones in it."""
    text, run = "", []
    for token in [*ids, None]:
        if token is not None and token >= tokenizer.first_piece_id:
            run.append(token)
            continue
        text += tokenizer.decode(run)
        run = []
        if token is not None:
            text += f" {tokenizer.readable(token)} "
    return text.strip()
