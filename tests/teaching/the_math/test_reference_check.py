
import numpy as np
import pytest

from teaching.the_math import reference_check
from teaching.the_math.reference_check import error, main, worst


def test_an_error_is_relative_above_one_and_absolute_below():
    assert error(np.array([101.0]), np.array([100.0])) == pytest.approx(0.01)
    assert error(np.array([0.02]), np.array([0.01])) == pytest.approx(0.01)


def test_a_missing_gradient_is_an_error_not_a_pass():
    with pytest.raises(ValueError, match="b.bias"):
        worst({"a": np.zeros(1)}, {"a": np.zeros(1), "b.bias": np.zeros(1)})


def test_the_table_has_a_line_for_each_preset_and_its_limits(capsys, monkeypatch):
    monkeypatch.setattr(reference_check, "PRESETS", {"bart": None})
    monkeypatch.setattr(reference_check, "difference_error", lambda config: 1.5)
    assert main([]) == 1  # 1.5 is above the limit
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["worst error, float64", "bart", "modern, copy head", "limit"]
    forward, _, differences, _ = map(float, lines[1].split()[1:])
    assert differences == 1.5 and forward < 1e-10
