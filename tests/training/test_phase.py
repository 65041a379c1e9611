"""What a phase keeps between steps: budget, held-out loss, average, patience."""

import json
import time
from types import SimpleNamespace

import pytest
import torch

from data.config import DataConfig
from data.example import BadRecords, Example
from data.tokenizers.tokenizer import train_tokenizer
from model.config import preset
from model.fast import make_network
from system.errors import UserError
from training.config import LoopConfig, ParallelConfig
from training.corpus import Corpus
from training.early_stopping import held_out_loss, is_stale
from training.phase import finish_phase, is_due, next_step, prepare, start_phase
from training.run.checkpoints import Position
from training.run.state import Run
from training.strategies.config import StrategiesConfig

EXAMPLES = [Example(f"e:{n}", f"add {n}", f"x += {n}") for n in range(24)]
LONG = Example("e:long", "word " * 60, "x")


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([e.nl + e.code for e in EXAMPLES], 400)


@pytest.fixture
def make_run(tokenizer, tmp_path):
    def make_run(**data):
        config = preset(
            "modern", vocab_size=tokenizer.vocab_size, d_model=16, n_heads=2, d_ff=16, n_encoder_layers=1,
            n_decoder_layers=1, dropout=0.5,
        )
        data = DataConfig(batch_tokens=0, batch_examples=4, max_source_length=40, **data)
        settings = SimpleNamespace(
            data=data, seed=1, model=config, training=LoopConfig(), strategies=StrategiesConfig(),
            parallel=ParallelConfig(),
        )
        torch.manual_seed(0)
        model = make_network(config, tokenizer.pad_id).train()
        return Run(tmp_path, settings, torch.device("cpu"), tokenizer, model, Position("training"), time.monotonic())

    return make_run


def corpus(held_out=()):
    return Corpus(EXAMPLES, list(held_out), BadRecords(), {})


@pytest.mark.parametrize(
    ("loop", "steps"),
    [
        (LoopConfig(steps=7), 7),
        (LoopConfig(epochs=2), 12),
        (LoopConfig(epochs=0.5), 3),
        (LoopConfig(epochs=0.01), 1),
        (LoopConfig(epochs=2, accumulate=4), 3),
        (LoopConfig(), 0),
    ],
)
def test_a_budget_becomes_optimiser_steps(make_run, loop, steps):
    assert start_phase(make_run(), "training", loop, corpus(), None).total == steps


def test_a_step_draws_as_many_batches_as_it_accumulates(make_run):
    run = make_run()
    phase = start_phase(run, "training", LoopConfig(steps=3, accumulate=3), corpus(), None)
    ids = [name for _ in range(2) for names in next_step(run, phase).ids for name in names]
    assert sorted(ids) == sorted(e.id for e in EXAMPLES)
    assert (run.position.step, run.position.total_step, run.position.batch) == (2, 2, 6)


def test_the_held_out_loss_knows_no_dropout_and_leaves_the_model_training(make_run):
    run = make_run()
    phase = start_phase(run, "training", LoopConfig(steps=1), corpus(EXAMPLES[:9]), None)
    assert held_out_loss(run, phase) == held_out_loss(run, phase)
    assert run.model.training and all(weight.grad is None for weight in run.model.parameters())


def test_the_held_out_loss_is_that_of_the_average_and_the_average_is_what_remains(make_run):
    run = make_run()
    phase = start_phase(run, "training", LoopConfig(steps=1, ema_decay=0.9), corpus(EXAMPLES[:9]), None)
    before = held_out_loss(run, phase)
    with torch.no_grad():
        for weight in run.model.parameters():
            weight.add_(1.0)
    assert held_out_loss(run, phase) == before
    finish_phase(run, phase)
    phase.average = None
    assert held_out_loss(run, phase) == before


@pytest.mark.parametrize("held_out", [[], [LONG]])
def test_a_run_is_not_lost_because_nothing_held_out_fits(make_run, held_out):
    run = make_run()
    phase = start_phase(run, "training", LoopConfig(steps=1), corpus(held_out), None)
    assert held_out_loss(run, phase) is None
    assert phase.corpus.bad.counts == {}


def test_what_is_too_long_is_said_once_and_before_the_first_step(make_run, capsys):
    run = make_run()
    text = Corpus([*EXAMPLES, LONG], [], BadRecords({"not UTF-8": 2}), {})
    phase = start_phase(run, "training", LoopConfig(epochs=1, warmup_steps=1), text, None)
    said = capsys.readouterr().err.splitlines()
    assert said == ["training: 1 records skipped: longer than 40 + 256 tokens (first: e:long)"]
    finish_phase(run, phase)
    assert not capsys.readouterr().err


def test_what_turns_out_to_be_too_long_later_is_said_when_the_phase_ends(make_run, capsys):
    run = make_run()
    phase = start_phase(run, "training", LoopConfig(steps=9, warmup_steps=1), corpus([]), None)
    phase.corpus.bad.add("skipped: longer than 40 + 256 tokens", "e:long")
    finish_phase(run, phase)
    assert capsys.readouterr().err == "training: 1 records skipped: longer than 40 + 256 tokens (first: e:long)\n"


def test_a_warm_up_that_never_ends_is_said(make_run, capsys):
    for steps, said in ((200, True), (199, True), (201, False)):
        start_phase(make_run(), "training", LoopConfig(steps=steps), corpus([]), None)
        assert ("steps are warm-up: --training.warmup_steps is 200" in capsys.readouterr().err) == said


def test_a_strict_run_does_not_begin_with_an_example_that_is_too_long(make_run):
    run = make_run(strict=True)
    with pytest.raises(UserError, match="e:long"):
        prepare(run, {"training": Corpus([LONG], [], BadRecords(), {})})


def test_a_phase_does_not_inherit_the_patience_of_the_one_before(make_run):
    run = make_run()
    run.position.counters.update(best_held_out_loss=0.1, stale_evaluations=3)
    start_phase(run, "training", LoopConfig(steps=1), corpus([]), None)
    assert not {"best_held_out_loss", "stale_evaluations"} & set(run.position.counters)


def test_patience_counts_evaluations_since_the_best():
    counters = {}
    assert [is_stale(counters, loss, 2) for loss in (3.0, 3.5, 2.0, 2.5, 2.1)] == [False, False, False, False, True]
    assert not is_stale({"best_held_out_loss": 1.0, "stale_evaluations": 50}, 2.0, patience=0)


def test_every_so_many_steps_and_never_for_zero():
    assert [step for step in range(1, 9) if is_due(step, 3)] == [3, 6]
    assert not any(is_due(step, 0) for step in range(9))


def test_wall_time_adds_up_over_the_commands_of_a_run(make_run, run, tmp_path):
    one = make_run()
    one.earlier_seconds = 100.0
    assert one.wall_seconds >= 100.0
    options = "--training.steps 4 --training.epochs 0 --training.checkpoint_every 2".split()
    assert run(tmp_path / "r", options, kill_at=4) == "killed"
    state = next((tmp_path / "r" / "checkpoints").glob("step-2/state.json"))
    saved = json.loads(state.read_text())["position"]["counters"]["wall_seconds"]
    assert run(tmp_path / "r", ["--resume"]) == 0
    assert json.loads((tmp_path / "r" / "budget.json").read_text())["wall_seconds"] > saved > 0
