"""The stages of a build, in order; each leaves files, and a file that is there is not made again.

    1  extract      every unit's examples                       work/00012.examples, .keys, .signatures, .sizes, .json
    2  choose       duplicates, and the largest package's share work/kept, work/chosen.json
    3  tokenizer    learned on an even sample of what is kept   tokenizer.model
    4  encode       every unit's shard                          00012.ids, .index, .names, .json
    5  data card    corpus.json; then work/ is deleted

Files appear whole or not at all, and nothing depends on the order in which workers finish: a build that was killed goes
on, and ends with the same bytes as one that was not.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy
from filelock import FileLock
from tqdm import tqdm

from data.shards.contamination import SHORTEST_LINE, WINDOW_TOKENS, benchmarks_of, languages_of
from data.shards.duplicates import ALIKE, N_BANDS, find_duplicates
from data.shards.sources import LANGUAGE_OF_ENDING, LEAST_LETTERS, LONGEST_LINE, MEAN_LINE, Origin, Unit, units_of
from data.shards.store import CARD, FORMAT, TOKENIZER, check_files, corpus_hash, json_hash, sha256
from data.tokenizers.learned import learned_tokenizer
from data.tokenizers.tokenizer import Tokenizer
from system.atomic_files import read_json, remove, write_atomically, write_json
from system.cache import sources_hash
from system.errors import UserError
from system.job_processes import run_jobs

TOKENIZER_EXAMPLES = 40_000
DATA = Path(__file__).parents[1]
SOURCES = (  # what decides what comes out
    "code/tokens", "mining/packages", "mining/python_functions", "tokenizers/tokenizer",
    *(f"shards/{name}" for name in ("build", "contamination", "duplicates", "encode", "extract", "signatures")),
    "shards/sources", "shards/store",
)  # fmt: skip
LANGUAGES = sorted(set(LANGUAGE_OF_ENDING.values()))  # by number
FILTERS = {  # what the data card says of them; how much each took stands beside it
    "benchmark window": f"{WINDOW_TOKENS} tokens", "benchmark line": f"{SHORTEST_LINE} to {WINDOW_TOKENS - 1} tokens",
    "near duplicate": f"similarity {ALIKE}", "longest line": f"{LONGEST_LINE} characters",
    "mean line": f"{MEAN_LINE} characters", "letters": f"at least {LEAST_LETTERS:.0%}", "largest package": "a third",
}  # fmt: skip


def build(
    origins: Sequence[Origin], out: Path, targets: dict[str, list[str]], vocab_size: int, tokenizer: str, workers: int
) -> dict[str, Any]:
    """Build the corpus in `out`, or finish it, and return its data card.

    tokenizer: a file to use instead of learning one of `vocab_size` pieces. Raises UserError where `out` holds
    something else.
    """
    units = units_of(origins)
    plan = plan_of(origins, units, targets, vocab_size, tokenizer)
    with lock_of(out):  # who waits here finds it done
        return build_here(origins, units, out, plan, targets, vocab_size, tokenizer, workers or os.cpu_count() or 1)


def lock_of(out: Path) -> FileLock:
    """The lock of a folder in which a corpus is built, made if missing beside it; it dies with its owner."""
    out.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(out.with_name(f"{out.name}.lock"))


def build_here(
    origins: Sequence[Origin], units: Sequence[Unit], out: Path, plan: dict[str, Any], targets: dict[str, list[str]],
    vocab_size: int, tokenizer: str, workers: int,
) -> dict[str, Any]:
    """The stages, by the one process that holds the lock."""
    if (card := finished(out, plan)) is not None:
        check_files(out, card)
        tidy(out, card)
        return card
    work, numbers = out / "work", range(len(units))
    start(out, work, plan, targets)
    extract_units(units, work, numbers, workers)
    counts, chosen = choose_examples(units, work, out, vocab_size, tokenizer)
    encode_units(counts, work, out, numbers, workers)
    shards = encoded(units, out, counts)
    card = data_card(read_json(work / "plan.json"), origins, counts, chosen, shards, out)
    write_json(out / CARD, card)
    tidy(out, card)
    return card


def finished(out: Path, plan: dict[str, Any]) -> dict[str, Any] | None:
    """The data card of a corpus that is there already. Raises UserError where it is another one."""
    if not (out / CARD).is_file():
        return None
    card = read_json(out / CARD)
    if card.get("plan") != plan["hash"]:
        raise UserError(f"{out} holds another corpus ({card.get('date')}); give another --out, or delete it")
    return card


def tidy(out: Path, card: dict[str, Any]) -> None:
    """Delete the files that only an unfinished build needs."""
    for shard in card["shards"]:
        remove((out / shard["name"]).with_suffix(".json"))
    for name in ("work", "work.deleted"):  # the second: of a build that was killed here
        remove(out / name)


def plan_of(
    origins: Sequence[Origin], units: Sequence[Unit], targets: dict[str, list[str]], vocab_size: int, tokenizer: str
) -> dict[str, Any]:
    """All that determines the corpus: files with sizes and times, targets, settings, program, Python's version."""
    files = [[unit.origin, inside, *stamp(path)] for unit in units for inside, path in unit.files]
    learned = hashlib.sha256(Path(tokenizer).read_bytes()).hexdigest() if tokenizer else vocab_size
    parts = {
        "files": files, "targets": targets, "tokenizer": learned,
        "python": platform.python_version_tuple()[:2],
        "program": sources_hash(DATA / f"{name}.py" for name in SOURCES),
        "libraries": {name: metadata.version(name) for name in ("datasketch", "numpy", "sentencepiece")},
    }
    return {
        "hash": json_hash(parts), "targets": json_hash(targets), "origins": [origin.name for origin in origins],
        "units": len(units),
    }


