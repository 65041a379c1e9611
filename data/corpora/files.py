"""The user's own pairs as a corpus: JSONL, JSON, CSV, TSV or parallel text, in one file or in a folder of splits.

`config.path` is one of
- a file of named columns, `pairs.jsonl`: all of it is training; the loop holds a part out, which is what the run is
  scored on when there is no dev or test file;
- parallel text, two files of one name whose endings are the names of the columns: with `--data.nl nl --data.code code`
  that is `pairs.nl` and `pairs.code`, given as `pairs`, `pairs.nl` or `pairs.code`; all of it is training;
- a folder with `train`, `dev` (or `valid`, `validation`) and `test`, each in one of these forms; at least one
  must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from data.config import DataConfig
from data.corpora.language import guessed_language, language_named
from data.corpora.records import FileSource, Record, check_parallel, parallel_lines, parallel_record
from data.corpora.tables import ENDINGS, check_columns, pair_record, rows
from data.example import PLACE
from system.errors import UserError

SPLIT_NAMES = {"train": ("train",), "dev": ("dev", "valid", "validation"), "test": ("test",)}
Part = Callable[[], Iterator[Record]]


def files_source(config: DataConfig) -> FileSource:
    """The corpus at `config.path`. Raises UserError with one line when it is missing, empty or does not fit."""
    if not config.path:
        raise UserError(f"your own pairs need --data.path: a file ({', '.join(ENDINGS)}), parallel text, or a folder")
    config = replace(config, language=language_named(config.language))
    if not config.language:
        config = replace(config, language=language_of(parts_at(config), config))
    return FileSource("files", config.language, parts_at(config), config.strict)


def parts_at(config: DataConfig) -> dict[str, Part]:
    """The splits at `config.path`, a file's or a folder's."""
    path = Path(config.path).expanduser()
    return folder_parts(path, config) if path.is_dir() else {"train": single_part(path, config, "train")}


def language_of(parts: dict[str, Part], config: DataConfig) -> str:
    """The language that the training code, or else the first split's, seems to be in."""
    records = next(iter(parts.values()))()
    return guessed_language((record.example.code for record in records if record.example is not None), config.code)


def folder_parts(folder: Path, config: DataConfig) -> dict[str, Part]:
    """The splits of the corpus in a folder."""
    parts = {}
    for split, names in SPLIT_NAMES.items():
        forms = [form for name in names for form in forms_of(folder / name, config)]
        if len(forms) > 1:
            found = " and ".join(sorted(str(path) for path in forms))
            raise UserError(f"{split} is there more than once: {found}; leave one of them")
        if forms:
            parts[split] = single_part(forms[0], config, split)
    if not parts:
        raise UserError(
            f"{folder} holds no train, dev or test file ({', '.join(ENDINGS)}, or .{config.nl} and .{config.code} "
            "side by side); name them so, or give one file with --data.path"
        )
    return parts


def forms_of(stem: Path, config: DataConfig) -> list[Path]:
    """The files, or the common name of two parallel files, that hold the split `stem`."""
    tables = [table for ending in ENDINGS if (table := with_ending(stem, ending)).is_file()]
    return tables + ([stem] if any(path.is_file() for path in parallel_paths(stem, config)) else [])


def single_part(path: Path, config: DataConfig, split: str) -> Part:
    """The records of one file or of one parallel text, checked as far as can be without reading every record."""
    if path.suffix.lower() in ENDINGS:
        check_columns(path, (config.nl, config.code), "say which to use with --data.nl and --data.code")
        return partial(table_records, path, config, split)
    nl_path, code_path = parallel_paths(parallel_stem(path, config), config)
    if not nl_path.exists() and not code_path.exists():
        fault = "is of no known form" if path.exists() else "does not exist"
        raise UserError(
            f"{path} {fault}; give a file that ends in {', '.join(ENDINGS)}, a folder, or parallel text "
            f"({nl_path.name} and {code_path.name}, endings by --data.nl and --data.code)"
        )
    check_parallel(nl_path, code_path, "parallel text needs both files (their endings are --data.nl and --data.code)")
    return partial(parallel_records, nl_path, code_path, config, split)


def parallel_stem(path: Path, config: DataConfig) -> Path:
    """The common name of two parallel files when one of them, or already that name, is given."""
    return path.with_suffix("") if path.suffix in (f".{config.nl}", f".{config.code}") else path


def parallel_paths(stem: Path, config: DataConfig) -> tuple[Path, Path]:
    """The files of descriptions and of code that share the name `stem`."""
    return with_ending(stem, f".{config.nl}"), with_ending(stem, f".{config.code}")


def with_ending(stem: Path, ending: str) -> Path:
    """The path `stem` with an ending added; a dot inside the name stays."""
    return stem.parent / (stem.name + ending)


def table_records(path: Path, config: DataConfig, split: str) -> Iterator[Record]:
    """The records of a file of named columns.

    Their ids are split and line: the same file under another name is the same data, and draws the same.
    """
    for row in rows(path):
        record = pair_record(row, f"{split}:{row.line}", config.nl, config.code, config.language)
        yield at_place(record, f"{path.name}:{row.line}")


def parallel_records(nl_path: Path, code_path: Path, config: DataConfig, split: str) -> Iterator[Record]:
    """The records of parallel text; their ids are split and line, their place the common file name and the line."""
    for line in parallel_lines(nl_path, code_path):
        record = parallel_record(line, f"{split}:{line.number}", config.language)
        yield at_place(record, f"{nl_path.stem}:{line.number}")


def at_place(record: Record, place: str) -> Record:
    """The record, its example with the place where a person finds it."""
    return record if record.example is None else replace(record, example=replace(record.example, meta={PLACE: place}))
