"""Devices, seeds and precision."""

import gc
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

from training.device import (
    autocast,
    collect_garbage_seldom,
    find_device,
    seed_everything,
    set_threads,
    warn_without_bf16,
)

ROOT = Path(__file__).parents[2]


def test_the_cpu_is_always_there():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cuda", "mps", "cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "cpu:", "mps", "tpu", ""])
def test_a_device_that_is_not_there_is_refused_in_one_line(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="choose auto or one of cpu") as error:
        find_device(name)
    assert "\n" not in str(error.value)


def test_one_seed_gives_one_sequence_of_random_numbers():
    def draws(seed):
        seed_everything(seed)
        return random.random(), numpy.random.rand(), torch.rand(1).item()

    assert draws(7) == draws(7)
    assert draws(7) != draws(8)


def test_bfloat16_is_not_used_on_a_cpu_and_that_is_said(capsys):
    cpu = torch.device("cpu")
    with autocast(cpu, bf16=True):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    warn_without_bf16(cpu, bf16=False)
    assert capsys.readouterr().err == ""
    warn_without_bf16(cpu, bf16=True)
    assert "CUDA only" in capsys.readouterr().err


def test_threads_are_set_and_zero_leaves_them():
    before = torch.get_num_threads()
    try:
        assert set_threads(1) == 1
        assert set_threads(0) == 1
    finally:
        torch.set_num_threads(before)


def test_a_corpus_is_not_searched_for_garbage_while_it_is_read():
    before = gc.get_threshold()
    try:
        collect_garbage_seldom()
        gc.collect()
        searches = [generation["collections"] for generation in gc.get_stats()]
        corpus = [[number] for number in range(50_000)]
        assert [generation["collections"] for generation in gc.get_stats()] == searches and corpus
    finally:
        gc.set_threshold(*before)


TOUCH_PAGES = """
import resource, sys, torch
from training.device import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit(3)
for _ in range(20):  # the heap first grows
    torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_freed_memory_is_used_again_instead_of_being_fetched_from_the_kernel():
    def new_pages(way):
        command = [sys.executable, "-c", TOUCH_PAGES, way]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    kept = new_pages("kept")
    if kept.returncode == 3:
        pytest.skip("this C library has no mallopt")
    assert int(kept.stdout) < int(new_pages("given back").stdout) / 10
