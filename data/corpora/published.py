"""The published corpora, each read from a folder that holds its files under their published names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from data.code.bash_template import command_template
from data.config import DataConfig
from data.corpora.held_out import part_of
from data.corpora.records import FileSource, Record, Row, check_file, check_parallel, parallel_lines, parallel_record
from data.corpora.tables import check_columns, pair_record, rows
from system.cache import cache_folder
from system.errors import UserError

Parts = dict[str, Callable[[], Iterator[Record]]]

DJANGO_SPLITS = {"train": (0, 16000), "dev": (16000, 17000), "test": (17000, 18805)}  # by line order, as published
MBPP_SPLITS = {"train": range(601, 975), "dev": range(511, 601), "test": range(11, 511)}  # by task id, as published


def corpus_source(name: str, config: DataConfig) -> FileSource:
    """The corpus `name` from the folder `config.path`, or from the user's cache when that is empty.

    Raises UserError when the folder or one of its files is missing or empty.
    """
    folder = Path(config.path).expanduser() if config.path else cache_folder(name)
    mend = f"run `python -m data fetch {name}`, or give the folder that holds it with --data.path"
    if not folder.is_dir():
        raise UserError(f"{name}: the folder {folder} does not exist; {mend}")
    parts = READERS[name](folder, mend)
    return FileSource(name, CORPUS_LANGUAGES.get(name, "python"), parts, config.strict)


def django(folder: Path, mend: str) -> Parts:
    """English descriptions of Django's source, line by line (Oda et al., ASE 2015).

    The published split is by line order; a file with fewer lines has the splits that its lines reach.
    """
    nl_path, code_path = folder / "all.anno", folder / "all.code"
    n_lines = check_parallel(nl_path, code_path, mend)

    def records(first: int, end: int) -> Iterator[Record]:
        """The lines of one split."""
        for line in islice(parallel_lines(nl_path, code_path), first, end):
            yield parallel_record(line, f"django:{line.number}", "python")

    return {
        split: partial(records, first, end) for split, (first, end) in DJANGO_SPLITS.items() if first < n_lines
    }


def nl2bash(folder: Path, mend: str) -> Parts:
    """English descriptions of Bash one-liners (Lin et al., LREC 2018).

    The published files are not split. Here a line belongs to the split that a hash of its command's template falls
    into (80% train, 10% dev, 10% test), so no template stands in two splits and lines added to the files move no
    other line. Lines are numbered within their split: what stands in dev and test cannot change a training id.
    """
    nl_path, code_path = folder / "all.nl", folder / "all.cm"
    check_parallel(nl_path, code_path, mend)

    def records(split: str) -> Iterator[Record]:
        """One pass over a split."""
        both = parallel_lines(nl_path, code_path)
        chosen = (line for line in both if split_by_hash(line.code.encode("utf-8", "surrogateescape")) == split)
        for number, line in enumerate(chosen, 1):
            yield parallel_record(line, f"nl2bash:{split}:{number}", "bash")

    return {split: partial(records, split) for split in ("train", "dev", "test")}


def split_by_hash(command: bytes) -> str:
    """The split of a command by its template's SHA-256: 8 of 10 train, 1 dev, 1 test."""
    template = command_template(command.decode("utf-8", "replace"))
    return {8: "dev", 9: "test"}.get(part_of(template.encode(), 10), "train")


