"""Files that are not read here, known by their ending or their first bytes: what they are, and how to mend that."""

from __future__ import annotations

import re
from pathlib import Path

from system.errors import UserError

SHEET = "a spreadsheet; save it as CSV UTF-8 there"
PACKED = "packed; unpack it first"
PICKLE = "a pickle, which is never opened because it can run programs; write its records as JSONL"
PAGE = "an HTML page; download the file itself, not the page that shows it"
PANDAS = "python -c \"import pandas; pandas.read_{0}('{1}').to_json('{2}.jsonl', orient='records', lines=True)\""
JSONL = "; write its records as JSONL, one object a line"

MENDS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"), SHEET),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".tar", ".tgz", ".7z", ".rar"), PACKED),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".joblib"), PICKLE),
    **dict.fromkeys((".ndjson", ".jsonlines", ".jl"), "JSONL under another name; rename it to {stem}.jsonl"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "a database" + JSONL),
    **dict.fromkeys((".h5", ".hdf5"), "HDF5" + JSONL),
    **dict.fromkeys((".yaml", ".yml"), "YAML" + JSONL),
    ".xml": "XML" + JSONL,
    ".ipynb": "a notebook" + JSONL,
    ".md": "Markdown" + JSONL,
    ".parquet": "Parquet; write it as JSONL: " + PANDAS.format("parquet", "{name}", "{stem}"),
    ".feather": "Feather; write it as JSONL: " + PANDAS.format("feather", "{name}", "{stem}"),
    ".arrow": "Arrow" + JSONL,
    ".tab": "a table with tabs; rename it to {stem}.tsv",
    ".psv": "a table; rename it to {stem}.csv",
    ".txt": "of no known form; where it has columns rename it to {stem}.csv or {stem}.tsv, and of two files whose "
    "lines belong together rename one to {stem}.nl, the other to {stem}.code",
}
SIGNATURES = {  # first bytes -> what such a file is, and the mend
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it, or save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": SHEET,
    b"\x1f\x8b": "packed by gzip; unpack it first",
    b"BZh91AY&SY": "packed by bzip2; unpack it first",
    b"\xfd7zXZ\x00": "packed by xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "packed by 7-Zip; unpack it first",
    b"PAR1": "Parquet; write it as JSONL with pandas: read_parquet, to_json(orient='records', lines=True)",
    b"ARROW1": "Arrow" + JSONL,
    b"SQLite format 3\x00": "a database" + JSONL,
    b"%PDF-": "a PDF" + JSONL,
    b"{\\rtf": "a text of a word processor; save it as plain text, UTF-8",
    b"\x80\x04\x95": PICKLE,
    b"\x80\x05\x95": PICKLE,
    b"version https://git-lfs": "only Git LFS's pointer to the file; fetch the file itself: git lfs pull",
}


def mend_of(path: Path) -> str:
    """What a file of this ending is and how to mend that; "" for an ending that says nothing."""
    return MENDS.get(path.suffix.lower(), "").format(name=path.name, stem=path.name.split(".")[0])


def is_page(text: str) -> bool:
    """Whether a text begins as an HTML page."""
    return text.lstrip()[:9].lower().startswith(("<!doctype", "<html"))


def no_table(first_line: str) -> str:
    """What a file is whose first line with anything on it is no header of a table, and the mend; "" where it may be."""
    first_line = first_line.strip()
    if is_page(first_line):
        return PAGE
    if re.match(r'[\[{]\s*(?:["{\[]|$)', first_line):
        return "JSON; rename it to .jsonl if it has one object a line, to .json if it is one list"
    if first_line.startswith("| ") and first_line.endswith("|"):
        return "a Markdown table" + JSONL
    return ""


def check_content(path: Path, head: bytes) -> None:
    """Raise UserError when the first bytes of a file are those of something that is no text."""
    for signature, what in SIGNATURES.items():
        if head.startswith(signature):
            raise UserError(f"{path} is {what}")
