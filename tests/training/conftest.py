"""A tiny run of train.py in this process, which can be killed, stopped or poisoned at any step."""

import json
import signal

import pytest
import torch

import train
from data.example import BadRecords, Example

BATCHES = "--device cpu --threads 1 --data.batch_tokens 0 --data.batch_examples 4".split()
NETWORK = """--data.vocab_size 400 --model.d_model 16 --model.n_heads 2 --model.d_ff 32
    --model.n_encoder_layers 1 --model.n_decoder_layers 1 --model.dropout 0.1 --model.dropout_attention 0.1
    --model.copy_head --model.mlm_head""".split()
NAMES = ("alpha", "beta", "gamma", "delta", "omega")


class Killed(BaseException):
    """Nothing in the project catches this."""


def example(index):
    first, second = NAMES[index % 5], NAMES[index // 5 % 5]
    return Example(f"pairs:{index}", f"add {first} to {second} {index} times", f"{second} += {index} * {first}\n")


def corpora(settings):
    """Two tiny corpora in the place of the mined one and the user's."""
    from training.corpus import Corpus, add_tasks

    examples = [example(index) for index in range(40)]
    unlabelled = [Example(f"text:{e.id}", None, e.code) for e in examples]
    about = {"data_hash": "0"}
    both = {"pretraining": Corpus(unlabelled, [], BadRecords(), about)} if settings.pretraining.steps else {}
    pairs = Corpus(examples[:32], examples[32:], BadRecords(), about)
    return both | {"training": add_tasks(pairs, settings) if settings.strategies.tasks.names else pairs}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A file of pairs for commands that run in processes of their own."""
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    lines = [{"nl": f"add x to y {n} times", "code": f"y += {n} * x"} for n in range(80)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def one_thread():
    """Tensors this small lose more to a second thread than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def run():
    """run(folder, options, ...): train, scores left out; what goes wrong in which step is counted over both phases.

    run.scored_by: the settings of scoring, of each run that came to it.
    """
    import train

    def run(
        folder, options, kill_at=None, kill_in_evaluation=False, signal_at=None, number=signal.SIGINT, poison=(),
        network=NETWORK,
    ):
        take_step, batch_loss, current = train.take_step, train.batch_loss, [0]

        def step(run, *rest):
            current[0] = run.position.total_step
            if current[0] == kill_at:
                raise Killed
            if current[0] == signal_at:
                signal.raise_signal(number)
            return take_step(run, *rest)

        def loss(*arguments):
            total, n = batch_loss(*arguments)
            return total * (torch.nan if current[0] in poison else 1.0), n

        def evaluate(*arguments):
            if kill_in_evaluation:
                raise Killed
            run.scored_by.append(arguments[5])

        with pytest.MonkeyPatch.context() as patch:
            for name, stand_in in {
                "take_step": step, "batch_loss": loss, "evaluate_run": evaluate, "read_corpora": corpora,
                "show_results": lambda *_: None, "with_language": lambda settings: settings,
            }.items():
                patch.setattr(train, name, stand_in)
            patch.setattr("training.run.record.imported_files", lambda _: [])  # slower than the training here
            try:
                return train.main(["files", *BATCHES, *network, *options, "--run", str(folder)])
            except Killed:
                return "killed"

    run.scored_by = []
    return run


@pytest.fixture
def hangups_are_heard():
    """Undo `nohup` for a test, whose processes would ignore SIGHUP as this one does."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="module")
def training_alone():
    """No cap on steps, and no scores at the end of a run, which take longer than a few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI_STEPS", raising=False)
        patch.setattr(train, "evaluate_run", lambda *_: [])
        patch.setattr(train, "show_results", lambda *_: None)
        yield
