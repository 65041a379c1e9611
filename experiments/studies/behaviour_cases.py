"""What `python -m experiments.studies.behaviour` runs: names of cases -> options of train.py, in today's spelling.

PAIRS stands for a file of made-up pairs, FOLDER for the folder of the run that is made before.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from training.run.old_settings import SETTING_CHANGES

# Options that had another name in earlier commits, new -> old, without the two hyphens. A tree whose --help does not
# know the new name is given the old one.
RENAMED = {change.new: change.old for change in SETTING_CHANGES if change.new != change.old}

# Dropout draws otherwise where the forms are written out, and may do so in another order in another commit.
SPEEDS = {
    "fast": "--model.speed fast",
    "readable": "--model.speed readable --model.dropout 0 --model.dropout_attention 0 --model.dropout_feed_forward 0 "
    "--model.dropout_output 0",
}
TOLERANCES = {"fast": 0.0, "readable": 1e-5}  # of losses and weights; 0: the same bits


@dataclass(frozen=True)
class Case:
    """One question to both trees."""

    options: str  # of train.py; where an option stands twice, the later one counts
    before: str = ""  # options of a run that the commit makes first, for both
    killed_at: int = 0  # the commit's run is killed at the checkpoint of this step, and this tree goes on with it
    prompt: str = ""  # the commit makes the run, and both trees are asked to write code for this with eval.py
    needs: tuple[str, ...] = ()  # published corpora

    @property
    def speeds(self) -> tuple[str, ...]:
        """The speeds that a case is run with; cases that open a folder have one, as all speeds open it alike."""
        return ("fast",) if self.killed_at or self.prompt else tuple(SPEEDS)


LOOP = "--training.steps 20 --training.warmup_steps 10 --training.checkpoint_every 10 --evaluation.max_new_tokens 24"
BUDGET = f"{LOOP} --data.held_out 20 --evaluation.limit 5"
QUICK_START = f"{BUDGET} --pretraining.steps 20 --data.generated_train 500 --data.generated_test 5"
DJANGO = f"django {BUDGET} --data.train_limit 1000"
LAYERS = "--model.d_model 32 --model.n_encoder_layers 2 --model.n_decoder_layers 2"
NETWORK = f"{LAYERS} --model.d_ff 64 --model.dropout 0.1"
LENGTH_LIMITS = "--data.max_source_length 64 --data.max_target_length 64 --data.batch_tokens 256"
FILES = f"files {BUDGET} --data.path PAIRS --data.nl natural_language_description {LENGTH_LIMITS}"
PLAIN_PAIRS = f"{FILES} --data.vocab_size 400 {NETWORK} --training.objectives.denoise 0 --training.objectives.rename 0"
TASKS = (
    f"generated {BUDGET} {LENGTH_LIMITS} {NETWORK} --pretraining.steps 0 --data.generated_train 500 "
    "--data.generated_test 2 --data.vocab_size 400 --training.accumulate 2"
)
PRETRAINING_CASES = (
    f"{PLAIN_PAIRS} --training.epochs 0 --training.steps 0 --pretraining.steps 20 --pretraining.warmup_steps 10 "
    "--data.mined_limit 500 --model.mlm_head --model.tag_head --model.match_head"
)
WHOLE_TEXTS = (
    "--pretraining.objectives.both_texts --data.max_source_length 256 --data.max_target_length 256 "
    "--data.batch_tokens 1024"
)
PROMPT = "divide the width by 3"

STRATEGY_CASES = {
    "layer decay": "--strategies.layers.decay 0.8",
    "unfreezing": "--strategies.layers.unfreeze_every 4",
    "last layers": "--strategies.layers.last 2",
    "LoRA": "--strategies.lora.rank 4",
    "beside: masked tokens": "--model.mlm_head --strategies.auxiliary.task mlm",
    "beside: names": "--model.tag_head --strategies.auxiliary.task tag",
    "FGM": "--strategies.adversary.kind fgm",
    "FreeLB": "--strategies.adversary.kind freelb",
    "noise": "--strategies.adversary.kind noise",
    "perturbed": "--strategies.perturb 0.5",
    "summaries": "--strategies.tasks.names summary",
    "mean of checkpoints": "--strategies.average_checkpoints 2 --training.ema_decay 0",
}
META_CASES = {
    "fomaml": "--strategies.meta.kind fomaml",
    "reptile": "--strategies.meta.kind reptile",
}
TAUGHT = {
    "taught words": "--strategies.teacher.run FOLDER",
    "taught lines": "--strategies.teacher.run FOLDER --strategies.teacher.sequence_level --strategies.teacher.weight 0",
    "taught words, FGM, names": "--strategies.teacher.run FOLDER --strategies.adversary.kind fgm --model.tag_head "
    "--strategies.auxiliary.task tag",
}
PRESETS = ("vaswani2017", "bart", "t5", "t5_v1_1")
PRETRAINED_BY = (
    "pairs", "mlm", "span", "denoise", "infilling", "deletion", "lines", "causal", "prefix", "permutation",
    "identifier", "tag", "next_sentence", "match", "dual",
)  # fmt: skip
BESIDE_PAIRS = ("tae", "rename")  # objectives that go with pairs
OPENED = {  # folders of runs that the commit has made
    "quick start": Case(QUICK_START, killed_at=30, prompt="return the sum of the numbers in xs"),
    "Django": Case(DJANGO, killed_at=10, prompt="import module os", needs=("django",)),
    "LoRA": Case(f"{PLAIN_PAIRS} {STRATEGY_CASES['LoRA']}", killed_at=10, prompt=PROMPT),
}
BEGUN = {  # with the network of such a folder
    "quick start": f"generated {BUDGET} --data.generated_train 500 --data.generated_test 5 --init.from FOLDER",
    "Django": f"{DJANGO} --init.from FOLDER",
    "LoRA": f"{FILES} --init.from FOLDER {STRATEGY_CASES['LoRA']}",
}


# A description has one line, in which there is nothing to put in order and no second half.
LONGER = {"lines": WHOLE_TEXTS, "next_sentence": "--data.mined_limit 0"}  # 0: unlabelled code too


def objective(name: str, phase: str, others: str = "") -> str:
    """Options that train on one objective in a phase, and on the pairs only where `others` says so."""
    alone = "" if name == "pairs" or others else f"--{phase}.objectives.pairs 0"
    return " ".join(filter(None, (f"--{phase}.objectives.{name} 1", alone, LONGER.get(name))))


CASES = {
    "quick start": Case(QUICK_START),
    "Django": Case(DJANGO, needs=("django",)),
    "chapter-3.3": Case(f"files --preset chapter-3.3 --data.path PAIRS --data.vocab_size 400 {BUDGET}"),
    "pairs": Case(PLAIN_PAIRS),
    **{name: Case(f"{PLAIN_PAIRS} --model.preset {name} --model.dropout 0.1") for name in PRESETS},
    **{name: Case(f"{PLAIN_PAIRS} {options}") for name, options in STRATEGY_CASES.items()},
    "tasks, Django": Case(f"{PLAIN_PAIRS} --strategies.tasks.names summary django", needs=("django",)),
    **{name: Case(f"{TASKS} {options}") for name, options in META_CASES.items()},
    **{name: Case(f"{PLAIN_PAIRS} {options}", before=PLAIN_PAIRS) for name, options in TAUGHT.items()},
    **{f"pretraining: {name}": Case(f"{PRETRAINING_CASES} {objective(name, 'pretraining')}") for name in PRETRAINED_BY},
    **{f"training: {name}": Case(f"{PLAIN_PAIRS} {objective(name, 'training', 'pairs')}") for name in BESIDE_PAIRS},
    **{f"resume: {name}": replace(case, prompt="") for name, case in OPENED.items()},
    **{f"prompt: {name}": replace(case, killed_at=0) for name, case in OPENED.items()},
    **{f"begin from: {name}": Case(BEGUN[name], case.options, needs=case.needs) for name, case in OPENED.items()},
}


def write_pairs(path: Path) -> None:
    """96 pairs of a description and a line of code, for the cases whose data is a file; both sides share words."""
    names = "price count total width height weight value index left right speed offset".split()
    verbs = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["natural_language_description", "code"])
        for number, (name, (verb, sign), form) in enumerate(product(names, verbs.items(), ("the", "every"))):
            described = f"{verb} {form} {name} by {number % 7} and call it new_{name}"
            body = f"{name} {sign} {number % 7}" if form == "the" else f"[one {sign} {number % 7} for one in {name}]"
            rows.writerow([described, f"new_{name} = {body}\nprint(new_{name})"])
