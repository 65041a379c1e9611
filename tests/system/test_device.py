"""Devices, seeds and precision."""

import ctypes
import gc
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import torch

from system.device import (
    M_MMAP_THRESHOLD,
    M_TRIM_THRESHOLD,
    autocast,
    collect_garbage_seldom,
    find_device,
    has_bf16,
    keep_freed_memory,
    seed_everything,
    set_threads,
    warn_without_bf16,
)
from system.errors import UserError

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


def test_each_process_that_torchrun_starts_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", (taken := []).append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert find_device("auto") == find_device("cuda") == torch.device("cuda:1")
    assert find_device("cpu") == torch.device("cpu") and find_device("cuda:0") == torch.device("cuda:0")
    assert taken == [torch.device("cuda:1")] * 2
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="give torchrun --nproc-per-node 2"):
        find_device("auto")


def test_one_seed_gives_one_sequence_of_random_numbers():
    def draws(seed):
        seed_everything(seed)
        return random.random(), numpy.random.rand(), torch.rand(1).item()

    assert draws(7) == draws(7)
    assert draws(7) != draws(8)


def test_on_cuda_attention_is_not_cudnns_which_plans_anew_for_every_shape(monkeypatch):
    before = torch.backends.cuda.cudnn_sdp_enabled()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda *_, **__: None)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        torch.backends.cuda.enable_cudnn_sdp(True)
        seed_everything(1)
        assert not torch.backends.cuda.cudnn_sdp_enabled() and torch.backends.cuda.flash_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


@pytest.mark.parametrize(
    ("found", "dtype"),
    [
        ({"avx512_f": True, "avx512_bf16": True}, torch.bfloat16),
        ({"neon": True, "bf16": True}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),  # oneDNN would imitate it, slowly
        ({}, torch.float32),
    ],
)
def test_bfloat16_is_used_on_a_cpu_that_has_instructions_for_it_and_else_its_absence_is_said(
    monkeypatch, capsys, found, dtype
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    cpu = torch.device("cpu")
    with autocast(cpu, bf16=True):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    with autocast(cpu, bf16=False):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    warn_without_bf16(cpu, bf16=False)
    assert capsys.readouterr().err == ""
    warn_without_bf16(cpu, bf16=True)
    said = capsys.readouterr().err
    assert ("stays in float32" in said) == (dtype == torch.float32) and said.count("\n") <= 1


def test_bfloat16_is_left_alone_where_onednn_or_the_word_of_the_processor_is_missing(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not has_bf16(torch.device("cpu"))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bf16(torch.device("cpu"))


def test_threads_are_set_and_zero_leaves_them():
    before = torch.get_num_threads()
    try:
        assert set_threads(1) == 1
        assert set_threads(0) == 1
    finally:
        torch.set_num_threads(before)


def c_library(monkeypatch, accepts=None):
    """A C library whose mallopt accepts these values; None: it has no mallopt. Returns what it was told."""
    told = []

    def mallopt(parameter, value):
        told.append((parameter, value))
        return int(accepts(parameter, value))

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(**({"mallopt": mallopt} if accepts else {})))
    return told


def test_glibc_is_told_to_keep_freed_blocks(monkeypatch):
    told = c_library(monkeypatch, accepts=lambda parameter, value: True)
    assert keep_freed_memory()
    assert dict(told) == {M_MMAP_THRESHOLD: 2**30, M_TRIM_THRESHOLD: 2**31 - 1}


def test_an_older_glibc_takes_32_mebibytes(monkeypatch):
    told = c_library(monkeypatch, accepts=lambda parameter, value: parameter == M_TRIM_THRESHOLD or value <= 2**25)
    assert keep_freed_memory()
    assert dict(told)[M_MMAP_THRESHOLD] == 2**25


def test_other_c_libraries_are_left_alone(monkeypatch):
    c_library(monkeypatch)  # musl, macOS: no mallopt
    assert not keep_freed_memory()
    c_library(monkeypatch, accepts=lambda parameter, value: False)
    assert not keep_freed_memory()

    def not_found(name):
        raise TypeError("Windows: a name is needed")

    monkeypatch.setattr(ctypes, "CDLL", not_found)
    assert not keep_freed_memory()


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
from system.device import keep_freed_memory
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
