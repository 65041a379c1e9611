"""The memory of the tensors that are alive, counted as they are made and freed: by PyTorch's MemTracker.

It counts tensors without memory (FakeTensorMode) as it does others, so a network can be measured that no machine holds.
"""

from __future__ import annotations

from typing import Any, Self

from torch.distributed._tools.mem_tracker import MemTracker
from torch.distributed._tools.mod_tracker import ModTracker


class NoHooks(ModTracker):
    """A ModTracker without its hooks: they do not bear a module that runs backward in its forward pass.

    The loss in chunks does (training/chunked_loss.py). Only what each module takes is lost with them.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        pass


class LiveMemory:
    """Inside the `with` all tensors that are made are counted, beside the modules and tensors that were given."""

    def __init__(self, *known: Any) -> None:
        self.tracker = MemTracker()
        self.tracker._mod_tracker = NoHooks()
        self.tracker.track_external(*known)

    def __enter__(self) -> Self:
        self.tracker.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.tracker.__exit__(*error)

    @property
    def now(self) -> int:
        """Bytes of all tensors that are alive."""
        return self.total("current")

    @property
    def peak(self) -> int:
        """The most bytes that were alive at a time since the `with` began."""
        return self.total("peak")

    def total(self, moment: str) -> int:
        """Bytes on all devices, of MemTracker's two snapshots."""
        return sum(of_device["Total"] for of_device in self.tracker.get_tracker_snapshot(moment).values())
