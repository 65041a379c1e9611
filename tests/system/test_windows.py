"""Train, evaluate, resume and the exercises, with what Python lacks on Windows taken away (as_windows/).

It is no Windows: separators, drives and line ends stay those of this machine. What it holds is that nothing of the
project asks for what is not there, replaces a file that is in use, or takes a name that Windows cannot have.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = """--device cpu --threads 1 --data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4
    --model.d_model 16 --model.n_heads 2 --model.d_ff 32 --model.n_encoder_layers 1 --model.n_decoder_layers 1
    --training.steps 20 --training.checkpoint_every 5 --evaluation.max_new_tokens 6""".split()
CONSOLE = {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the other system is played on Linux")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    own = {name: value for name, value in os.environ.items() if name != "CI_STEPS"}
    paths = os.pathsep.join([str(ROOT / "tests" / "system" / "as_windows"), str(ROOT)])
    return own | CONSOLE | {"PYTHONPATH": paths, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows")
    lines = [json.dumps({"nl": f"add {i} to ü → y", "code": f"y += {i}"}, ensure_ascii=False) for i in range(40)]
    for split, part in (("train", lines), ("dev", lines[:4]), ("test", lines[4:8])):
        (folder / f"{split}.jsonl").write_text("\n".join(part) + "\n", encoding="utf-8")
    return folder / "run"


def called(environment, *words, **more):
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, env=environment, capture_output=True, encoding="cp1252",
        timeout=300, **more,
    )  # fmt: skip


def succeeds(environment, *words, **more):
    done = called(environment, *words, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_double_refuses_what_windows_refuses(environment, tmp_path):
    (tmp_path / "held").write_text("x", encoding="utf-8")
    tries = """
import os, sys
from system import platform
from system.atomic_files import check_name
assert platform.WINDOWS and platform.resource is None and not platform.CAN_FORK and sys.platform == "linux"
platform.PATIENCE = 0.1
held = open("held")
for wrong in (lambda: platform.replace("held", "other"), lambda: open("a:b", "w"), lambda: os.mkdir("last.")):
    try:
        wrong()
    except OSError as error:
        print(type(error).__name__)
held.close()
platform.replace("held", "other")
platform.sync_folder(".")
"""
    done = subprocess.run(
        [sys.executable, "-c", tries], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8"
    )
    assert (done.stdout.split(), done.stderr) == (["PermissionError", "OSError", "OSError"], "")


IN_ONE_PROCESS = """
import os, signal, sys, threading, time
from pathlib import Path
import train
import eval as eval_program
from system.options import run_and_report

run, words = Path(sys.argv[1]), sys.argv[2:]

def stop():
    while not (run / "checkpoints" / "step-5").exists():
        time.sleep(0.001)
    signal.raise_signal(signal.SIGINT)

threading.Thread(target=stop, daemon=True).start()
statuses = [run_and_report(train.main, words), run_and_report(train.main, ["--run", str(run), "--resume"])]
own = ["--run", str(run), "--device", "cpu"]
statuses += [run_and_report(eval_program.main, [*own, *more]) for more in ([], ["--prompt"])]
statuses += [run_and_report(train.main, [*words, "--run", str(run.parent / name)]) for name in ("aux.2", "a:b", "end.")]
print(*statuses)
"""


@pytest.mark.slow
def test_a_run_is_stopped_resumed_scored_and_asked(environment, run):
    train = ["files", "--data.path", run.parent, "--run", run, *TINY]
    said = called(environment, "-c", IN_ONE_PROCESS, run, *train, input="add 3 to y\r\n")
    assert said.stdout.endswith("130 0 0 0 2 2 2\n") and "# add 3 to y\n" in said.stdout, said.stderr
    assert "device of Windows" in said.stderr and "Traceback" not in said.stderr
    assert json.loads((run / "scores.json").read_text(encoding="utf-8"))["test"]["exact_match"]["n"] == 4
    assert json.loads((run / "budget.json").read_text(encoding="utf-8"))["peak_memory_mib"] > 50
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"step-15", "step-20"}


def test_an_exercise_is_begun_graded_and_passed(environment, tmp_path):
    command = ["-m", "teaching.exercises", "embed", "--folder", tmp_path / "mine"]
    succeeds(environment, *command)
    solution = (ROOT / "docs" / "exercises" / "01_embed" / "solution.py").read_text(encoding="utf-8")
    (tmp_path / "mine" / "01_embed.py").write_text(solution, encoding="utf-8")
    assert "embed: passed" in succeeds(environment, *command)


@pytest.mark.slow
def test_the_quick_start_and_its_walkthrough(environment, tmp_path):
    """Mines this Python's library, learns generated tasks, runs the programs and writes the pages."""
    small = [*TINY[:-4], "--pretraining.steps", "20", "--data.generated_train", "300", "--data.generated_test", "20",
             "--evaluation.limit", "10", "--evaluation.max_new_tokens", "6"]  # fmt: skip
    small[small.index("--data.vocab_size") + 1] = "1000"
    said = succeeds(environment, "train.py", "--run", tmp_path / "quick", *small)
    assert "Five descriptions" in said
    succeeds(environment, "-m", "teaching.walkthrough", "--run", tmp_path / "quick", "--prompt", "sort xs")
    assert "</html>" in (tmp_path / "quick" / "walkthrough.html").read_text(encoding="utf-8")
