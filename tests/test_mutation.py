"""The list of changes that change nothing speaks of code that is there, and numbers in annotations are no places."""

import importlib.util
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / ".ci" / "mutation.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("mutation", ROOT / ".ci" / "mutation.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_every_change_of_the_list_is_of_a_line_that_is_there_and_has_a_reason(script):
    changed = {path for room in SETTINGS["room"] for path in room["modules"]}
    for entry in SETTINGS["equivalent"]:
        lines = (ROOT / entry["path"]).read_text(encoding="utf-8").splitlines()
        assert entry["path"] in changed and entry["was"] in map(script.without_remark, lines), entry
        assert entry["reason"] and entry["becomes"] and entry["was"] not in entry["becomes"], entry


def test_no_change_is_listed_twice():
    listed = Counter((entry["path"], entry["was"], one) for entry in SETTINGS["equivalent"] for one in entry["becomes"])
    assert max(listed.values()) == 1


def test_every_module_and_every_pattern_of_tests_is_there():
    named = {path for room in SETTINGS["room"] for path in room["modules"]} | {*SETTINGS["first"]}
    assert all((ROOT / path).is_file() for path in named)
    patterns = [pattern for room in SETTINGS["room"] for pattern in room["tests"]]
    patterns += [path for paths in SETTINGS["first"].values() for path in paths]
    assert all(any(ROOT.glob(pattern)) for pattern in patterns)
    for name in SETTINGS["left_out"]:
        path, test = name.split("::")
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_what_stands_in_an_annotation_is_not_computed_with(script):
    code = "def f(x: Literal[1] | None, n: int = 2) -> Literal[3]:\n    y: Literal[4] = x + n\n    return y\n"
    plain = script.without_annotations(code)
    for was, becomes in (("[1]", "[7]"), ("[3]", "[7]"), ("[4]", "[7]"), ("|", "&")):
        assert script.without_annotations(code.replace(was, becomes)) == plain
    for was, becomes in (("= 2", "= 3"), ("x + n", "x - n")):
        assert script.without_annotations(code.replace(was, becomes)) != plain
