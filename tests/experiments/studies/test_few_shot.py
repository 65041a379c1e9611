"""Few-shot adaptation of a tiny run: a row for each k, the same draws for all, and what has seen the family refused."""

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch

import train
from data.batches import collate
from data.example import Example
from data.objectives.pairs import pairs
from experiments.record.cells import measurement_in_words
from experiments.record.lines import measurement_lines
from experiments.record.records import record_of
from experiments.results.pages import measurement_page
from experiments.studies import few_shot
from experiments.suites.strategies import SUITE as STRATEGIES
from system.options import run_and_report
from training.batch_loss import batch_loss
from training.run.folder import read_config
from training.run.load import load_trained
from training.strategies.config import MetaConfig, StrategiesConfig

FAMILY = ["total", "size"]
ANY = """--device cpu --threads 1 --pretraining.steps 0 --training.steps 3 --data.generated_train 300
    --data.generated_test 4 --data.held_out 5 --evaluation.max_new_tokens 8""".split()
TINY = [*ANY, *"""--data.vocab_size 500 --model.d_model 16 --model.n_heads 2 --model.d_ff 16
    --model.n_encoder_layers 1 --model.n_decoder_layers 1""".split()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI_STEPS", raising=False)
        for name, seed in (("a", 0), ("b", 1)):
            words = [*TINY, "--seed", str(seed), "--data.generated_without", *FAMILY, "--run"]
            assert run_and_report(train.main, [*words, str(folder / name)]) == 0
            meta = [str(folder / f"meta-{name}"), "--strategies.meta.kind", "fomaml"]
            assert run_and_report(train.main, [*words, *meta]) == 0
        shutil.copytree(folder / "a", folder / "a-again")
        assert run_and_report(train.main, [*TINY, "--run", str(folder / "seen")]) == 0
    return folder


def call(*options):
    return run_and_report(few_shot.main, [*map(str, options), "--operations", *FAMILY, "--tasks", "3"])


@pytest.mark.slow
def test_kinds_are_measured_for_every_k_and_set_against_plain_training(runs, tmp_path, capsys):
    given = ["--k", 2, 4, "--draws", 2, "--steps", 2, "--json", tmp_path / "rows.json"]
    assert call(runs / "a", runs / "b", runs / "meta-a", runs / "meta-b", *given) == 0
    rows = {row["row"]: row for row in json.loads((tmp_path / "rows.json").read_text())}
    assert list(rows) == [
        *(f"{kind}, k {k}" for kind in ("plain", "fomaml") for k in (0, 2, 4)),
        *(f"fomaml against plain, k {k}" for k in (0, 2, 4)),
    ]  # fmt: skip
    assert set(rows["plain, k 2"]["seeds"]) == {"0", "1"} and rows["fomaml against plain, k 4"]["over"] == "2 seeds"
    assert "k = 4" in capsys.readouterr().out
    lines = [record_of(line) for line in measurement_lines(tmp_path / "rows.json", "few_shot")]
    page = measurement_page({"few_shot": lines}, "few_shot").text
    assert "| fomaml against plain, k 4 | " in page and " corrected" not in page  # k 20 alone was claimed


def test_the_claimed_comparison_alone_is_corrected():
    plain, better = {1: 10.0, 2: 20.0, 3: 30.0, 4: 25.0}, {1: 20.1, 2: 30.0, 3: 40.2, 4: 34.9}
    found = {"plain": {5: plain, 20: plain}, "fomaml": {5: better, 20: better}}
    few, claimed = few_shot.compare(found, ["experiments.studies.few_shot"], {})
    assert "p_corrected" not in few and 0 < claimed["p"] < 0.001
    assert claimed["p_corrected"] == pytest.approx(8 * claimed["p"]) and STRATEGIES.family == 8
    assert "; p < 0.001, " in measurement_in_words(record_of({**claimed, "suite": "few_shot", "machine": "2 cores"}))


@pytest.mark.slow
def test_runs_that_would_stand_for_each_other_are_refused(runs, capsys):
    assert call(runs / "a", runs / "a-again") == 2
    assert "both plain with seed 0; name one" in capsys.readouterr().err
    assert call() == 2


@pytest.mark.slow
def test_plain_training_with_fewer_steps_is_another_kind(runs):
    config = read_config(runs / "a", train.Settings)[0]
    fewer = replace(config, training=replace(config.training, accumulate=4))
    kind = few_shot.kind_of(fewer)
    assert (few_shot.kind_of(config), kind, few_shot.control_of(kind)) == ("plain", "plain, 4 batches a step", "plain")
    meta = replace(fewer, strategies=StrategiesConfig(meta=MetaConfig("reptile")))
    assert few_shot.kind_of(meta) == "reptile"


def test_the_difference_is_paired_by_seeds(capsys):
    found = {"plain": {5: {1: 10.0, 2: 20.0, 3: 33.0}}, "reptile": {5: {1: 13.0, 2: 24.0, 4: 99.0}}}
    (row,) = few_shot.compare(found, ["experiments.studies.few_shot"], {})
    assert (row["row"], row["value"], row["over"]) == ("reptile against plain, k 5", 3.5, "2 seeds")
    assert row["p"] == pytest.approx(2 * (0.5 - math.atan(3.5 / 0.5) / math.pi)), "Cauchy: t of one degree of freedom"
    assert few_shot.compare({"reptile": {5: {1: 1.0, 2: 2.0}}}, ["experiments.studies.few_shot"], {}) == []


def go_on(runs, start, name, *words):
    """A run that begins with the network of another."""
    words = [*ANY, "--data.generated_without", *FAMILY, "--init.from", str(runs / start), *words]
    assert run_and_report(train.main, [*words, "--run", str(runs / name)]) == 0
    return runs / name


@pytest.mark.slow
def test_runs_that_began_with_trained_ones_are_set_against_each_other(runs, tmp_path):
    begun = [
        go_on(runs, start, f"{start}-{meta}", "--seed", seed, "--strategies.meta.kind", meta)
        for seed, start in (("0", "a"), ("1", "b")) for meta in ("none", "reptile")
    ]  # fmt: skip
    file = tmp_path / "rows.json"
    assert call(runs / "a", runs / "b", *begun, "--k", 2, "--draws", 1, "--steps", 1, "--json", file) == 0
    assert {row["row"] for row in json.loads(file.read_text())} == {
        f"{what}, k {k}" for k in (0, 2)
        for what in ("plain", "plain, then plain", "plain, then reptile", "plain, then reptile against plain")
    }  # fmt: skip


@pytest.mark.slow
def test_what_others_began_with_is_measured_where_no_other_is_of_its_kind(runs):
    start, other = runs / "a", runs / "a-again"
    begun = go_on(runs, "a", "a-then", "--seed", "0")

    def measurement_in_words(*named):
        return [*few_shot.without_beginnings({run: read_config(run, train.Settings)[0] for run in named})]

    assert measurement_in_words(start, begun) == [start, begun]
    assert measurement_in_words(start, other, begun) == [other, begun]


@pytest.mark.parametrize("options", [["--k", "0"], ["--draws", "0"], ["--tasks", "0"], ["--learning_rate", "0"]])
def test_impossible_numbers_are_refused(capsys, options):
    assert run_and_report(few_shot.main, ["a", *options]) == 2
    assert "must be" in capsys.readouterr().err


@pytest.mark.slow
def test_more_examples_than_there_are_are_refused(runs, capsys):
    assert call(runs / "a", "--k", 2, "--draws", 500, "--steps", 1) == 2
    assert "lower --draws" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_has_seen_the_family_is_refused(runs, capsys):
    for run in (runs / "seen", go_on(runs, "seen", "on")):
        assert call(run) == 2
        assert f"{runs / 'seen'} has seen the family" in capsys.readouterr().err


@pytest.mark.slow
def test_fine_tuning_learns_its_examples(runs):
    model, tokenizer = load_trained(runs / "a", read_config(runs / "a", train.Settings)[0].model)
    examples = [Example(f"e:{n}", f"add {n}", f"x += {n}") for n in range(4)]
    batch = collate([pairs(e, tokenizer, None) for e in examples], [e.id for e in examples], tokenizer)

    def loss():
        with torch.no_grad():
            return batch_loss(model.eval(), batch, 0.0)[0].item()

    before = loss()
    few_shot.fine_tune(model, tokenizer, examples, few_shot.Settings((), (), steps=20, learning_rate=0.01), 0)
    assert loss() < 0.7 * before
