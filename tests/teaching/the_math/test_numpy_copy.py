import numpy as np
import pytest

from system.options import run_and_report
from teaching.the_math.numpy_copy import END, FIRST_TOKEN, PAD, START, main, sequences, small


def test_sequences_are_ended_padded_and_shifted():
    batch = sequences(50, small("vaswani2017"), np.random.default_rng(1))
    lengths = batch.source_mask.sum(axis=1)
    assert set(lengths) == set(range(5, 12))
    assert (batch.source[np.arange(50), lengths - 1] == END).all()
    assert (batch.source[~batch.source_mask] == PAD).all() and batch.source.max() == 12
    assert (batch.decoder_input[:, 0] == START).all()
    assert np.array_equal(batch.decoder_input[:, 1:], batch.target[:, :-1])
    assert ((batch.source >= FIRST_TOKEN).sum(axis=1) == lengths - 1).all()


def test_a_few_steps_do_not_copy_and_say_so(capsys):
    assert main(["--steps", "2"]) == 1
    assert "copied after 2 steps" in capsys.readouterr().out


def test_bad_settings_are_one_line(capsys):
    assert run_and_report(main, ["--steps", "0"]) == 2
    assert capsys.readouterr().err == "error: --steps 0 must be at least 1\n"


@pytest.mark.slow
def test_numpy_alone_learns_to_copy(capsys):
    with capsys.disabled():  # the steps and the time are worth reading
        assert main([]) == 0
