"""The code hash follows the meaning of the code."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.code_hash import canonical, code_hash, imported_files

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
    assert code_hash(tmp_path, [file]) == "0f43da06bace80a5"


@given(st.lists(st.sampled_from(["x = 1", "y = x", "def f(): return 3", "'text'", "pass", "# remark"])))
def test_statements_without_effect_change_nothing_wherever_they_stand(lines):
    kept = [line for line in lines if line not in ("'text'", "pass", "# remark")]
    assert canonical("\n".join(lines)) == canonical("\n".join(kept))


def test_names_of_files_count_but_their_order_does_not(tmp_path):
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("a = 1\n")
    second.write_text("b = 2\n")
    both = code_hash(tmp_path, [first, second])
    assert both == code_hash(tmp_path, [second, first])
    first.write_text("b = 2\n")
    second.write_text("a = 1\n")
    assert both != code_hash(tmp_path, [first, second])


def test_a_file_that_is_not_python_is_named(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("x = 1\ndef (:\n")
    with pytest.raises(ValueError, match=r"bad\.py:2: not Python"):
        code_hash(tmp_path, [bad])


def test_only_imported_files_of_the_three_rooms_are_hashed(tmp_path):
    for name in ("model", "evaluation", "data"):
        (tmp_path / name).mkdir()
    for name in ("model/used.py", "model/unused.py", "evaluation/used.py"):
        (tmp_path / name).write_text("x = 1\n")
    for name in ("model/used.py", "evaluation/used.py"):
        load(tmp_path / name)
    try:
        assert imported_files(tmp_path) == [(tmp_path / "model/used.py").resolve()]
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
    root = Path(__file__).resolve().parents[2]
    (tmp_path / "train.py").write_text(
        f"import sys\nsys.path.append({str(root)!r})\nfrom pathlib import Path\n"
        "from training.code_hash import imported_files\n"
        "print([path.name for path in imported_files(Path(__file__).parent)])\n"
    )
    result = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout == "['train.py']\n"
