"""Planted lines: half of those that training does not have, in a corpus that reads back as it was; and their effect."""

import json

import numpy
import pytest

from data.config import DataConfig
from data.shards.build import build
from data.shards.sources import folder_origin
from data.shards.store import ShardedExamples
from evaluation.metrics import pack_bits
from experiments.studies import contamination
from experiments.studies.contamination import dev_lines, effect_of, is_planted, main
from system.errors import UserError
from system.options import run_and_report


@pytest.fixture
def django(tmp_path):
    """Forty dev lines, the last four of which training has."""
    folder = tmp_path / "django"
    folder.mkdir()
    (folder / "all.anno").write_text("".join(f"line {n}\n" for n in range(16040)))
    codes = [f"x = f{n} ( {n} )" if n < 16036 else "x = f0 ( 0 )" for n in range(16040)]
    (folder / "all.code").write_text("\n".join(codes) + "\n")
    return folder


@pytest.fixture
def corpus(tmp_path):
    """A corpus of some hundred functions."""
    source = tmp_path / "source"
    source.mkdir()
    words = "alpha beta gamma delta load save open read count total value name index key path node line item".split()
    for number in range(120):
        one, two = words[number * 5 % 18], words[number * 7 % 18]
        body = "\n".join(f"    {one}_{k} = {words[number * (k + 2) % 18]}({two}, {number + k})" for k in range(6))
        code = f'def {one}_{two}_{number}({two}):\n    """Compute {one} number {number}."""\n{body}\n'
        (source / f"module{number}.py").write_text(code)
    build([folder_origin(source)], tmp_path / "clean", {}, 600, "", 1)
    return tmp_path / "clean"


def test_a_planted_corpus_holds_a_share_of_the_clean_one_and_half_of_the_new_lines(tmp_path, django, corpus, capsys):
    words = ["plant", "--out", str(tmp_path / "out"), "--shards", str(corpus), "--share", "4", "--copies", "3"]
    assert run_and_report(main, [*words, "--data_path", str(django)]) == 0
    clean, planted = ShardedExamples(corpus), ShardedExamples(tmp_path / "out")
    kept = list(clean)[::4]
    assert list(planted)[: len(kept)] == kept, "descriptions, codes, names and languages are as they were"
    assert list(ShardedExamples(tmp_path / "out", held_out=True)) == list(ShardedExamples(corpus, held_out=True))[::4]
    lines, is_new = dev_lines(DataConfig(path=str(django), held_out=0), 0)
    wanted = {line.code for line in lines if is_planted(line)} - {"x = f0 ( 0 )"}
    added = [example.code for example in list(planted)[len(kept) :]]
    assert sorted(added) == sorted(3 * list(wanted)) and 8 < len(wanted) < 28
    assert is_new.sum() == 36
    assert "django" not in planted.card["benchmarks"], "a run on it warns"
    with pytest.raises(UserError, match="holds another corpus"):
        build([folder_origin(corpus.parent / "source")], tmp_path / "out", {}, 600, "", 1)
    assert run_and_report(main, [*words, "--data_path", str(django)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_spacing_does_not_put_a_line_on_the_other_side(django):
    lines, _ = dev_lines(DataConfig(path=str(django), held_out=0), 0)
    respaced = [type(line)(line.id, "another", line.code.replace(" ", "  "), line.language) for line in lines]
    assert [is_planted(line) for line in lines] == [is_planted(line) for line in respaced]


def test_the_effect_is_the_difference_of_two_differences():
    planted = numpy.tile([True, True, False, False, False, False], 20)
    others = numpy.tile([False, False, True, True, True, False], 20)  # the last of six lines is in training
    differences = numpy.tile([[1, 1, 1, 0, 0, 1], [1, 0, 1, 0, 0, 1]], 20)
    codes = [str(n) for n in range(120)]
    effect, (low, high), (low_seeds, high_seeds) = effect_of(differences, planted, others, codes)
    by_hand = [100 * (1 - 1 / 3), 100 * (1 / 2 - 1 / 3)]
    assert effect == pytest.approx(sum(by_hand) / 2)
    assert low < effect < high
    half = 12.7062 * (by_hand[0] - by_hand[1]) / 2  # t of one degree of freedom; half the difference is s / sqrt(2)
    assert (low_seeds, high_seeds) == pytest.approx((effect - half, effect + half), rel=1e-4)


@pytest.mark.parametrize("of_planted, of_others, expected", [(1, 1, 0.0), (1, 0, 100.0)])
def test_what_all_lines_have_in_common_has_no_interval(of_planted, of_others, expected):
    planted = numpy.arange(100) % 2 == 0
    differences = numpy.where(planted, of_planted, of_others) * numpy.ones((3, 1), dtype=int)
    effect, over_lines, over_seeds = effect_of(differences, planted, ~planted, [str(n // 4) for n in range(100)])
    assert effect == expected and over_lines == (expected, expected) and over_seeds == (expected, expected)


def test_lines_of_one_code_count_as_one_draw():
    draw = numpy.random.default_rng(0)
    planted = numpy.arange(80) % 2 == 0
    differences = draw.integers(-1, 2, (1, 80)).repeat(2, axis=0)
    alone = effect_of(differences, planted, ~planted, [str(n) for n in range(80)])
    copied = [numpy.tile(part, 4) for part in (planted, ~planted)]
    codes = [str(n) for n in range(80)] * 4
    together = effect_of(numpy.tile(differences, 4), *copied, codes)
    assert together[0] == pytest.approx(alone[0]) and together[1] == pytest.approx(alone[1])


def test_two_rows_are_compared_on_both_halves(tmp_path, django, monkeypatch, capsys, run_line_fields):
    lines, _ = dev_lines(DataConfig(path=str(django), held_out=0), 0)
    results = tmp_path / "docs" / "results"
    results.mkdir(parents=True)
    rights = {"infilling": [0] * 40, "infilling, contaminated": [int(is_planted(line)) for line in lines]}
    rows = [
        run_line_fields | {"row": row, "seed": seed, "bits": {"dev": {"exact": pack_bits(bits)}}}
        for row, bits in rights.items() for seed in (1, 2)
    ]
    (results / "toy.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(contamination, "ROOT", tmp_path)
    words = ["effect", "--suite", "toy", "--data_path", str(django)]
    assert run_and_report(main, [*words, "--json", str(tmp_path / "rows.json")]) == 0
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert (row["value"], row["low"], row["seeds"]) == (100.0, 100.0, 2)
    printed = capsys.readouterr().out
    assert "effect of reading the answers: +100.0 points" in printed and "over 2 seeds" in printed
    assert [line.split()[-1] for line in printed.splitlines()[2:4]] == ["+100.0", "+0.0"]
    assert run_and_report(main, [*words, "--clean", "nobody"]) == 2
