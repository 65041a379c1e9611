"""What made the published systems good: copying, slots for what a description spells out, and averaged weights.

Networks from scratch on 2,000 lines of Django, with the schedule of its recipe. The base copies by a mixture of two
distributions (See et al. 2017) and keeps the moving average of its weights. Each row changes one thing; all have the
same learning rate, and everything is exploratory. With slots less is to be written, so the loss says nothing: only the
score counts, for which what stood in the slots is put back.

What is chosen when the code is written, by a reverse model or because it parses, is no matter of training: `eval.py`
measures it (docs/strategies.md).
"""

from __future__ import annotations

from experiments.laboratory.suite import Suite
from experiments.suites.pretraining import BASE as PRETRAINING

CONCLUSIONS = (
    "What need not be spelled is worth most: with slots for strings and names five times as many new lines are exact. "
    "Slots for strings alone gain 2 points, undecided after the correction.",
    "To copy at all is worth 3 points of new lines and a nat. In which form, a mixture of distributions or scores "
    "among the logits, makes no difference that counts to what is written; five seeds do not decide about the loss.",
    "Averaged weights, a moving average or the mean of checkpoints, predict a little better (0.03 and 0.02 nats), "
    "at no cost, and write the same.",
    "In proportion: 1,000 steps from nothing on 2,000 lines leave every row below the strongest baseline. With all "
    "lines and more steps the same parts make the result of the benchmark (above).",
)
PUBLISHED_STEPS = 1000
NOT_HERE = ("networks", "data.shards", "training.schedule")

SUITE = Suite(
    name="published",
    title="What made the published systems good",
    base={
        **{setting: value for setting, value in PRETRAINING.items() if setting not in NOT_HERE},
        "data.vocab_size": 2000,
        "data.train_limit": 2000,
        "training.steps": PUBLISHED_STEPS,
        "training.evaluate_every": 0,
        "training.patience": 0,
    },
    rows={
        "no copying": {"model.copy_head": False},
        "copy scores": {"model.copy_form": "scores"},
        "slots": {"data.slots": True},
        "slots, names too": {"data.slots": True, "data.name_slots": True},
        "last weights": {"training.ema_decay": 0.0},
        "mean of 5 checkpoints": {
            "training.ema_decay": 0.0, "strategies.average_checkpoints": 5, "training.keep_checkpoints": 5,
            "training.checkpoint_every": PUBLISHED_STEPS // 20,
        },
    },
    compared={"mean of 5 checkpoints": "last weights"},
    exposed=("slots", "slots, names too"),
    score="dev_new",
    splits=("dev",),
    smallest={"loss": 0.02, "score": 1.0},
    conclusions=CONCLUSIONS,
)  # fmt: skip
