"""Settings of evaluation: how to decode, and which scores to compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from system.bounds import Count, FromOne, NotNegative, bounds, check_bounds


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of decoding and scoring."""

    beam: Annotated[int, bounds(least=1, most=1000)] = 1  # hypotheses kept by beam search; 1: greedy
    # alpha: a hypothesis scores its log-probability / length^alpha
    length_penalty: Annotated[float, bounds(least=-10, most=10)] = 1.0
    parsing_first: bool = False  # of the beam's hypotheses one that parses goes before one that does not
    reverse_weight: NotNegative = 0.5  # of what a reverse model says of the beam's hypotheses (eval.py --reverse)
    perturbed: bool = False  # score every split again with typos, with synonyms and with words left out
    max_new_tokens: Annotated[int, bounds(least=1, most=100_000)] = 128  # longest output in tokens
    batch_examples: FromOne = 128  # sources decoded together
    limit: Count = 0  # score only the first so many lines of each split; 0: all
    run_untrusted: bool = False  # run programs outside the generated grammar (MBPP), no sandbox yet; asked each time
    time_limit: Annotated[float, bounds(above=0, most=3600)] = 2.0  # seconds a generated program may run
    # MiB a generated program may use above what its process starts with
    memory_limit: Annotated[int, bounds(least=1, most=2**20)] = 256

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.parsing_first and self.beam == 1:
            raise ValueError(
                "parsing_first chooses among the hypotheses of beam search; set beam to 2 or more, or leave it out"
            )
