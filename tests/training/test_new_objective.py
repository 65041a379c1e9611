"""An objective with a head of its own is its file, its row, its head and the head's switch, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = '''"""How long is a text? The head says it of the first token: one of 16 classes, by powers of two."""

from data.example import IGNORE, Item
from data.objectives import text_of


def length_prediction(example, tokenizer, generator):
    source = tokenizer.frame(tokenizer.encode(text_of(example)))
    return Item(source, labels=[len(source).bit_length(), *[IGNORE] * (len(source) - 1)], kind="length")
'''
ROW = '''    "length": Objective("length.length_prediction", "how long is a text", kind="length", reads_one_text=True),
'''
HEAD = '''class LengthHead(EncoderHead):
    """Logits of 16 lengths, linear in the state."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.output = nn.Linear(config.d_model, 16)

    def forward(self, states: Tensor) -> Tensor:
        return self.output(states)

    @staticmethod
    def products(config: ModelConfig, source_length: int, labels: int) -> int:
        return labels * config.d_model * 16


'''
OPTIONS = (
    "generated --run run --pretraining.steps 3 --training.steps 0 --training.epochs 0 --pretraining.objectives.mlm 0 "
    "--pretraining.objectives.span 0 --pretraining.objectives.length 1 --model.d_model 16 --model.n_heads 2 --threads 1"
).split()


def add(path: Path, before: str, text: str) -> None:
    """Put `text` before the only place of a file where `before` stands."""
    code = path.read_text(encoding="utf-8")
    assert code.count(before) == 1
    path.write_text(code.replace(before, text + before), encoding="utf-8")


@pytest.fixture
def project(tmp_path):
    """A copy of the project with a toy objective."""
    for room in ("data", "model", "system", "training", "evaluation", "teaching", "experiments"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    for script in ("train.py", "eval.py"):
        shutil.copy(ROOT / script, tmp_path)
    (tmp_path / "data" / "objectives" / "length.py").write_text(FILE, encoding="utf-8")
    add(tmp_path / "data" / "objectives" / "table.py", "}  # fmt: skip", ROW)
    add(tmp_path / "model" / "heads.py", "# Kind of an objective's items", HEAD)
    add(tmp_path / "model" / "heads.py", '"match": MatchHead}', '"length": LengthHead, ')
    add(tmp_path / "model" / "config.py", '    speed: Literal["fast"', "    length_head: bool = False\n")
    return tmp_path


def trained(project: Path, *options: str) -> subprocess.CompletedProcess:
    """`python train.py` in the copy, for a few steps."""
    env = {**os.environ, "PYTHONPATH": str(project), "CI_STEPS": "3"}
    return subprocess.run(
        [sys.executable, "train.py", *OPTIONS, *options], cwd=project, env=env, capture_output=True, text=True
    )


def test_it_is_trained_counted_and_refused_without_its_head(project):
    refused = trained(project)
    assert refused.returncode == 2 and "add --model.length_head" in refused.stderr
    done = trained(project, "--model.length_head")
    assert done.returncode == 0, done.stderr
    config, budget = (json.loads((project / "run" / name).read_text()) for name in ("config.json", "budget.json"))
    assert config["model"]["length_head"] and budget["steps"] == 3 and budget["training_flops"] > 0
