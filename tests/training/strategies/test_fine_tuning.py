"""Strategies that are on combine into one gradient; where all are off nothing of theirs is called."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import train
from data.batches import collate
from experiments.studies.files_entered import ROOT, noting_files
from training.batch_loss import batch_loss, n_predicted
from training.config import LoopConfig, ObjectivesConfig
from training.fine_tuning import Strategies
from training.mixture import Mixture
from training.strategies.adversarial import passes
from training.strategies.config import AdversaryConfig, AuxiliaryConfig, LayersConfig, StrategiesConfig, TeacherConfig
from training.strategies.distillation import Teacher, distillation_loss

LOOP = LoopConfig(label_smoothing=0.1)


def strategies_of(model, network=None, **settings):
    run = SimpleNamespace(
        model=model, teacher=network, device=torch.device("cpu"), position=SimpleNamespace(step=1),
        settings=SimpleNamespace(strategies=StrategiesConfig(**settings), model=model.config),
    )
    return Strategies(run, LOOP)


def gradients(model):
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {"layers": LayersConfig(decay=0.5)}, {"layers": LayersConfig(last=1)}, {"perturb": 0.5},
        {"average_checkpoints": 2},
    ],
    ids=str,
)
def test_what_leaves_the_loss_as_it_is_leaves_the_plain_gradient(make_model, settings):
    assert strategies_of(make_model(), **settings).gradient() is None


def test_an_adversary_around_a_teacher_and_a_task_beside_is_the_sum_of_all(make_model, tokenizer, examples):
    model, teacher = make_model(tag_head=True), make_model(seed=3).eval()
    settings = {
        "adversary": AdversaryConfig("fgm", epsilon=0.3), "teacher": TeacherConfig("runs/teacher"),
        "auxiliary": AuxiliaryConfig("tag"),
    }  # fmt: skip
    config = StrategiesConfig(**settings)
    made = [*Mixture(ObjectivesConfig(), tokenizer, 0, examples, strategies=config).items(examples[0], 0)]
    batch = collate([item for item, _ in made], [example.id for _, example in made], tokenizer)
    n = n_predicted(batch)
    total = strategies_of(model, teacher, **settings).gradient()(batch, n)
    found, expected = gradients(model), 0.0
    taught = config.teacher.weight, config.teacher.temperature
    for share in passes(model, batch, config.adversary):
        pairs = distillation_loss(model, Teacher(teacher), batch, 0.1, *taught)
        auxiliary, k = batch_loss(model, batch.auxiliary, 0.0)
        loss = share * (pairs + config.auxiliary.weight * n / k * auxiliary)
        (loss / n).backward()
        expected += loss.item()
    assert total == pytest.approx(expected)
    by_hand = gradients(model)
    assert found.keys() == by_hand.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, by_hand[name])


def test_batches_that_are_no_pairs_learn_nothing_from_a_teacher(make_model, batch):
    model, teacher = make_model(), make_model(seed=3).eval()
    loss = strategies_of(model, teacher, teacher=TeacherConfig("runs/teacher")).loss()
    assert loss(replace(batch, kind="autoencoding")).item() == pytest.approx(
        batch_loss(model, replace(batch, kind="autoencoding"), 0.1)[0].item()
    )
    assert abs(loss(batch).item() - batch_loss(model, batch, 0.1)[0].item()) > 1e-3


def test_layers_thaw_before_the_gradient_of_their_step(make_model, batch):
    model = make_model()
    strategies = strategies_of(model, layers=LayersConfig(unfreeze_every=1))
    gradient = strategies.gradient()
    layers = ["decoder.1", "decoder.0", "encoder.1", "encoder.0"]  # from the top down
    for step in (1, 2, 3):
        strategies.run.position.step = step
        gradient(batch, n_predicted(batch))
        learn = {".".join(name.split(".")[:2]) for name in gradients(model)}
        assert learn & {*layers} == {*layers[:step]}


def test_one_file_alone_imports_strategies():
    """What data is told of tasks, and the settings, are none."""
    named = re.compile(r"training\.strategies\.(?!config\b|multi_task\b|meta import task_of)\w+")
    files = [*ROOT.glob("*.py"), *(ROOT / "training").glob("*.py"), *(ROOT / "evaluation").rglob("*.py")]
    assert [file.name for file in files if named.search(file.read_text(encoding="utf-8"))] == ["fine_tuning.py"]


def test_the_whole_loop_enters_no_strategy_that_is_off(tmp_path, monkeypatch, run):
    entered, plain_loop = set(), train.train

    def noted(*arguments):
        with noting_files(entered):
            plain_loop(*arguments)

    monkeypatch.setattr(train, "train", noted)
    steps = """--training.steps 4 --training.epochs 0 --training.checkpoint_every 2 --pretraining.steps 3
        --pretraining.objectives.pairs 0 --pretraining.objectives.span 1""".split()
    assert run(tmp_path / "r", steps) == 0
    assert {"training/phase.py", "training/early_stopping.py", "training/run/checkpoints.py"} <= entered
    assert not [file for file in entered if "strategies" in file or file == "training/fine_tuning.py"]
