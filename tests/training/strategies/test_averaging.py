"""The mean of the last checkpoints, by hand."""

import torch

from training.config import LoopConfig
from training.optimizer import make_optimizer
from training.run.checkpoints import Position, save_checkpoint
from training.strategies.averaging import average_checkpoints


def test_it_is_the_mean_of_the_newest_that_were_due_in_the_phase(make_model, tmp_path, capsys):
    model = make_model()
    optimizer = make_optimizer(model, LoopConfig())
    first = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    saved = [  # phase, step over both phases, what is added to the weights, whether a stop saved it
        ("pretraining", 1, 100.0, False), ("training", 2, 1.0, False), ("training", 3, 2.0, False),
        ("training", 7, 50.0, True), ("training", 10, 6.0, False),
    ]
    for phase, step, shift, between in saved:
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(first[name] + shift)
        save_checkpoint(tmp_path, Position(phase, total_step=step), model, optimizer, keep=9, between=between)
    average_checkpoints(tmp_path, model, "training", 3)  # steps 2, 3 and 10: in the order of numbers, not of letters
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.detach(), first[name] + 3.0)
    assert capsys.readouterr().out == ""
    average_checkpoints(tmp_path, model, "training", 9)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.detach(), first[name] + 3.0)
    assert "saved 3 checkpoints, fewer than 9" in capsys.readouterr().out
