"""Implementations answer one at a time, and the ratio follows from turns that stand beside each other."""

import importlib.util
import io
import json

import pytest

from data.example import DataError
from data.options import run_and_report
from experiments import speed
from experiments.result_lines import measurement_lines
from experiments.speed_shape import Shape, our_config, step_flops
from experiments.speed_worker import IMPLEMENTATIONS, describe, make_ours, random_pairs, serve
from training.flops import forward_flops

TINY = Shape(
    d_model=16, n_heads=2, n_layers=1, d_ff=32, vocab_size=64, batch=2, source_length=8, target_length=6, dropout=0.1
)
OPTIONS = [
    "--shape.d-model=16", "--shape.n-heads=2", "--shape.n-layers=1", "--shape.d-ff=32", "--shape.vocab-size=64",
    "--shape.batch=2", "--shape.source-length=8", "--shape.target-length=6", "--gemm-size=32", "--threads=1",
    "--rounds=2", "--steps=1", "--warm-up=1",
]
HAS_TRANSFORMERS = importlib.util.find_spec("transformers") is not None
needs_transformers = pytest.mark.skipif(not HAS_TRANSFORMERS, reason='pip install -e ".[bench]"')


def measured(name, seconds, parameters=1000):
    about = {"parameters": parameters, "threads": 1, "library": "toy 1.0", "code_hash": "c0de"}
    return speed.Measured(name, about, seconds, [1e9] * len(seconds))


def test_a_worker_takes_exactly_the_steps_it_is_asked_for():
    implementation = make_ours(TINY)
    requests = [{"steps": 3, "gemm_size": 16}, {"steps": 1, "gemm_size": 16}]
    answers = io.StringIO()
    before = [weight.detach().clone() for weight in implementation.model.parameters()]
    serve(implementation, io.StringIO("".join(json.dumps(request) + "\n" for request in requests)), answers)
    lines = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert len(lines) == 2 and all(line["seconds"] > 0 and line["gemm_flops"] > 0 for line in lines)
    assert any((old != new).any() for old, new in zip(before, implementation.model.parameters()))
    steps = {int(state["step"]) for state in optimizer_of(implementation).state.values()}
    assert steps == {4}


def optimizer_of(implementation):
    """The optimiser behind a step, found in the step's own closure."""
    phase = next(cell.cell_contents for cell in implementation.step.__closure__
                 if hasattr(cell.cell_contents, "optimizer"))
    return phase.optimizer


def test_random_pairs_are_the_same_each_time_and_hold_no_special_id():
    source, target = random_pairs(TINY)
    assert source.shape == (2, 8) and target.shape == (2, 6)
    assert min(source.min(), target.min()) >= 5 and max(source.max(), target.max()) < 64
    assert (random_pairs(TINY)[0] == source).all()


def test_our_dropout_stands_where_bart_has_it():
    config = our_config(Shape(dropout=0.25))
    assert (config.dropout, config.dropout_attention, config.dropout_feed_forward) == (0.25, 0.25, 0.0)
    assert (config.norm_position, config.feed_forward, config.tie_embeddings) == ("post", "gelu", True)


@needs_transformers
def test_bart_of_the_measured_shape_has_as_many_parameters():
    ours, peer = (describe(make(Shape())) for make in IMPLEMENTATIONS.values())
    assert abs(ours["parameters"] - peer["parameters"]) < 0.01 * peer["parameters"]


def test_flops_of_a_step_are_three_times_the_forward_pass_of_every_pair():
    assert step_flops(TINY) == 2 * 3 * forward_flops(our_config(TINY), 8, 6)


def test_the_ratio_is_taken_round_by_round():
    ours, peer = measured("ours", [1.0, 2.0, 4.0]), measured("BART", [1.0, 4.0, 2.0])
    assert speed.ratio_of(ours, peer) == {"median": 1.0, "min": 0.5, "max": 2.0, "rounds": 3}
    found = speed.figures(ours, TINY)
    assert found["tokens_per_second"] == TINY.tokens / 2.0
    assert found["share_of_peak"] == pytest.approx(step_flops(TINY) / 2.0 / 1e9)


def test_a_row_of_another_shape_does_not_pass_for_the_target():
    ours, peer = measured("ours", [1.0]), measured("BART", [2.0])
    row = speed.row_of(ours, peer, speed.Settings(), ["experiments.speed", "--json", "/x/y.json"])
    assert row["row"] == "training, BART" and row["met"] is True and row["target"] == "at least 1.0"
    assert row["command"] == "python -m experiments.speed"
    other = speed.row_of(ours, peer, speed.Settings(shape=TINY), ["experiments.speed"])
    assert other["row"].startswith("training, BART, d 16") and "met" not in other


def test_sizes_that_differ_are_said(capsys):
    speed.show(measured("ours", [1.0], 1100), measured("BART", [1.0], 1000), speed.Settings())
    assert "the sizes differ: +100 parameters (+10.0%)" in capsys.readouterr().out
    speed.show(measured("ours", [1.0], 1005), measured("BART", [1.0], 1000), speed.Settings())
    assert "differ" not in capsys.readouterr().out


def test_without_transformers_the_row_is_left_out(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(speed, "find_spec", lambda name: None)
    assert speed.main(["--json", str(tmp_path / "rows.json")]) == 0
    assert capsys.readouterr().out == 'BART: transformers is not installed (pip install -e ".[bench]")\n'
    assert json.loads((tmp_path / "rows.json").read_text()) == []


def test_a_trial_takes_few_steps_and_says_so(monkeypatch, capsys):
    monkeypatch.setenv("CI_STEPS", "20")
    settings = speed.capped(speed.Settings())
    assert (1 + settings.warm_up + settings.rounds * settings.steps) * 2 <= 20
    assert "not results" in capsys.readouterr().err
    ours, peer = measured("ours", [1.0]), measured("BART", [2.0])
    assert speed.row_of(ours, peer, settings, ["experiments.speed"])["command"].startswith("CI_STEPS=20 python")


def test_bad_settings_are_one_line(capsys, tmp_path, monkeypatch):
    assert run_and_report(speed.main, ["--json", str(tmp_path / "missing" / "rows.json")]) == 2
    assert run_and_report(speed.main, ["--rounds", "0"]) == 2
    monkeypatch.setenv("CI_STEPS", "few")
    assert run_and_report(speed.main, []) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "--json" in lines[0] and "rounds" in lines[1] and "CI_STEPS=few" in lines[2]


def test_a_process_that_ends_too_early_is_named():
    with pytest.raises(DataError, match="ours: its process ended with status"):
        speed.take_turns(["ours"], speed.Settings(shape=Shape(d_model=15, n_heads=2), threads=1))


@needs_transformers
def test_both_take_turns_and_the_row_is_one_that_results_takes(capsys, tmp_path):
    file = tmp_path / "rows.json"
    assert speed.main([*OPTIONS, "--json", str(file)]) == 0
    (line,) = measurement_lines(file, "speed")
    assert line["ratio"]["rounds"] == 2 and line["ratio"]["min"] <= line["ratio"]["max"]
    assert line["code_hash"] and line["threads"] == 1 and str(tmp_path) not in json.dumps(line)
    assert "ratio ours / BART" in capsys.readouterr().out
