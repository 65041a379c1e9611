"""The device of the computation: its threads, precision and seeds."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import random
import sys

import numpy
import torch

from system.errors import UserError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names of mallopt's parameters in glibc's malloc.h
MOST_THREADS = 1024
BF16_INSTRUCTIONS = ("avx512_bf16", "bf16")  # torch's names for what x86 and Arm processors have


def find_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" takes CUDA, else Apple's MPS, else the CPU. Raises UserError.

    Of several processes that torchrun has started on a machine each has a GPU of its own.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name in ("auto", "cuda") and available["cuda"] and "LOCAL_RANK" in os.environ:
        return own_gpu(int(os.environ["LOCAL_RANK"]))
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    kind, colon, index = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not available.get(kind, False) or (colon and not (index.isdecimal() and int(index) < count)):
        choices = ", ".join(kind for kind, there in available.items() if there)
        raise UserError(f"device={name} is not available here; choose auto or one of {choices}")
    return torch.device(name)


def own_gpu(number: int) -> torch.device:
    """The GPU of the process with this number on its machine. Raises UserError."""
    count = torch.cuda.device_count()
    if number >= count:
        raise UserError(f"{number + 1} processes or more want {count} GPUs; give torchrun --nproc-per-node {count}")
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def set_threads(threads: int) -> int:
    """Use `threads` CPU threads (0: torch's own choice), and return how many are in use, which the bits depend on.

    Raises UserError for a number that no machine has: the threads' library ends the process where it cannot make them.
    """
    if not 0 <= threads <= MOST_THREADS:
        raise UserError(f"threads={threads} must be from 0 (torch's choice) to {MOST_THREADS}")
    if threads > 0:
        torch.set_num_threads(threads)
    return torch.get_num_threads()


def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks for the next step. Returns whether it does: glibc alone can be told so.

    Nothing else sets the allocator. musl's, macOS's and Windows' stay as they are, and the start-up lines say so.
    By default large blocks go back to the kernel when they are freed, and every step touches new, empty pages: 3% to
    14% of a step's time on a CPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    # Before glibc 2.35 a threshold above 32 MiB is refused.
    raised = mallopt(M_MMAP_THRESHOLD, 1 << 30) or mallopt(M_MMAP_THRESHOLD, 1 << 25)
    return bool(raised and mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1))


def collect_garbage_seldom() -> None:
    """Let Python look for cyclic garbage after 100,000 new objects instead of after some hundreds.

    What is read and imported before the first batch are a million objects that stay: looking through them again and
    again took a fifth of that time.
    """
    gc.set_threshold(100_000)


def seed_everything(seed: int) -> None:
    """Seed every global generator, and let CUDA choose algorithms that give the same bits each time where it has them.

    It has none for the gradient of its fastest attention kernels and warns of that: the promise that a resumed run
    equals an uninterrupted one bit for bit is for the CPU.
    """
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
        torch.utils.deterministic.fill_uninitialized_memory = False
        torch.use_deterministic_algorithms(True, warn_only=True)
        # cuDNN's attention has no such algorithm, and it plans anew for every shape of batch: on an H100 not even
        # 150 steps in bf16 were done in the 75 seconds in which the other kernels did 750.
        torch.backends.cuda.enable_cudnn_sdp(False)


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies matrices of bfloat16 faster than those of float32."""
    if device.type != "cpu":
        return device.type == "cuda"
    # oneDNN imitates bfloat16 on every processor with AVX-512, slower than float32: the processor itself is asked.
    # An older torch cannot say, and counts as one that finds none.
    found = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.backends.mkldnn.is_available() and any(found.get(name) for name in BF16_INSTRUCTIONS)


def autocast(device: torch.device, bf16: bool) -> contextlib.AbstractContextManager:
    """The context of the forward pass: bfloat16 matrix products where asked for and supported, else float32."""
    if bf16 and has_bf16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def warn_without_bf16(device: torch.device, bf16: bool) -> None:
    """Say once, at the start, that bfloat16 was asked for where it is not used."""
    if bf16 and not has_bf16(device):
        reason = "torch finds no bfloat16 instructions in this processor" if device.type == "cpu" else "not on MPS"
        print(f"bf16 is not used ({reason}); training on {device.type} stays in float32", file=sys.stderr)


def supports_fused(device: torch.device) -> bool:
    """Whether torch's optimisers have a fused step on this device."""
    return device.type in ("cpu", "cuda", "mps")
