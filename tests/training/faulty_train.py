"""`python train.py` with a fault in one process, which the environment names: FAULT="KIND RANK STEP".

    raise      the step is not taken: an error that only a programmer can mend
    full       the checkpoint cannot be written, as on a full disk
    log        what the process prints goes to a full disk
    weights    one weight is another one from this step on
    nan        the losses of the batches with the number RANK, whichever process computes them, from this step on
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from training.processes import start_others

if __name__ == "__main__":
    start_others(sys.argv[1:])

import torch

import train
from system.options import run_and_report
from training import phase
from training.ending import together

KIND, RANK, STEP = os.environ.get("FAULT", "none 0 0").split()
take_step, batch_loss, write_checkpoint = train.take_step, train.batch_loss, phase.write_checkpoint
now, numbers = [0], []


def faulty_step(run, phase, step, rate):
    now[0], numbers[:] = run.position.total_step, [batch.number for batch in step.batches]
    if now[0] == int(STEP) and run.ranks.rank == int(RANK):
        if KIND == "raise":
            raise ZeroDivisionError("a fault")
        if KIND == "log":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
            print("a line", flush=True)
        if KIND == "weights":
            with torch.no_grad():
                next(run.model.parameters()).view(-1)[0] += 1
    return take_step(run, phase, step, rate)


def faulty_loss(model, batch, *rest):
    loss, n = batch_loss(model, batch, *rest)
    bad = KIND == "nan" and model.training and batch.number == int(RANK) and now[0] >= int(STEP)
    return loss * (torch.nan if bad else 1.0), n


def faulty_write(run, phase):
    if KIND == "full" and run.position.total_step >= int(STEP):
        with open("/dev/full", "w") as file:
            file.write("a checkpoint")
    write_checkpoint(run, phase)


if __name__ == "__main__":
    train.take_step, train.batch_loss, phase.write_checkpoint = faulty_step, faulty_loss, faulty_write
    train.evaluate_run, train.show_results = lambda *_: [], lambda *_: None
    sys.exit(run_and_report(together(train.main), sys.argv[1:]))
