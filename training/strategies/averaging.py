"""Checkpoint averaging: the network is the mean of its last checkpoints (Vaswani et al. 2017, 6.1).

It costs nothing in training. The moving average (`ema_decay`) is its kin and needs no checkpoints.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from training.checkpoints import checkpoint_folders
from training.ema import copy_weights
from training.weights import read_tensors


@torch.no_grad()
def average_checkpoints(run: Path, model: nn.Module, last: int) -> int:
    """Give the model the mean of the newest `last` checkpoints of a run; how many there were."""
    device = next(model.parameters()).device
    folders = checkpoint_folders(run)[:last]
    total: dict[str, Tensor] = {}
    for folder in folders:
        for name, tensor in read_tensors(folder / "model.safetensors", device).items():
            total[name] = total.get(name, 0) + tensor.double() / len(folders)
    copy_weights(total, model)
    return len(folders)
