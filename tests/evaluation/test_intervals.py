import math

import numpy as np

from evaluation.intervals import interval_of_mean, interval_of_score, resampled_sums


def test_the_same_examples_have_the_same_interval():
    values = np.arange(50) % 3
    assert interval_of_mean(values) == interval_of_mean(list(values))


def test_examples_that_all_agree_leave_no_doubt():
    assert interval_of_mean([1] * 20) == (1.0, 1.0)
    assert interval_of_mean([0.25]) == (0.25, 0.25)


def test_a_thousand_lines_at_70_percent_are_known_to_about_2_8_points():
    low, high = interval_of_mean([1] * 700 + [0] * 300)
    normal = 1.96 * math.sqrt(0.7 * 0.3 / 1000)
    assert math.isclose(0.7 - low, normal, rel_tol=0.15)
    assert math.isclose(high - 0.7, normal, rel_tol=0.15)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    draws = np.random.default_rng(0).random((100, 80)) < 0.4
    covered = [low <= 0.4 <= high for low, high in map(interval_of_mean, draws)]
    assert 0.88 <= np.mean(covered) <= 1


def test_a_draw_takes_as_many_examples_as_there_are():
    sums = resampled_sums(np.ones((7, 2)), resamples=20)
    assert sums.shape == (20, 2)
    assert (sums == 7).all()


def test_the_statistics_of_one_example_stay_together():
    values = np.array([1.0, 2.0, 5.0])
    sums = resampled_sums(np.stack([values, 3 * values], axis=1))
    np.testing.assert_allclose(sums[:, 1], 3 * sums[:, 0])


def test_a_ratio_of_sums_is_resampled_as_a_whole():
    statistics = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 10.0]])
    np.testing.assert_allclose(interval_of_score(statistics, lambda sums: sums[0] / sums[1]), (0.5, 0.5))
