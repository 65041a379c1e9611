"""The code hash follows the meaning of the code."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.run.code_hash import OWN_NAMES, canonical, code_hash, imported_files, is_hashed

ROOT = Path(__file__).resolve().parents[3]

PLAIN = "def double(x):\n    return 2 * x\n"
DRESSED = '''"""A module."""
# a remark


def double( x ):
    """Twice x."""
    return (2
            * x)  # another


    "a string without effect"
'''
CHANGED = [
    "def double(x):\n    return 3 * x\n",
    "def double(x):\n    return 2.0 * x\n",
    "def double(y):\n    return 2 * y\n",
    "def double(x=None):\n    return 2 * x\n",
    "def double(x):\n    return '2' * x\n",
]
MANY_CONSTRUCTS = '''
from a import b as c
@d(1, *e, k=-2.5e3, **f)
async def g(h, /, i: int = 0, *j, k: "t" = None, **l) -> list[int]:
    if (m := 1j) and not h[1:, ...]:
        return [o async for o in await p() if o]
    match h:
        case {"k": [1, *_], **r} | K(x=None):
            del r
    with q as (s, t): del s.u
    return f"{h!r:>{i}} c {{}} {i:} {i=}" "e", b"x\\0", lambda v, w=1: v if w else (yield)
class V(W, metaclass=X):
    y: int
    try: pass
    except* Z as e: raise A from e
'''


def test_comments_docstrings_and_formatting_change_nothing():
    assert canonical(DRESSED) == canonical(PLAIN)


@pytest.mark.parametrize("source", CHANGED)
def test_a_changed_constant_name_or_default_changes_the_hash(source):
    assert canonical(source) != canonical(PLAIN)


def test_strings_that_are_used_count():
    assert canonical("print('a')") != canonical("print('b')")
    assert canonical("x = 'a'") != canonical("x = b'a'")
    assert canonical("x = None") != canonical("x = ...")
    assert canonical("x = True") != canonical("x = 1")


def test_every_supported_python_gives_the_same_hash(tmp_path):
    file = tmp_path / "many.py"
    file.write_text(MANY_CONSTRUCTS)
    assert code_hash(tmp_path, [file]) == "684ef95a06b1f1f8"


@given(st.lists(st.sampled_from(["x = 1", "y = x", "def f(): return 3", "'text'", "pass", "# remark"])))
def test_statements_without_effect_change_nothing_wherever_they_stand(lines):
    kept = [line for line in lines if line not in ("'text'", "pass", "# remark")]
    assert canonical("\n".join(lines)) == canonical("\n".join(kept))


def written(folder: Path, **files: str) -> str:
    """The hash of files with these texts."""
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return code_hash(folder, folder.glob("*.py"))


def test_a_statement_may_move_to_another_file_and_place(tmp_path):
    used = "from model.first import a\nimport torch\nprint(a)\n"
    before = written(tmp_path / "before", first="import torch\na = 1\nb = torch.ones(a)\n", user=used)
    moved = written(
        tmp_path / "after", other="import torch\nb = torch.ones(a)\n\n\na = 1\n",
        user=used.replace("model.first", "data.room.other"),
    )  # fmt: skip
    assert before == moved


def test_a_changed_statement_counts_wherever_it_stands(tmp_path):
    before = written(tmp_path / "before", first="a = 1\n", second="b = 2\n")
    assert before != written(tmp_path / "changed", first="a = 1\n", second="b = 3\n")
    assert before != written(tmp_path / "twice", first="a = 1\na = 1\n", second="b = 2\n")


def test_imports_count_by_name_and_those_of_others_by_module_too(tmp_path):
    texts = [
        "from model.heads import a\n", "from model.heads import b\n", "from model.heads import a as b\n",
        "from torch import a\n", "from numpy import a\n", "import numpy.a\n", "import a\n",
    ]  # fmt: skip
    hashes = [written(tmp_path / str(number), only=text) for number, text in enumerate(texts)]
    assert len(set(hashes)) == len(texts)
    inside = "def f():\n    from model.heads import a\n    return a\n"
    before = written(tmp_path / "inside", only=inside)
    assert before == written(tmp_path / "moved", only=inside.replace("model.heads", "model.interop.hugging_face.heads"))


def test_no_two_hashed_files_export_one_name_that_is_imported():
    by_name: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        if path.relative_to(ROOT).parts[0] not in OWN_NAMES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and defines(node.module):
                for one in node.names:
                    if not defines(f"{node.module}.{one.name}"):  # a module is no name that it exports
                        by_name.setdefault(one.name, set()).add(node.module)
    twice = {name: sorted(modules) for name, modules in by_name.items() if len(modules) > 1}
    assert not twice


def defines(module: str) -> bool:
    """Whether a module is one of the files that are hashed."""
    path = Path(*module.split("."))
    return any((ROOT / file).is_file() and is_hashed(file) for file in (path.with_suffix(".py"), path / "__init__.py"))


def test_a_file_that_is_not_python_is_named(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("x = 1\ndef (:\n")
    with pytest.raises(ValueError, match=r"bad\.py:2: not Python"):
        code_hash(tmp_path, [bad])


def test_files_are_hashed_that_a_run_has_imported_or_that_compute_scores(tmp_path):
    files = ("model/used", "model/unused", "experiments/used", "evaluation/programs/server", "evaluation/report/page")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text("x = 1\n")
    for name in ("model/used.py", "experiments/used.py"):
        load(tmp_path / name)
    try:
        wanted = ["evaluation/programs/server.py", "model/used.py"]
        assert imported_files(tmp_path) == [(tmp_path / name).resolve() for name in wanted]
    finally:
        for name in [name for name in sys.modules if name.startswith("hashed_")]:
            del sys.modules[name]


def load(path: Path) -> None:
    """Import the file at `path` under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"hashed_{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


def test_a_script_that_is_run_counts_as_imported(tmp_path):
    root = Path(__file__).resolve().parents[3]
    (tmp_path / "train.py").write_text(
        f"import sys\nsys.path.append({str(root)!r})\nfrom pathlib import Path\n"
        "from training.run.code_hash import imported_files\n"
        "print([path.name for path in imported_files(Path(__file__).parent)])\n"
    )
    result = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout == "['train.py']\n"
