"""The rules of the house that a program can check: who imports whom, how long things are, what stands nowhere."""

import ast
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("model", "system", "data", "training", "evaluation", "teaching", "experiments")
PROGRAMS = ("train.py", "eval.py")
GROUND = {"model", "system", "data"}
STORIES = {*GROUND, "training", "evaluation"}
MAY_IMPORT = {
    "model": {"model"},
    "system": {"system"},
    "data": {"data", "system"},
    "training": {"training", *GROUND},
    "evaluation": {"evaluation", *GROUND},
    "train.py": STORIES,
    "eval.py": STORIES,
    "teaching": {"teaching", "train", "eval", *STORIES},
    "experiments": {"experiments", "train", "eval", *STORIES},
}
LONGEST_FILE, LONGEST_FUNCTION = 400, 50  # lines
VAGUE_NAMES = {"utils", "helpers", "common", "misc", "util", "helper"}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp|opt|mnt|workspace)/[\w.]+")


def python_files() -> list[Path]:
    """Every Python file of the project, tests included."""
    found = [path for folder in (*ROOMS, "docs", "tests", ".ci") for path in sorted((ROOT / folder).rglob("*.py"))]
    return [*found, *(ROOT / name for name in (*PROGRAMS, "setup.py") if (ROOT / name).exists())]


def shipped_files() -> list[Path]:
    """Code, pages and settings; tests may invent paths."""
    kinds = {".md", ".toml", ".yml", ".cff", ".sh", ".txt"}
    others = [path for folder in (".", "docs", ".github/workflows") for path in sorted((ROOT / folder).glob("*"))]
    others += sorted((ROOT / "docs" / "exercises").rglob("*.md"))
    pages = [path for path in others if path.suffix in kinds or path.name == "Makefile"]
    code = [path for path in python_files() if ROOT / "tests" not in path.parents]
    return [*code, *pages, ROOT / ".ci" / "run"]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """First parts of the names that a file imports anywhere."""
    nodes = list(ast.walk(tree(path)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


def shown(paths) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def test_the_import_direction_holds_between_the_packages():
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("import-linter is not installed; pip install -e '.[test]'")
    result = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_every_room_imports_only_what_it_may(room):
    files = [ROOT / room] if room.endswith(".py") else sorted((ROOT / room).rglob("*.py"))
    ours = {*ROOMS, "train", "eval"} - MAY_IMPORT[room]
    assert not {path.name: names for path in files if path.exists() and (names := imported(path) & ours)}


def test_relative_imports_hide_no_direction():
    relative = [
        path for path in python_files()
        if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree(path)))
    ]
    assert not shown(relative)


def test_files_are_short_enough_to_be_read_in_one_go():
    rows = {path: path.read_text(encoding="utf-8").count("\n") for path in python_files()}
    assert not {name: rows[ROOT / name] for name in shown(p for p, length in rows.items() if length > LONGEST_FILE)}


def test_functions_are_short_enough_to_be_held_in_the_head():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in python_files() for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long


def test_files_are_named_by_their_idea():
    assert not shown(path for path in python_files() if path.stem in VAGUE_NAMES)


def test_no_path_of_one_machine_stands_in_the_project():
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in shipped_files() for match in MACHINE_PATH.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_nothing_unpickles_what_lies_on_disk():
    calls = re.compile(r"\b(?:pickle|joblib|dill)\.loads?\(|torch\.load\((?!.*weights_only=True)|allow_pickle=True")
    assert not shown(
        path for path in python_files() if path != Path(__file__) and calls.search(path.read_text(encoding="utf-8"))
    )


def opens_badly(call: ast.Call) -> bool:
    """Whether a file is opened as text, or a process' text read, in the encoding or line ends of one machine."""
    given = {word.arg: word.value for word in call.keywords}
    called, name = ast.unparse(call.func), ast.unparse(call.func).rpartition(".")[2]
    if name == "read_text":
        return isinstance(call.func, ast.Attribute) and "encoding" not in given
    if name == "write_text":
        return not {"encoding", "newline"} <= set(given)
    if called.startswith("subprocess."):
        return "text" in given
    if name not in ("open", "fdopen") or called in ("os.open", "tokenize.open"):
        return False
    place = 1 if called in ("open", "os.fdopen", "gzip.open", "io.open") else 0
    mode = given.get("mode", call.args[place] if len(call.args) > place else ast.Constant("r"))
    mode = mode.value if isinstance(mode, ast.Constant) else "b"  # of two binary ones
    wanted = {"encoding", "newline"} if set(mode) & set("wax+") else {"encoding"}
    return "b" not in mode and not wanted <= set(given)


def test_files_are_the_same_whatever_a_machine_takes_for_text():
    """Windows writes other line ends and another encoding, unless they are named."""
    code = [path for path in python_files() if ROOT / "tests" not in path.parents]
    calls = [(path, node) for path in code for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    assert not [f"{path.relative_to(ROOT)}:{call.lineno}" for path, call in calls if opens_badly(call)]


def test_every_package_is_installed():
    listed = re.search(r"packages=\[(.*?)\]", (ROOT / "setup.py").read_text(), re.DOTALL).group(1)
    installed = set(re.findall(r'"([\w.]+)"', listed))
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    folders = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in files}
    assert installed == folders


def test_tests_mirror_the_tree():
    """tests/a/test_b.py tests a/b.py; the others stand in a list of docs/architecture.md, with what they test."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    by_idea = set(re.findall(r"^\| `(tests/[\w/]+\.py)` \|", page, re.MULTILINE))
    without = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")
        if not any((ROOT / path.relative_to(ROOT / "tests").parent / name).exists() for name in mirrored(path))
    }
    assert without == by_idea


def mirrored(test: Path) -> list[str]:
    """The names that the file may have which a test mirrors: test_main.py stands for __main__.py."""
    name = test.stem.removeprefix("test_")
    return [f"{name}.py", f"{name}.ipynb", "__main__.py" if name == "main" else f"{name}/__init__.py", f".ci/{name}.py"]
