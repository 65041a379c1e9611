"""Baselines that a model has to beat, which learn nothing but counts.

The most common code of the training lines, and the code of the nearest training description, as it is or with the
query's words put in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from data.example import Example
from evaluation.aligned import opcodes

_SEARCHED = re.compile(r"\w+|[^\w\s]")  # words and signs
_QUOTED = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\""
_ALIGNED = re.compile(rf"{_QUOTED}|\w+(?:\.\w+)*|[^\w\s]")  # a quoted string and a name with its dots are one word
_MOST_WORK = 50_000_000  # words to put in times letters of the code in which each is looked for
_LONGEST = 10_000  # letters of a description: a quote without its end is looked for again and again
_BLANKED_DOTS = r"\s*\.\s*"  # corpora write dots in code with blanks around them


def baseline_predictions(train: Sequence[Example], queries: Sequence[str]) -> dict[str, list[str]]:
    """The predictions of each baseline for the descriptions `queries`: name of the baseline -> one code per query."""
    neighbours = nearest_code(train, queries)
    alike = nearest_code(train, queries, rare_words_first=False)
    return {
        "most common code": [most_common_code(train)] * len(queries),
        "nearest description": [neighbour.code for neighbour in neighbours],
        "nearest, words substituted": [substitute_aligned_words(query, other) for query, other in zip(queries, alike)],
    }


def most_common_code(train: Sequence[Example]) -> str:
    """The most frequent code of the training examples; among equals the first. Raises ValueError without examples."""
    if not train:
        raise ValueError("there are no training examples to count")
    return Counter(example.code for example in train).most_common(1)[0][0]


def nearest_code(train: Sequence[Example], queries: Sequence[str], rare_words_first: bool = True) -> list[Example]:
    """For each query the training example whose description is nearest; among equals the first.

    Near is the cosine of vectors of words and signs in lower case, each weighing the root of how often it stands there
    times its idf, log(examples / examples that hold it) (Salton and Buckley 1988): so the neighbour speaks of the same
    things. Without `rare_words_first` every idf is 1, and the neighbour says other things in the same way: the better
    one to put the query's words into. Raises ValueError without training examples.
    """
    if not train:
        raise ValueError("there are no training examples to search")
    index = _InvertedIndex([example.nl or "" for example in train], rare_words_first)
    return [train[index.nearest(query)] for query in queries]


def substitute_aligned_words(query: str, neighbour: Example) -> str:
    """The neighbour's code with the words of its description replaced by those of the query.

    The two descriptions are aligned word by word (difflib's matching blocks). Where a stretch of one stands against a
    stretch of the other, its words are paired in order, and each word of the neighbour's that stands in its code is
    replaced there by its partner; the first partner counts. Nothing is replaced where a description is endless.
    """
    if max(len(query), len(neighbour.nl or "")) > _LONGEST:
        return neighbour.code
    theirs, ours = _ALIGNED.findall(neighbour.nl or ""), _ALIGNED.findall(query)
    partners: dict[str, str] = {}
    for kind, start, end, our_start, our_end in opcodes(theirs, ours):
        if kind == "replace":
            for word, partner in zip(theirs[start:end], ours[our_start:our_end]):
                partners.setdefault(word, partner)
    words = sorted((word for word in partners if re.search(r"\w", word)), key=len, reverse=True)
    if not words or len(words) * len(neighbour.code) > _MOST_WORK:
        return neighbour.code
    pattern = "|".join(f"({_in_code(word)})" for word in words)  # one pass: what was put in is not replaced again
    return re.sub(pattern, lambda found: partners[words[found.lastindex - 1]], neighbour.code)


def _in_code(word: str) -> str:
    """A pattern that finds `word` in code, whole, with any blanks around its dots."""
    if not re.match(r"\w", word):  # a quoted string
        return re.escape(word)
    return rf"(?<!\w){_BLANKED_DOTS.join(map(re.escape, word.split('.')))}(?!\w)"


class _InvertedIndex:
    """An index from each word to the descriptions that hold it: a search touches only those with a common word."""

    def __init__(self, descriptions: Sequence[str], rare_words_first: bool) -> None:
        places, counts = _postings(descriptions)
        n = len(descriptions)
        entries: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # word -> descriptions, weights in their vectors
        squares = np.zeros(n)  # squared lengths of the vectors
        self.idf = {word: np.log(n / len(rows)) if rare_words_first else 1.0 for word, rows in places.items()}
        for word, rows in places.items():
            weights = np.sqrt(counts[word]) * self.idf[word]
            squares[rows] += weights**2
            entries[word] = np.array(rows, dtype=np.int32), weights
        norms = np.sqrt(np.maximum(squares, 1e-12))  # a description without words is near to nothing
        self.n = n
        self.entries = {word: (rows, weights / norms[rows]) for word, (rows, weights) in entries.items()}
        for word, (rows, weights) in self.entries.items():
            if len(rows) > n / 4:  # adding a whole column is many times faster than picking most of its rows
                column = np.zeros(n)
                column[rows] = weights
                self.entries[word] = slice(None), column

    def nearest(self, query: str) -> int:
        """Row of the description with the largest cosine; the query's own length is the same for all."""
        scores = np.zeros(self.n)
        for word, count in _word_counts(query).items():
            if word in self.entries:
                rows, weights = self.entries[word]
                scores[rows] += weights * (np.sqrt(count) * self.idf[word])
        return int(np.argmax(scores >= scores.max() - 1e-9))  # equals may differ by the order of their sums


def _word_counts(text: str) -> Counter[str]:
    return Counter(_SEARCHED.findall(text.lower()))


def _postings(descriptions: Sequence[str]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """word -> the descriptions that hold it, in order, and word -> how often each of them does."""
    places: dict[str, list[int]] = {}
    counts: dict[str, list[int]] = {}
    for row, text in enumerate(descriptions):
        for word, count in _word_counts(text).items():
            places.setdefault(word, []).append(row)
            counts.setdefault(word, []).append(count)
    return places, counts
