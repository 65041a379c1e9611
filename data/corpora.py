"""The published corpora, each read from a folder that holds its files under their published names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from data.cache import cache_folder
from data.config import DataConfig
from data.example import DataError
from data.records import FileSource, Record, check_parallel, parallel_lines, parallel_record

Parts = dict[str, Callable[[], Iterator[Record]]]

DJANGO_SPLITS = {"train": (0, 16000), "dev": (16000, 17000), "test": (17000, 18805)}  # by line order, as published


def corpus_source(name: str, config: DataConfig) -> FileSource:
    """The corpus `name` from the folder `config.path`, or from the user's cache when that is empty.

    Raises DataError when the folder or one of its files is missing or empty.
    """
    folder = Path(config.path).expanduser() if config.path else cache_folder(name)
    mend = f"run `python -m data fetch {name}`, or give the folder that holds it with --data.path"
    if not folder.is_dir():
        raise DataError(f"{name}: the folder {folder} does not exist; {mend}")
    parts = CORPORA[name](folder, mend)
    return FileSource(name, LANGUAGES.get(name, "python"), parts, config.strict)


def django(folder: Path, mend: str) -> Parts:
    """English descriptions of Django's source, line by line (Oda et al., ASE 2015).

    The published split is by line order; a file with fewer lines has the splits that its lines reach.
    """
    nl_path, code_path = folder / "all.anno", folder / "all.code"
    n_lines = check_parallel(nl_path, code_path, mend)

    def records(first: int, end: int) -> Iterator[Record]:
        for line in islice(parallel_lines(nl_path, code_path), first, end):
            yield parallel_record(line, f"django:{line.number}", "python")

    return {
        split: partial(records, first, end) for split, (first, end) in DJANGO_SPLITS.items() if first < n_lines
    }


LANGUAGES = {"nl2bash": "bash"}
CORPORA: dict[str, Callable[[Path, str], Parts]] = {"django": django}
