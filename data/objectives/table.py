"""The objectives, a row each: whoever trains, checks, counts or shows them goes by these rows.

A new objective is a function in a file of this folder and its row here (docs/pretraining.md has more).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data.example import DECODER_KINDS


@dataclass(frozen=True)
class Objective:
    """What there is to know of one objective."""

    function: str  # module of this folder, and the function in it
    help: str  # what --help says of its weight
    kind: str = "seq2seq"  # of its items: names head and loss (data/example.py: Item)
    takes: tuple[str, ...] = ()  # settings, or other examples: "all" of the corpus, or the example's "neighbours"
    needs: str = ""  # of the tokenizer: a key of training/first_tokenizer.py: NEEDS
    reads_one_text: bool = False  # of a described function the description; with `both_texts` its code too
    goes_with_pairs: bool = False  # changes pairs or stands beside them: nothing is trained on it alone

    @property
    def head(self) -> str:
        """The switch of the encoder's head that it teaches (model/config.py), or "" where the decoder learns."""
        return "" if self.kind in DECODER_KINDS else f"{self.kind}_head"


# The order is that in which an example is drawn for them (training/mixture.py); a new row stands last.
OBJECTIVES = {
    "pairs": Objective("pairs.pairs", "description -> code, equation (6)"),
    "rename": Objective(
        "rename.rename", "share of the pairs in which words common to both sides are replaced by made-up ones",
        goes_with_pairs=True,
    ),
    "tae": Objective(
        "autoencoding.target_autoencoding",
        "share of the pairs beside which code alone is read and written again (Norouzi et al. 2021)",
        kind="autoencoding", goes_with_pairs=True,
    ),
    "denoise": Objective(
        "denoise.denoise", "noised training lines, description or code, to be restored (Lewis et al. 2020)",
        needs="mask",
    ),
    "mlm": Objective(
        "mlm.masked_language_modelling", "masked language modelling on the encoder (Devlin et al. 2019)",
        kind="mlm", takes=("mask_rate", "whole_words"), needs="mask", reads_one_text=True,
    ),
    "span": Objective(
        "span.span_corruption", "span corruption through the decoder (Raffel et al. 2020, 3.1.4)",
        takes=("mask_rate", "mean_span"), needs="sentinels", reads_one_text=True,
    ),
    "infilling": Objective(
        "infilling.text_infilling",
        "spans, some of them empty, become one mask each; the whole text is written (Lewis et al. 2020)",
        takes=("infilling_rate", "mean_span"), needs="mask", reads_one_text=True,
    ),
    "deletion": Objective(
        "deletion.token_deletion", "tokens are gone without a mark; the whole text is written (Lewis et al. 2020)",
        takes=("mask_rate",), reads_one_text=True,
    ),
    "lines": Objective(
        "line_permutation.line_permutation", "lines in a random order are put in theirs (Lewis et al. 2020)",
        reads_one_text=True,
    ),
    "causal": Objective(
        "language_modelling.causal_language_modelling",
        "the decoder writes a text from nothing (Radford et al. 2018)", reads_one_text=True,
    ),
    "prefix": Objective(
        "language_modelling.prefix_language_modelling",
        "the decoder goes on with the beginning of a text (Raffel et al. 2020, 3.2.1)", reads_one_text=True,
    ),
    "permutation": Objective(
        "permutation.permutation_language_modelling",
        "the decoder predicts tokens in a random order (Yang et al. 2019)",
        kind="permutation", takes=("mask_rate",), needs="mask", reads_one_text=True,
    ),
    "identifier": Objective(
        "identifiers.masked_identifier_prediction",
        "all names of a piece of code are masked and predicted (Wang et al. 2021)", needs="words",
    ),
    "tag": Objective(
        "identifiers.identifier_tagging", "which tokens of a piece of code are names (Wang et al. 2021)",
        kind="tag", needs="words",
    ),
    "next_sentence": Objective(
        "sentences.next_sentence_prediction",
        "does the second half of a text follow the first (Devlin et al. 2019)",
        kind="match", takes=("all",), needs="beginning",
    ),
    "match": Objective(
        "matching.description_code_matching", "does a description belong to a function",
        kind="match", takes=("neighbours", "masked_share"), needs="words",
    ),
    "dual": Objective("dual.dual_generation", "description -> code or code -> description (Wang et al. 2021)"),
}  # fmt: skip


def objective(name: str) -> Callable[..., Any]:
    """The function of one objective; its module is imported now and not before."""
    module, _, function = OBJECTIVES[name].function.rpartition(".")
    return getattr(importlib.import_module(f"data.objectives.{module}"), function)
