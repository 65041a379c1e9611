"""Settings of data: the corpus, its place, its way to tokens and batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from system.bounds import Count, FromOne, Threads, bounds, check_bounds

FEWEST_OPERATIONS = 10  # of generated tasks


@dataclass(frozen=True)
class DataConfig:
    """Settings of the corpus, the tokenizer and the batches."""

    path: str = ""  # folder or file of the corpus; empty: the user's cache, or made here (generated, mined)
    nl: str = "nl"  # column that holds the description (JSONL, JSON, CSV, TSV)
    code: str = "code"  # column that holds the code
    encoding: str = ""  # encoding of a user's own files, as cp1252; empty: UTF-8, or UTF-16 where a mark says so
    quoting: Literal["auto", "csv", "none"] = "auto"  # whether quotes in CSV and TSV hold cells together
    language: str = ""  # language of the code in a user's own files: python, bash, sql...; empty: guessed from it
    reverse: bool = False  # learn to describe code: code is read, its description is written
    prefix: str = ""  # text in front of every description: the name of the task, for a network that knows several
    slots: bool = False  # strings that stand in quotes in a description are put back instead of being spelled
    name_slots: bool = False  # so are names: words of a description that look like code
    packages: tuple[str, ...] = ()  # installed packages mined beside the standard library
    shards: str = ""  # folder that `python -m data build` has made, to pretrain on, or "mined": made when it is missing
    strict: bool = False  # a bad training record is an error instead of being counted and skipped
    truncate: bool = False  # a training record that is too long is cut instead of skipped
    max_source_length: Annotated[int, bounds(least=2)] = 256  # tokens of a source, end token included
    max_target_length: Annotated[int, bounds(least=2)] = 256  # tokens of a target, end token included
    vocab_size: Annotated[int, bounds(most=10**6, words="at most 1,000,000")] = 4000  # pieces that the tokenizer learns
    add_pieces: bool = False  # characters that a checkpoint's tokenizer (init.from) cannot write become pieces of it
    batch_tokens: Count = 4096  # padded source + target tokens in a batch; 0: count examples instead
    batch_examples: Count = 0  # examples in a batch when batch_tokens is 0
    train_limit: Count = 0  # use only the first so many training examples; 0: all
    mined_limit: Count = 0  # pretrain on only the first so many mined or built examples; 0: all
    held_out: Count = 1000  # training examples held out, grouped by normalised pair, for early stopping and tuning
    generated_train: FromOne = 100_000  # distinct generated training tasks
    generated_operations: int = 0  # the tasks are made of the first so many operations, 10 or more; 0: of all
    generated_without: tuple[str, ...] = ()  # operations that no generated task has
    generated_only: tuple[str, ...] = ()  # operations of which every generated task has one; empty: any
    generated_test: FromOne = 1000  # generated tasks in each test split
    workers: Threads = 0  # processes that parse files; 0: one per core

    def __post_init__(self) -> None:
        check_bounds(self, "data")
        if self.encoding:
            from data.corpora.encodings import check_encoding  # of runs on a user's own files alone

            check_encoding(self.encoding)
        if 0 < self.generated_operations < FEWEST_OPERATIONS or self.generated_operations < 0:
            raise ValueError(
                f"data.generated_operations={self.generated_operations} must be at least {FEWEST_OPERATIONS}, or 0 for "
                "all: fewer make no tasks of six operations"
            )
        if self.name_slots and not self.slots:
            raise ValueError("data.name_slots is nothing by itself; add --data.slots")
        if self.slots and self.reverse:
            raise ValueError("data.slots are found in descriptions that are read; leave them out with data.reverse")
        if not self.batch_tokens and not self.batch_examples:
            raise ValueError("data.batch_tokens and data.batch_examples are both 0; set one of them")
        longest = self.max_source_length + self.max_target_length
        if 0 < self.batch_tokens < longest:
            raise ValueError(
                f"data.batch_tokens={self.batch_tokens} cannot hold one example of max_source_length + "
                f"max_target_length = {longest} tokens; raise it or lower those"
            )
