"""The user's own pairs as a corpus: JSONL, JSON, CSV, TSV or parallel text, in one file or in a folder of splits.

`config.path` is one of
- a file of named columns, `pairs.jsonl`: all of it is training; the loop holds a part out, which is what the run is
  scored on when there is no dev or test file;
- parallel text, two files of one name whose endings are the names of the columns: with `--data.nl nl --data.code code`
  that is `pairs.nl` and `pairs.code`, given as `pairs`, `pairs.nl` or `pairs.code`; all of it is training;
- a folder with `train`, `dev` and `test` (or another name of SPLIT_NAMES, in any case), each in one of these forms; at
  least one must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from data.config import DataConfig
from data.corpora.foreign import mend_of
from data.corpora.language import guessed_language, language_named
from data.corpora.records import (
    FileSource,
    Record,
    check_parallel,
    has_last_line_end,
    parallel_lines,
    parallel_record,
)  # fmt: skip
from data.corpora.separated import NO_END, Dialect
from data.corpora.tables import ENDINGS, check_columns, pair_record, rows
from data.example import PLACE, BadRecords
from system.errors import UserError

SPLIT_NAMES = {
    "train": ("train", "training"),
    "dev": ("dev", "valid", "validation", "val", "eval", "development"),
    "test": ("test", "testing"),
}
NO_DATA = ("readme", "license", "licence", "citation")  # files that stand beside data
NAMED = 5  # files of a folder that are named when they are left out
Part = Callable[[], Iterator[Record]]


def files_source(config: DataConfig) -> FileSource:
    """The corpus at `config.path`. Raises UserError with one line when it is missing, empty or does not fit."""
    if not config.path:
        raise UserError(f"your own pairs need --data.path: a file ({', '.join(ENDINGS)}), parallel text, or a folder")
    if config.nl == config.code:
        raise UserError(f"--data.nl and --data.code are both {config.nl!r}; a pair is made of two columns")
    config, bad = replace(config, language=language_named(config.language)), BadRecords()
    if not config.language:
        config = replace(config, language=language_of(parts_at(config, BadRecords()), config))
    return FileSource("files", config.language, parts_at(config, bad), config.strict, bad)


def parts_at(config: DataConfig, bad: BadRecords) -> dict[str, Part]:
    """The splits at `config.path`, a file's or a folder's."""
    path = Path(config.path).expanduser()
    return folder_parts(path, config, bad) if path.is_dir() else {"train": single_part(path, config, "train", bad)}


def language_of(parts: dict[str, Part], config: DataConfig) -> str:
    """The language that the training code, or else the first split's, seems to be in."""
    records = next(iter(parts.values()))()
    return guessed_language((record.example.code for record in records if record.example is not None), config.code)


def folder_parts(folder: Path, config: DataConfig, bad: BadRecords) -> dict[str, Part]:
    """The splits of the corpus in a folder."""
    parts, read = {}, set()
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    for split, names in SPLIT_NAMES.items():
        forms = forms_of(files, names, config)
        if len(forms) > 1:
            found = " and ".join(sorted(str(path) for path in forms))
            raise UserError(f"{split} is there more than once: {found}; leave one of them")
        for form, used in forms.items():
            parts[split] = single_part(form, config, split, bad)
            read.update(used)
            if form.name.split(".")[0] != split:
                bad.remark(f"{form} is read as the split {split}")
    left_out = [path for path in files if path not in read and path.stem.lower() not in NO_DATA]
    if not parts:
        left_out += sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        raise UserError(
            f"{folder} holds no train, dev or test file ({', '.join(ENDINGS)}, or .{config.nl} and .{config.code} "
            f"side by side){in_words(left_out)}; name them so, or give one file with --data.path"
        )
    if left_out:
        bad.remark(f"{folder}: not read{in_words(left_out)}; the names of splits are train, dev and test")
    return parts


