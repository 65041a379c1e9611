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


def read_units(place):
    return {path.stem for path in (place / "work").glob("0*.json")}


def test_two_parts_and_an_index_are_what_one_build_makes(folder, tmp_path, built, part):
    whole, card = built(folder, out="whole")
    place, n_units = tmp_path / "parts", len(units_of([folder_origin(folder)]))
    assert part("1/2") == "part 1/2 is read, 2/2 not yet; when all are, give each of these commands again"
    assert len(read_units(place)) == -(-n_units // 2)
    assert "part 2/2 is written" in part("2/2"), "all have read, so it goes on"
    second = {path.name for path in place.glob("*.ids")}
    assert "part 1/2 is written" in part("1/2")
    first = {path.name for path in place.glob("*.ids")} - second
    assert first and second and len(first | second) == n_units
    out, card_of_parts = build_corpus(Build(folders=(str(folder),), out=str(place), vocab_size=600))
    assert card_of_parts == card
    check_files(out, card)
    assert list(ShardedExamples(out)) == list(ShardedExamples(whole)) and not (out / "work").exists()
    assert part("1/2") == "part 1/2: the corpus is there already"


def test_a_part_reads_and_writes_no_unit_of_another(folder, tmp_path, part, monkeypatch):
    made, plain = [], build_module.run_jobs
    monkeypatch.setattr(
        build_module, "run_jobs",
        lambda command, jobs, *rest: (made.append([json.loads(job)["out"] for job in jobs]), plain(command, jobs, *rest)),
    )  # fmt: skip
    for text in ("1/3", "2/3", "3/3", "1/3", "2/3", "3/3", "3/3"):
        part(text)
    done = [place for jobs in made for place in jobs]
    assert len(done) == len(set(done)) == 2 * len(units_of([folder_origin(folder)]))


def test_an_index_without_all_parts_is_refused_in_one_line(folder, tmp_path, part):
    part("2/2")
    index = Build(folders=(str(folder),), out=str(tmp_path / "parts"), vocab_size=600)
    for missing, then in (("1/2", "1/2"), ("2/2", "2/2")):
        with pytest.raises(UserError, match=f"^part {missing} of .*parts is not written; give --part {missing} first$"):
            build_corpus(index)
        part(then)
    build_corpus(index)


def test_a_part_that_is_being_built_is_not_built_twice(tmp_path, part):
    part("1/2")
    with FileLock(tmp_path / "parts" / "work" / "part-1.lock"):
        with pytest.raises(UserError, match="^part 1/2 of .*parts is being built by another process; give another part$"):
            part("1/2")
        part("2/2")


def test_a_build_that_was_begun_in_two_parts_has_no_third(part):
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
