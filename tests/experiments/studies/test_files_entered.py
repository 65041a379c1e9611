"""How many files a reader of one plain step has to know, and that none of them belongs to a strategy."""

import subprocess
import sys

import pytest

from experiments.studies.files_entered import PLAIN_NETWORK, ROOT, SMALL_DATA, files_entered

LONGEST_FILE = 400  # lines


def of_strategies(files):
    return [file for file in files if "strategies" in file or file == "training/fine_tuning.py"]


@pytest.mark.parametrize(
    ("options", "phases", "most"), [
        pytest.param(PLAIN_NETWORK, 1, 10, id="plain"), pytest.param([], 2, 15, id="train.py", marks=pytest.mark.slow)
    ],
)
def test_a_step_enters_few_files_and_no_strategy(options, phases, most):
    found = files_entered([*SMALL_DATA, *options])
    assert len(found) == phases
    for files in found.values():
        assert {"train.py", "training/batch_loss.py", "model/transformer.py", "model/attention.py"} <= {*files}
        assert len(files) <= most and not of_strategies(files)
        assert all((ROOT / file).read_text(encoding="utf-8").count("\n") <= LONGEST_FILE for file in files)


def test_a_strategy_that_is_on_is_entered():
    (files,) = files_entered([*SMALL_DATA, *PLAIN_NETWORK, "--strategies.adversary.kind", "fgm"]).values()
    assert {"training/fine_tuning.py", "training/strategies/adversarial.py"} <= {*files}


def test_a_program_imports_no_strategy_before_one_is_on():
    code = "import sys, train; print(*(name for name in sys.modules if name.startswith('training.strategies.')))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ours = {name.removeprefix("training.strategies.") for name in said.split()}
    assert ours <= {"config", "meta", "multi_task"}  # the last two have what data is told of tasks
