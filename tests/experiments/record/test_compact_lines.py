"""Runs' lines are short in the file and whole for whoever reads them, and the recorded ones are within their limits."""

import copy
import json
import re
import statistics
import threading
from decimal import Context
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import train
from evaluation.metrics import pack_bits
from experiments.record import compact_lines
from experiments.record.compact_lines import compact, defaults, expand, settings_that_count
from experiments.record.lines import append_line, read_lines
from experiments.record.measurement import ROOT
from system.errors import UserError
from training.run.old_settings import SCHEMA
from training.run.settings_file import to_dict

FILES = sorted((ROOT / "docs" / "results").glob("*.jsonl"))
MEDIAN, LARGEST, ALL = 3200, 6000, 4_000_000  # bytes: of the runs in one file, of a line, of all files
SIX_DIGITS = Context(prec=6)

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text("abc_ ", min_size=1, max_size=4)
values = st.one_of(st.booleans(), st.integers(), finite, st.text(max_size=5), st.lists(st.integers(), max_size=3))
scores = st.dictionaries(names, st.fixed_dictionaries(
    {"value": finite, "low": finite | st.none(), "high": finite | st.none(), "n": st.integers(0, 2000)}
), max_size=3)  # fmt: skip
splits = st.dictionaries(names, scores, max_size=3)
vectors = st.lists(st.booleans(), max_size=40).map(pack_bits)


def leaves(tree, path=()):
    """Where every single setting stands."""
    for name, value in tree.items():
        yield from leaves(value, (*path, name)) if isinstance(value, dict) else [(*path, name)]


@st.composite
def whole_lines(draw):
    """A run with any settings, also unknown ones, any scores and vectors."""
    config = defaults()
    for path in draw(st.lists(st.sampled_from([*leaves(config)]), max_size=4)):
        room = config
        for name in path[:-1]:
            room = room[name]
        room[path[-1]] = draw(values)
    config |= draw(st.dictionaries(names, values, max_size=2))
    seed = draw(st.integers(0, 99))
    wall = draw(finite)
    line = {
        "suite": "s", "row": draw(names), "command": f"python train.py --seed={seed} --training.steps=5",
        "config": config, "config_hash": "c", "code_hash": "d", "seed": seed, "machine": draw(names),
        "versions": {"torch": "2"}, "budget": {"wall_seconds": wall},
        "wall_seconds": draw(st.sampled_from([wall, None])), "scores": draw(splits),
        "bits": draw(st.dictionaries(names, st.dictionaries(names, vectors), max_size=3)),
    }  # fmt: skip
    if draw(st.booleans()):
        line |= {"baselines": draw(st.dictionaries(names, splits, max_size=2)), "beside": {"signatures": {"bleu": "x"}}}
    if draw(st.booleans()):
        rooms = {room: copy.deepcopy(config[room]) for room in ("data", "pretraining")}
        line["pretraining"] = {"seed": 1, "config": rooms, "budget": {"steps": 3}}
    return line


def with_short_ends(tree):
    """The same with six digits of every interval's ends, by decimal arithmetic."""
    if not isinstance(tree, dict):
        return tree
    found = {name: with_short_ends(value) for name, value in tree.items()}
    if {*tree} == {"value", "low", "high", "n"}:
        found |= {end: float(SIX_DIGITS.create_decimal(tree[end])) for end in ("low", "high") if tree[end]}
    return found


def stored(record):
    """What a file gives back."""
    return json.loads(json.dumps(record))


@settings(deadline=None)
@given(whole_lines())
def test_a_short_line_is_the_whole_line_but_for_the_digits_of_intervals(line):
    before = copy.deepcopy(line)
    short, shared = compact(line)
    assert line == before, "the line itself is left alone"
    whole = expand(stored(short), stored(shared))
    for name in ("scores", "baselines"):
        if name in line:
            line[name] = with_short_ends(line[name])
    assert json.dumps(whole, sort_keys=True) == json.dumps(line, sort_keys=True)
    assert compact(whole) == (short, shared)


def test_the_example_of_the_docstring_is_a_line():
    text = compact_lines.__doc__.partition("more scores):\n")[2].partition("`config`")[0]
    first, second, short = map(json.loads, re.split(r"\n(?=\{)", re.sub("(?m)^ {4}", "", text).strip()))
    line = expand(short, {record["shared"]: record for record in (first, second)})
    assert line["command"].endswith("--seed=1") and line["config"]["training"]["steps"] == 750
    assert line["config"]["model"] == defaults()["model"] and line["wall_seconds"] == 236.9
    assert line["bits"] == {"dev": {"exact": pack_bits([1, 0, 1, 1, 0])}}
    assert compact(line) == (short, {record["shared"]: record for record in (first, second)})


