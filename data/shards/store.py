"""Shards of token ids: their files, and how they are read as examples.

    corpus.json      the data card: what the corpus is made of, its shards with their SHA-256
    tokenizer.model  of the ids
    00012.ids        uint16, or uint32 where the vocabulary is larger: descriptions and codes, one after the other
    00012.index      a row an example: where its ids begin, how many are description and code, language, kind, id
    00012.names      the examples' ids, UTF-8

The rows that are held out come last in each shard. Files are memory-mapped, a few shards at a time, so that a pass over
a large corpus takes no more memory and no more open files than one over a small one. Whoever reads many examples asks
for them in the order of their numbers.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

from data.example import Example
from data.tokenizers.tokenizer import Tokenizer
from system.atomic_files import write_atomically
from system.errors import UserError
from system.from_disk import Table, checked, read_typed

SHARD_FILES = (".ids", ".index", ".names")  # of a shard
CARD, TOKENIZER = "corpus.json", "tokenizer.model"
INDEX = numpy.dtype([
    ("start", "<u8"), ("nl", "<i4"), ("code", "<i4"), ("language", "u1"), ("kind", "u1"), ("name", "<u4"),
    ("name_length", "<u2"),
])  # fmt: skip
UNIT_KINDS = ("function", "code", "text")  # described functions; code without a description; prose
OPEN = 16  # shards that are mapped at a time
FORMAT = 2


@dataclass
class ShardCard:
    """The types of what is used of one shard's entry in the data card."""

    name: str
    examples: int
    held_out: int
    sha256: dict[str, str] = field(default_factory=dict)


@dataclass
class SourceCard:
    """The same of a source's entry."""

    name: str
    version: str | None = None


@dataclass
class Card:
    """The types of what is used of a data card."""

    hash: str
    languages: list[str]
    tokenizer: str
    shards: list[ShardCard]
    sources: list[SourceCard] = field(default_factory=list)
    benchmarks: dict[str, Any] = field(default_factory=dict)


def ids_type(vocab_size: int) -> str:
    """The type of ids on disk: two bytes where they are enough."""
    return "<u2" if vocab_size <= 1 << 16 else "<u4"


def write_shard(place: Path, rows: Sequence[tuple], ids: Sequence[Sequence[int]], vocab_size: int) -> None:
    """Write one shard; rows: (id, number of the description's ids or -1, language number, kind number)."""
    index = numpy.zeros(len(rows), INDEX)
    lengths = numpy.array([len(part) for part in ids], numpy.int64)
    names = [row[0].encode("utf-8") for row in rows]
    name_lengths = numpy.array([len(name) for name in names], numpy.int64)
    index["start"] = numpy.cumsum(lengths) - lengths
    index["nl"] = [row[1] for row in rows]
    index["code"] = lengths - numpy.maximum(index["nl"], 0)
    index["language"], index["kind"] = [row[2] for row in rows], [row[3] for row in rows]
    index["name"], index["name_length"] = numpy.cumsum(name_lengths) - name_lengths, name_lengths
    flat = numpy.fromiter((token for part in ids for token in part), ids_type(vocab_size), int(lengths.sum()))
    write_atomically(place.with_suffix(".ids"), flat.tobytes())
    write_atomically(place.with_suffix(".names"), b"".join(names))
    write_atomically(place.with_suffix(".index"), index.tobytes())


@dataclass(frozen=True)
class Shard:
    """One shard's files, mapped; they are closed when nothing refers to them any more."""

    ids: numpy.ndarray
    index: numpy.ndarray
    names: mmap.mmap


class ShardedExamples(Sequence[Example]):
    """The examples of a built corpus by number, decoded when asked for; `held_out`: those of held-out files."""

    def __init__(self, folder: Path, held_out: bool = False) -> None:
        """Raises UserError where the folder holds no whole corpus."""
        self.folder, self.card = folder, read_card(folder)
        self.tokenizer = Tokenizer.load(folder / TOKENIZER)
        self.type = ids_type(self.tokenizer.vocab_size)
        trained = [shard["examples"] - shard["held_out"] for shard in self.card["shards"]]
        sizes = [shard["held_out"] for shard in self.card["shards"]] if held_out else trained
        self.skipped = trained if held_out else [0] * len(sizes)  # rows of a shard before its first one here
        self.ends = numpy.cumsum([0, *sizes])
        self.open: dict[int, Shard] = {}
        for shard in self.card["shards"]:  # before an order of as many examples is drawn as the card says
            index = (folder / shard["name"]).with_suffix(".index")
            if not index.is_file() or index.stat().st_size != shard["examples"] * INDEX.itemsize:
                raise UserError(f"{index} has not the {shard['examples']:,} examples of {CARD}; build it again")

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, number: Any) -> Any:
        """One example, or a list of those of a slice."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        number %= len(self)
        place = int(numpy.searchsorted(self.ends, number, side="right")) - 1
        shard = self.shard(place)
        row = number - int(self.ends[place]) + self.skipped[place]
        start, nl, code, language, _, name, length = shard.index[row].item()  # Python's own numbers
        described = max(nl, 0)
        inside = code >= 0 and start + described + code <= len(shard.ids) and name + length <= len(shard.names)
        if not inside or language >= len(self.card["languages"]):
            place = self.folder / self.card["shards"][place]["name"]
            raise UserError(f"{place}.index: row {row} points outside of its files; build the corpus again")
        ids = shard.ids[start : start + described + code].tolist()
        return Example(
            shard.names[name : name + length].decode("utf-8"),
            None if nl < 0 else self.tokenizer.decode(ids[:described]),
            self.tokenizer.decode(ids[described:]),
            self.card["languages"][language],
        )

    def shard(self, number: int) -> Shard:
        """The maps of a shard; when OPEN shards are mapped, the one that was opened first is closed."""
        if number not in self.open:
            if len(self.open) >= OPEN:
                self.open.pop(next(iter(self.open)))
            place = self.folder / self.card["shards"][number]["name"]
            ids, index, names = (map_file(place.with_suffix(end)) for end in SHARD_FILES)
            self.open[number] = Shard(numpy.frombuffer(ids, self.type), numpy.frombuffer(index, INDEX), names)
        return self.open[number]


def map_file(path: Path) -> mmap.mmap:
    """Map a whole file, read only. Raises UserError where it is missing or empty."""
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); delete {path.parent} and build it again") from error


def read_card(folder: Path) -> dict[str, Any]:
    """The data card of a built corpus. Raises UserError where there is none, or one of another version."""
    if not (folder / CARD).is_file():
        raise UserError(f"{folder} holds no built corpus; make one with `python -m data build --out {folder}`")
    card = read_typed(folder / CARD, Table, "build it again")
    if card.get("format") != FORMAT:
        raise UserError(f"{folder} was built by another version of this project; build it again")
    checked(card, Card, folder / CARD, "build it again")
    return card


def corpus_hash(card: dict[str, Any]) -> str:
    """A hash, 16 hexadecimal digits, of everything in the corpus's files."""
    digests = [card["tokenizer"], *([shard["name"], shard["sha256"]] for shard in card["shards"])]
    return json_hash(digests)


def json_hash(content: Any) -> str:
    """A hash of a JSON value, 16 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


def check_files(folder: Path, card: dict[str, Any]) -> None:
    """Raise UserError where a file of the corpus is not as it was built."""
    expected = {TOKENIZER: card["tokenizer"]}
    expected |= {f"{shard['name']}{end}": digest for shard in card["shards"] for end, digest in shard["sha256"].items()}
    for name, digest in expected.items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            raise UserError(f"{folder / name} is gone or damaged; delete {folder} and build again")


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
