"""Which strategy of fine-tuning helps, where, and at what cost (chapter 3.2)?

Stated before the first run: the setting in which each strategy's paper claims a gain, the measure, and the sign.

    decaying rates, unfreezing     1,000 pairs    new lines, exact         higher    Howard and Ruder 2018
    auxiliary: identifier tags     4,000 pairs    new lines, exact         higher    Wang et al. 2021
    multi-task: summaries, Django  1,000 of Bash  held-out loss            lower     Wang et al. 2021
    adversarial: FreeLB            1,000 pairs    perturbed lines, exact   higher    Zhu et al. 2020
    adversarial: perturbed words   1,000 pairs    perturbed lines, exact   higher    Belinkov and Bisk 2018
    distillation, word by word     4,000 pairs    new lines, exact         higher    Hinton et al. 2015
    meta-learning                  k examples     tests passed             higher    Finn et al. 2017

New lines are dev lines that do not stand in the training lines. All networks are pretrained, but for the students,
which have a quarter of the parameters of their teacher. Perturbed lines are all dev lines with typos, synonyms or words
left out in their descriptions; training with such changes draws others than the test.

Meta-learning has a suite of its own, `strategies_meta`, whose networks `experiments/studies/few_shot.py` measures. The
claims and its own are corrected among themselves; everything else that the rows show is exploratory.

All rows of a setting get the FLOPs of its plain row, so their steps differ (`training/strategies/cost.py`; a teacher's
forward passes count, its own training does not, and neither do the lines that it writes before a student begins). Each
row has its own learning rate of four. Nothing stops early; the weights with the lowest held-out loss are kept, and the
plain rows have steps beyond their best, lest a row that takes fewer of them is only less far.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.laboratory.claims import Claim
from experiments.laboratory.suite import Suite
from experiments.suites.pretraining import BASE as PRETRAINING
from experiments.suites.pretraining import INFILLING

NEVER = 1000  # looks without a lower loss until training stops: only the best weights are kept
STEPS_OF_FEW_PAIRS = {"training.steps": 1500}  # 1,000 of them

BASE = {
    **PRETRAINING,
    **INFILLING,
    **STEPS_OF_FEW_PAIRS,
    "training.patience": NEVER,
    "evaluation.perturbed": True,
}


def at_cost(cost: float, plain: Mapping[str, Any]) -> dict[str, Any]:
    """The plain row with as many steps as cost the same where one step costs `cost` plain ones."""
    return {**plain, "training.steps": round(plain["training.steps"] / cost)}


MORE_PAIRS = {
    "data.train_limit": 4000, "training.steps": 3600, "training.evaluate_every": 100, "evaluation.perturbed": False,
}
BASH = {"corpus": "nl2bash", "training.steps": 2400, "evaluation.perturbed": False}
STUDENT = MORE_PAIRS | {
    "training.steps": 2400, "pretraining.steps": 0, "model.d_model": 96, "model.d_ff": 256, "model.n_encoder_layers": 2,
    "model.n_decoder_layers": 2,
}
OURS = "3.9 M parameters, 2 M tokens of mined Python"

CLAIMS = (
    Claim(
        "lower-layers-learn-more-slowly", "Fine-tuning gains where each layer learns more slowly than the one above.",
        "Howard and Ruder 2018, 3.2: layer factor 2.6; its parts together cut errors by 18 to 24%",
        "layer decay", "dev_new", "higher", 1.0, "an LSTM language model, text classification",
        "layer factor 1.25; 1,000 lines of Django; " + OURS,
    ),
    Claim(
        "the-top-layer-first", "Fine-tuning gains where layers are unfrozen from the top down.",
        "Howard and Ruder 2018, 3.3; against it Raffel et al. 2020, 3.5.1: GLUE 82.50 with, 83.28 without",
        "unfreezing", "dev_new", "higher", 1.0, "an LSTM language model, text classification",
        "1,000 lines of Django; " + OURS,
    ),
    Claim(
        "tagging-names-helps-to-write-them", "Tagging identifiers beside generation makes generation better.",
        "Wang et al. 2021 (CodeT5), table 6: CodeBLEU 41.4 with and 39.2 without tags in pretraining",
        "tags, 4,000 pairs", "dev_new", "higher", 1.0, "60 M parameters, in pretraining",
        "in fine-tuning, 4,000 lines of Django; " + OURS, against="plain, 4,000 pairs",
    ),
    Claim(
        "related-tasks-help-where-pairs-are-few", "Tasks learnt together help the one that has few examples.",
        "Wang et al. 2021 (CodeT5), 5.3 (from memory): summaries 19.55 BLEU alone, 19.77 with all tasks; against it "
        "Raffel et al. 2020, 3.5.2: all at once is worse than one after the other on most tasks",
        "tasks, Bash", "loss", "lower", 0.02, "60 to 220 M parameters, six languages",
        "1,000 lines of Bash, their summaries and Django, at equal FLOPs: lines of Bash are seen a fifth as often. By "
        "the held-out loss, as templates of dev lines are new and hardly any is exact; " + OURS, against="plain, Bash",
    ),
    Claim(
        "adversarial-passes-make-robust", "Adversarial passes on embeddings make a network robust.",
        "Zhu et al. 2020 (FreeLB), abstract: GLUE 78.3 to 79.4 with BERT base",
        "FreeLB", "dev_perturbed", "higher", 1.0, "BERT base, GLUE",
        "typos, synonyms, words left out; 1,000 lines of Django; a third of the steps, at equal FLOPs; " + OURS,
    ),
    Claim(
        "perturbed-words-make-robust", "A network that is trained on perturbed words is robust to them.",
        "Belinkov and Bisk 2018 (from memory), 6.2: training on a noise makes robust to that noise, little to others",
        "perturbed", "dev_perturbed", "higher", 1.0, "character-level translation of talks",
        "half of the descriptions get typos, synonyms or words left out, of the kinds tested; 1,000 lines of Django; "
        + OURS,
    ),
    Claim(
        "a-teacher-helps-a-small-student", "A small network learns more from a large one than from the pairs alone.",
        "Hinton et al. 2015, section 3; Kim and Rush 2016, 3.1, for translation word by word",
        "student, taught words", "dev_new", "higher", 1.0, "LSTMs of 4 x 1,000 and 2 x 500",
        "a student of 0.9 M parameters from scratch, a teacher of 3.9 M with label smoothing; 4,000 lines of Django; "
        "at equal FLOPs without the teacher's training: 91% of the steps, as the teacher is asked about a pair once",
        against="student",
    ),
)

CONCLUSIONS = (
    "What lowers the loss, and not by chance: other tasks beside 1,000 lines of Bash, although at equal FLOPs the "
    "lines are seen a fifth as often. One strategy of six; but neither row has learned to write a new line, so it is "
    "out of regime.",
    "What leans the paper's way and is not decided by five seeds: layers unfrozen from the top (2 points of new "
    "lines), decaying rates (1), perturbed words (3 points of perturbed lines, for 1 of the lines as they are). "
    "None of them costs more than a plain step.",
    "What does not help here: tags beside the pairs and FreeLB, which at equal FLOPs leave 58% and a third of the "
    "steps; a teacher's words, as the student alone is already as good as its teacher; meta-learning (below).",
    "What harms, though no claim is made of it here: a teacher's lines in the place of people's (0.7 nats). The "
    "teacher does not write all of its own training lines as they stand, and its mistakes are learnt with the rest.",
    "Why so little: plain training with a learning rate of its own, as many FLOPs and the best of its weights is a "
    "strong opponent, and from seed to seed the differences vary by one to two points.",
    "In proportion: with 1,000 lines no row comes near what the nearest description's code with its words exchanged "
    "scores on new lines (the strongest baseline, below).",
    "Unfreezing gains exact lines while its held-out loss rises: what writes better need not predict better.",
    'The best rate of "plain, Bash" is the highest of the grid. Tried by hand at full length with seed 1, a '
    "quarter, half and twice of it have higher losses, so the one gain is not owed to a badly tuned opponent. The "
    'best rate of "plain, 4,000 pairs" is the lowest of the grid, that of LoRA and the last layers the highest.',
    'The tuning of "student, taught words" holds out lines of which its teacher, trained with another seed, knows a '
    "quarter; the runs that count share their teacher's seed. Unfreezing is tuned on half of the steps, in which "
    "the embeddings never learn.",
    "Rows with one seed were not gone on with: the suite has taken more than its seven hours of two cores, all runs "
    "but the first tuning on a machine half as fast as the one that it was planned for.",
)

SUITE = Suite(
    name="strategies",
    title="Which strategy of fine-tuning helps",
    base=BASE,
    rows={
        "layer decay": {"strategies.layers.decay": 0.8},
        "unfreezing": {**at_cost(0.892, STEPS_OF_FEW_PAIRS), "strategies.layers.unfreeze_every": 150},
        "last layers": {**at_cost(0.692, STEPS_OF_FEW_PAIRS), "strategies.layers.last": 3},  # the decoder alone
        "LoRA": {"strategies.lora.rank": 8},  # as many steps, though frozen matrices need no gradient
        "MLM": {**at_cost(1.473, STEPS_OF_FEW_PAIRS), "model.mlm_head": True, "strategies.auxiliary.task": "mlm"},
        "FGM": {**at_cost(2, STEPS_OF_FEW_PAIRS), "strategies.adversary.kind": "fgm"},
        "FreeLB": {**at_cost(3, STEPS_OF_FEW_PAIRS), "strategies.adversary.kind": "freelb"},
        "noise": {**at_cost(2, STEPS_OF_FEW_PAIRS), "strategies.adversary.kind": "noise"},
        "perturbed": {"strategies.perturb": 0.5},
        "plain, 4,000 pairs": MORE_PAIRS,
        "tags, 4,000 pairs": {
            **at_cost(1.712, MORE_PAIRS), "model.tag_head": True, "strategies.auxiliary.task": "tag",
        },
        "plain, Bash": BASH,
        "tasks, Bash": {**at_cost(1.089, BASH), "strategies.tasks.names": ("summary", "django")},
        "student": STUDENT,
        "student, taught words": {**at_cost(1.0991, STUDENT), "teacher": "plain, 4,000 pairs"},
        "student, taught lines": {
            **STUDENT, "teacher": "plain, 4,000 pairs", "strategies.teacher.sequence_level": True,
            "strategies.teacher.weight": 0.0,
        },
    },
    compared={
        "plain, 4,000 pairs": "plain, 4,000 pairs",
        "tags, 4,000 pairs": "plain, 4,000 pairs",
        "plain, Bash": "plain, Bash",
        "tasks, Bash": "plain, Bash",
        "student": "student",
        "student, taught words": "student",
        "student, taught lines": "student",
    },
    tuned={"training.learning_rate": (5e-4, 1e-3, 2e-3, 4e-3)},
    tuning_share=2,  # a fifth of 500 steps is warm-up, which a quarter of them would be for the most part
    claims=CLAIMS,
    family=len(CLAIMS) + 1,  # and meta-learning's
    score="dev_new",
    splits=("dev", "dev_perturbed", "robustness"),
    smallest={"loss": 0.02, "score": 1.0},
    conclusions=CONCLUSIONS,
)
