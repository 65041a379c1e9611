"""CSV and TSV: how a file is to be read (separator, quotes, where its header stands), and its rows."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, takewhile
from pathlib import Path

from data.corpora.encodings import MARK, MARK_INSIDE, open_text
from data.corpora.foreign import no_table
from data.corpora.records import Row
from data.corpora.trust import CHARACTERS, Parsed, Problem, cells_of, odd_cells, untrusted
from system.errors import UserError

csv.field_size_limit(2**31 - 1)  # a cell may hold a program of any length (the module's own limit is 131,072)

SEPARATORS = {".csv": ",", ".tsv": "\t"}
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LINES_LOOKED_AT = 20  # for the header
ONE_EDIT = 2  # lines that get another number of fields by it, at most
NO_END = "without the line end that all other rows have (cut in half? end the line if the row is whole)"
HEADER_AGAIN = "the header again (two files put together?)"
OTHER_FILE = "behind the beginning of another file, whose columns are others; make two files of it"
LONG, UNUSUAL = 10, 10  # lines of a row from which, and times the median from which, its length is said


@dataclass(frozen=True)
class Dialect:
    """How a file of named columns is to be read."""

    encoding: str = ""  # as given; empty: UTF-8, or what a mark says
    delimiter: str = ""  # empty: what the file's ending says
    quoted: bool = True  # whether quotes hold a cell together, or are characters as others
    skipped: int = 0  # lines before the header
    remarks: tuple[str, ...] = ()  # what is to be said of that


def find_dialect(path: Path, columns: Sequence[str], encoding: str, quoting: str) -> Dialect:
    """How to read a CSV or TSV file: with its own separator or another one that gives the wanted columns.

    Blank lines, comments (#) and a spreadsheet's `sep=;` may stand before the header. Where no way gives the columns,
    it is the file's own. Raises UserError for a file without a line and for a wanted column that stands twice.
    """
    own = SEPARATORS[path.suffix.lower()]
    plain = Dialect(encoding, own, quoting != "none")
    with open_text(path, encoding, newline="") as file:
        beginning = list(islice(file, LINES_LOOKED_AT))
    blank = next((n for n, line in enumerate(beginning) if line.strip()), None)
    if blank is None:
        raise UserError(f"{path} holds no records")
    if what := no_table(beginning[blank]):
        raise UserError(f"{path} is {what}")
    begin = next((n for n, line in enumerate(beginning) if line.strip() and not is_preamble(line)), blank)
    ways = [replace(plain, delimiter=mark, skipped=n) for mark in (own, *NAMES) for n in dict.fromkeys((blank, begin))]
    chosen = next((way for way in ways if set(columns) <= set(header_of(path, way))), replace(plain, skipped=blank))
    check_lines_before(path, chosen, columns, len(beginning))
    check_twice(path, header_of(path, chosen), columns)

    remarks = []
    if chosen.skipped:
        remarks.append(f"{path}: the header is on line {chosen.skipped + 1}; what stands before it is left out")
    if chosen.delimiter != own:
        remarks.append(f"{path}: read with {NAMES[chosen.delimiter]} between the columns, not with {NAMES[own]}")
    if chosen.delimiter == "\t" and quoting == "auto" and quotes_are_literal(path, chosen):
        chosen = replace(chosen, quoted=False)
        remarks.append(
            f"{path}: quotes are read as characters of the text (not every cell that begins with one ends with one); "
            "--data.quoting csv lets them hold cells together"
        )
    elif chosen.quoted and blank_before_quote(path, chosen):
        remarks.append(
            f"{path}: a blank stands before some quotes, which makes these characters of the text; take it out where "
            "they are to hold a cell together"
        )
    return replace(chosen, remarks=tuple(remarks))


def is_preamble(line: str) -> bool:
    """Whether a line may stand before a header without being it."""
    return line.startswith("#") or line.strip().strip('"').lower().startswith("sep=")


def blank_before_quote(path: Path, dialect: Dialect) -> bool:
    """Whether a cell in a file's first rows stands in quotes with a blank before them."""
    first = (cell for record in islice(parse(path, dialect), LINES_LOOKED_AT) for cell in record.fields or ())
    return any(cell.startswith(" ") and is_whole(cell.strip()) for cell in first if '"' in cell)


def header_of(path: Path, dialect: Dialect) -> list[str]:
    """The columns that a file has when it is read so; none where its header is broken."""
    return next((record.fields or [] for record in parse(path, dialect)), [])


def has_records(path: Path, dialect: Dialect) -> bool:
    """Whether anything stands behind the header, or in the place of one that is broken."""
    head, *records = islice(parse(path, dialect), 2)
    return bool(records) or head.fields is None


def check_lines_before(path: Path, dialect: Dialect, columns: Sequence[str], n_lines: int) -> None:
    """Raise UserError when the columns do not stand where the header should, but on a line below, however separated."""
    if set(columns) <= set(header_of(path, dialect)):
        return
    for mark in dict.fromkeys((dialect.delimiter, *NAMES)):
        for record in islice(parse(path, replace(dialect, delimiter=mark)), n_lines):
            if set(columns) <= set(record.fields or ()):
                raise UserError(f"{path}: the columns stand on line {record.line}; delete the lines before it")


def check_twice(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    """Raise UserError when a wanted column stands in the header twice."""
    for column in columns:
        if header.count(column) > 1:
            places = " and ".join(str(n) for n, name in enumerate(header, 1) if name == column)
            raise UserError(f"{path}: column {column!r} stands in the header twice, as {places}; rename one of them")


def quotes_are_literal(path: Path, dialect: Dialect) -> bool:
    """Whether the quotes of a file with tabs are characters as others.

    They are where a cell begins with one and does not end with one before tab or line end (or no cell begins with one),
    unless lines then have the wrong number of fields, or the file shows that it was written as CSV and is damaged.
    One edit is not to turn all other rows over: a cell or two hold nothing against cells that are quoted as CSV, nor a
    line or two of a wrong number of fields against many cells that are not.
    """
    with open_text(path, dialect.encoding, newline="") as file:
        from_header = (line.rstrip("\r\n") for line in islice(file, dialect.skipped, None))
        written = [line.split("\t") for line in from_header if line.strip(" ")]
    width = len(written[0])
    n_odd_lines = sum(len(cells) != width for cells in written)
    quoted = [[cell for cell in cells if cell.startswith('"')] for cells in written]
    n_open = sum(not is_whole(cell) for row, cells in zip(written, quoted) if len(row) == width for cell in cells)
    n_escaped = sum(map(has_escaped_quote, chain.from_iterable(quoted)))
    if any(quoted) and is_damaged_csv(path, dialect, written, n_escaped >= max(n_open, 1)):
        return False
    few = n_odd_lines <= ONE_EDIT and n_open >= CHARACTERS and not n_escaped
    return (not n_odd_lines or few) and any('"' in cell for cells in written for cell in cells)


def is_damaged_csv(path: Path, dialect: Dialect, written: Sequence[Sequence[str]], escaped: bool) -> bool:
    """Whether quotes hold the cells of a file with tabs together, be it damaged; written: its lines, split at tabs.

    They do where rows then have one number of fields, where quotes inside of cells are doubled (`escaped`), where most
    lines hold whole quoted cells, or where one ends a cell that no cell of its line has begun; but for a file in which
    too many other cells hold an odd number of quotes.
    """
    records = list(parse(path, dialect))
    n_odd = sum(len(odd_cells(record.raw, "\t")) for record in records if record.fields and '"' in record.raw)
    if n_odd >= CHARACTERS:
        return False
    n_fields = {len(record.fields or ()) for record in records}
    holds = len(n_fields) == 1 and 0 not in n_fields
    begun = [any(cell.startswith('"') for cell in cells) for cells in written]
    ends = any(any(map(is_end, cells)) and not begins for cells, begins in zip(written, begun, strict=True))
    return holds or escaped or ends or 2 * sum(any(map(is_whole, cells)) for cells in written) >= len(written)


def has_escaped_quote(cell: str) -> bool:
    '''Whether a whole quoted cell has a doubled quote in its middle, as unquoted text ("""a""") hardly has.'''
    return is_whole(cell) and '""' in cell.strip('"')


def is_whole(cell: str) -> bool:
    """Whether a cell that begins with a quote ends with one, and has only doubled ones between."""
    return len(cell) > 1 and cell.startswith('"') and cell.endswith('"') and '"' not in cell[1:-1].replace('""', "")


def is_end(cell: str) -> bool:
    """Whether a cell that does not begin with a quote may be the end of one that does, on a line above."""
    return cell.endswith('"') and cell.count('"') % 2 == 1


def parse(path: Path, dialect: Dialect) -> Iterator[Parsed]:
    """The records of a file from its header on, as Python's csv module reads them; blank lines are none.

    Nothing follows a quoted cell that is broken or never closed.
    """
    with open_text(path, dialect.encoding, newline="") as file:
        taken: list[str] = []

        def kept() -> Iterator[str]:
            """The lines of the file, each kept in `taken`."""
            for line in file:
                taken.append(line)
                yield line

        line = 1 + sum(map(n_line_ends, islice(file, dialect.skipped)))
        quoting = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
        reader = csv.reader(kept(), delimiter=dialect.delimiter, quoting=quoting, strict=True)
        while True:
            taken.clear()
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield broken(line, "".join(taken), len(taken) + sum(1 for _ in file), str(error), dialect.delimiter)
                return
            raw = "".join(taken)
            if raw.strip(" \r\n") or not raw.endswith(("\n", "\r")):  # a row cut in its first blanks counts
                yield Parsed(line, raw, fields)
            line += n_line_ends(raw)


def n_line_ends(raw: str) -> int:
    """The line ends in the lines of a record: LF, and a single CR that ends it."""
    return raw.count("\n") + (raw.endswith("\r"))


def broken(line: int, raw: str, lost: int, error: str, delimiter: str) -> Parsed:
    """The record of a quoted cell that is broken or never closed, with all lines from there to the file's end."""
    before = takewhile(lambda cell: is_whole(cell) or not cell.startswith('"'), cells_of(raw, delimiter))
    opened = line + sum(cell.count("\n") for cell in before)
    if "unexpected end" in error:
        what = f"the quoted cell that opens on line {opened} is never closed"
    else:
        what = f"the quoted cell that opens on line {opened} has a quote inside that is not doubled"
        if '\\"' in raw:
            what += ' (\\" is not CSV: write "")'
    reason = f"lost: {what}, so nothing is read from line {line} to the end of the file ({lost:,} lines)"
    return Parsed(line, raw, None, f"{reason}; mend it, or give --data.quoting none", lost)


def separated(path: Path, dialect: Dialect) -> Iterator[Row]:
    """Read CSV (comma) or TSV (tab) with a header line, quoted as in RFC 4180 and by spreadsheets.

    All of the file is parsed before the first row is given, since damage below can say that a row is none.
    Raises UserError for a header in which a quote is missing.
    """
    dialect = replace(dialect, delimiter=dialect.delimiter or SEPARATORS[path.suffix.lower()])
    head, *records = parse(path, dialect)
    if head.fields is None:
        raise UserError(f"{path}:{head.line}: {head.error}")
    problems = untrusted(records, len(head.fields), dialect.delimiter, dialect.quoted)
    if "\n" in head.raw.rstrip("\r\n") and problems:
        first = records[min(problems)]
        raise UserError(
            f"{path}:{head.line}: the header goes on over several lines, and line {first.line} does not fit it; "
            "a quote too many or too few?"
        )
    problems |= other_files(records, head.fields, dialect.delimiter)
    if records and not records[-1].raw.endswith(("\n", "\r")):
        problems.setdefault(len(records) - 1, Problem(NO_END))
    remark = long_row(path, [record for n, record in enumerate(records) if n not in problems])
    for number, record in enumerate(records):
        if number in problems:
            problem = problems[number]
            yield Row(path, record.line, None, problem.reason, cause=problem.cause, lost=record.lost)
        else:
            values = dict(zip(head.fields, record.fields, strict=True))
            yield Row(path, record.line, values, remark=remark, encoding=dialect.encoding)


def other_files(records: Sequence[Parsed], header: Sequence[str], delimiter: str) -> dict[int, Problem]:
    """The numbers of the records where another file begins, and of those behind it with other columns -> why."""
    problems = {}
    for number, record in enumerate(records):
        fields = record.fields or []
        if MARK in record.raw and (record.raw.startswith(MARK) or len(fields) != len(header)):
            problems[number] = Problem(MARK_INSIDE)
            behind = io.StringIO(record.raw.split(MARK, 1)[1], newline="")
            fields = next(csv.reader(behind, delimiter=delimiter), [])
        elif sorted(fields) == sorted(header):
            problems[number] = Problem(HEADER_AGAIN)
        else:
            continue
        if fields != header:
            return problems | dict.fromkeys(range(number + 1, len(records)), Problem(OTHER_FILE, record.line))
    return problems


def long_row(path: Path, records: Sequence[Parsed]) -> str:
    """A remark on the longest row where it has far more lines than others; a quote may be missing there."""
    spans = [n_line_ends(record.raw) for record in records]
    if not spans or max(spans) < max(LONG, UNUSUAL * statistics.median(spans)):
        return ""
    longest = records[spans.index(max(spans))]
    return (
        f"{path}:{longest.line}: one row goes on over {max(spans):,} lines, half of the others over "
        f"{statistics.median(spans):g} at most; if a quote is missing, other rows stand inside it"
    )
