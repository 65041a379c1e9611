"""The mean of the last checkpoints, by hand."""

import torch

from training.checkpoints import Position, save_checkpoint
from training.config import LoopConfig
from training.optimizer import make_optimizer
from training.strategies.averaging import average_checkpoints


def test_it_is_the_mean_of_the_newest(make_model, tmp_path):
    model = make_model()
    optimizer = make_optimizer(model, LoopConfig())
    first = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for step, shift in ((1, 100.0), (2, 1.0), (3, 2.0), (10, 6.0)):
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(first[name] + shift)
        save_checkpoint(tmp_path, Position("training", step=step, total_step=step), model, optimizer, keep=9)
    assert average_checkpoints(tmp_path, model, 3) == 3  # steps 2, 3 and 10: in the order of numbers, not of letters
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.detach(), first[name] + 3.0)
    assert average_checkpoints(tmp_path, model, 9) == 4