def stamp(path: str) -> tuple[int, int]:
    """The size and the time of a file; when neither has changed, the file counts as unchanged."""
    about = os.stat(path)
    return about.st_size, about.st_mtime_ns


def start(out: Path, work: Path, plan: dict[str, Any], targets: dict[str, list[str]]) -> None:
    """Begin a build, or resume one with the same plan. Raises UserError where another build was begun here."""
    begun = work / "plan.json"
    if begun.is_file() and read_json(begun)["hash"] != plan["hash"]:
        raise UserError(f"{out} holds the beginning of another build; delete it, or give another --out")
    if not begun.is_file() and out.exists() and any(out.iterdir()):
        left = [path.name for path in out.iterdir() if path.name != work.name]
        if left:
            raise UserError(f"{out} holds other files ({left[0]}); give an empty or a new folder with --out")
    work.mkdir(parents=True, exist_ok=True)
    write_json(work / "targets.json", {"targets": targets, "languages": languages_of(targets)})
    write_json(begun, plan | {"benchmarks": benchmarks_of(targets)})


def place_of(work: Path, number: int) -> Path:
    """The common start of the names of a unit's files."""
    return work / f"{number:05d}"


def extract_units(units: Sequence[Unit], work: Path, numbers: Sequence[int], workers: int) -> None:
    """Stage 1: extract the examples of these units, and count them."""
    jobs = []
    for number in numbers:
        if not is_read(work, number):
            place = place_of(work, number)
            jobs.append(json.dumps({**asdict(units[number]), "out": str(place), "targets": str(work / "targets.json")}))
    run_program("data.shards.extract", jobs, workers, len(numbers), "reading")


def is_read(work: Path, number: int) -> bool:
    """Whether a unit's examples are extracted: the counts are written last."""
    return place_of(work, number).with_suffix(".json").is_file()


def choose_examples(
    units: Sequence[Unit], work: Path, out: Path, vocab_size: int, tokenizer: str
) -> tuple[list[dict[str, int]], dict[str, int]]:
    """Stages 2 and 3, of all units: each unit's counts, and why examples that were extracted are left out."""
    counts = [read_json(place_of(work, number).with_suffix(".json")) for number in range(len(units))]
    kept, chosen = choose(units, work, [count.get("examples", 0) for count in counts])
    write_tokenizer(units, work, kept, counts, out / TOKENIZER, vocab_size, tokenizer)
    return counts, chosen


