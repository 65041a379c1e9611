"""A build is the same whatever happens to it: how many workers, how often it is killed, what is asked for twice."""

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from datetime import datetime

import pytest

import system.job_processes
from data.shards import build as build_module
from data.shards import sources
from data.shards.build import largest_allowed
from data.shards.sources import LANGUAGE_OF_ENDING, Origin, folder_origin, units_of
from data.shards.store import ShardedExamples
from system.errors import UserError


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    monkeypatch.setattr(sources, "UNIT_BYTES", 4000)


def contents(place):
    """Every file of a corpus but its card, by hash."""
    files = (path for path in place.iterdir() if path.suffix != ".json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def examples(place):
    return [*ShardedExamples(place), *ShardedExamples(place, held_out=True)]


def test_what_stands_in_the_folder_stands_in_the_corpus(folder, built, function):
    place, card = built(folder)
    found = {example.id: example for example in examples(place)}
    assert len(found) == card["examples"] == sum(shard["examples"] for shard in card["shards"])
    described = [example for example in found.values() if example.nl is not None]
    assert len(described) == 72 and card["examples_by_kind"]["function"] == 72
    for number in (0, 35, 115):
        one = found[f"project/part{number // 10 % 3}/module{number // 10}.py:{function(number).split('(')[0][4:]}"]
        assert one.nl == f"Compute the {function(number).split('the ')[1].split(' of')[0]} of number {number}."
        assert '"""' not in one.code and one.code.startswith("def ") and one.language == "python"
    prose = [example for example in found.values() if "README.md:text" in example.id]
    assert prose and prose[0].language == "text" and "Some words" in prose[0].code
    assert not any("Copyright" in example.code for example in found.values())
    assert sorted(path.name for path in place.iterdir() if path.suffix == ".json") == ["corpus.json"]


def test_workers_make_no_difference(folder, built):
    one, _ = built(folder, out="one", workers=1)
    three, _ = built(folder, out="three", workers=3)
    assert contents(one) == contents(three)
    assert len(contents(one)) > 10


def test_a_build_that_was_broken_off_anywhere_ends_with_the_same_bytes(folder, built, monkeypatch):
    expected = contents(built(folder, out="whole")[0])
    run_jobs, broken = system.job_processes.run_jobs, 0

    def breaks(command, jobs, workers, failed, done):
        nonlocal broken
        if not jobs:
            return []
        run_jobs(command, jobs[:2], workers, failed, done)  # two more units, then the power goes
        if len(jobs) > 2:
            broken += 1
            raise KeyboardInterrupt
        return []

    monkeypatch.setattr(build_module, "run_jobs", breaks)
    for _ in range(40):
        try:
            place, _ = built(folder, out="broken")
            break
        except KeyboardInterrupt:
            continue
    assert broken >= 4 and contents(place) == expected


@pytest.mark.slow
def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(folder, tmp_path, monkeypatch, module):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "killed"
    small = "import sys; from data import __main__; from data.shards import sources; sources.UNIT_BYTES = 4000; "
    small += "sys.exit(__main__.main())"
    command = [sys.executable, "-c", small, "build", str(folder), "--out", str(place), "--vocab_size", "600"]
    for number in range(60):  # enough for a while
        (folder / f"more{number}.py").write_text(module(1000 + 10 * number))
    killed = 0
    for wanted, n in (("work/00*.json", 4), ("work/kept", 1), ("tokenizer.model", 1), ("00*.ids", 4)):  # in each stage
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(place.glob(wanted))) < n:
            time.sleep(0.005)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed == 4 and not (place / "corpus.json").exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = tmp_path / "whole"
    subprocess.run([*command[:-3], str(whole), *command[-2:]], check=True, stdout=subprocess.DEVNULL)
    assert contents(place) == contents(whole) and len(list(place.glob("*.ids"))) > 10


def test_asked_for_again_nothing_is_made(folder, built, monkeypatch):
    place, card = built(folder)
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    monkeypatch.setattr(build_module, "run_jobs", lambda *_: pytest.fail("made again"))
    assert built(folder)[1] == card and {path: path.stat().st_mtime_ns for path in place.iterdir()} == before


