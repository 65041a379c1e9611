"""What others have published on these benchmarks, each with what has to be known before it is compared with."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """One published system: its figures stand in the columns that they compare with."""

    name: str
    figures: dict[str, float]  # column -> figure
    note: str = ""


TEST = "test lines; ours are dev lines where the test file is not there"
PUBLISHED: dict[str, tuple[Published, ...]] = {
    "django": (
        Published("LPN (Ling et al. 2016)", {"strict": 62.3}, "on code as it stands"),
        Published("Yin and Neubig 2017", {"TranX's protocol": 71.6}),
        Published("TranX (Yin and Neubig 2018)", {"TranX's protocol": 73.7}),
        Published("Coarse-to-Fine (Dong and Lapata 2018)", {"TranX's protocol": 74.1}),
        Published("TranX + reranker (Yin and Neubig 2019)", {"TranX's protocol": 80.2}),
        Published("TAE (Norouzi, Tang and Cao 2021)", {"TAE's protocol": 81.0}, "with pretrained BERT and code alone"),
    ),
    "hearthstone": (
        Published("LPN (Ling et al. 2016)", {"exact": 6.1, "literature's BLEU": 67.1}, "on code as it stands"),
        Published("Yin and Neubig 2017", {"through the AST": 16.2, "literature's BLEU": 75.8}),
        Published("ASN + attention (Rabinovich et al. 2017)", {"through the AST": 22.7, "literature's BLEU": 79.2}),
    ),
    "nl2bash": (),
    "conala": (
        Published("the challenge's baseline (CoNaLa's page)", {"BLEU": 14.7}),
        Published("TAE (Norouzi, Tang and Cao 2021)", {"BLEU": 32.6}, "with a pretrained BERT and code alone"),
    ),
    "mbpp": (),
}
NOTES = {
    "django": f"Published: {TEST}. 19% of the dev pairs stand in the training lines, 14% of the test pairs.",
    "hearthstone": f"Published: {TEST}.",
    "nl2bash": "Split by command template; published figures are on a split by description, and by people's judgement.",
    "conala": "Without the test file a tenth of the training pairs, grouped by code: questions that training has in "
    "other words, so it is easier than the 500 test pairs of the published figures.",
    "mbpp": "374 training tasks are far too few: this proves the protocol. In brackets the exact binomial interval.",
}
