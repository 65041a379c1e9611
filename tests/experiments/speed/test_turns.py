"""Implementations answer one at a time, and the ratio follows from turns that stand beside each other."""

import pytest

from experiments.speed.turns import Job, Turns, fastest, ratio_of, shares_of_peak, take_turns
from system.errors import UserError

TINY = {"d_model": 16, "n_heads": 2, "n_layers": 1, "d_ff": 32, "vocab_size": 64, "batch": 2, "source_length": 8,
        "target_length": 6}  # fmt: skip


def turns(name, seconds, difference="", peaks=(1e9, 2e9)):
    about = {"difference": difference, "library": "toy 1.0", "parameters": 1000}
    answers = [{"seconds": one, "tokens": 100, "gemm_flops": peaks, "memory_mib": 10 * one} for one in seconds]
    return Turns(Job(name, "train", {}), about, answers)


def test_the_ratio_is_taken_round_by_round():
    ours, peer = turns("ours", [1.0, 2.0, 4.0]), turns("BART", [1.0, 4.0, 2.0])
    assert ratio_of(ours, peer) == {"median": 1.0, "min": 0.5, "max": 2.0, "rounds": 3}
    assert ours.speeds == [100, 50, 25] and ours.memory_mib == 40


def test_a_peer_with_a_difference_is_never_the_fastest():
    peers = [turns("slow", [2.0]), turns("other task", [0.5], difference="no dropout"), turns("good", [1.0])]
    assert [peer.job.name for peer in fastest(peers, 2)] == ["good", "slow"]


def test_the_share_of_the_peak_is_flops_by_formula_over_the_peak_of_the_same_turn():
    assert shares_of_peak(turns("ours", [1.0, 2.0, 4.0]), 1e7) == pytest.approx((0.5, 0.25))


def test_a_process_that_ends_too_early_is_named():
    job = Job("ours", "train", {"shape": TINY | {"d_model": 15}, "first": {"steps": 1}})
    with pytest.raises(UserError, match="ours: its process ended with status"):
        take_turns([job], {"shape A": {"steps": 1}}, 1, 1, 16)


@pytest.mark.slow
def test_two_processes_take_turns_and_each_answers_every_request():
    jobs = [Job(name, "train", {"shape": TINY, "first": {"steps": 1}}) for name in ("ours", "nn.Transformer")]
    found = take_turns(jobs, {"one": {"steps": 1}, "three": {"steps": 3}}, 2, 1, 16)
    assert [[len(one.answers) for one in found[name]] for name in ("one", "three")] == [[2, 2], [2, 2]]
    assert all(answer["tokens"] == 3 * 28 for one in found["three"] for answer in one.answers)
    assert all(answer["seconds"] > 0 and answer["memory_mib"] > 0 for one in found["one"] for answer in one.answers)
    assert found["one"][0].about["code_hash"] and found["one"][0].about["threads"] == 1