def test_a_damaged_shard_is_found(folder, built):
    place, card = built(folder)
    path = place / f"{card['shards'][0]['name']}.ids"
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(UserError, match="is gone or damaged"):
        built(folder)


def test_another_corpus_is_not_built_over_one_that_is_there(folder, built, tmp_path, module):
    built(folder)
    (folder / "more.py").write_text(module(500), encoding="utf-8")
    with pytest.raises(UserError, match="holds another corpus"):
        built(folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match=r"holds other files \(letter.txt\)"):
        built(folder, out="full")
    assert (tmp_path / "full" / "letter.txt").read_text() == "dear"


def test_what_no_person_wrote_or_reads_is_left_out_and_counted(folder, built, module, licence):
    (folder / "generated.py").write_text("# Generated automatically, do not edit\n" + module(300))
    heads = {
        "go": "// Code generated by protoc-gen-go. DO NOT EDIT.", "c": "/* auto-generated */",
        "sql": "-- This file is automatically generated.",
        "md": "<!-- Generated from a schema, do not edit -->", "java": "/*\n * Do not edit.\n */",
    }  # fmt: skip
    for end, head in heads.items():
        (folder / f"generated.{end}").write_text(f"{head}\n" + "some words that nobody wrote by hand here\n" * 9)
    (folder / "generated_mark.py").write_text("\ufeff# auto-generated\n" + module(330), encoding="utf-8")
    (folder / "LICENSE.txt").write_text("Permission is granted to nobody in particular, Somebody says so.\n" * 9)
    (folder / "guide.md").write_text("# How reports are generated from templates\n\n* Do not edit them by hand.\n" * 9)
    (folder / "notice-board.md").write_text("What hangs on the board of notices, and who put it there. " * 9)
    (folder / "minified.js").write_text("var a=1;" * 1000)
    (folder / "table.py").write_text("x = [\n" + "\n".join("    " + "0x1234, " * 8 for _ in range(50)) + "\n]\n")
    (folder / "broken.py").write_text("def f(:\n")
    (folder / "latin.md").write_bytes("caf\xe9 ".encode("latin-1") * 20)
    (folder / "coding.py").write_text("# coding: rot13\n" + module(305))
    (folder / "nocodec.py").write_text("# -*- coding: no-such-thing -*-\n" + module(307))
    (folder / "late.py").write_text('"""About it."""\n\n' + licence + "\nvalue_behind = [100, 200, 300, 400, 500]\n")
    (folder / "block.js").write_text("/*\n   Copyright by Somebody\n*/\n" + "function part(x) { return x + 17; }\n" * 3)
    (folder / "tests").mkdir()
    (folder / "tests" / "test_it.py").write_text(module(310))
    (folder / "django").mkdir()
    (folder / "django" / "db.py").write_text(module(320))
    place, card = built(folder)
    assert {name: n for name, n in card["left_out"].items() if "files" in name} == {
        "generated files": 7, "files of long lines: minified or data": 1, "files of hardly any letters: data": 1,
        "files that do not parse": 1, "files that cannot be read": 3, "licence files": 1,
    }
    assert card["left_out"]["licence headers"] == 14
    codes = " ".join(example.code for example in examples(place))
    assert "Copyright" not in codes and "Somebody" not in codes
    assert "value_behind" in codes  # what stands behind a licence is there
    ids = {example.id.partition(":")[0] for example in examples(place)}
    assert {"project/guide.md", "project/notice-board.md"} <= ids  # prose about such files is prose
    assert not any(part in id for id in ids for part in ("tests", "LICENSE", "django", "generated", "broken"))


def test_other_languages_are_cut_at_lines_and_their_licence_is_cut_off(folder, built, licence):
    code = "".join(f"function part{n}(x) {{\n  return x + {n * 17};\n}}\n\n" for n in range(80))
    (folder / "tool.js").write_text(licence.replace("#", "//") + code)
    place, card = built(folder)
    pieces = [example for example in examples(place) if example.language == "javascript"]
    assert "\n".join(piece.code for piece in pieces).startswith("function part0") and len(pieces) > 2
    assert all(len(piece.code) <= 1300 and piece.nl is None for piece in pieces)
    assert card["characters_by_language"]["javascript"] == sum(len(piece.code) for piece in pieces)
    python = [example for example in examples(place) if example.language == "python"]
    alone = [example for example in python if example.nl is None]  # functions with a description are among them too
    assert card["code_by_language"]["python"] == sum(len(example.code) for example in alone)
    assert card["characters_by_language"]["python"] == sum(len(example.code) for example in python)


