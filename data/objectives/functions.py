"""The objectives by the names of their settings."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

# Name -> its function in this folder, and what that takes besides example, tokenizer and generator: settings, or other
# examples ("all" of the corpus, or the "neighbours" of this one).
FUNCTIONS = {
    "pairs": ("pairs.pairs", ()),
    "rename": ("rename.rename", ()),
    "tae": ("autoencoding.target_autoencoding", ()),
    "denoise": ("denoise.denoise", ()),
    "mlm": ("mlm.masked_language_modelling", ("mask_rate", "whole_words")),
    "span": ("span.span_corruption", ("mask_rate", "mean_span")),
    "infilling": ("infilling.text_infilling", ("infilling_rate", "mean_span")),
    "deletion": ("deletion.token_deletion", ("mask_rate",)),
    "lines": ("line_permutation.line_permutation", ()),
    "causal": ("language_modelling.causal_language_modelling", ()),
    "prefix": ("language_modelling.prefix_language_modelling", ()),
    "permutation": ("permutation.permutation_language_modelling", ("mask_rate",)),
    "identifier": ("identifiers.masked_identifier_prediction", ()),
    "tag": ("identifiers.identifier_tagging", ()),
    "next_sentence": ("sentences.next_sentence_prediction", ("all",)),
    "match": ("matching.description_code_matching", ("neighbours", "masked_share")),
    "dual": ("dual.dual_generation", ()),
}


def objective(name: str) -> Callable[..., Any]:
    """The function of one objective; its module is imported now and not before."""
    module, _, function = FUNCTIONS[name][0].rpartition(".")
    return getattr(importlib.import_module(f"data.objectives.{module}"), function)
