"""Planted copies of benchmark lines are found, verbatim, renamed and reformatted, and innocents are left in peace."""

import pytest

from data.shards.contamination import WINDOW_TOKENS, Contamination, function_keys, read_targets
from data.shards.store import ShardedExamples
from system.errors import UserError

LONG = "response = self . cache . get ( key , default , version = self . version , timeout = None )"  # 20 tokens
LINE = "return cache . delete_many ( keys , version )"  # 9 tokens
SHORT = "return self"
WHOLE = """def first_repeated(string):
    for index, letter in enumerate(string):
        if letter in string[:index]:
            return letter
    return None
"""
TARGETS = {"django": [LONG, LINE, SHORT], "mbpp": [WHOLE]}


@pytest.fixture(scope="module")
def contamination():
    return Contamination(TARGETS)


def inside(line):
    return f"def f(self, key):\n    x = 1\n    {line}\n    return x\n"


@pytest.mark.parametrize("line", [
    LONG, LONG.replace(" ", ""), LONG.replace("( key ,", "(\n        key,"), f"if x: {LONG}",
    LONG.replace("timeout = None", "timeout = 60"),  # 13 of its tokens are left
])
def test_thirteen_tokens_in_a_row_are_too_many(contamination, line):
    assert contamination.found_in(inside(line)) == ("django", "window")


@pytest.mark.parametrize("line", [LINE, LINE.replace(" ", "").replace("return", "return "), f"{LINE}  # all of them"])
def test_a_short_target_is_found_as_a_whole_line(contamination, line):
    assert contamination.found_in(inside(line)) == ("django", "line")


@pytest.mark.parametrize("line", [
    "return cache.delete_many(keys)", "x = cache.delete_many(keys, version)", SHORT,
    "return self.cache.get(key, default)",
    "response = self.cache.get(key, default, timeout)", "pass",
])
def test_innocents_stay(contamination, line):
    assert contamination.found_in(inside(line)) is None


@pytest.mark.parametrize("code", [
    WHOLE,
    WHOLE.replace("first_repeated", "find").replace("string", "text").replace("letter", "c").replace("index", "i"),
    WHOLE.replace("    ", "  ").replace("(string)", "( string )"),
    WHOLE.replace("(string):", "(string: str) -> str:", 1),
])
def test_a_whole_function_is_found_under_other_names(contamination, code):
    (key,) = function_keys(code)
    assert contamination.found_in("pass", key) == ("mbpp", "function")


def test_another_function_of_the_same_shape_is_no_copy(contamination):
    (key,) = function_keys(WHOLE.replace("enumerate", "sorted"))
    assert contamination.found_in("pass", key) is None


def test_a_function_that_calls_itself_is_found_under_another_name():
    code = "def fact(n):\n    return 1 if n < 2 else n * fact(n - 1)\n"
    (key,) = function_keys(code.replace("fact", "product").replace("n", "k").replace("returk", "return"))
    assert Contamination({"mbpp": [code]}).found_in("pass", key) == ("mbpp", "function")


def test_the_methods_of_a_class_are_no_whole_targets():
    assert function_keys("class Card:\n    def use(self):\n        return self.value\n") == []
    assert len(function_keys("import re\n\ndef f(x):\n    return x\n")) == 1


def test_a_fragment_with_a_comment_in_it_is_found_too(contamination):
    fragment = inside(LONG.replace(" key ,", " key ,  # the key\n        ")) + "x = f(\n"
    assert contamination.found_in(fragment) == ("django", "window")


def test_short_targets_are_counted(contamination):
    assert contamination.short == {"django": 1}
    assert len(next(iter(contamination.windows))) == WINDOW_TOKENS


def test_without_targets_nothing_is_looked_for():
    assert Contamination({}).found_in(inside(LONG), "key") is None


def test_a_build_leaves_out_the_function_and_no_more(folder, built):
    file = folder / "part0" / "module0.py"
    before = file.read_text(encoding="utf-8")
    file.write_text(before + "\n\n" + inside(LONG) + "\n\n" + inside(SHORT.replace("self", "key")), encoding="utf-8")
    renamed = WHOLE.replace("first_repeated", "find").replace("string", "text").replace("letter", "c")
    planted = {"module1": renamed, "module2": WHOLE.replace("    ", "  "), "module3": inside(LINE)}
    for number, (name, code) in enumerate(planted.items(), 1):
        path = folder / f"part{number % 3}" / f"{name}.py"
        path.write_text(path.read_text(encoding="utf-8") + "\n\n" + code, encoding="utf-8")
    clean, _ = built(folder, out="clean")
    place, card = built(folder, targets=TARGETS, out="decontaminated")
    codes = {name: {e.code for e in [*ShardedExamples(p), *ShardedExamples(p, held_out=True)]}
             for name, p in (("clean", clean), ("decontaminated", place))}
    gone = codes["clean"] - codes["decontaminated"]
    found = {what: card["left_out"][what] for what in ("django, by window", "django, by line", "mbpp, by function")}
    assert found == {"django, by window": 1, "django, by line": 1, "mbpp, by function": 2}
    assert len(gone) == 3 and sum("self . cache" in code for code in gone) == 1  # of two alike one stood in the first
    assert any("def find(text)" in code for code in gone)
    assert card["benchmarks"] == {
        "django": {"targets": 3, "too short": 1}, "mbpp": {"targets": 1, "too short": 0},
    }


def test_targets_are_the_dev_and_test_lines_of_the_corpora_that_are_there(tmp_path):
    django = tmp_path / "django"
    django.mkdir()
    (django / "all.anno").write_text("".join(f"line {n}\n" for n in range(17000)))
    (django / "all.code").write_text("".join(f"value = {n}\n" for n in range(17000)))
    targets = read_targets(str(tmp_path))
    assert targets == {"django": [f"value = {n}" for n in range(16000, 17000)]}
    with pytest.raises(UserError, match="holds none of"):
        read_targets(str(django))
    assert read_targets("", {"django": str(django)})["django"] == targets["django"]  # one that lies elsewhere
