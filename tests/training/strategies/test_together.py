"""Which strategies train together, as docs/strategies.md says; the pairs that it calls impossible are refused."""

import functools
from pathlib import Path

import pytest

from system.errors import UserError

OPTIONS = """--training.steps 3 --training.epochs 0 --training.warmup_steps 2 --training.checkpoint_every 1
    --training.ema_decay 0 --training.keep_checkpoints 2""".split()
STRATEGIES = {
    "last layers": "--strategies.layers.last 2",
    "unfreezing": "--strategies.layers.unfreeze_every 2",
    "decay": "--strategies.layers.decay 0.5",
    "auxiliary": "--strategies.auxiliary.task mlm",
    "tasks": "--strategies.tasks.names summary",
    "adversary": "--strategies.adversary.kind fgm",
    "words": "--strategies.perturb 0.5",
    "meta": "--strategies.meta.kind fomaml",
    "teacher": "--strategies.teacher.run {teacher}",
    "sequences": "--strategies.teacher.run {teacher} --strategies.teacher.sequence_level --strategies.teacher.weight 0",
    "LoRA": "--strategies.lora.rank 2",
    "averaging": "--strategies.average_checkpoints 2",
}


def table():
    """{(strategy, strategy): yes or no} of the page."""
    page = Path(__file__).parents[3] / "docs" / "strategies.md"
    rows = page.read_text(encoding="utf-8").split("<!-- compose:begin -->\n")[1].split("<!-- compose:end -->")[0]
    head, _, *body = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.strip().split("\n")]
    return {(row[0], name): cell for row in body for name, cell in zip(head[1:], row[1:], strict=True) if cell}


@pytest.fixture(scope="module")
def teacher(run, tmp_path_factory):
    """teacher(prefix): a run whose descriptions have it; students with several tasks have one."""

    @functools.cache
    def make(prefix):
        folder = tmp_path_factory.mktemp("runs") / "teacher"
        assert run(folder, [*OPTIONS, "--data.prefix", prefix]) == 0
        return folder

    return make


def test_the_table_has_every_pair():
    names = list(STRATEGIES)
    assert list(table()) == [(one, other) for n, one in enumerate(names) for other in names[n + 1 :]]


@pytest.mark.parametrize("pair", [pair for pair, cell in table().items() if cell == "no"], ids=", ".join)
def test_what_cannot_be_together_is_refused_in_one_line(run, tmp_path, pair):
    options = " ".join(STRATEGIES[name] for name in pair).format(teacher="runs/teacher").split()
    with pytest.raises(UserError, match=r"^[^\n]*strategies\.[^\n]*$"):
        run(tmp_path / "run", [*OPTIONS, *options])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("pair", [pair for pair, cell in table().items() if cell == "yes"], ids=", ".join)
def test_all_others_train_together(run, teacher, tmp_path, pair):
    taught_by = teacher("files: " if "tasks" in pair else "")
    options = " ".join(dict.fromkeys(STRATEGIES[name] for name in pair)).format(teacher=taught_by).split()
    if pair == ("teacher", "sequences"):
        options = options[2:-2]  # named once, and learnt from word by word too
    assert run(tmp_path / "run", [*OPTIONS, *options]) == 0
    assert (tmp_path / "run" / "model.safetensors").exists()
