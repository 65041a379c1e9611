"""How processes that train together find each other: by a file that `python train.py` has made, or by torchrun.

    meet        this process's number, how many there are, and the store that all of them see
    gather      wait until all of them are there
    wait_for    wait until others have said something into the store
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache

import torch
from torch import distributed
from torch.distributed import Store

from system.errors import UserError
from system.platform import WINDOWS
from training.processes import STORE, end_with_parent

ARRIVAL = 600.0  # seconds in which all processes have to be there: loading PyTorch takes long on a busy disk


@cache
def meet() -> tuple[int, int, Store]:
    """The number of this process, how many there are, and the store that all of them see. Raises UserError."""
    try:
        rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        if STORE in os.environ:
            return rank, world, distributed.FileStore(os.environ[STORE], world)
        store = next(distributed.rendezvous("env://", timeout=timedelta(seconds=ARRIVAL)))[0]
        return rank, world, distributed.PrefixStore(f"attempt {restarts()}", store)  # torchrun keeps it
    except (KeyError, ValueError, RuntimeError) as error:
        raise UserError(
            f"WORLD_SIZE is set, but the other processes cannot be found ({error}); start them with torchrun, or unset "
            "it to train alone"
        ) from error


def restarts() -> int:
    """How often torchrun has started the processes again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


def gather(rank: int, world: int, store: Store, patience: float) -> None:
    """Wait until all processes are there, and open what their exchanges go through. Raises UserError."""
    store.set(f"here {rank}", f"{os.getpid()} {socket.gethostname()}")
    wait_for(store, [f"here {other}" for other in range(world)], ARRIVAL)
    if STORE in os.environ:
        end_with_parent()
        os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(
        backend, store=store, rank=rank, world_size=world, timeout=timedelta(seconds=patience)
    )


def wait_for(store: Store, keys: list[str], seconds: float, look: Callable[[], None] = lambda: None) -> None:
    """Wait until all keys are in the store; `look` is called in between. Raises UserError where time ends.

    Python comes to its signals in between, which it does not within the store's own `wait`.
    """
    until, pause = time.monotonic() + seconds, 0.001
    while not store.check(keys):
        look()
        if time.monotonic() > until:
            missing = ", ".join(key for key in keys if not store.check([key]))
            raise UserError(f"waited {seconds:.0f} s in vain for other processes ({missing}); start all of them again")
        time.sleep(pause)
        pause = min(2 * pause, 0.1)


def has_ended(store: Store, rank: int) -> bool:
    """Whether another process has ended, as far as this one can know: it has to be on the same machine."""
    if WINDOWS or not store.check([f"here {rank}"]):
        return False
    number, host = store.get(f"here {rank}").decode().split(" ", 1)
    if host != socket.gethostname():
        return False
    with suppress(PermissionError):
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return True
    return False