def run_program(module: str, jobs: list[str], workers: int, total: int, what: str) -> None:
    """Run the remaining jobs of a stage, with a progress bar over all of it."""
    def failed(job: str) -> str:
        return f"{module} ended in {json.loads(job)['out']}; run the same command again to go on"

    with tqdm(total=total, initial=total - len(jobs), desc=what, unit=" units", disable=None) as bar:
        run_jobs([sys.executable, "-X", "utf8", "-m", module], jobs, workers, failed, bar.update)


def choose(units: Sequence[Unit], work: Path, sizes: list[int]) -> tuple[numpy.ndarray, dict[str, Any]]:
    """Stage 2: choose the examples that stay, (n,) bool, and count why the others go."""
    if (work / "chosen.json").is_file():
        return numpy.fromfile(work / "kept", bool), read_json(work / "chosen.json")
    places = [place_of(work, number) for number in range(len(units))]
    with tqdm(total=1 + N_BANDS, desc="comparing", unit=" keys", disable=None) as bar:
        kept, counts = find_duplicates(places, sizes, bar.update)
    counts["over a third"] = cap_packages(units, places, sizes, kept)
    write_atomically(work / "kept", kept.tobytes())
    write_json(work / "chosen.json", counts)
    return kept, counts


def cap_packages(units: Sequence[Unit], places: list[Path], sizes: list[int], kept: numpy.ndarray) -> int:
    """Leave out evenly drawn examples of packages that give more than a third of all; returns how many.

    Of fewer than three packages one always gives more: they are left as they are, and so are folders.
    """
    ends = numpy.cumsum([0, *sizes])
    lengths = numpy.concatenate([numpy.fromfile(place.with_suffix(".sizes"), "<i4") for place in places])
    rows = {name: rows_of(units, ends, name) for name in sorted({unit.origin for unit in units if unit.is_package})}
    rows = {name: numbers[kept[numbers]] for name, numbers in rows.items()}
    most = largest_allowed([int(lengths[numbers].sum()) for numbers in rows.values()])
    dropped = 0
    for numbers in rows.values():
        order = numbers[numpy.random.default_rng(0).permutation(len(numbers))]
        gone = order[numpy.cumsum(lengths[order], dtype=numpy.int64) > most]
        kept[gone] = False
        dropped += len(gone)
    return dropped


def largest_allowed(sizes: Sequence[int]) -> float:
    """The level c to which sizes must be cut so that none of them is more than a third of their sum.

    With the k largest cut to c and `rest` the sum of the others, c = (k c + rest) / 3.
    """
    ordered = sorted(sizes, reverse=True)
    if len(ordered) < 3 or 3 * ordered[0] <= sum(ordered):
        return math.inf
    for k in (1, 2):
        level = sum(ordered[k:]) / (3 - k)
        if ordered[k] <= level:
            return level
    return ordered[2]  # three that are equal are a third at most


def rows_of(units: Sequence[Unit], ends: numpy.ndarray, origin: str) -> numpy.ndarray:
    """The numbers of all examples of an origin."""
    ranges = [numpy.arange(ends[n], ends[n + 1]) for n, unit in enumerate(units) if unit.origin == origin]
    return numpy.concatenate(ranges)


