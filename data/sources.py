"""The corpora by name. A corpus's module is imported only when its name is asked for."""

from __future__ import annotations

from data.config import DataConfig
from data.example import DataError, Source

NAMES = ("generated", "mined", "django", "nl2bash", "conala", "hearthstone", "mbpp", "files")
BENCHMARKS = tuple(name for name in NAMES if name not in ("generated", "mined", "files"))  # published, with test lines


def open_source(name: str, config: DataConfig, seed: int, training_tests: bool = True) -> Source:
    """The corpus `name`, opened and checked; its splits are read when they are asked for.

    Whoever does without the tests of training examples says so: generated tasks then need not be drawn every time.
    Raises DataError with one line for an unknown name and for files that are missing, empty or do not fit together.
    """
    if name not in NAMES:
        raise DataError(f"corpus {name!r} is unknown; choose one of {', '.join(NAMES)}")
    if name == "generated":
        from data.generated.source import generated_source

        return generated_source(config, seed, training_tests)
    if name == "mined":
        from data.mined import mined_source

        return mined_source(config)
    if name == "files":
        from data.files import files_source

        return files_source(config)
    from data.corpora import corpus_source

    return corpus_source(name, config)