def test_whole_files_are_held_out(built, folder):
    for number in range(300):
        code = f"def value_{number}():\n    return {number} * {number + 7} + {number}\n"
        (folder / f"piece{number}.py").write_text(code)
    place, card = built(folder)
    train = {example.id.partition(":")[0] for example in ShardedExamples(place)}
    held_out = {example.id.partition(":")[0] for example in ShardedExamples(place, held_out=True)}
    assert not train & held_out and 0 < card["held_out"] < 0.1 * card["examples"]


def test_no_package_gives_more_than_a_third(tmp_path, module):
    origins = []
    for number, (name, n) in enumerate({"large": 60, "one": 8, "two": 10, "three": 12}.items()):
        root = tmp_path / name
        root.mkdir()
        for k in range(n):
            (root / f"m{k}.py").write_text(module(1000 * number + 10 * k))
        files = tuple(sorted((path.name, path) for path in root.iterdir()))
        origins.append(Origin(name, "1.0", "MIT", files, is_package=True))
    card = build_module.build(origins, tmp_path / "out", {}, 600, "", 2)
    characters = {source["name"]: source["characters"] for source in card["sources"]}
    assert 0.3 < characters["large"] / sum(characters.values()) <= 0.3334
    assert card["left_out"]["over a third"] > 0
    assert characters["one"] < characters["two"] < characters["three"]


@pytest.mark.parametrize("sizes", [
    [1000, 1000, 10, 10, 10], [5, 5, 5], [9, 1, 1], [100, 50, 1, 1, 1, 1], [8, 7, 6, 5], [40, 30, 20, 10, 5], [0, 0, 0],
])
def test_cut_to_the_level_no_package_is_more_than_a_third(sizes):
    level = largest_allowed(sizes)
    cut = [min(size, level) for size in sizes]
    assert 3 * max(cut) <= sum(cut) * (1 + 1e-9)
    if level < max(sizes):  # and no more than needed is left out
        more = [min(size, 1.02 * level + 0.02) for size in sizes]
        assert 3 * max(more) > sum(more) or sorted(sizes)[-3] >= level


def test_of_two_packages_nothing_is_left_out():
    assert largest_allowed([5, 100]) == math.inf


def test_a_tokenizer_of_ones_own_serves(folder, built):
    first, _ = built(folder, out="first", vocab_size=500)
    second, card = built(folder, out="second", tokenizer=str(first / "tokenizer.model"))
    assert (second / "tokenizer.model").read_bytes() == (first / "tokenizer.model").read_bytes()
    assert card["vocabulary"] <= 500


def test_mistakes_are_one_line(tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        folder_origin(tmp_path / "nowhere")
    (tmp_path / "django").mkdir()
    with pytest.raises(UserError, match="'django' is never mined"):
        folder_origin(tmp_path / "django")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no file with one of the endings"):
        folder_origin(tmp_path / "empty")
    with pytest.raises(UserError, match="holds no built corpus"):
        ShardedExamples(tmp_path / "empty")


def test_units_hold_neighbouring_files_up_to_a_size(folder):
    units = units_of([folder_origin(folder)])
    files = [inside for unit in units for inside, _ in unit.files]
    assert files == sorted(files) and len(units) > 3
    assert {path.rpartition(".")[2] for path in files} <= {end[1:] for end in LANGUAGE_OF_ENDING}


def test_the_card_names_sources_and_hashes(folder, built):
    place, card = built(folder)
    assert json.loads((place / "corpus.json").read_text()) == card
    for shard in card["shards"]:
        for end, digest in shard["sha256"].items():
            assert hashlib.sha256((place / f"{shard['name']}{end}").read_bytes()).hexdigest() == digest
    (source,) = card["sources"]
    assert source["name"] == "project" and source["characters"] == card["characters"] > 10_000
    assert source["licence"] == "as the folder says" and datetime.fromisoformat(card["date"])
    assert card["filters"]["benchmark window"] == "13 tokens" and card["filters"]["near duplicate"] == "similarity 0.8"
