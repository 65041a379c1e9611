"""What each benchmark is scored by: strictly, and as its literature does. All figures run from 0 to 100."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sacrebleu.metrics import BLEU
from scipy.stats import binomtest

from data.code.tokens import split_tokens
from data.example import Example
from evaluation.config import EvaluationConfig
from evaluation.evaluate import run_tests
from evaluation.exact_match import exact_match
from evaluation.metrics import Score, corpus_score, mean_score
from experiments.benchmarks.bash_grammar import grammar_template
from experiments.benchmarks.protocols import card_bleu, card_tokens, tae_form, tranx_form

Column = Callable[[Sequence[Example], Sequence[str]], Score]


def share(right: Callable[[Example, str], bool]) -> Column:
    """The share of the examples whose prediction is right, in percent."""

    def column(references: Sequence[Example], predictions: Sequence[str]) -> Score:
        return mean_score([100.0 * right(*pair) for pair in zip(references, predictions, strict=True)])

    return column


def token_bleu(tokens: Callable[[str], Sequence[str]]) -> Column:
    """BLEU of the whole corpus over these tokens, without smoothing (Papineni et al. 2002)."""

    def column(references: Sequence[Example], predictions: Sequence[str]) -> Score:
        split = [" ".join(tokens(code)) for code in predictions]
        bleu = BLEU(tokenize="none", smooth_method="none", force=True)
        return corpus_score(bleu, [" ".join(tokens(example.code)) for example in references], split)

    return column


def sentence_bleu(references: Sequence[Example], predictions: Sequence[str]) -> Score:
    """The mean of the cards' smoothed BLEU."""
    return mean_score(card_bleu([example.code for example in references], predictions))


def tests_passed(references: Sequence[Example], predictions: Sequence[str]) -> Score:
    """The share that passes its tests, with the exact binomial interval: none of n does not mean that none would."""
    outcomes = run_tests(references, predictions, EvaluationConfig(run_untrusted=True)) or []
    passed, n = sum(outcome.passed for outcome in outcomes), len(outcomes)
    interval = binomtest(passed, n).proportion_ci(method="exact")
    return {"value": 100 * passed / n, "low": 100 * interval.low, "high": 100 * interval.high, "n": n}


def same_form(form: Callable[[str, str], str]) -> Column:
    """The share whose form, which may depend on the description, is the reference's."""
    return share(lambda example, code: form(example.code, example.nl or "") == form(code, example.nl or ""))


def bash_tokens(command: str) -> list[str]:
    """The shell's words and operators."""
    return split_tokens(command, "bash")


EXACT = share(lambda example, code: exact_match(example.code, code, example.language))
THROUGH_AST = same_form(lambda code, _: tranx_form(code, ""))
TEMPLATE = same_form(lambda code, _: grammar_template(code))
COLUMNS: dict[str, dict[str, Column]] = {
    "django": {"strict": EXACT, "TranX's protocol": same_form(tranx_form), "TAE's protocol": same_form(tae_form)},
    "hearthstone": {
        "exact": EXACT, "through the AST": THROUGH_AST, "literature's BLEU": sentence_bleu,
        "corpus BLEU": token_bleu(card_tokens),
    },
    "nl2bash": {"exact": EXACT, "template": TEMPLATE, "BLEU": token_bleu(bash_tokens)},
    "conala": {"exact": EXACT, "BLEU": token_bleu(card_tokens)},
    "mbpp": {"tests passed": tests_passed},
}
