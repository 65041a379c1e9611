"""The notebook runs, and what is stored in it is what a fresh run shows.

`python tests/docs/test_chapter_4_1.py` runs it and stores what it shows.
"""

import ast
import base64
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "chapter_4_1.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
TEXT = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")


def run_notebook():
    """The notebook as a fresh kernel leaves it; what a cell prints is one output, however it came."""
    import nbclient
    import nbformat

    # Matplotlib's first start in an environment lists the fonts and says so; that is no output of the notebook.
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True, stderr=subprocess.DEVNULL)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", record_timing=False, coalesce_streams=True,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    ).execute()
    return notebook


def refresh():
    """Run the notebook and store what it shows; what tells machines apart (the kernel's version) is left out."""
    import nbformat

    before, notebook = nbformat.read(NOTEBOOK, as_version=4), run_notebook()
    notebook.metadata = before.metadata
    nbformat.write(notebook, NOTEBOOK)


def shown(cells):
    """What a reader sees under each code cell: its texts, and the sizes of its pictures."""
    return [[seen(output) for output in cell["outputs"]] for cell in cells if cell["cell_type"] == "code"]


def seen(output):
    if output["output_type"] == "stream":
        return output["name"], "".join(output["text"])
    values = {kind: "".join(value) for kind, value in output["data"].items()}
    if "image/png" in values:
        values["image/png"] = struct.unpack(">II", base64.b64decode(values["image/png"])[16:24])  # width, height
    return output["output_type"], values


def test_every_equation_has_its_heading_and_every_cell_is_python():
    assert all(f"({number})" in TEXT for number in range(1, 7))
    for source in CODE:
        compile(source, "cell", "exec")


def test_the_notebooks_links_lead_somewhere():
    links = re.findall(r"\]\(([\w./]+)\)", TEXT)
    assert links and all((NOTEBOOK.parent / link).exists() for link in links)


def test_stored_outputs_are_of_one_run_from_top_to_bottom_without_warning_path_or_time():
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(set(cell["metadata"]) == set() for cell in code)  # nbclient can write times there
    outputs = [output for cell in shown(CELLS) for output in cell]
    assert {kind for kind, _ in outputs} == {"stdout", "display_data"}
    said = "".join(text for kind, text in outputs if kind == "stdout")
    assert "copied exactly: 100.0%" in said and not re.search(r"/\w+/|\\\w+\\|0x[0-9a-f]{6}|\d+:\d\d|second", said)
    assert sum("image/png" in values for kind, values in outputs if kind == "display_data") == 5


NOTEBOOK_ALONE = """
import importlib.util, os, subprocess, sys

calls, really_there, really_run = [], importlib.util.find_spec, subprocess.run
importlib.util.find_spec = lambda name, *more: None if name == "tyro" else really_there(name, *more)

def run(words, **more):
    if "git" not in words and "pip" not in words:  # Matplotlib's
        return really_run(words, **more)
    calls.append(words)
    if words[0] == "git":
        os.makedirs(f"{words[-1]}/model")
        open(f"{words[-1]}/model/attention.py", "w").close()

subprocess.run = run
exec(sys.argv[1])
print(calls)
print(os.path.basename(root), sys.path[0] == str(root))
"""


def test_alone_the_notebook_fetches_the_repository_and_keeps_the_torch_that_is_there(tmp_path):
    """As on Colab and Kaggle, but for git and pip, which are asked and do nothing."""
    words = [sys.executable, "-c", NOTEBOOK_ALONE, CODE[0]]
    more = {"CODEGEN_ADDRESS": "https://example.org/x.git", "MPLBACKEND": "agg"}
    done = subprocess.run(words, cwd=tmp_path, env=os.environ | more, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    git, pip = ast.literal_eval(done.stdout.splitlines()[0])
    assert git == ["git", "clone", "--quiet", "--depth", "1", "https://example.org/x.git", "codegen"]
    assert pip[1:6] == ["-m", "pip", "install", "--quiet", "-e"] and Path(pip[6]).name == "codegen"
    assert pip[7:] == [f"torch=={torch.__version__}", f"numpy=={numpy.__version__}"]
    assert done.stdout.splitlines()[1] == "codegen True"


@pytest.mark.slow
def test_a_fresh_run_shows_what_is_stored():
    pytest.importorskip("nbclient", reason="nbclient is not installed (pip install -e '.[notebook]')")
    assert shown(run_notebook()["cells"]) == shown(CELLS)


if __name__ == "__main__":
    refresh()
