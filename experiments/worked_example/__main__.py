"""Print the numbers of the worked example, or put them into docs/the_math.md.

    python -m experiments.worked_example                     every matrix, forward and backward
    python -m experiments.worked_example enc.self.K d_enc.self.K
    python -m experiments.worked_example --write             fill the blocks of docs/the_math.md
"""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data.atomic_files import write_atomically
from data.example import DataError
from data.options import parse
from experiments.number_blocks import block, fill
from experiments.worked_example.example import weights
from experiments.worked_example.trace import Matrix, of_weight, trace

PAGE = Path(__file__).resolve().parents[2] / "docs" / "the_math.md"


@dataclass(frozen=True)
class Settings:
    """What is printed."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = ()  # matrices, such as enc.self.K; none: all of them
    write: bool = False  # put the numbers into docs/the_math.md


def matrices() -> dict[str, Matrix]:
    """Weights, values and gradients."""
    return {name: of_weight(name, values) for name, values in weights().items()} | trace()


def main(arguments: list[str]) -> int:
    """Print or write; a mistake that the user can mend is one line on standard error and exit status 2."""
    try:
        settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.worked_example")
        known = matrices()
        for name in settings.names:
            if name not in known:
                near = difflib.get_close_matches(name, known, 3, 0.4)
                raise DataError(f"the example has no {name}; near are {', '.join(near)}" if near else
                                f"the example has no {name}; without a name all are printed")  # fmt: skip
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if settings.write:
        write_atomically(PAGE, fill(PAGE.read_text(encoding="utf-8"), known))
    else:
        print("\n\n".join(block(name, known[name]) for name in settings.names or known))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
