"""The statistics command."""

import json
import os
import subprocess
import sys


def test_the_command_writes_what_it_prints(tmp_path):
    numbers = tmp_path / "numbers.json"
    command = [sys.executable, "-m", "data.tasks", "--train", "60", "--test", "120", "--draws", "60"]
    shown = subprocess.run(
        [*command, "--json", str(numbers)], env={**os.environ, "PYTHONPATH": os.getcwd()}, capture_output=True,
        text=True, check=True,
    ).stdout  # fmt: skip
    written = json.loads(numbers.read_text())
    assert written["operations"] >= 60 and written["fewest_phrasings"] >= 6
    assert set(written["splits"]) == {"train", "in_distribution", "compositional", "longer", "rephrased"}
    assert f"{written['operations']} operations" in shown
    assert all(example["nl"] in shown for examples in written["examples"].values() for example in examples)
