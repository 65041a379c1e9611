"""The corpora by name. A corpus's module is imported only when its name is asked for."""

from __future__ import annotations

from data.config import DataConfig
from data.example import Source
from system.errors import UserError

CORPUS_NAMES = ("generated", "mined", "django", "nl2bash", "conala", "hearthstone", "mbpp", "files")
BENCHMARK_NAMES = tuple(  # published, with test lines
    name for name in CORPUS_NAMES if name not in ("generated", "mined", "files")
)


def open_source(name: str, config: DataConfig, seed: int, training_tests: bool = True) -> Source:
    """The corpus `name`, opened and checked; its splits are read when they are asked for.

    Whoever does without the tests of training examples says so: generated tasks then need not be drawn every time.
    Raises UserError with one line for an unknown name and for files that are missing, empty or do not fit together.
    """
    if name not in CORPUS_NAMES:
        raise UserError(f"corpus {name!r} is unknown; choose one of {', '.join(CORPUS_NAMES)}")
    if name == "generated":
        from data.tasks.source import generated_source

        return generated_source(config, seed, training_tests)
    if name == "mined":
        from data.mining.source import mined_source

        return mined_source(config)
    if name == "files":
        from data.corpora.files import files_source

        return files_source(config)
    from data.corpora.published import corpus_source

    return corpus_source(name, config)