def test_the_defaults_are_those_of_a_run():
    assert defaults() == settings_that_count(to_dict(train.Settings()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_lines_are_short_and_come_out_whole(path):
    records = [json.loads(text) for text in path.read_text().splitlines()]
    shared = {record["shared"]: record for record in records if "shared" in record}
    named = set()
    for record in records:
        if "shares" in record:
            line = expand(record, shared)
            assert expand(*compact(line)) == line  # settings under today's names, so it need not be the record itself
            assert line["config"].keys() >= defaults().keys()
            named |= {*record["shares"]}
    assert named == shared.keys(), "a shared line that no line names"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_lines_are_within_their_limits(path):
    lines = path.read_bytes().splitlines()
    runs = [len(line) for line in lines if b'"scores":' in line]
    assert max(map(len, lines)) <= LARGEST
    assert not runs or statistics.median(runs) <= MEDIAN


def test_all_recorded_lines_together_are_small():
    assert sum(path.stat().st_size for path in FILES) < ALL


def a_run(seed=1, **values):
    """A line of a run."""
    return {
        "suite": "some", "row": "base", "command": f"python train.py --seed={seed}", "config": defaults(),
        "config_hash": "c0", "code_hash": "c1", "data_hash": "d0", "seed": seed, "threads": 1, "machine": "2 cores",
        "versions": {"torch": "2.13.0"}, "budget": {"wall_seconds": 2.0}, "wall_seconds": 2.0,
        "scores": {"dev": {"exact_match": {"value": 1 / 3, "low": 0.25, "high": 0.5, "n": 4}}},
        "bits": {"dev": {"exact": pack_bits([1, 0, 0, 0])}}, **values,
    }  # fmt: skip


def test_what_lines_have_in_common_is_written_once(tmp_path):
    for seed in (1, 2, 3):
        assert append_line(tmp_path, a_run(seed))
    assert append_line(tmp_path, a_run(4, machine="4 cores"))
    records = [json.loads(text) for text in (tmp_path / "some.jsonl").read_text().splitlines()]
    assert [("shared" in record, record.get("machine")) for record in records] == [
        (True, None), (True, "2 cores"), (False, None), (False, None), (False, None), (True, "4 cores"), (False, None)
    ]  # fmt: skip
    assert read_lines(tmp_path, "some") == [*map(a_run, (1, 2, 3)), a_run(4, machine="4 cores")]


def test_whole_lines_of_before_are_read_and_left_as_they_are(tmp_path):
    old = a_run(config={"corpus": "django", "training": {"steps": 7}})
    file = tmp_path / "some.jsonl"
    file.write_text(json.dumps(old))  # without an end of line, as an editor may leave it
    assert append_line(tmp_path, a_run(2)) and not append_line(tmp_path, a_run())
    assert file.read_text().splitlines()[0] == json.dumps(old)
    line = read_lines(tmp_path, "some")[0]
    later = defaults()
    later["corpus"], later["training"]["steps"] = "django", 7
    assert line == old | {"config": later}, "what a line lacks was added later and was at its default"


def test_an_interrupted_append_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    append_line(tmp_path, a_run())
    file = tmp_path / "some.jsonl"
    before = file.read_bytes()

    def stop(*_):
        raise OSError("the disk is full")

    with monkeypatch.context() as interrupted:
        interrupted.setattr("system.atomic_files.os.replace", stop)
        with pytest.raises(UserError, match="disk is full"):
            append_line(tmp_path, a_run(2, machine="4 cores"))
    assert file.read_bytes() == before
    assert append_line(tmp_path, a_run(2, machine="4 cores"))
    assert read_lines(tmp_path, "some") == [a_run(), a_run(2, machine="4 cores")]


def test_lines_that_are_appended_at_once_all_stand_there(tmp_path):
    threads = [threading.Thread(target=append_line, args=(tmp_path, a_run(seed))) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line["seed"] for line in read_lines(tmp_path, "some")) == [*range(8)]
    assert (tmp_path / "some.jsonl").read_text().count('"shared":') == 2


def damaged(file: Path, number: int, old: str, new: str) -> None:
    """Change one line of a file."""
    lines = file.read_text().splitlines()
    lines[number - 1] = lines[number - 1].replace(old, new)
    file.write_text("\n".join(line for line in lines if line) + "\n")


def test_a_missing_shared_line_is_named_with_file_and_line(tmp_path):
    append_line(tmp_path, a_run())
    file = tmp_path / "some.jsonl"
    key = json.loads(file.read_text().splitlines()[1])["shared"]
    file.write_text("".join(file.read_text().splitlines(keepends=True)[::2]))
    with pytest.raises(UserError, match=rf"some\.jsonl:2: no line of this file has the part {key}.*restore it"):
        read_lines(tmp_path, "some")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('"c-', '"x-', "packed bits are damaged"), (f'"schema":{SCHEMA}', '"schema":99', "schema 99")],
)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path, old, new, said):
    append_line(tmp_path, a_run())
    damaged(tmp_path / "some.jsonl", 3, old, new)
    with pytest.raises(UserError, match=rf"some\.jsonl:3: .*{said}"):
        read_lines(tmp_path, "some")
