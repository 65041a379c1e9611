"""The learning-rate range test on a curve by hand and on a tiny network."""

import json
import math

import pytest

from experiments.range_test import Settings, fastest_fall, main, rate_at
from system.errors import UserError

TINY = """generated --device cpu --threads 1 --pretraining.steps 0 --data.generated_train 200 --data.generated_test 2
    --data.held_out 10 --data.generated_operations 10 --data.vocab_size 400 --data.batch_tokens 512
    --model.d_model 16 --model.n_heads 2 --model.d_ff 16 --model.n_encoder_layers 1 --model.n_decoder_layers 1
    --model.no_copy_head""".split()


def test_the_rate_grows_by_the_same_factor_every_step():
    settings = Settings(steps=7, lowest=1e-5, highest=10)
    assert [rate_at(step, settings) for step in range(7)] == pytest.approx([10.0 ** (n - 5) for n in range(7)])


def test_the_fastest_fall_of_a_curve_is_where_it_is_steepest():
    points = [(10.0**-n, 5 - 4 / (1 + math.exp(20 - k))) for k, n in enumerate(range(50, 0, -1))]
    assert fastest_fall(points) == pytest.approx(10.0**-30, rel=10)  # the middle of the logistic is at step 20
    assert fastest_fall(points[:5]) is None


def test_a_tiny_network_stops_where_the_loss_explodes(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("CI_STEPS", raising=False)
    files = ["--plot", str(tmp_path / "r.png"), "--json", str(tmp_path / "r.json")]
    assert main(["--steps", "40", "--lowest", "1e-4", "--highest", "1e4", *files, "--", *TINY]) == 0
    points = json.loads((tmp_path / "r.json").read_text())
    assert 10 < len(points) < 40 and points[-1]["rate"] < 1e4, "rates of thousands must not be survived"
    assert min(point["loss"] for point in points) < points[0]["loss"]
    assert "falls fastest at" in capsys.readouterr().out and (tmp_path / "r.png").stat().st_size > 5000


@pytest.mark.parametrize("options", [["--lowest", "0"], ["--highest", "1e-9"], ["--steps", "1"]])
def test_an_impossible_range_is_refused(options):
    with pytest.raises(UserError, match="must be"):
        main(options)
