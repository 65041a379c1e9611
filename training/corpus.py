"""Steps 1 and 2 of chapter 3.1: the examples of each phase, and those that are held out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from data.config import DataConfig
from data.corpora.held_out import data_hash, older_data_hash, pairs_hash
from data.example import BadRecords, Example
from data.multi_task import with_tasks
from data.oddities import oddities
from data.slots import hide
from data.sources import BENCHMARK_NAMES, open_source
from data.splits import read_splits
from data.tokenizers.tokenizer import Tokenizer
from system.errors import UserError
from training.config import ObjectivesConfig
from training.mixture import Mixture
from training.recipes import TrainingSettings
from training.strategies.config import StrategiesConfig

TRAINING_WORD = re.compile(r"[A-Za-z_]\w+")


@dataclass(frozen=True)
class Corpus:
    """The examples to train on, those held out of them, and facts for the run folder."""

    train: Sequence[Example]
    held_out: Sequence[Example]
    bad: BadRecords
    about: dict[str, Any]
    monolingual: Sequence[Example] = ()  # mined code: for the objective tae, and for the vocabulary
    tests: Mapping[str, Sequence[Example]] = field(default_factory=dict)  # what is scored later, where it is in files
    notes: list[str] = field(default_factory=list)  # what is odd about the data, to be said before the first step
    older_hash: str = ""  # the data_hash that older code gave, of a user's own files

    @property
    def words(self) -> list[str]:
        """The identifiers of the training code, each once, from which made-up names are built; slots are among them."""
        return list(dict.fromkeys(word for example in self.train for word in TRAINING_WORD.findall(example.code)))

    def mixture(
        self, objectives: ObjectivesConfig, tokenizer: Tokenizer, seed: int,
        strategies: StrategiesConfig = StrategiesConfig(),
    ) -> Mixture:
        """The examples to train on under these objectives."""
        words = self.words if objectives.rename else ()
        return Mixture(objectives, tokenizer, seed, self.train, words, self.monolingual, strategies)


def read_corpora(settings: TrainingSettings) -> dict[str, Corpus]:
    """The corpus of each phase that the settings give steps to, in order: pretraining, training."""
    corpora = {}
    needed = settings.pretrains or settings.training.objectives.tae or settings.data.shards
    mined = read_pretraining(settings.data, settings.corpus) if needed else None
    if settings.pretrains:
        corpora["pretraining"] = mined
    corpora["training"] = read_corpus(settings.corpus, settings.data, settings.seed)
    if settings.strategies.tasks.names:
        corpora["training"] = add_tasks(corpora["training"], settings)
    if mined is not None:
        corpora["training"] = replace(corpora["training"], monolingual=mined.train)
    return corpora


def read_corpus(name: str, data: DataConfig, seed: int) -> Corpus:
    """The pairs to fine-tune on. Raises UserError when there are none, or when one that is scored later is broken."""
    splits = read_splits(name, data, seed)
    if not splits.train:
        remarks = "".join(f" ({remark})" for remark in splits.bad.remarks)
        found = ", ".join(splits.tests)
        raise UserError(f"{name}: there is no training split among {found}; add a train file{remarks}")
    about = {
        "corpus": name, "train": len(splits.train), "held_out": len(splits.held_out),
        "data_hash": data_hash(splits.train),
    }
    own_files, older_hash = name == "files", ""
    if own_files:
        about["pairs_hash"], older_hash = pairs_hash(splits.published), older_data_hash(splits.train)
    tests, notes = {}, []
    if name != "generated":  # what is made here cannot be broken
        tests = {split: list(examples) for split, examples in splits.tests.items()}
        notes = oddities(splits, tests, data)
    train, held_out = ([hide(pair, data) for pair in part] for part in (splits.train, splits.held_out))
    return Corpus(train, held_out, splits.bad, about, tests=tests, notes=notes, older_hash=older_hash)


def add_tasks(corpus: Corpus, settings: TrainingSettings) -> Corpus:
    """The corpus with the examples of other tasks beside its own. Raises UserError."""
    tasks = settings.strategies.tasks
    train = with_tasks(
        corpus.train, settings.corpus, tasks.names, tasks.temperature, settings.data, settings.seed,
        corpus.bad,
    )
    counts = dict(zip([settings.corpus, *tasks.names], train.counts, strict=True))
    about = {"tasks": counts, "tasks_hash": data_hash(train)}
    return replace(corpus, train=train, about=corpus.about | about)


def read_pretraining(data: DataConfig, corpus: str) -> Corpus:
    """The examples to pretrain on before `corpus`: a built corpus (data.shards), or functions mined here and now."""
    if data.shards:
        return read_shards(data, corpus)
    if corpus in BENCHMARK_NAMES:
        print(f"warning: nobody has looked whether what is mined now holds dev or test lines of {corpus}; pretrain "
              "with --data.shards mined, where they are left out", file=sys.stderr)  # fmt: skip
    return read_mined(data)


def read_shards(data: DataConfig, corpus: str) -> Corpus:
    """Read a corpus that `python -m data build` has made; its held-out files are held out here too."""
    from data.shards.command import corpus_folder
    from data.shards.store import ShardedExamples

    is_first = os.environ.get("RANK", "0") == "0"  # of several processes one checks all files: the others wait for it
    folder = corpus_folder(data.shards, data.workers, corpus, data.path, reads_through=is_first)
    train, held_out = ShardedExamples(folder), ShardedExamples(folder, held_out=True)
    if data.mined_limit:
        train = train[: data.mined_limit]
    about = {
        "corpus": "shards", "train": len(train), "held_out": len(held_out), "data_hash": held_out.card["hash"],
        "sources": {source["name"]: source["version"] for source in held_out.card["sources"]},
        "benchmarks": held_out.card["benchmarks"],
    }
    return Corpus(train, held_out, BadRecords(), about)


def read_mined(data: DataConfig) -> Corpus:
    """Mined functions with their descriptions, and unlabelled code and text, to pretrain on."""
    source = open_source("mined", data, 0)
    train = [*source.splits()["train"], *source.unlabelled()][: data.mined_limit or None]
    about = {"corpus": "mined", "train": len(train), "held_out": 0, "mined": source.provenance()}
    return Corpus(train, [], source.bad, about)