def write_tokenizer(
    units: Sequence[Unit], work: Path, kept: numpy.ndarray, counts: list[dict[str, int]], place: Path, vocab_size: int,
    given: str,
) -> None:
    """Stage 3: write the tokenizer, learned on a sample or given."""
    if place.is_file():
        return
    if given:
        write_atomically(place, Tokenizer.load(Path(given)).model)
        return
    every = max(1, int(kept.sum()) // TOKENIZER_EXAMPLES)
    tokenizer = learned_tokenizer(sampled_texts(work, kept, counts, every), vocab_size)
    write_atomically(place, tokenizer.model)


def sampled_texts(work: Path, kept: numpy.ndarray, counts: list[dict[str, int]], every: int) -> Iterator[str]:
    """The descriptions and codes of every `every`-th kept example."""
    first = seen = 0
    for number, count in enumerate(counts):
        n = count.get("examples", 0)
        if n:
            content = gzip.decompress(place_of(work, number).with_suffix(".examples").read_bytes()).decode("utf-8")
            for line, keep in zip(content.split("\n"), kept[first : first + n], strict=True):
                seen += bool(keep)
                if keep and seen % every == 0:
                    _, _, nl, code, _ = json.loads(line)
                    yield from (nl, code) if nl else (code,)
        first += n


def encode_units(
    counts: Sequence[dict[str, int]], work: Path, out: Path, numbers: Sequence[int], workers: int
) -> None:
    """Stage 4: encode the kept examples of these units."""
    jobs, first, wanted = [], 0, set(numbers)
    for number, count in enumerate(counts):
        n = count.get("examples", 0)
        if n and number in wanted and not (out / f"{number:05d}.json").is_file():
            jobs.append(json.dumps({
                "unit": str(place_of(work, number)), "kept": str(work / "kept"), "first": first, "examples": n,
                "tokenizer": str(out / TOKENIZER), "out": str(out / f"{number:05d}"), "languages": LANGUAGES,
            }))  # fmt: skip
        first += n
    total = sum(counts[number].get("examples", 0) > 0 for number in numbers)
    run_program("data.shards.encode", jobs, workers, total, "encoding")


def encoded(units: Sequence[Unit], out: Path, counts: Sequence[dict[str, int]]) -> list[dict[str, Any]]:
    """What each shard that has an example holds."""
    numbers = [number for number, count in enumerate(counts) if count.get("examples", 0)]
    shards = [read_json(out / f"{number:05d}.json") | {"origin": units[number].origin} for number in numbers]
    for shard in shards:
        if not shard["examples"]:
            remove(out / f"{shard['name']}.json")
    return [shard for shard in shards if shard["examples"]]


def data_card(
    plan: dict[str, Any], origins: Sequence[Origin], counts: Iterable[dict[str, int]], chosen: dict[str, int],
    shards: list[dict[str, Any]], out: Path,
) -> dict[str, Any]:
    """The data card: sources, licences, date, filters with the number that each removed, sizes, hashes."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    characters: Counter[str] = Counter()
    for shard in shards:
        characters[shard["origin"]] += shard["characters"]

    sources = [
        {
            "name": origin.name, "version": origin.version, "licence": origin.licence, "files": len(origin.files),
            "characters": characters[origin.name],
        }
        for origin in origins
    ]  # fmt: skip

    totals = {name: sum(shard[name] for shard in shards) for name in ("examples", "held_out", "tokens", "characters")}
    fields = ("name", "examples", "held_out", "tokens", "sha256", "origin")
    listed = [{name: shard[name] for name in fields} for shard in shards]

    card = {
        "format": FORMAT, "plan": plan["hash"], "date": datetime.now(UTC).date().isoformat(),
        "sources": sources, **totals, "characters_by_language": under("characters: ", shards),
        # Described functions stand in the corpus with their descriptions and among the code without: once here.
        "code_by_language": under("once: ", shards),
        "examples_by_kind": under("examples: ", shards), "bytes_read": total["bytes"],
        "filters": FILTERS, "left_out": under("left out: ", [total]) | chosen,
        "benchmarks": plan["benchmarks"], "targets": plan["targets"], "languages": LANGUAGES,
        "vocabulary": Tokenizer.load(out / TOKENIZER).vocab_size, "tokenizer": sha256(out / TOKENIZER),
        "shards": listed,
    }
    return card | {"hash": corpus_hash(card)}


def under(prefix: str, counts: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The sums of the counts whose names begin with a prefix, under the names without it."""
    found: Counter[str] = Counter()
    for count in counts:
        found.update({name.removeprefix(prefix): n for name, n in count.items() if name.startswith(prefix)})
    return dict(found)