def forms_of(files: list[Path], names: tuple[str, ...], config: DataConfig) -> dict[Path, list[Path]]:
    """The tables of a folder that hold a split of these names, and the common names of two parallel files -> files."""
    forms: dict[Path, list[Path]] = {}
    for path in files:
        if path.stem.lower() not in names:
            continue
        if path.suffix.lower() in ENDINGS:
            forms[path] = [path]
        elif path.suffix in (f".{config.nl}", f".{config.code}"):
            forms.setdefault(path.with_suffix(""), []).append(path)
    return forms


def in_words(files: list[Path]) -> str:
    """The first of some files by name, with what they are where no such file is read."""
    if not files:
        return ""
    named = [path.name + (f" ({what})" if (what := kind_of(path)) else "") for path in files[:NAMED]]
    return ": " + ", ".join(named) + (f" and {len(files) - NAMED} more" if len(files) > NAMED else "")


def kind_of(path: Path) -> str:
    """What a file that is not read is, and the mend; "" where its name says nothing."""
    return "a folder, in which nothing is looked for" if path.is_dir() else mend_of(path)


def single_part(path: Path, config: DataConfig, split: str, bad: BadRecords) -> Part:
    """The records of one file or of one parallel text, checked as far as can be without reading every record.

    What is to be said of the way it is read becomes a remark in `bad`.
    """
    if path.suffix.lower() in ENDINGS:
        mend = "say which to use with --data.nl and --data.code"
        dialect = check_columns(path, (config.nl, config.code), mend, config.encoding, config.quoting)
        for remark in dialect.remarks:
            bad.remark(remark)
        return partial(table_records, path, dialect, config, split)
    nl_path, code_path = parallel_paths(parallel_stem(path, config), config)
    if not nl_path.exists() and not code_path.exists():
        if path.exists() and (what := mend_of(path)):
            raise UserError(f"{path} is {what}")
        fault = "is of no known form" if path.exists() else "does not exist"
        raise UserError(
            f"{path} {fault}; give a file that ends in {', '.join(ENDINGS)}, a folder, or parallel text "
            f"({nl_path.name} and {code_path.name}, endings by --data.nl and --data.code)"
        )
    mend = "parallel text needs both files (their endings are --data.nl and --data.code)"
    n_lines = check_parallel(nl_path, code_path, mend, config.encoding)
    ended = [has_last_line_end(side, config.encoding) for side in (nl_path, code_path)]
    return partial(parallel_records, nl_path, code_path, config, split, 0 if ended[0] == ended[1] else n_lines)


def parallel_stem(path: Path, config: DataConfig) -> Path:
    """The common name of two parallel files when one of them, or already that name, is given."""
    return path.with_suffix("") if path.suffix in (f".{config.nl}", f".{config.code}") else path


def parallel_paths(stem: Path, config: DataConfig) -> tuple[Path, Path]:
    """The files of descriptions and of code that share the name `stem`."""
    return with_ending(stem, f".{config.nl}"), with_ending(stem, f".{config.code}")


def with_ending(stem: Path, ending: str) -> Path:
    """The path `stem` with an ending added; a dot inside the name stays."""
    return stem.parent / (stem.name + ending)


def table_records(path: Path, dialect: Dialect, config: DataConfig, split: str) -> Iterator[Record]:
    """The records of a file of named columns.

    Their ids are split and line: the same file under another name is the same data, and draws the same.
    """
    for row in rows(path, dialect):
        record = pair_record(row, f"{split}:{row.where}", config.nl, config.code, config.language)
        yield at_place(record, f"{path.name}:{row.where}")


def parallel_records(nl_path: Path, code_path: Path, config: DataConfig, split: str, cut: int) -> Iterator[Record]:
    """The records of parallel text; their ids are split and line, their place the common file name and the line.

    cut: the number of the last line where one file alone has no end of it; 0: none.
    """
    for line in parallel_lines(nl_path, code_path, config.encoding):
        if line.number == cut:
            yield Record(line.place, None, NO_END)
        else:
            record = parallel_record(line, f"{split}:{line.number}", config.language, config.encoding)
            yield at_place(record, f"{nl_path.stem}:{line.number}")


def at_place(record: Record, place: str) -> Record:
    """The record, its example with the place where a person finds it."""
    return record if record.example is None else replace(record, example=replace(record.example, meta={PLACE: place}))
