"""A checkpoint brings training back bit for bit, and no accident costs more than the newest one."""

import errno
import hashlib
import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import nn

from system import atomic_files
from system.errors import UserError
from training.config import LoopConfig
from training.ema import start_average, update_average
from training.optimizer import make_optimizer
from training.run import folder as run_folder
from training.run.checkpoints import (
    CheckpointError,
    Position,
    checkpoint_folders,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
)


class Tied(nn.Module):
    """A small model with dropout and one matrix that serves twice."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.norm = nn.LayerNorm(4)
        self.dropout = nn.Dropout(0.3)
        self.output = nn.Linear(4, 7, bias=False)
        self.output.weight = self.embedding.weight
        self.register_buffer("scale", torch.ones(1))

    def forward(self, ids):
        return self.output(self.dropout(self.norm(self.embedding(ids)))) * self.scale


def start(seed=0, optimizer="adamw"):
    torch.manual_seed(seed)
    model = Tied()
    return model, make_optimizer(model, LoopConfig(optimizer=optimizer)), start_average(model)


def train(model, optimizer, average, first, last):
    for step in range(first, last + 1):
        ids = torch.arange(step, step + 3) % 7
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(ids), (ids + 1) % 7).backward()
        optimizer.step()
        update_average(average, model, 0.9, step)


def save(run, step, parts, keep=2, between=False):
    model, optimizer, average = parts
    position = Position("training", step, step, counters={"best": 0.1 + 0.2})
    return save_checkpoint(run, position, model, optimizer, {"average": average, "best": None}, keep, between)


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left.keys() | right.keys())


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(tmp_path, optimizer):
    whole = start(optimizer=optimizer)
    train(*whole, 1, 10)

    stopped = start(optimizer=optimizer)
    train(*stopped, 1, 6)
    save(tmp_path, 6, stopped)

    model, adam, _ = start(seed=99, optimizer=optimizer)
    checkpoint = find_checkpoint(tmp_path)
    more = load_checkpoint(checkpoint, model, adam)
    assert checkpoint.position == Position("training", 6, 6, counters={"best": 0.1 + 0.2})
    train(model, adam, more["average"], 7, 10)

    assert same(model.state_dict(), whole[0].state_dict())
    assert same(more["average"], whole[2])
    assert model.output.weight is model.embedding.weight


def test_tied_weights_are_written_once(tmp_path):
    folder = save(tmp_path, 1, start())
    header_length = int.from_bytes((folder / "model.safetensors").read_bytes()[:8], "little")
    names = json.loads((folder / "model.safetensors").read_bytes()[8 : 8 + header_length]).keys() - {"__metadata__"}
    assert names == {"embedding.weight", "norm.weight", "norm.bias", "scale"}


def test_the_newest_checkpoints_are_kept(tmp_path):
    parts = start()
    for step in (5, 9, 10, 100):
        save(tmp_path, step, parts, keep=2)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-10", "step-100"]


def test_what_a_stop_saved_takes_no_place_of_what_was_due(tmp_path):
    parts = start()
    for step, between in ((5, False), (10, False), (13, True)):
        save(tmp_path, step, parts, keep=2, between=between)
    kept = [path.name for path in checkpoint_folders(tmp_path)]
    assert kept == ["step-13", "step-10", "step-5"] and find_checkpoint(tmp_path).between
    save(tmp_path, 15, parts, keep=2)
    assert [path.name for path in checkpoint_folders(tmp_path)] == ["step-15", "step-13", "step-10"]
    save(tmp_path, 20, parts, keep=2)
    assert [path.name for path in checkpoint_folders(tmp_path)] == ["step-20", "step-15"]


def flip_a_bit(folder):
    path = folder / "optimizer.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


def cut(folder):
    os.truncate(folder / "model.safetensors", 40)


def lose_a_file(folder):
    (folder / "state.json").unlink()


def lose_the_manifest(folder):
    (folder / "manifest.json").unlink()


def cut_the_manifest(folder):
    os.truncate(folder / "manifest.json", 9)


def empty_the_manifest(folder):
    (folder / "manifest.json").write_text("{}")


def name_less_in_the_manifest(folder):
    digests = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({"state.json": digests["state.json"]}))


def leave_the_average_out(folder):
    digests = json.loads((folder / "manifest.json").read_text())
    del digests["average.safetensors"]
    (folder / "manifest.json").write_text(json.dumps(digests))


def with_another_state(state):
    """The damage of a state that the manifest says is right."""

    def damage(folder):
        content = json.dumps(state).encode()
        (folder / "state.json").write_bytes(content)
        digests = json.loads((folder / "manifest.json").read_text())
        digests["state.json"] = hashlib.sha256(content).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(digests))

    return damage


def odd_manifest(value):
    return lambda folder: (folder / "manifest.json").write_text(json.dumps(value))


DAMAGES = [
    flip_a_bit, cut, lose_a_file, lose_the_manifest, cut_the_manifest, empty_the_manifest, name_less_in_the_manifest,
    leave_the_average_out, odd_manifest([]), odd_manifest(3), odd_manifest(["model.safetensors"]), odd_manifest(None),
    with_another_state({}), with_another_state([]), with_another_state({"position": 3, "metrics_bytes": 0}),
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(tmp_path, damage, capsys):
    parts = start()
    save(tmp_path, 1, parts)
    damage(save(tmp_path, 2, parts))
    assert find_checkpoint(tmp_path).position.step == 1
    said = capsys.readouterr().err
    assert "step-2 is damaged" in said and said.count("\n") == 1


def test_a_damaged_checkpoint_takes_no_place_of_a_whole_one(tmp_path):
    parts = start()
    save(tmp_path, 1, parts)
    save(tmp_path, 2, parts)
    flip_a_bit(save(tmp_path, 4, parts))  # 1 is rotated out
    save(tmp_path, 3, parts)  # of the run that went on from 2
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-2", "step-3"]


def test_when_no_checkpoint_is_whole_the_user_is_told(tmp_path):
    flip_a_bit(save(tmp_path, 1, start()))
    with pytest.raises(CheckpointError, match="--overwrite"):
        find_checkpoint(tmp_path)


def test_a_run_without_checkpoints_starts_from_the_beginning(tmp_path):
    assert find_checkpoint(tmp_path) is None


def test_what_a_kill_left_half_done_is_not_taken_for_a_checkpoint(tmp_path):
    parts = start()
    folder = save(tmp_path, 1, parts)
    for leftover in ("step-2.partial", "step-1.deleted", "step-x"):
        shutil.copytree(folder, folder.with_name(leftover))
    assert find_checkpoint(tmp_path).folder == folder
    save(tmp_path, 2, parts)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"step-1", "step-2"}


def test_a_kill_between_the_two_renames_of_a_replacement_loses_nothing(tmp_path):
    folder = save(tmp_path, 1, start())
    folder.rename(folder.with_name("step-1.replaced"))
    assert find_checkpoint(tmp_path).position.step == 1


def test_saving_the_same_step_again_replaces_it(tmp_path):
    parts = start()
    save(tmp_path, 1, parts)
    train(*parts, 1, 1)
    save(tmp_path, 1, parts)
    model, optimizer, _ = start(seed=5)
    load_checkpoint(find_checkpoint(tmp_path), model, optimizer)
    assert same(model.state_dict(), parts[0].state_dict())
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-1"]


@pytest.mark.parametrize("fails_at", range(1, 8))
def test_a_full_disk_costs_only_the_checkpoint_that_was_being_written(tmp_path, monkeypatch, fails_at):
    parts = start()
    save(tmp_path, 1, parts)
    calls = iter(range(1, 100))
    fsync = os.fsync

    def full_disk(descriptor):
        if next(calls) >= fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(atomic_files.os, "fsync", full_disk)
    with pytest.raises(CheckpointError, match="No space left on device") as error:
        save(tmp_path, 2, parts)
    monkeypatch.undo()
    assert "\n" not in str(error.value)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-1"]
    assert find_checkpoint(tmp_path).position.step == 1
    save(tmp_path, 2, parts)
    assert find_checkpoint(tmp_path).position.step == 2


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    save(tmp_path, 1, start())
    model = Tied()
    model.embedding = nn.Embedding(8, 4)
    with pytest.raises(ValueError, match="embedding.weight") as error:
        load_checkpoint(find_checkpoint(tmp_path), model, make_optimizer(model, LoopConfig()))
    assert "\n" not in str(error.value)


WEIGHTS = torch.zeros(7, 4)
FORGED = {  # file -> its tensor, what stands there instead (None: nothing), what is said
    "no room for a fused step": ("optimizer", "0.exp_avg", torch.zeros(0), r"has \(0,\) for 0.exp_avg, the model"),
    "a number for a matrix": ("optimizer", "0.exp_avg_sq", torch.zeros(()), r"has \(\) for 0.exp_avg_sq"),
    "another precision": ("optimizer", "0.exp_avg", WEIGHTS.double(), "0.exp_avg is float64, the model's is float32"),
    "half a state": ("optimizer", "0.exp_avg", None, "has nothing for 0.exp_avg"),
    "no count": ("optimizer", "0.step", None, "has nothing for 0.step"),
    "many counts": ("optimizer", "0.step", torch.zeros(3), r"has \(3,\) for 0.step, the model has \(\)"),
    "a weight too many": ("optimizer", "99.step", torch.zeros(()), "for 99.step, the model has nothing"),
    "no number": ("optimizer", "zz", torch.zeros(2), "for zz, the model has nothing"),
    "no states": ("random", "cpu", None, "no states of random generators"),
    "states of another kind": ("random", "cpu", torch.zeros(5056), "no states of random generators"),
    "too few states": ("random", "cpu", torch.zeros(9, dtype=torch.uint8), "no states of random generators"),
    "an average of others": ("average", "norm.bias", None, "has nothing for norm.bias"),
    "a coarse average": ("average", "norm.bias", torch.zeros(4).half(), "norm.bias is float16"),
    "whole numbers": ("model", "norm.bias", torch.zeros(4, dtype=torch.int8), "norm.bias is int8"),
    "complex numbers": ("model", "norm.bias", torch.zeros(4, dtype=torch.complex64), "norm.bias is complex64"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "name", "tensor", "said"), FORGED.values(), ids=FORGED)
def test_tensors_that_are_not_of_this_network_are_refused_however_well_they_are_signed(
    tmp_path, file, name, tensor, said
):
    parts = start()
    train(*parts, 1, 2)
    folder = save(tmp_path, 2, parts)
    path = folder / f"{file}.safetensors"
    tensors = {key: value.clone() for key, value in load_file(path).items() if key != name}
    path.write_bytes(to_bytes(tensors if tensor is None else tensors | {name: tensor}))
    digests = json.loads((folder / "manifest.json").read_text())
    digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(digests))
    model, optimizer, _ = start()
    with pytest.raises(UserError, match=said) as error:
        load_checkpoint(find_checkpoint(tmp_path), model, optimizer)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["state.json", "manifest.json", "model.safetensors"])
def test_a_pipe_in_a_checkpoint_is_damage_and_nobody_waits_for_its_writer(tmp_path, capsys, name):
    save(tmp_path, 1, start())
    path = save(tmp_path, 2, start()) / name
    path.unlink()
    os.mkfifo(path)
    assert find_checkpoint(tmp_path).position.step == 1
    assert f"{name} is a pipe, not a file" in capsys.readouterr().err


def test_what_a_strangers_manifest_says_does_not_steer_the_terminal(tmp_path, capsys):
    save(tmp_path, 1, start())
    path = save(tmp_path, 2, start()) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"\x1b[31mred": ""}))
    assert find_checkpoint(tmp_path).position.step == 1
    said = capsys.readouterr().err
    assert "\\x1b[31mred" in said and "\x1b" not in said


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path):
    for step in (1, 2):
        run_folder.append_metrics(tmp_path, {"step": step})
    save(tmp_path, 2, start())
    run_folder.append_metrics(tmp_path, {"step": 3})
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": ')  # the process was killed here
    run_folder.truncate_metrics(tmp_path, find_checkpoint(tmp_path).metrics_bytes)
    run_folder.append_metrics(tmp_path, {"step": 3})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]
