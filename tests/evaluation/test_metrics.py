import math
import time

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from data.example import Example
from evaluation.metrics import (
    exact_matches,
    gold_parses,
    length_groups,
    line_score,
    longest_common_subsequence,
    pack_bits,
    rouge_l,
    score_predictions,
    signatures,
    unpack_bits,
)
from evaluation.programs.run import Outcome

CODES = ["x = 1", "if x :", "return f ( a , b )", "names . append ( name )", "raise ValueError ( 'no' )"]
GUESSES = ["x = 1", "if y :", "return f ( a )", "", "raise ValueError ( 'no'"]


def examples(codes, language="python"):
    return [Example(str(i), f"words {i}", code, language) for i, code in enumerate(codes)]


def test_hand_worked_scores():
    scores = score_predictions(examples(CODES), GUESSES, duplicates={"0", "4"})
    assert scores["exact_match"]["value"] == 1 / 5
    assert scores["exact_match"]["n"] == 5
    assert scores["exact_match_without_duplicates"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 3}
    assert scores["parses"]["value"] == 3 / 5
    assert "tests_passed" not in scores


def test_every_interval_holds_its_value():
    outcomes = [Outcome(i % 2 == 0, "passed" if i % 2 == 0 else "failed") for i in range(5)]
    scores = score_predictions(examples(CODES), GUESSES, outcomes=outcomes)
    assert list(scores) == [
        "exact_match_without_duplicates", "exact_match", "tests_passed", "parses", "bleu", "chrf",
        "rouge_1", "rouge_2", "rouge_l",
    ]  # fmt: skip
    assert scores["tests_passed"]["value"] == 3 / 5
    for score in scores.values():
        assert score["low"] <= score["value"] <= score["high"]
        assert score["n"] == 5


def test_bleu_and_chrf_are_sacrebleus():
    scores = score_predictions(examples(CODES), GUESSES)
    assert math.isclose(scores["bleu"]["value"], sacrebleu.corpus_bleu(GUESSES, [CODES], force=True).score)
    assert math.isclose(scores["chrf"]["value"], sacrebleu.corpus_chrf(GUESSES, [CODES]).score)
    assert math.isclose(line_score(CODES[1], GUESSES[1]), sacrebleu.sentence_chrf(GUESSES[1], [CODES[1]]).score)
    assert "version:" in signatures()["bleu"]
    assert "nrefs:1" in signatures()["chrf"]


def test_the_interval_of_bleu_is_that_of_scoring_resampled_lines_again():
    scores = score_predictions(examples(CODES * 4), GUESSES * 4)
    generator = np.random.default_rng(7)
    again = []
    for _ in range(400):
        drawn = [int(i) % 5 for i in generator.integers(20, size=20)]
        texts, codes = [GUESSES[i] for i in drawn], [CODES[i] for i in drawn]
        again.append(sacrebleu.corpus_bleu(texts, [codes], force=True).score)
    low, high = np.percentile(again, [2.5, 97.5])
    assert abs(scores["bleu"]["low"] - low) < 6
    assert abs(scores["bleu"]["high"] - high) < 6


def test_rouge_is_rouge_scores_f1_over_tokens_of_the_language():
    scores = score_predictions(examples(["a b c d"], "sql"), ["a b d c"])
    assert scores["rouge_1"]["value"] == 1.0  # all four words
    assert math.isclose(scores["rouge_2"]["value"], 1 / 3)  # only "a b" of three pairs
    assert math.isclose(scores["rouge_l"]["value"], 3 / 4)  # "a b c" or "a b d"
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"])
    rows = [theirs.score(code, guess) for code, guess in (("one two two", "two one"), ("one", ""), ("two", "two"))]
    ours = score_predictions(examples(["one two two", "one", "two"]), ["two one", "", "two"])
    for name, kind in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        assert math.isclose(ours[name]["value"], np.mean([row[kind].fmeasure for row in rows]))


def test_operators_count_in_rouge():
    scores = score_predictions(examples(["x = a + b"]), ["x = a - b"])
    assert math.isclose(scores["rouge_1"]["value"], 4 / 5)


def test_perfect_predictions_have_perfect_scores():
    scores = score_predictions(examples(CODES), CODES)
    for name, score in scores.items():
        assert math.isclose(score["value"], 100 if name in ("bleu", "chrf") else 1), name
    assert gold_parses(examples(CODES)) == 1


def test_a_missing_output_is_wrong_and_counts():
    missing = score_predictions(examples(CODES), [None] * 5)
    assert missing == score_predictions(examples(CODES), [""] * 5)
    assert {score["value"] for score in missing.values()} == {0.0}
    assert {score["n"] for score in missing.values()} == {5}


def test_a_line_is_completed_only_where_the_reference_is_a_line():
    program = "def f(x):\n    return x"
    scores = score_predictions(examples(["if x :", program]), ["while y :", "while y :"])
    assert scores["parses"]["value"] == 1 / 2


def test_only_python_is_parsed():
    assert "parses" not in score_predictions(examples(["ls -l"], "bash"), ["ls  -l"])


def test_without_new_pairs_there_is_no_score_of_new_pairs():
    assert "exact_match_without_duplicates" not in score_predictions(examples(["x"]), ["x"], duplicates={"0"})


def test_different_numbers_are_refused():
    with pytest.raises(ValueError, match="1 predictions for 5 references"):
        score_predictions(examples(CODES), ["x"])
    with pytest.raises(ValueError, match="0 outcomes for 5 references"):
        score_predictions(examples(CODES), GUESSES, outcomes=[])
    with pytest.raises(ValueError, match="no lines"):
        score_predictions([], [])


def test_groups_of_lengths_together_are_everything():
    references = examples(["a b c d", "a", "a b c d e f g h", "a b"], "sql")
    assert length_groups(references, edges=(2, 7)) == [(1, 2, [1, 3]), (4, 4, [0]), (8, 8, [2])]


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=70))
def test_packed_bits_come_back(values):
    assert unpack_bits(pack_bits(values)).tolist() == values


def test_a_thousand_bits_are_short_and_a_cut_string_is_noticed():
    packed = pack_bits(exact_matches(examples(CODES), GUESSES))
    assert packed == "5:gA=="  # 10000000
    packed = pack_bits([True] * 1000)
    assert len(packed) < 180
    with pytest.raises(ValueError, match="cut"):
        unpack_bits(packed[:-8])


class AsGiven:
    """rouge-score's tokenizer for what is tokens already."""

    def tokenize(self, tokens):
        return tokens


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.lists(st.sampled_from("abcd"), max_size=40))
def test_rouge_l_of_bits_is_rouge_scores_of_a_table(reference, prediction):
    theirs = RougeScorer(("rougeL",), tokenizer=AsGiven()).score(reference, prediction)
    assert rouge_l(reference, prediction) == theirs["rougeL"].fmeasure


def test_the_longest_common_subsequence_of_long_programs_takes_a_moment():
    left, right = [*"abc"] * 10_000, [*"acb"] * 9_000
    before = time.process_time()
    assert 18_000 <= longest_common_subsequence(left, right) <= 27_000
    assert time.process_time() - before < 3
