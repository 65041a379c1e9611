"""Figures as the cells of tables: numbers, units, commands, Markdown and columns for the terminal."""

from __future__ import annotations

from typing import Any

from experiments.record.records import Measured

PROCESSORS = {"EPYC": "an AMD EPYC", "Xeon": "an Intel Xeon"}  # part of a recorded processor's name -> in words
VECTOR_WIDTHS = {"AVX512": "512-bit vectors", "AVX2": "256-bit vectors"}

NOTHING = "–"  # a cell of what is not there
NOT_RUN = "not run"


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; a bar or a line end inside a cell cannot break it."""
    lines = [columns, ["---"] * len(columns), *rows]
    safe = [[" ".join(cell.replace("|", "\\|").split()) for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in safe)


def code(command: str) -> str:
    """A command between backticks."""
    return f"`{command}`" if command else NOTHING


def machine_in_words(machine: str) -> str:
    """'2 cores, Intel(R) Xeon(R) Processor, AVX512' -> '2 cores of an Intel Xeon, 512-bit vectors'.

    What is not a machine of cores and processor, or a kind not known here, stays as it was recorded.
    """
    parts = machine.split(", ")
    family = next((words for name, words in PROCESSORS.items() if name in machine), None)
    if len(parts) < 2 or not parts[0].endswith(("core", "cores")) or family is None:
        return machine
    return ", ".join([f"{parts[0]} of {family}", VECTOR_WIDTHS.get(parts[-1], "vector width not recorded")])


def count(value: float | None) -> str:
    """A whole number with separators for thousands."""
    return NOTHING if value is None else f"{value:,.0f}"


def scientific(value: float | None) -> str:
    """A large number in powers of ten."""
    return NOTHING if value is None else f"{value:.2e}"


def number(value: Any) -> str:
    """A measured number as a person writes it; text stays as it is."""
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def ratio(value: dict[str, float]) -> str:
    """A ratio as text: its median, its range and the number of rounds."""
    return f"{value['median']:.2f} ({value['min']:.2f} to {value['max']:.2f} in {value['rounds']} rounds)"


def duration(seconds: float | None) -> str:
    """Seconds as minutes with one decimal; less than one as seconds."""
    if seconds is None:
        return NOTHING
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"


def mebibytes(value: float | None) -> str:
    """A number of MiB without decimals."""
    return NOTHING if value is None else f"{value:,.0f} MiB"


def measurement_in_words(line: Measured) -> str:
    """The value of a measurement: a check's seconds as minutes, anything else with its unit; p where it was tested."""
    if line.suite == "checks" and line.unit == "s":
        return duration(line.value)
    units = line.over or (f"{line.functions} functions" if line.functions is not None else "")
    over = f" over {units}" if units else ""
    interval = f" ({line.low:.1f} to {line.high:.1f}{over})" if line.low is not None else ""
    tested = f"; p {p_in_words(line.p)}" if line.p is not None else ""
    corrected = f", {p_in_words(line.p_corrected)} corrected" if line.p_corrected is not None else ""
    return in_unit(line.value, line.unit) + interval + tested + corrected


def in_unit(value: float, unit: str) -> str:
    """A number with its unit, a share in per cent."""
    if unit == "share":
        return f"{value:.0%}"
    if unit == "times":
        return f"{value:.2f} times"
    return f"{value:.1f} {unit}" if value < 100 else f"{number(value)} {unit}"


def yes_or_no(value: bool | None) -> str:
    """A flag as yes or no."""
    return NOTHING if value is None else ("yes" if value else "no")


def p_in_words(p: float) -> str:
    """A p-value with as many digits as it deserves."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def as_text(head: list[str], rows: list[list[str]]) -> str:
    """A table for the terminal, with aligned columns."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "".join("  ".join(cells).rstrip() + "\n" for cells in padded)
