"""Settings of evaluation: how to decode, and which scores to compute."""

from __future__ import annotations

from dataclasses import dataclass

from system.bounds import Count, FromOne, NotNegative, Positive, check_bounds


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of decoding and scoring."""

    beam: FromOne = 1  # hypotheses kept by beam search; 1: greedy
    length_penalty: float = 1.0  # alpha: a hypothesis scores its log-probability / length^alpha
    parsing_first: bool = False  # of the beam's hypotheses one that parses goes before one that does not
    reverse_weight: NotNegative = 0.5  # of what a reverse model says of the beam's hypotheses (eval.py --reverse)
    perturbed: bool = False  # score every split again with typos, with synonyms and with words left out
    max_new_tokens: FromOne = 128  # longest output in tokens
    batch_examples: FromOne = 128  # sources decoded together
    limit: Count = 0  # score only the first so many lines of each split; 0: all
    run_untrusted: bool = False  # run programs outside the generated grammar (MBPP), no sandbox yet; asked each time
    time_limit: Positive = 2.0  # seconds a generated program may run
    memory_limit: FromOne = 256  # MiB a generated program may use above what its process starts with

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.parsing_first and self.beam == 1:
            raise ValueError(
                "parsing_first chooses among the hypotheses of beam search; set beam to 2 or more, or leave it out"
            )
