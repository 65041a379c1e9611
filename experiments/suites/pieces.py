"""What is each piece of the Transformer worth? One is removed at a time (label smoothing is added)."""

from __future__ import annotations

from experiments.laboratory.claims import Claim
from experiments.laboratory.suite import CONTROL, CONTROL_CHANGES, Suite
from experiments.suites.base import BASE

OURS = "d 128, 2 + 2 layers, pre-norm, generated tasks of one to three operations, each seen once at most"

CLAIMS = (
    Claim(
        "residuals-carry-the-gradient", "Without residual connections a Transformer hardly learns.",
        "Dong, Cordonnier and Loukas 2021, section 2: without skips the rank of the states collapses with depth",
        "no residual connections", "loss", "higher", 0.1, "BERT, ALBERT and XLNet, 12 layers", OURS,
    ),
    Claim(
        "cross-attention-is-needed", "Cross-attention is the attention that cannot be removed.",
        "Michel, Levy and Neubig 2019, section 4.2 and figure 4", "no cross-attention", "in_distribution", "lower",
        10.0, "WMT14 En-Fr, heads pruned after training", "trained without it from the start; " + OURS,
    ),
    Claim(
        "one-head-is-worse", "One head is worse than several at the same cost.",
        "Vaswani et al. 2017, table 3 row A: perplexity 5.29 with 1 head, 4.92 with 8 (0.07 nats)", "one head",
        "loss", "higher", 0.002, "WMT14 En-De, 6 + 6 layers, d 512", OURS,
    ),
    Claim(
        "smoothing-costs-likelihood", "Label smoothing makes the likelihood worse.",
        "Vaswani et al. 2017, table 3 row D: perplexity 4.67 without, 4.92 with 0.1 (0.05 nats)",
        "label smoothing 0.1", "loss", "higher", 0.002, "WMT14 En-De, 6 + 6 layers, d 512", OURS,
    ),
    Claim(
        "smoothing-helps-the-score", "Label smoothing makes outputs better all the same.",
        "Vaswani et al. 2017, table 3 row D: 25.3 BLEU without, 25.8 with 0.1", "label smoothing 0.1",
        "in_distribution", "higher", 2.0, "WMT14 En-De, BLEU", OURS,
    ),
    Claim(
        "no-dropout-where-nothing-repeats", "Where training data hardly repeat, dropout only costs.",
        "T5 v1.1, release note of 2020: dropout off in pretraining is a quality win", "no dropout", "loss", "lower",
        0.002, "C4, never repeated, up to 11 B parameters", OURS,
    ),
    Claim(
        "order-must-be-told", "An encoder-decoder without positions is worse: its encoder sees a bag of words.",
        "Vaswani et al. 2017, section 3.5; Haviv et al. 2022, section 3, for encoders", "no positions", "loss",
        "higher", 0.02, "masked language models", OURS,
    ),
    Claim(
        "normalisation-is-needed", "Without any normalisation training fails.",
        "Zhang and Sennrich 2019, table 4: a Transformer without one does not train", "no layer norm", "loss",
        "higher", 0.1, "WMT14 En-De, 6 + 6 layers", OURS,
    ),
    Claim(
        "tying-costs-nothing", "Tied embeddings are as good as three of their own.",
        "Press and Wolf 2017, table 6; Narang et al. 2021, table 1: 1.834 untied, 1.838 tied", "embeddings not tied",
        "loss", "equal", 0.002, "En-Fr translation; C4", OURS,
    ),
    Claim(
        "scores-need-their-scale", "Attention without 1/sqrt(d_k) trains worse.",
        "Vaswani et al. 2017, section 3.2.1: large products push softmax where its gradient is small",
        "no 1/sqrt(d_k)", "loss", "higher", 0.002, "d_k 64", "d_k 32; " + OURS,
    ),
)

SUITE = Suite(
    name="pieces",
    title="What each piece is worth",
    base=BASE,
    rows={
        "no 1/sqrt(d_k)": {"model.scale_attention": False},
        "no residual connections": {"model.residual": False},
        "no layer norm": {"model.norm": "none"},
        "no feed-forward layer": {"model.feed_forward": "none"},
        CONTROL: CONTROL_CHANGES,
        "no positions": {"model.positions": "none"},
        "one head": {"model.n_heads": 1},
        "no causal mask": {"model.causal": False},
        "embeddings not scaled": {"model.scale_embeddings": False},
        "embeddings not tied": {"model.tie_embeddings": False},
        "no dropout": {"model.dropout": 0.0},
        "label smoothing 0.1": {"training.label_smoothing": 0.1},
    },
    exposed=("no causal mask",),
    claims=CLAIMS,
)
