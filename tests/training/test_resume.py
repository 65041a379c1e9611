"""Wherever a run of two phases is cut off, going on with it gives the bits of an uninterrupted one.

The cut is an exception out of the loop, as sudden as a kill for everything on disk but a file half written; real
kills of real processes are in test_kill.py.
"""

import json
from types import SimpleNamespace

import pytest

import train
from data.example import BadRecords, Example
from training.corpus import Corpus

SMALL = """--device cpu --threads 1 --data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4
    --model.d_model 16 --model.n_heads 2 --model.d_ff 32 --model.n_encoder_layers 1 --model.n_decoder_layers 1
    --model.dropout 0.1 --model.copy_head --model.mlm_head""".split()
PRETRAINING = """--pretraining.steps 5 --pretraining.epochs 0 --pretraining.warmup_steps 2 --pretraining.accumulate 2
    --pretraining.objectives.pairs 0 --pretraining.objectives.mlm 0.5 --pretraining.objectives.span 0.5
    --pretraining.checkpoint_every 2""".split()
TRAINING = """--training.steps 8 --training.epochs 0 --training.warmup_steps 2 --training.checkpoint_every 3
    --training.evaluate_every 2 --training.ema_decay 0.9""".split()
NAMES = ("alpha", "beta", "gamma", "delta", "omega")


class Killed(BaseException):
    """Nothing in the project catches this."""


def example(index):
    first, second = NAMES[index % 5], NAMES[index // 5 % 5]
    return Example(f"pairs:{index}", f"add {first} to {second} {index} times", f"{second} += {index} * {first}\n")


def corpora(settings):
    """Two tiny corpora in the place of the mined one and the user's."""
    examples = [example(index) for index in range(40)]
    unlabelled = [Example(f"text:{e.id}", None, e.code) for e in examples]
    about = {"data_hash": "0"}
    both = {"pretraining": Corpus(unlabelled, [], BadRecords(), about)} if settings.pretraining.steps else {}
    return both | {"training": Corpus(examples[:32], examples[32:], BadRecords(), about)}


@pytest.fixture
def run(monkeypatch):
    """run(folder, options, kill_at=None): train, and be killed in the step `kill_at`, counted over both phases."""
    take_step = train.take_step

    def run(folder, options, kill_at=None, kill_in_evaluation=False):
        def step(run, *rest):
            if run.position.total_step == kill_at:
                raise Killed
            return take_step(run, *rest)

        def evaluate(*_):
            if kill_in_evaluation:
                raise Killed

        monkeypatch.setattr(train, "take_step", step)
        monkeypatch.setattr(train, "evaluate_run", evaluate)
        try:
            return train.main(["files", *SMALL, *options, "--run", str(folder)])
        except Killed:
            return "killed"

    monkeypatch.setattr(train, "read_corpora", corpora)
    monkeypatch.setattr(train, "show_results", lambda *_: None)
    return run


def outcome(folder):
    """Everything a finished run says that does not depend on the clock."""
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in metrics:
        del line["tokens_per_second"]
    budget = json.loads((folder / "budget.json").read_text())
    counted = {name: budget[name] for name in ("steps", "examples", "tokens", "training_flops")}
    return SimpleNamespace(weights=(folder / "model.safetensors").read_bytes(), metrics=metrics, counted=counted)


def assert_same(folder, expected):
    got = outcome(folder)
    assert got.metrics == expected.metrics
    assert got.counted == expected.counted
    assert got.weights == expected.weights


def test_a_run_cut_off_anywhere_ends_the_same(run, tmp_path):
    options = PRETRAINING + TRAINING
    run(tmp_path / "whole", options)
    expected = outcome(tmp_path / "whole")
    assert expected.counted["steps"] == 13
    # Before the first checkpoint, between two, at the change of phase, after the first steps of the second phase.
    for kill_at in (1, 4, 6, 8, 13):
        folder = tmp_path / f"killed-{kill_at}"
        assert run(folder, options, kill_at) == "killed"
        assert run(folder, [*options, "--resume"]) == 0
        assert_same(folder, expected)


def test_a_run_cut_off_before_its_first_checkpoint_does_not_say_its_first_steps_twice(run, tmp_path):
    run(tmp_path / "whole", TRAINING)
    assert run(tmp_path / "killed", TRAINING, kill_at=3) == "killed"
    assert (tmp_path / "killed" / "metrics.jsonl").exists()
    run(tmp_path / "killed", [*TRAINING, "--resume"])
    assert_same(tmp_path / "killed", outcome(tmp_path / "whole"))


def test_a_run_that_stopped_early_does_not_train_on_when_it_is_resumed(run, tmp_path):
    # The learning rate is too small to change anything, so the held-out loss never falls after the first time.
    early = [*TRAINING, "--training.learning_rate", "1e-30", "--training.patience", "2", "--training.ema_decay", "0"]
    run(tmp_path / "whole", early)
    expected = outcome(tmp_path / "whole")
    assert expected.counted["steps"] == 6
    assert run(tmp_path / "killed", early, kill_in_evaluation=True) == "killed"
    run(tmp_path / "killed", [*early, "--resume"])
    assert_same(tmp_path / "killed", expected)


def test_a_run_whose_folder_was_moved_goes_on_where_it_is_now(run, tmp_path):
    run(tmp_path / "whole", TRAINING)
    run(tmp_path / "old", TRAINING, kill_at=5)
    (tmp_path / "old").rename(tmp_path / "new")
    assert run(tmp_path / "new", [*TRAINING, "--resume"]) == 0
    assert not (tmp_path / "old").exists()
    assert_same(tmp_path / "new", outcome(tmp_path / "whole"))