def conala(folder: Path, mend: str) -> Parts:
    """Stack Overflow questions and one-line answers in Python (Yin et al., MSR 2018).

    Reads the official release (conala-train.json, conala-test.json; the intent that annotators rewrote is preferred)
    and the short form train.json, test.json with the columns intent and code. There is no dev split. Where the test
    file is not there either, a tenth of the training pairs is the split "held_out", whole groups of the same code.
    """
    paths = {
        split: path
        for split in ("train", "test")
        for path in (folder / f"{split}.json", folder / f"conala-{split}.json")
        if path.is_file()
    }
    if not paths:
        raise UserError(f"{folder} holds neither conala-train.json nor train.json; {mend}")
    for path in paths.values():
        check_columns(path, ("intent",), mend)

    def records(split: str) -> Iterator[Record]:
        """One pass over a split."""
        for number, row in enumerate(rows(paths[split]), 1):
            values = row.values or {}
            nl = "rewritten_intent" if values.get("rewritten_intent") else "intent"
            code = "snippet" if "snippet" in values else "code"
            yield pair_record(row, f"conala:{split}:{number}", nl, code, "python")

    def of_training(held_out: bool) -> Iterator[Record]:
        """The training pairs without those that are held out, or these."""
        return (record for record in records("train") if is_held_out(record) == held_out)

    if "test" in paths:
        return {split: partial(records, split) for split in paths}
    return {"train": partial(of_training, False), "held_out": partial(of_training, True)}


def is_held_out(record: Record) -> bool:
    """Whether a pair of CoNaLa is in the tenth that its code without blanks falls into; what cannot be read is not."""
    if record.example is None:
        return False
    return part_of("".join(record.example.code.split()).encode("utf-8", "surrogatepass"), 10) == 0


def hearthstone(folder: Path, mend: str) -> Parts:
    """Hearthstone cards and their Python classes (Ling et al., ACL 2016); `§` in the code is a line break."""
    files = {split: (folder / f"{split}_hs.in", folder / f"{split}_hs.out") for split in ("train", "dev", "test")}
    there = {split: paths for split, paths in files.items() if any(path.is_file() for path in paths)}
    if not there:
        raise UserError(f"{folder} holds no train_hs.in and train_hs.out; {mend}")
    for paths in there.values():
        check_parallel(*paths, mend)

    def records(split: str) -> Iterator[Record]:
        """One pass over a split."""
        for line in parallel_lines(*there[split]):
            record = parallel_record(line, f"hearthstone:{split}:{line.number}", "python")
            if record.example:
                record = replace(record, example=replace(record.example, code=record.example.code.replace("§", "\n")))
            yield record

    return {split: partial(records, split) for split in there}


def mbpp(folder: Path, mend: str) -> Parts:
    """Short Python tasks with assert tests (Austin et al. 2021); ids 1-10 are prompts and belong to no split.

    Lines end in CR LF in 972 of the 974 programs and become LF here. A row that cannot be read counts for the split
    of its line number, since task i stands on line i of the published file.
    """
    path = folder / "mbpp.jsonl"
    check_file(path, mend)
    check_columns(path, ("text", "code", "task_id"), mend)

    def records(split: str) -> Iterator[Record]:
        """One pass over a split."""
        for row in rows(path):
            task = (row.values or {}).get("task_id", row.line)
            if task in MBPP_SPLITS[split]:
                yield mbpp_record(row, task)

    return {split: partial(records, split) for split in MBPP_SPLITS}


def mbpp_record(row: Row, task: int) -> Record:
    """The pair of an MBPP row with its tests: the set-up code, where there is any, and the asserts."""
    record = pair_record(row, f"mbpp:{task}", "text", "code", "python")
    if record.example is None:
        return record
    asserts = row.values.get("test_list")
    if not isinstance(asserts, list) or not asserts:
        return Record(row.place, None, "test_list is no list of tests")
    tests = [row.values.get("test_setup_code") or "", *asserts]
    if not all(isinstance(test, str) for test in tests):
        return Record(row.place, None, "its tests are not text")
    example = replace(
        record.example,
        nl=with_line_feeds(record.example.nl),
        code=with_line_feeds(record.example.code),
        tests=tuple(with_line_feeds(test) for test in tests if test.strip()),
        meta={"task_id": task},
    )
    return replace(record, example=example)


def with_line_feeds(text: str) -> str:
    """CR LF made LF, and a single CR at the very end dropped."""
    return text.replace("\r\n", "\n").removesuffix("\r")


CORPUS_LANGUAGES = {"nl2bash": "bash"}
READERS: dict[str, Callable[[Path, str], Parts]] = {
    "django": django,
    "nl2bash": nl2bash,
    "conala": conala,
    "hearthstone": hearthstone,
    "mbpp": mbpp,
}
