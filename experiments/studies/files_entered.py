"""Which of the project's files does one step of training enter? Those that a reader of `take_step` has to know.

    python -m experiments.studies.files_entered

`sys.setprofile` says of each call in which file its function is written. Entered are the files of the calls that
`train.py: take_step` makes, over a few steps of each phase: forward, loss, backward, clipping, update. The plain one
has the preset `modern` in the readable forms, without copy head and without an average of the weights.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import train
from experiments.record.measurement import ROOT
from model.fast import make_network
from system.device import find_device, seed_everything
from system.options import parse, run_and_report
from system.own_packages import OWN_PACKAGES
from training.command_line import read_training_command
from training.corpus import read_corpora
from training.first_tokenizer import first_tokenizer
from training.phase import next_step, start_phase
from training.run.checkpoints import Position
from training.run.state import Run

OWN = ("train.py", *OWN_PACKAGES)  # at the root, where an environment's packages may lie too
STEPS_A_PHASE = 6  # of each phase: among them is a batch of every kind
SMALL_DATA = "--data.generated_train 200 --data.mined_limit 200 --data.vocab_size 400 --data.batch_tokens 512".split()
PLAIN_NETWORK = "--pretraining.steps 0 --model.preset modern --model.speed readable --model.no_copy_head".split()


@dataclass(frozen=True)
class Settings:
    """There is nothing to choose."""


@contextmanager
def noting_files(entered: set[str]) -> Iterator[None]:
    """Inside the `with`, add the project's files in which functions are called, as they are named from its root."""

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event != "call" or not path.is_relative_to(ROOT) or path == Path(__file__).resolve():
            return
        if path.relative_to(ROOT).parts[0] in OWN:
            entered.add(path.relative_to(ROOT).as_posix())

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)


def files_entered(options: list[str]) -> dict[str, list[str]]:
    """Phase -> the files that its steps enter, where `python train.py` is given these options."""
    settings, *_ = read_training_command(train.Settings, options, train.__doc__)
    seed_everything(settings.seed)
    corpora = read_corpora(settings)
    tokenizer = first_tokenizer(settings, corpora)
    settings = replace(settings, model=replace(settings.model, vocab_size=tokenizer.vocab_size))
    model, device = make_network(settings.model, tokenizer.pad_id), find_device("cpu")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), settings, device, tokenizer, model.train(), Position("training"), time.monotonic())
        for name, corpus in corpora.items():
            phase, entered = start_phase(run, name, getattr(settings, name), corpus, None), set()
            for _ in range(STEPS_A_PHASE):
                step = next_step(run, phase)
                with noting_files(entered):
                    train.take_step(run, phase, step, phase.loop.learning_rate)
            found[name] = sorted(entered)
    return found


def main(arguments: list[str]) -> int:
    """Print the files of the plain network and of train.py's defaults."""
    parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.studies.files_entered")
    for title, options in (("the plain network", PLAIN_NETWORK), ("python train.py", [])):
        for phase, files in files_entered([*SMALL_DATA, *options]).items():
            print(f"{title}, {phase}: {len(files)} files\n    " + "\n    ".join(files))
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
