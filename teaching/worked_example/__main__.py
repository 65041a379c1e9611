"""Print the numbers of the worked example, or put them into docs/the_math.md.

    python -m teaching.worked_example                     every matrix, forward and backward
    python -m teaching.worked_example enc.self.K d_enc.self.K
    python -m teaching.worked_example --write             fill the blocks of docs/the_math.md
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from system.options import parse, run_and_report
from teaching.the_math.number_blocks import Matrix, show
from teaching.worked_example.example import weights
from teaching.worked_example.trace import short_name, trace, weight_matrix


@dataclass(frozen=True)
class Settings:
    """The options: which numbers to print, and whether to write them."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()  # matrices, such as enc.self.K; none: all of them
    write: bool = False  # put the numbers into docs/the_math.md


def matrices() -> dict[str, Matrix]:
    """All matrices: weights, values and gradients."""
    return {short_name(name): weight_matrix(values) for name, values in weights().items()} | trace()


def main(arguments: list[str]) -> int:
    """Print or write the numbers."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m teaching.worked_example")
    show(settings.names, matrices(), settings.write)
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
