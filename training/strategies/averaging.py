"""Checkpoint averaging: the network is the mean of its last checkpoints (Vaswani et al. 2017, 6.1).

It costs nothing in training. The moving average (`ema_decay`) is its kin and needs no checkpoints.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from training.ema import copy_weights
from training.run.checkpoints import checkpoint_folders, read_checkpoint
from training.weights import read_tensors


@torch.no_grad()
def average_checkpoints(run: Path, model: nn.Module, phase: str, last: int) -> None:
    """Give the model the mean of the newest `last` checkpoints of a phase, and say so where there are fewer.

    What was saved because the run was stopped does not count: it would not be there if it had not been.
    """
    device = next(model.parameters()).device
    found = map(read_checkpoint, checkpoint_folders(run))
    folders = [one.folder for one in found if one.position.phase == phase and not one.between][:last]
    total: dict[str, Tensor] = {}
    for folder in folders:
        for name, tensor in read_tensors(folder / "model.safetensors", device).items():
            total[name] = total.get(name, 0) + tensor.double() / len(folders)
    copy_weights(total, model)
    if len(folders) < last:
        print(f"{phase} saved {len(folders)} checkpoints, fewer than {last}: the network is the mean of these")
