"""Every step from one description to its code, from a trained model (chapter 4.1).

    python -m teaching.walkthrough --run runs/quickstart --prompt "return the sum of the even numbers in xs"
    python -m teaching.walkthrough --run runs/quickstart --prompt "reverse the string s" --text
    python -m teaching.walkthrough --run runs/quickstart --prompt "reverse the string s" --code "def solve(s): ..."

The page, runs/quickstart/walkthrough.html by default, needs no network and no server; docs/walkthrough.md says how to
read it. The loss and its gradients are those of the generated code, or of --code where it is given.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from system.atomic_files import write_atomically
from system.device import set_threads
from system.errors import UserError
from system.options import parse, run_and_report
from teaching.walkthrough.page import write_page
from teaching.walkthrough.story import tell_story
from teaching.walkthrough.text import show


@dataclass(frozen=True)
class Options:
    """The options of the walkthrough: run, description, form."""

    run: str = "runs/quickstart"  # the folder of a trained run
    prompt: str = ""  # the description to write code for
    code: str | None = None  # reference code whose loss and gradients are shown; without it the generated code's are
    text: bool = False  # print to the terminal instead of writing the page
    page: Path | None = None  # file of the page; default: walkthrough.html in the run folder
    padding: int = 2  # padding pieces put behind the description, as in a batch, to show what the mask does
    max_new_tokens: int = 0  # longest code in pieces; 0: as in the run's settings
    megabytes: float = 5.0  # the page leaves out what does not fit into this size, and says so
    threads: int = 0  # CPU threads; 0: torch's choice


def check(options: Options) -> None:
    """Refuse impossible settings before anything is loaded. Raises UserError."""
    if not options.prompt.strip():
        raise UserError('the prompt is empty; describe what the code should do, with --prompt "..."')
    if options.code is not None and not options.code.strip():
        raise UserError("--code is empty; leave it out to walk through the generated code")
    for name, least in (("padding", 0), ("max_new_tokens", 0), ("threads", 0)):
        if getattr(options, name) < least:
            raise UserError(f"--{name} {getattr(options, name)} must be at least {least}")
    if not options.megabytes > 0:
        raise UserError(f"--megabytes {options.megabytes} must be above 0")
    if options.text and options.page is not None:
        raise UserError("--text prints to the terminal and --page writes a file; leave one of them out")


def main(argv: list[str]) -> int:
    """Trace the description and print it or write its page."""
    options = parse(Options, argv, Options(), __doc__, "python -m teaching.walkthrough")
    check(options)
    set_threads(options.threads)
    start = time.perf_counter()
    story = tell_story(Path(options.run), options.prompt, options.code, options.padding, options.max_new_tokens)
    if options.text:
        show(story)
        return 0
    path = options.page or Path(options.run) / "walkthrough.html"
    page, left_out = write_page(story, options.megabytes)
    write_atomically(path, page)
    pieces = f"{story.trace.n_source} + {len(story.trace.target)} pieces"
    print(f"{path}: {pieces}, {len(page.encode('utf-8')) / 1e6:.2f} MB, {time.perf_counter() - start:.1f} s")
    if left_out:
        print(f"{len(left_out)} arrays found no room in {options.megabytes:g} MB, the page names them; "
              "--megabytes gives it more")
    print(story.code)
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
