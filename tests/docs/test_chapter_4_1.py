"""The notebook: clean when committed, and every cell runs."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "chapter_4_1.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
TEXT = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")


def test_no_outputs_are_committed():
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in CELLS if cell["cell_type"] == "code")


def test_every_equation_has_its_heading_and_every_cell_is_python():
    assert all(f"({number})" in TEXT for number in range(1, 7))
    for source in CODE:
        compile(source, "cell", "exec")


def test_the_notebooks_links_lead_somewhere():
    links = re.findall(r"\]\(([\w./]+)\)", TEXT)
    assert links and all((NOTEBOOK.parent / link).exists() for link in links)


@pytest.mark.slow
def test_every_cell_runs_from_a_folder_of_its_own(tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="pip install -e '.[notebook]'")
    nbformat = pytest.importorskip("nbformat", reason="pip install -e '.[notebook]'")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output.get("text", "") for output in outputs)
    copied = float(said.split("copied exactly: ")[1].split("%")[0])
    assert copied > 90 and "largest difference" in said
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
