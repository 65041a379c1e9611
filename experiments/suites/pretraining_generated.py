"""Does pretraining on mined code help where tasks are made up and code must run? As `pretraining`, on generated tasks.

Mined code was written by people, generated tasks were not: nothing that pretraining has seen is asked for here.
"""

from __future__ import annotations

from experiments.laboratory.claims import Claim
from experiments.laboratory.suite import Suite
from experiments.suites.base import OPERATIONS
from experiments.suites.pretraining import BASE, INFILLING

PAIRS = 1000
OF_DJANGO = ("data.train_limit",)

SUITE = Suite(
    name="pretraining_generated",
    title="What pretraining is worth on generated tasks",
    base={
        **{name: value for name, value in BASE.items() if name not in OF_DJANGO},
        "corpus": "generated",
        "data.generated_operations": OPERATIONS,
        "data.generated_train": PAIRS + BASE["data.held_out"],
        "data.generated_test": 200,
    },
    rows={"infilling": INFILLING},
    tuned={"training.learning_rate": (1e-3, 2e-3, 4e-3)},
    claims=(
        Claim(
            "pretraining-pays-off-its-domain", "Pretraining pays where labelled data are scarce, whatever they are.",
            "Raffel et al. 2020, section 3.1: all of GLUE, SQuAD and SuperGLUE gain from C4",
            "infilling", "in_distribution", "higher", 5.0, "220 M parameters, 34 B tokens of C4",
            "3.9 M parameters, 2 M tokens of mined Python, 1,000 generated tasks",
        ),
    ),
    score="in_distribution",
    splits=("compositional", "rephrased"),
    smallest={"loss": 0.02, "score": 2.0},
)
