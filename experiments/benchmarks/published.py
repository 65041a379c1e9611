"""What others have published on these benchmarks, each with what has to be known before it is compared with."""

from __future__ import annotations

from typing import NamedTuple

NOT_CHECKED = "not checked here"


class Published(NamedTuple):
    """One published system: its figures stand in the columns that they compare with."""

    name: str
    figures: dict[str, float]  # column -> figure
    source: str  # where the figure was read, or NOT_CHECKED: it is written down from memory
    networks: str = "1"  # that write or choose the code of one example
    pretrained: str = "nothing"
    note: str = ""  # what else has to be known, and figures for which there is no column


PAPER = "the paper"
NO_TREE = "on code as it stands"
TWO_RERANKERS = "1, and 2 that rerank"
BERT = "BERT, and code alone beside the pairs"
LEADERBOARD = "leaderboard in the README of TellinaTool/nl2bash"
PEOPLE = "by people's judgement {people}; by scripts of its own, on its own split, BLEU {bleu}, templates {template}%"
PUBLISHED: dict[str, tuple[Published, ...]] = {
    "django": (
        Published("LPN (Ling et al. 2016)", {"strict": 62.3}, PAPER, note=NO_TREE),
        Published("Yin and Neubig 2017", {"TranX's protocol": 71.6}, PAPER),
        Published("TranX (Yin and Neubig 2018)", {"TranX's protocol": 73.7}, PAPER),
        Published("TranX, the model that was released", {"TranX's protocol": 77.2}, "its authors' repository"),
        Published("Coarse-to-Fine (Dong and Lapata 2018)", {"TranX's protocol": 74.1}, PAPER),
        Published("TranX (Yin and Neubig 2019), no reranker", {"TranX's protocol": 77.3}, NOT_CHECKED),
        Published("TranX + reranker (Yin and Neubig 2019)", {"TranX's protocol": 80.2}, PAPER, TWO_RERANKERS),
        Published("TAE (Norouzi, Tang and Cao 2021)", {"TAE's protocol": 81.03}, PAPER, pretrained=BERT),
        Published(
            "TAE, the checkpoint that was released", {"TAE's protocol": 81.77}, "its authors' repository",
            pretrained=BERT, note="one seed",
        ),
    ),
    "hearthstone": (
        Published("LPN (Ling et al. 2016)", {"exact": 6.1, "literature's BLEU": 67.1}, NOT_CHECKED, note=NO_TREE),
        Published("Yin and Neubig 2017", {"through the AST": 16.2, "literature's BLEU": 75.8}, NOT_CHECKED),
        Published(
            "ASN + attention (Rabinovich et al. 2017)", {"through the AST": 22.7, "literature's BLEU": 79.2},
            NOT_CHECKED,
        ),
        Published("TreeGen (Sun et al. 2020)", {"through the AST": 31.8, "literature's BLEU": 80.8}, NOT_CHECKED),
    ),
    "nl2bash": (
        Published(
            "sub-token CopyNet (Lin et al. 2018)", {}, LEADERBOARD,
            note=PEOPLE.format(people="36% of commands, 49% of templates", bleu=50.9, template=57.4),
        ),
        Published(
            "Tellina (Lin et al. 2017)", {}, LEADERBOARD,
            note=PEOPLE.format(people="27% of commands, 53% of templates", bleu=48.6, template=62.5),
        ),
    ),
    "conala": (
        Published("the challenge's baseline", {"BLEU": 14.7}, "its page of results at CodaLab"),
        Published("TranX, trained on the pairs alone", {"BLEU": 24.5}, NOT_CHECKED),
        Published(
            "TranX with external knowledge (Xu et al. 2020)", {"BLEU": 30.69}, "the paper's page at Papers with Code",
            pretrained="mined pairs and Python's documentation, from no pretrained weights",
        ),
        Published(
            "the same, with a reranker", {"BLEU": 32.26}, "the paper's page at Papers with Code", TWO_RERANKERS,
            "mined pairs and Python's documentation, from no pretrained weights",
        ),
        Published("TAE (Norouzi, Tang and Cao 2021)", {"BLEU": 32.57}, PAPER, pretrained=BERT),
    ),
    "mbpp": (),
}
ON_TEST_LINES = "test lines; ours are dev lines where the test file is not there"
# Share of the published test pairs that stand in the training lines, where the test file itself is not there.
TEST_DUPLICATES = {"django": 0.141}
NOTES = {
    "django": f"Published: {ON_TEST_LINES}. 19% of the dev pairs stand in the training lines, 14% of the test pairs.",
    "hearthstone": f"Published: {ON_TEST_LINES}.",
    "nl2bash": "Split by command template; published figures are on a split by description and command, and no column "
    "here is theirs.",
    "conala": "Without the test file a tenth of the training pairs, grouped by code: questions that training has in "
    "other words, so it is easier than the 500 test pairs of the published figures.",
    "mbpp": "374 training tasks are far too few: this proves the protocol. In brackets the exact binomial interval.",
}
