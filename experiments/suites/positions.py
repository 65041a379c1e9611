"""How should order enter? Six ways, on tasks as long as those of training, longer ones and new combinations."""

from __future__ import annotations

from experiments.laboratory.claims import Claim
from experiments.laboratory.suite import Suite
from experiments.suites.base import BASE

OURS = "d 128, 2 + 2 layers, pre-norm, generated tasks; longer: four to six operations after one to three"
SCAN = "SCAN's length split, cut-off 26: 0.00 with absolute positions, 1.00 with relative ones"

CLAIMS = (
    Claim(
        "learned-are-as-good", "At the lengths of training learned positions are as good as sinusoids.",
        "Vaswani et al. 2017, table 3 row E: perplexity 4.92 both", "model.positions=learned", "loss", "equal", 0.002,
        "WMT14 En-De, 6 + 6 layers, d 512", OURS,
    ),
    Claim(
        "relative-go-further", "T5's relative bias solves outputs longer than those of training, sinusoids do not.",
        f"Csordás, Irie and Schmidhuber 2021, section 3 and table 3: {SCAN}", "model.positions=t5_relative",
        "longer", "higher", 5.0, "SCAN, 3 + 3 layers, post-norm", OURS, least_base=0.95,
    ),
    Claim(
        "rotary-go-no-further", "Rotary positions go no further than sinusoids on longer outputs.",
        "Kazemnejad et al. 2023, figure 2: rotary and absolute alike, the last two", "model.positions=rotary",
        "longer", "equal", 5.0, "decoder-only, ten tasks", OURS, least_base=0.95,
    ),
    Claim(
        "alibi-is-better-in-distribution", "ALiBi has a lower loss than sinusoids at the lengths of training.",
        "Press, Smith and Lewis 2022, table 2: perplexity 19.73 against 20.05 (0.016 nats)", "model.positions=alibi",
        "loss", "lower", 0.002, "WikiText-103, a decoder alone, 16 layers", OURS,
    ),
    Claim(
        "relative-combine-no-better", "T5's relative bias is no better than sinusoids at new combinations.",
        "Csordás, Irie and Schmidhuber 2021, table 3: COGS 0.80 absolute, 0.81 relative",
        "model.positions=t5_relative", "compositional", "equal", 5.0, "COGS, 2 + 2 layers", OURS, least_base=0.95,
    ),
)

SUITE = Suite(
    name="positions",
    title="How order enters",
    base=BASE,
    factors={"model.positions": ("none", "learned", "t5_relative", "rotary", "alibi")},
    claims=CLAIMS,
)
