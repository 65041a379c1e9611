"""In CI a skip fails, but for a short list of reasons that is printed and counted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run_tests(folder, *sources, options=()):
    """pytest with the plug-in over files of this content: its status, what it printed."""
    for number, source in enumerate(sources):
        (folder / f"test_{number}.py").write_text("import pytest\n" + source)
    environment = os.environ | {"PYTHONPATH": str(ROOT / ".ci"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "skips", "-p", "no:cacheprovider", "-q", *options, str(folder)]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return result.returncode, result.stdout


SKIPS = "def test_it():\n    pytest.skip('{}')\n"
PASSES = "def test_it():\n    pass\n"


@pytest.mark.parametrize(("source", "options"), [
    (SKIPS.format("no such program"), ("-p", "xdist", "-n", "2")),
    ("pytest.importorskip('no_such_package')\n", ("-p", "xdist", "-n", "2")),
    ("pytestmark = pytest.mark.skipif(True, reason='no such program')\n" + PASSES, ()),
])  # fmt: skip
def test_a_skip_fails_however_it_came_about(tmp_path, source, options):
    status, said = run_tests(tmp_path, PASSES, source, options=options)
    assert status == 1 and "NOT ALLOWED" in said and "no such" in said.replace("_", " ")


def test_an_allowed_reason_is_counted_and_passes(tmp_path):
    data = SKIPS.format("no published corpora here (set CODEGEN_DATA)")
    status, said = run_tests(tmp_path, PASSES, data, data)
    assert status == 0 and "   2  no published corpora here (set CODEGEN_DATA) (allowed)" in said
    assert "2  skips in all" in said


def test_a_run_without_skips_passes(tmp_path):
    status, said = run_tests(tmp_path, PASSES)
    assert status == 0 and "0  skips in all" in said
