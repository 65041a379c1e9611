"""The pages point at code that exists: links, `file: name` references and bare file names."""

import ast
import re
from pathlib import Path

import pytest

import train
from data.objectives.table import OBJECTIVES
from experiments.record.lines import read_suites
from experiments.record.records import ResultLine, runs
from training.run.old_settings import flat
from training.run.settings_file import to_dict

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.py)(?:: (\w+))?`")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def names_defined_in(path: Path) -> set[str]:
    """Functions, classes, methods and module-level names of a Python file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return named | {target.id for target in targets if isinstance(target, ast.Name)}


def broken_references(page: Path) -> list[str]:
    """What the page points at and is not there."""
    text = page.read_text(encoding="utf-8")
    broken = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    for file, name in REFERENCE.findall(text):
        if not (ROOT / file).is_file():
            broken.append(file)
        elif name and name not in names_defined_in(ROOT / file):
            broken.append(f"{file}: {name}")
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_reference_of_a_page_exists(page):
    assert broken_references(page) == []


def test_a_reference_to_nothing_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("`model/attention.py: Nothing`, `model/nothing.py`, [text](nothing.md), `model/attention.py`")
    assert broken_references(page) == ["nothing.md", "model/attention.py: Nothing", "model/nothing.py"]


def test_chapter_page_has_every_section_that_docstrings_point_to():
    headings = re.findall(r"^## (\d\.\d) ", (ROOT / "docs" / "chapter.md").read_text(encoding="utf-8"), re.MULTILINE)
    pointed_to = set()
    for room in ("model", "system", "data", "training", "evaluation", "teaching", "experiments"):
        for path in (ROOT / room).rglob("*.py"):
            pointed_to |= set(re.findall(r"chapter (\d\.\d)", path.read_text(encoding="utf-8")))
    assert pointed_to and pointed_to <= set(headings)


def wishes() -> list[list[str]]:
    """The rows of docs/architecture.md's table of wishes: what is to change, what to open, its test."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = page.partition("| I want to change |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_there_are_a_dozen_wishes_at_least():
    assert len(wishes()) >= 12


@pytest.mark.parametrize("wish", wishes(), ids=lambda wish: wish[0])
def test_what_a_wish_opens_is_imported_by_its_tests(wish):
    _, opened, tests = wish
    files, named = ({file for file, _ in REFERENCE.findall(cell)} for cell in (opened, tests))
    assert files and named and all((ROOT / file).is_file() for file in files | named)
    text = "".join((ROOT / test).read_text(encoding="utf-8") for test in named)
    modules = [file.removesuffix(".py").replace("/", ".") for file in files]
    assert any(re.search(rf"\b(?:{re.escape(module)}|import {re.escape(module)})\b", text) for module in modules)


def objectives_with_a_run() -> set[str]:
    """The objectives that a recorded run had on: its own training, the network it began with, an auxiliary task."""
    found = set()
    for line in (line for lines in read_suites(ROOT / "docs" / "results").values() for line in lines):
        made = [line, line.pretraining] if isinstance(line, ResultLine) else []
        configs = [one.config for one in made if one is not None]
        found |= {config.get("strategies", {}).get("auxiliary", {}).get("task") for config in configs}
        phases = [config[name] for config in configs for name in ("pretraining", "training") if name in config]
        for phase in (phase for phase in phases if phase.get("steps") or phase.get("epochs")):
            found |= {name for name in OBJECTIVES if phase["objectives"].get(name)}
        if line.row.startswith("matching, network"):
            found.add("match")
    return found & set(OBJECTIVES)


def test_the_table_of_objectives_is_the_codes_and_says_which_were_run():
    page = (ROOT / "docs" / "pretraining.md").read_text(encoding="utf-8")
    table = page.partition("| setting | what is read")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", table, re.MULTILINE))
    assert set(rows) == set(OBJECTIVES)
    assert f"There are {len(OBJECTIVES)}." in page
    assert {name for name, run in rows.items() if run != "*not run here*"} == objectives_with_a_run()


def not_run_here(page: str) -> list[str]:
    """The settings that a page calls *not run here*: the words of its paragraph that are in code."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"`([\w.]+)`", text.partition("*Not run here* with another value")[2].partition("\n\n")[0])


@pytest.mark.parametrize(("page", "prefix"), [("architecture.md", ""), ("strategies.md", "strategies.")])
def test_settings_that_are_called_not_run_have_their_default_in_every_recorded_run(page, prefix):
    default = flat(to_dict(train.Settings()))
    configs = [line.config for lines in read_suites(ROOT / "docs" / "results").values() for line in runs(lines)]
    places = (prefix, "training.", "pretraining.")
    named = [place + name for name in not_run_here(page) for place in places if place + name in default]
    assert len(named) >= 7
    for config in map(flat, configs):
        assert not {name: config[name] for name in named if config.get(name, default[name]) != default[name]}


def test_no_page_shows_a_folder_beside_the_repository_or_counts_on_the_row_above():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert "../shared" not in text, page
        assert not re.search(r"^\| (?:the same|as above)\b(?! for)", text, re.MULTILINE | re.IGNORECASE), page


def test_options_are_written_as_the_code_writes_them():
    assert not [page for page in PAGES if re.search(r"--dry-run\b", page.read_text(encoding="utf-8"))]


def test_the_readme_can_be_read_in_one_go():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 200 and max(map(len, lines)) <= 160
