"""What a build and its reader need of memory, for a corpus and for one of ten times its size: it must hardly grow.

    python -m experiments.speed.corpus_memory                100 MB and 1 GB of made-up modules; 20 minutes on two cores
    python -m experiments.speed.corpus_memory --json FILE    rows for `python -m experiments.results measured`

Memory is the sum over all processes (experiments/record/memory.py), so let nothing else run. The corpora are deleted.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from experiments.record.cells import as_text
from experiments.record.child import watch
from experiments.record.measurement import check_writable, facts_here, measured_row, write_rows
from system.errors import UserError
from system.options import parse, run_and_report

MODULE_BYTES = 50_000  # bytes of a module
STAGES = ("building", "reading")
READER = """
import sys
from pathlib import Path
from data.config import DataConfig
from data.example import BadRecords
from data.shards.store import ShardedExamples
from training.config import ObjectivesConfig
from training.mixture import Mixture
from training.stream import Stream

examples = ShardedExamples(Path(sys.argv[1]))
stream = Stream(Mixture(ObjectivesConfig(pairs=0, span=1), examples.tokenizer, 0, examples), DataConfig(), BadRecords())
batches = stream.batches()
for _ in range(int(sys.argv[2])):
    next(batches)
"""


@dataclass(frozen=True)
class Settings:
    """The sizes of the two corpora."""

    small: int = 100_000_000  # bytes
    large: int = 1_000_000_000
    batches: int = 2000  # that are read: several chunks
    json: Path | None = None  # file for the rows


def main(arguments: list[str]) -> int:
    """Make, build and read both corpora, print a table."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.speed.corpus_memory")
    check_writable(settings.json)
    found = {size: measure(size, settings.batches) for size in (settings.small, settings.large)}
    head = ["corpus (MB)", *(f"{step} ({unit})" for step in STAGES for unit in ("MiB", "s")), "building (MB/s)"]
    cells = [
        [f"{measured['bytes'] / 1e6:,.1f}", *(cell for step in STAGES for cell in cells_of(measured[step])),
         f"{measured['bytes'] / 1e6 / measured['building']['seconds']:.2f}"]
        for measured in found.values()
    ]  # fmt: skip
    print(as_text(head, cells), end="")
    words, facts = ["experiments.speed.corpus_memory", *arguments], facts_here()
    rows = []
    for step in STAGES:
        small, large = (found[size][step]["peak_mib"] for size in (settings.small, settings.large))
        sizes = {str(size): measured[step] | {"bytes": measured["bytes"]} for size, measured in found.items()}
        values = {"value": round(large / small, 2), "unit": "times", "sizes": sizes}
        rows.append(measured_row("checks", f"corpus, memory of {step}", words, facts, **values))
        print(f"{step}: {large / small:.2f} times the memory")
    write_rows(settings.json, rows)
    return 0


def cells_of(measured: dict[str, float]) -> list[str]:
    """The cells of memory and time."""
    return [f"{measured['peak_mib']:,.0f}", f"{measured['seconds']:.0f}"]


def measure(size: int, batches: int) -> dict[str, Any]:
    """Peak memory and seconds of each step, of a corpus of about so many bytes. Raises UserError where one fails."""
    with tempfile.TemporaryDirectory() as folder:
        modules, out = Path(folder, "modules"), Path(folder, "corpus")
        write_corpus(modules, size)
        written = sum(path.stat().st_size for path in modules.rglob("*.py"))
        build = [sys.executable, "-m", "data", "build", str(modules), "--out", str(out), "--workers", "2"]
        measured: dict[str, Any] = {"bytes": written}
        for step, command in zip(STAGES, (build, [sys.executable, "-c", READER, str(out), str(batches)]), strict=True):
            watched = watch(command)
            if watched.status:
                raise UserError(f"{step} {size:,} bytes failed, so nothing was measured; the lines above say why")
            measured[step] = {
                "peak_mib": round(watched.peak_mib), "seconds": round(watched.seconds, 1), "measure": watched.measure,
            }  # fmt: skip
    return measured


def write_corpus(folder: Path, size: int) -> None:
    """Modules of described functions, no two of which have much in common."""
    draw = numpy.random.default_rng(0)
    letters = list("abcdefghijklmnoprstuvwy")
    words = numpy.array(["".join(draw.choice(letters, draw.integers(3, 9))) for _ in range(5000)])
    for number in range(max(1, size // MODULE_BYTES)):
        place = folder / f"part{number % 100}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"module{number}.py").write_text(module_of(draw, words, number), encoding="utf-8", newline="\n")


def module_of(draw: numpy.random.Generator, words: numpy.ndarray, number: int) -> str:
    """The text of a module of about MODULE_BYTES bytes."""
    functions = []
    for k in range(MODULE_BYTES // 760):
        drawn = words[draw.integers(0, len(words), 75)]
        body = "\n".join(f"    {a} = {b}({c}, {draw.integers(1000)})" for a, b, c in drawn[:60].reshape(20, 3).tolist())
        functions.append(f'def {drawn[0]}_{number}_{k}({drawn[2]}):\n    """{" ".join(drawn[60:])}."""\n{body}\n')
    return "\n\n".join(functions)


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
