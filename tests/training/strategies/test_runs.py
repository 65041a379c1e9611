"""Each strategy from the command line: it changes the run, and a run that was cut off goes on to the same bits."""

import json
import shutil

import pytest

from data.example import BadRecords
from system.errors import UserError
from training.corpus import Corpus
from training.overview import warn_of_known_lines
from training.recipes import InitConfig, TrainingSettings

OPTIONS = """--training.steps 8 --training.epochs 0 --training.warmup_steps 2 --training.checkpoint_every 3
    --training.evaluate_every 4""".split()
STRATEGIES = {
    "last layers": "--strategies.layers.last 1",
    "unfreezing": "--strategies.layers.unfreeze_every 2",
    "layer decay": "--strategies.layers.decay 0.5",
    "auxiliary": "--strategies.auxiliary.task mlm",
    "fgm": "--strategies.adversary.kind fgm",
    "freelb": "--strategies.adversary.kind freelb",
    "noise": "--strategies.adversary.kind noise",
    "fomaml": "--strategies.meta.kind fomaml --strategies.meta.inner_rate 0.5",
    "reptile": "--strategies.meta.kind reptile --strategies.meta.inner_rate 0.5 --training.accumulate 2",
    "perturbed": "--strategies.perturb 0.5",
    "lora": "--strategies.lora.rank 2",
    "averaging": "--strategies.average_checkpoints 2 --training.keep_checkpoints 2 --training.ema_decay 0",
    "teacher": "--strategies.teacher.run {teacher}",
    "sequence level": "--strategies.teacher.run {teacher} --strategies.teacher.sequence_level "
    "--strategies.teacher.weight 0",
}


@pytest.fixture(scope="module")
def teacher(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "teacher"
    assert run(folder, OPTIONS) == 0
    return folder


OF_OLDER_CODE = {  # "strategies" of config.json before each had a room of its own
    "last_layers": 0, "unfreeze_every": 0, "layer_decay": 1.0, "auxiliary": "none", "auxiliary_weight": 0.3,
    "tasks": [], "task_temperature": 2.0, "adversary": "none", "epsilon": 0.5, "ascents": 3, "ascent_rate": 0.2,
    "meta": "none", "inner_rate": 0.01, "inner_steps": 2, "perturb": 0.0, "teacher": "", "sequence_level": False,
    "teacher_weight": 0.5, "temperature": 2.0, "lora_rank": 0, "lora_alpha": 16.0, "average_checkpoints": 0,
}  # fmt: skip


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_changes_the_run_and_survives_a_kill(run, teacher, tmp_path, name):
    options = [*OPTIONS, *STRATEGIES[name].format(teacher=teacher).split()]
    assert run(tmp_path / "whole", options) == 0
    assert run(tmp_path / "cut", options, kill_at=5) == "killed"
    assert run(tmp_path / "cut", [*options, "--resume"]) == 0
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole") != weights(teacher)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("name", "old"), [("lora", {"lora_rank": 2}), ("fgm", {"adversary": "fgm"})])
def test_a_run_that_older_code_began_goes_on_and_others_begin_with_it(run, tmp_path, name, old, version):
    options = [*OPTIONS, *STRATEGIES[name].split()]
    assert run(tmp_path / "whole", options) == 0
    assert run(tmp_path / "cut", options, kill_at=5) == "killed"
    values = json.loads((tmp_path / "cut" / "config.json").read_text()) | {"version": version}
    del values["schema"]
    (tmp_path / "cut" / "config.json").write_text(json.dumps(values | {"strategies": OF_OLDER_CODE | old}))
    assert run(tmp_path / "cut", ["--resume"]) == 0
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    begun = ["--init.from", str(tmp_path / "cut"), *OPTIONS, *STRATEGIES[name].split()]
    assert run(tmp_path / "begun", begun, network=()) == 0


def test_an_average_does_not_hold_what_a_stop_saved(run, tmp_path):
    options = [*OPTIONS, *STRATEGIES["averaging"].split(), "--training.checkpoint_every", "4"]
    assert run(tmp_path / "whole", options) == 0
    assert run(tmp_path / "stopped", options, signal_at=6) == 130
    assert run(tmp_path / "stopped", [*options, "--resume"]) == 0
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")


def held_out_losses(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["held_out_loss"] for line in lines if "held_out_loss" in line]


def test_the_last_held_out_loss_is_that_of_the_mean_of_the_checkpoints(run, tmp_path):
    """A run that begins with this network and hardly moves has the same."""
    options = [*OPTIONS, *STRATEGIES["averaging"].split(), "--training.learning_rate", "0.01"]
    assert run(tmp_path / "mean", options) == 0
    still = ["--training.learning_rate", "1e-12", "--training.weight_decay", "0", "--training.ema_decay", "0"]
    begun = ["--init.from", str(tmp_path / "mean"), "--training.steps", "1", "--training.epochs", "0", *still]
    assert run(tmp_path / "begun", [*begun, "--training.warmup_steps", "0"], network=()) == 0
    *_, last, mean = held_out_losses(tmp_path / "mean")
    assert mean == pytest.approx(held_out_losses(tmp_path / "begun")[-1], abs=1e-6) and abs(mean - last) > 1e-4


def test_a_teacher_that_knows_what_is_held_out_is_named(run, teacher, tmp_path, capsys):
    options = [*OPTIONS, "--strategies.teacher.run", str(teacher)]
    for more, said in (([], False), (["--seed", "7"], True), (["--data.held_out", "2000"], True)):
        assert run(tmp_path / "run", [*options, *more, "--overwrite"]) == 0
        assert (f"strategies.teacher.run={teacher} may have learnt lines" in capsys.readouterr().err) == said


def test_a_run_that_learnt_the_corpus_beside_its_own_is_named_too(teacher, tmp_path, capsys):
    before = shutil.copytree(teacher, tmp_path / "before")
    values = json.loads((before / "config.json").read_text())
    settings = TrainingSettings(init=InitConfig(from_=str(before)), seed=values["seed"] + 1)
    for corpus, tasks, said in (("nl2bash", [], False), ("nl2bash", [settings.corpus], True)):
        values |= {"corpus": corpus, "strategies": {"tasks": {"names": tasks}}}
        (before / "config.json").write_text(json.dumps(values))
        warn_of_known_lines(settings, Corpus([], [], BadRecords(), {}))
        assert (f"init.from={before} may have learnt lines" in capsys.readouterr().err) == said


def test_a_teacher_that_has_changed_since_is_refused(run, teacher, tmp_path):
    changed = shutil.copytree(teacher, tmp_path / "teacher")
    options = [*OPTIONS, "--strategies.teacher.run", str(changed)]
    assert run(tmp_path / "run", options, kill_at=5) == "killed"
    weights = changed / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(UserError, match="are not those that .* was begun with"):
        run(tmp_path / "run", [*options, "--resume"])
