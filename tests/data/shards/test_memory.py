"""What a build and its reader need of memory does not grow with the corpus (`make test-slow`; half an hour)."""

import sys
from pathlib import Path

import numpy
import pytest

from experiments.measurement import ROOT
from experiments.memory import watch

SMALL, LARGE = 100_000_000, 1_000_000_000  # bytes of the two corpora
FILE = 50_000  # bytes of a module
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
for _ in range(2000):  # several chunks
    next(batches)
"""


def write_corpus(folder: Path, size: int) -> None:
    """Modules of described functions, no two of which have much in common."""
    draw = numpy.random.default_rng(0)
    letters = list("abcdefghijklmnoprstuvwy")
    words = numpy.array(["".join(draw.choice(letters, draw.integers(3, 9))) for _ in range(5000)])
    for number in range(size // FILE):
        place = folder / f"part{number % 100}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"module{number}.py").write_text(module_of(draw, words, number), encoding="utf-8")


def module_of(draw: numpy.random.Generator, words: numpy.ndarray, number: int) -> str:
    """About FILE bytes."""
    functions = []
    for k in range(FILE // 700):
        drawn = words[draw.integers(0, len(words), 75)]
        body = "\n".join(f"    {a} = {b}({c}, {draw.integers(1000)})" for a, b, c in drawn[:60].reshape(20, 3).tolist())
        functions.append(f'def {drawn[0]}_{number}_{k}({drawn[2]}):\n    """{" ".join(drawn[60:])}."""\n{body}\n')
    return "\n\n".join(functions)


@pytest.mark.slow
def test_ten_times_the_corpus_needs_hardly_more_memory(tmp_path):
    built, read = [], []
    for name, size in (("small", SMALL), ("large", LARGE)):
        write_corpus(tmp_path / name, size)
        out = tmp_path / f"{name}.corpus"
        build = [sys.executable, "-m", "data", "build", str(tmp_path / name), "--out", str(out), "--workers", "2"]
        for found, command in ((built, build), (read, [sys.executable, "-c", READER, str(out)])):
            watched = watch(command, ROOT)
            assert watched.status == 0
            found.append(watched.peak_mib)
            print(f"{name} ({size / 1e6:.0f} MB), {'build' if found is built else 'read'}: {watched.peak_mib:.0f} MiB, "
                  f"{watched.seconds:.0f} s")  # fmt: skip
    assert built[1] <= 1.15 * built[0]
    assert read[1] <= 1.15 * read[0]
