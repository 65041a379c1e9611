"""The last program of a build: it encodes the kept examples of a unit as a shard, the held-out ones last.

Reads one job a line (JSON) and answers with what it counted. A file of the corpus is held out by the hash of its name.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy

from data.corpora.held_out import part_of
from data.shards.store import SHARD_FILES, UNIT_KINDS, sha256, write_shard
from data.tokenizers.tokenizer import Tokenizer
from system.atomic_files import write_json
from system.job_processes import answer_jobs, stop_if_alone

HELD_OUT_PERCENT = 1  # of the files


def encode(job: dict[str, Any]) -> dict[str, Any]:
    """Encode one unit."""
    tokenizer, place = tokenizer_in(job["tokenizer"]), Path(job["out"])
    kept = numpy.fromfile(job["kept"], numpy.uint8, job["examples"], offset=job["first"])
    lines = gzip.decompress(Path(job["unit"]).with_suffix(".examples").read_bytes()).decode("utf-8").split("\n")
    chosen = [json.loads(line) for line, keep in zip(lines, kept, strict=True) if keep]
    chosen.sort(key=lambda row: is_held_out(row[1]))  # stable: the order stays otherwise

    rows, ids, counts = [], [], Counter()
    for kind, id, nl, code, language in chosen:
        described = [] if nl is None else tokenizer.encode(nl)
        n_described = -1 if nl is None else len(described)
        rows.append((id, n_described, job["languages"].index(language), UNIT_KINDS.index(kind)))
        ids.append([*described, *tokenizer.encode(code)])
        counts["characters"] += len(code) + len(nl or "")
        counts["tokens"] += len(ids[-1])
        counts["held_out"] += is_held_out(id)
        counts[f"characters: {language}"] += len(code)
        counts[f"once: {language}"] += len(code) if kind == "code" else 0
        counts["characters: text"] += len(nl or "")
        counts[f"examples: {kind}"] += 1

    stop_if_alone()
    if rows:
        write_shard(place, rows, ids, tokenizer.vocab_size)

    answer = {"name": place.name, "examples": len(rows), "held_out": 0, "tokens": 0, "characters": 0, **counts}
    answer["sha256"] = {end: sha256(place.with_suffix(end)) for end in SHARD_FILES} if rows else {}
    write_json(place.with_suffix(".json"), answer)
    return answer


def is_held_out(id: str) -> bool:
    """Whether an example's file (what stands before the colon of its id) is held out: the same on every machine."""
    return part_of(id.partition(":")[0].encode("utf-8"), 100) < HELD_OUT_PERCENT


@cache
def tokenizer_in(path: str) -> Tokenizer:
    """The corpus's tokenizer, read once per process."""
    return Tokenizer.load(Path(path))


if __name__ == "__main__":
    answer_jobs(encode)
