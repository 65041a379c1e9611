from pathlib import Path

import numpy as np
import pytest

from system.options import run_and_report
from teaching.the_math.number_blocks import read
from teaching.the_math.what_breaks import TABLES, main

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "the_math.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables():
    return {name: table().values for name, table in TABLES.items()}


def test_the_pages_tables_are_the_programs(tables):
    shown = read(PAGE)
    for name, values in tables.items():
        np.testing.assert_allclose(shown[name], values, rtol=0.05, atol=0.02, err_msg=name)


def test_scores_grow_as_the_root_of_the_key_width_and_gradients_fade(tables):
    std, entropy, slope, scaled_std, scaled_entropy, scaled_slope = tables["no scale"].T
    np.testing.assert_allclose(std, np.sqrt([4, 16, 64, 256, 1024]), rtol=0.02)
    np.testing.assert_allclose(scaled_std, 1, rtol=0.02)
    assert (np.diff(entropy) < 0).all() and np.ptp(scaled_entropy) < 0.05
    assert slope[-1] < slope[0] / 5 and np.ptp(scaled_slope) < 0.02


def test_only_without_the_mask_does_a_later_token_change_an_earlier_state(tables):
    masked, masked_changed, bare, bare_changed = tables["no mask"]
    assert np.array_equal(masked, masked_changed) and np.abs(bare - bare_changed).max() > 0.1


def test_only_positions_tell_two_word_orders_apart(tables):
    one, other, bare, bare_other = tables["no positions"]
    assert np.abs(one - other).max() > 0.05
    np.testing.assert_allclose(bare, bare_other, atol=1e-14)


def test_without_norm_gradients_explode_and_without_both_they_vanish(tables):
    post, pre, no_residual, no_norm, neither = tables["no residual"].T
    assert no_norm[0] > 4 and neither[0] < -3
    assert no_residual[0] < no_residual[-1] - 0.5
    assert np.ptp(post) < 0.5 and pre[0] > pre[-1]


def test_post_norms_last_gradient_does_not_shrink_with_depth(tables):
    post, pre = tables["no warm-up"][0::2], tables["no warm-up"][1::2]
    assert post[-1, 0] > 0.9 * post[0, 0] and pre[-1, 0] < 0.6 * pre[0, 0]
    assert (post[:, 3] > pre[:, 3]).all() and (post[:, 2] > pre[:, 2]).all()


def test_one_table_is_printed_by_its_name(capsys):
    assert main(["no mask"]) == 0
    assert "no mask, then show" in capsys.readouterr().out
    assert run_and_report(main, ["no maks"]) == 2
    assert "near are no mask" in capsys.readouterr().err
