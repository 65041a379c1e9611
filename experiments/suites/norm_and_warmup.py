"""Where does the norm stand, and does the learning rate need a warm-up? Pre- and post-norm, shallow and deep.

At a quarter of the budget, where a missing warm-up already shows. Every row tries three learning rates first.
"""

from __future__ import annotations

from experiments.laboratory.claims import Claim
from experiments.laboratory.suite import Suite
from experiments.suites.base import BASE, STEPS

XIONG = "Xiong et al. 2020, section 3.2 and figures 2 and 3"
THEIRS = "IWSLT14 De-En, 6 + 6 layers, Adam"
OURS = "d 128, generated tasks, AdamW, clipping at 1, a quarter of the steps; the best of three learning rates"
DEEP = {"model.n_encoder_layers": 6, "model.n_decoder_layers": 6}
POST = {"model.norm_position": "post"}
COLD = {"training.warmup_steps": 0}

CLAIMS = (
    Claim(
        "post-norm-needs-warmup", "Deep post-norm without warm-up is far worse than with it.",
        f"{XIONG}: 8.45 BLEU without, 34 with", "post, depth 6, no warm-up", "loss", "higher", 0.1, THEIRS, OURS,
        against="post, depth 6",
    ),
    Claim(
        "pre-norm-needs-no-warmup", "Deep pre-norm does without warm-up.", f"{XIONG}: about 34 BLEU both",
        "pre, depth 6, no warm-up", "loss", "equal", 0.02, THEIRS, OURS, against="pre, depth 6",
    ),
    Claim(
        "shallow-post-norm-is-as-good", "At two layers post-norm is better than pre-norm.",
        "Takase et al. 2022, abstract: post-norm is better at up to 6 layers, unstable at 10 and more", "post",
        "loss", "lower", 0.02, "WMT En-De", OURS,
    ),
)

SUITE = Suite(
    name="norm_and_warmup",
    title="Norm placement and warm-up",
    base={**BASE, "training.steps": STEPS // 4, "training.warmup_steps": STEPS // 40, "data.generated_test": 50},
    rows={
        "pre, no warm-up": COLD,
        "post": POST,
        "post, no warm-up": POST | COLD,
        "pre, depth 6": DEEP,
        "pre, depth 6, no warm-up": DEEP | COLD,
        "post, depth 6": DEEP | POST,
        "post, depth 6, no warm-up": DEEP | POST | COLD,
    },
    tuned={"training.learning_rate": (5e-4, 1e-3, 2e-3)},
    compared={
        "pre, depth 6, no warm-up": "pre, depth 6",
        "post, no warm-up": "post",
        "post, depth 6": "pre, depth 6",
        "post, depth 6, no warm-up": "post, depth 6",
    },
    smallest={"loss": 0.02, "score": 5.0},
    claims=CLAIMS,
)
