"""What several machines build in parts is what one builds at once, and a part that is missing or doubled is named."""

import json

import pytest
from filelock import FileLock

from data.shards import build as build_module
from data.shards import sources
from data.shards.command import Build, build_corpus, run_build
from data.shards.parts import build_part, read_part
from data.shards.sources import folder_origin, units_of
from data.shards.store import ShardedExamples, check_files
from system.errors import UserError


@pytest.fixture(autouse=True)
def small_units(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "UNIT_BYTES", 4000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where no benchmarks are


@pytest.fixture
def part(folder, tmp_path):
    """part("1/2", out): that part of a build of the folder."""

    def part(text, out="parts"):
        return build_part([folder_origin(folder)], tmp_path / out, read_part(text), {}, 600, "", 1)

    return part


def test_two_parts_and_an_index_are_what_one_build_makes(folder, tmp_path, built, part, monkeypatch):
    whole, card = built(folder, out="whole")
    made, plain = [], build_module.run_jobs

    def counting(command, jobs, *rest):
        made.extend(json.loads(job)["out"] for job in jobs)
        return plain(command, jobs, *rest)

    def index():
        return build_corpus(Build(folders=(str(folder),), out=str(tmp_path / "parts"), vocab_size=600))

    def refused(missing):
        with pytest.raises(UserError, match=f"^part {missing} of .*parts is not written; give --part {missing} first$"):
            index()

    monkeypatch.setattr(build_module, "run_jobs", counting)
    n_units = len(units_of([folder_origin(folder)]))
    assert part("1/2") == "part 1/2 is read, 2/2 not yet; when all are, give each of these commands again"
    assert len(made) == -(-n_units // 2)
    refused("1/2")
    assert "part 2/2 is written" in part("2/2"), "all have read, so it goes on"
    refused("1/2")
    assert "part 1/2 is written" in part("1/2") and "part 1/2 is written" in part("1/2")
    assert len(made) == len(set(made)) == 2 * n_units, "each unit is read once and encoded once"

    place, card_of_parts = index()
    assert card_of_parts == card and len(made) == 2 * n_units
    check_files(place, card)
    assert list(ShardedExamples(place)) == list(ShardedExamples(whole)) and not (place / "work").exists()
    assert part("1/2") == "part 1/2: the corpus is there already"


def test_a_part_is_neither_built_twice_at_once_nor_one_of_another_number(folder, tmp_path, part):
    for path in folder.rglob("*.py"):
        path.unlink()
    part("1/2")  # a page of prose is all
    with FileLock(tmp_path / "parts" / "work" / "part-1.lock"):
        with pytest.raises(UserError, match="part 1/2 of .*parts is being built by another process; give another part"):
            part("1/2")
    with pytest.raises(UserError, match="--part is 1/3, but .*parts was begun in 2 parts; give --part K/2"):
        part("1/3")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_a_part_is_a_number_of_parts(text):
    with pytest.raises(UserError, match="give K/N with K from 1 to N"):
        read_part(text)


@pytest.mark.parametrize("options", [{}, {"out": "x", "json": "y"}])
def test_a_part_needs_a_folder_that_all_see(folder, options):
    with pytest.raises(UserError, match="--part needs --out"):
        run_build(Build(folders=(str(folder),), part="1/2", **options))
