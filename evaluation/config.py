"""Settings of evaluation: how to decode and what to score."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of decoding and scoring."""

    beam: int = 1  # hypotheses kept by beam search; 1: greedy
    length_penalty: float = 1.0  # alpha: a hypothesis scores its log-probability / length^alpha
    parsing_first: bool = False  # of the beam's hypotheses one that parses goes before one that does not
    reverse_weight: float = 0.5  # of what a reverse model says of the beam's hypotheses (eval.py --reverse)
    perturbed: bool = False  # score every split again with typos, with synonyms and with words left out
    max_new_tokens: int = 128  # longest output in tokens
    batch_examples: int = 128  # sources decoded together
    limit: int = 0  # score only the first so many lines of each split; 0: all
    run_untrusted: bool = False  # run generated programs outside the generated grammar (MBPP): no sandbox yet
    time_limit: float = 2.0  # seconds a generated program may run
    memory_limit: int = 256  # MiB a generated program may use above what its process starts with

    def __post_init__(self) -> None:
        for name in ("beam", "max_new_tokens", "batch_examples", "memory_limit"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.limit < 0:
            raise ValueError(f"limit={self.limit} must be at least 0 (0 scores all lines)")
        if self.parsing_first and self.beam == 1:
            raise ValueError(
                "parsing_first chooses among the hypotheses of beam search; set beam to 2 or more, or leave it out"
            )
        if not 0 <= self.reverse_weight < math.inf:
            raise ValueError(f"reverse_weight={self.reverse_weight} must be at least 0")
        if not self.time_limit > 0:
            raise ValueError(f"time_limit={self.time_limit} must be above 0")
