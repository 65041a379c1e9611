"""The published corpora, read from tiny folders in their published form."""

import json
import os
from pathlib import Path

import pytest

from data.config import DataConfig
from data.corpora.held_out import duplicates
from data.corpora.published import split_by_hash
from data.sources import open_source
from system.errors import UserError

DATA = Path(os.environ.get("CODEGEN_DATA", "../shared/data"))


def read(name, folder, **settings):
    source = open_source(name, DataConfig(path=str(folder), **settings), seed=1)
    return {split: list(examples) for split, examples in source.splits().items()}


def write_django(folder, n_lines):
    (folder / "all.anno").write_text("".join(f"describe {i}\n" for i in range(1, n_lines + 1)))
    (folder / "all.code").write_text("".join(f"    code ( {i} )\n" for i in range(1, n_lines + 1)))


@pytest.mark.parametrize(
    ("n_lines", "sizes"),
    [
        (18805, {"train": 16000, "dev": 1000, "test": 1805}),
        (17000, {"train": 16000, "dev": 1000}),
        (16001, {"train": 16000, "dev": 1}),
        (5, {"train": 5}),
    ],
)
def test_django_is_split_by_line_order(tmp_path, n_lines, sizes):
    write_django(tmp_path, n_lines)
    splits = read("django", tmp_path)
    assert {split: len(examples) for split, examples in splits.items()} == sizes
    for split, first in (("train", 1), ("dev", 16001), ("test", 17001)):
        if split in splits:
            assert splits[split][0].id == f"django:{first}"
            assert (splits[split][0].nl, splits[split][0].code) == (f"describe {first}", f"code ( {first} )")


def test_djangos_training_is_the_same_without_the_other_lines(tmp_path):
    write_django(tmp_path, 17000)
    with_dev = read("django", tmp_path)["train"]
    write_django(tmp_path, 16000)
    assert read("django", tmp_path)["train"] == with_dev


def write_nl2bash(folder, commands):
    (folder / "all.cm").write_text("".join(f"{command}\n" for command in commands))
    (folder / "all.nl").write_text("".join(f"about {command}\n" for command in commands))


def test_no_template_stands_in_two_splits_of_nl2bash(tmp_path):
    commands = [f"tool{i // 4}  -l dir{i}" if i % 2 else f"tool{i // 4} -l {i} 'a b' " for i in range(2000)]
    write_nl2bash(tmp_path, commands)
    splits = read("nl2bash", tmp_path)
    sets = [{e.code.split()[0] for e in splits[split]} for split in ("train", "dev", "test")]
    assert all(not a & b for a in sets for b in sets if a is not b)
    assert sum(len(examples) for examples in splits.values()) == 2000
    assert 0.7 < len(splits["train"]) / 2000 < 0.9 and splits["train"][0].language == "bash"


def test_nl2bashs_training_is_the_same_without_the_other_lines(tmp_path):
    commands = [f"tool{i} file" for i in range(300)]
    write_nl2bash(tmp_path, commands)
    whole = read("nl2bash", tmp_path)["train"]
    write_nl2bash(tmp_path, [command for command in commands if split_by_hash(command.encode()) == "train"])
    assert read("nl2bash", tmp_path)["train"] == whole


def test_a_line_of_nl2bash_stays_in_its_split_for_ever():
    # by `printf 'ls -a ARG' | sha256sum`: the first 16 hexadecimal digits as a number, modulo 10
    assert [split_by_hash(f"ls  -{flag} here ".encode()) for flag in "bac"] == ["train", "test", "dev"]


def test_conala_without_a_test_file_holds_out_whole_groups_of_the_same_code(tmp_path):
    rows = [{"intent": f"how {i}", "code": f"f( {i // 3},x )" if i % 2 else f"f({i // 3}, x)"} for i in range(600)]
    (tmp_path / "train.json").write_text(json.dumps(rows))
    splits = read("conala", tmp_path)
    codes = {split: {"".join(example.code.split()) for example in splits[split]} for split in splits}
    assert set(splits) == {"train", "held_out"} and not codes["train"] & codes["held_out"]
    assert sum(map(len, splits.values())) == 600 and 30 < len(splits["held_out"]) < 100
    (tmp_path / "test.json").write_text(json.dumps(rows[:1]))
    assert {split: len(examples) for split, examples in read("conala", tmp_path).items()} == {"train": 600, "test": 1}


def test_conalas_rewritten_intent_is_preferred(tmp_path):
    official = [
        {"intent": "how to", "rewritten_intent": "sort list `x`", "snippet": "x.sort()", "question_id": 1},
        {"intent": "how to add", "rewritten_intent": None, "snippet": "a + b", "question_id": 2},
    ]
    (tmp_path / "conala-train.json").write_text(json.dumps(official))
    (tmp_path / "conala-test.json").write_text(json.dumps(official[:1]))
    splits = read("conala", tmp_path)
    assert [(e.id, e.nl, e.code) for e in splits["train"]] == [
        ("conala:train:1", "sort list `x`", "x.sort()"),
        ("conala:train:2", "how to add", "a + b"),
    ]
    assert len(splits["test"]) == 1 and set(splits) == {"train", "test"}


def test_conala_is_read_in_its_short_form_too(tmp_path):
    (tmp_path / "train.json").write_text('[\n {"intent": "add", "code": "a + b"}\n]\n')
    assert [(e.nl, e.code) for e in read("conala", tmp_path)["train"]] == [("add", "a + b")]


def test_hearthstones_section_sign_is_a_line_break(tmp_path):
    (tmp_path / "dev_hs.in").write_text("Card NAME_END\n")
    (tmp_path / "dev_hs.out").write_text("class Card:§    def f(self):§        return 1§\n")
    splits = read("hearthstone", tmp_path)
    assert set(splits) == {"dev"}
    assert splits["dev"][0].code == "class Card:\n    def f(self):\n        return 1\n"
    assert splits["dev"][0].nl == "Card NAME_END"


def write_mbpp(folder):
    tasks = [
        {
            "task_id": i, "text": f"task {i}", "code": "def f():\r\n    return 1\r",
            "test_list": ["assert f() == 1"], "test_setup_code": "x = 1\r\ny = 2" if i == 602 else "",
        }
        for i in range(1, 975)
    ]
    lines = [json.dumps(task) for task in tasks]
    (folder / "mbpp.jsonl").write_text("\n".join(lines))
    return lines


def test_mbpp_is_split_by_task_id_and_the_prompts_are_unused(tmp_path):
    write_mbpp(tmp_path)
    splits = read("mbpp", tmp_path)
    spans = {split: (e[0].meta["task_id"], e[-1].meta["task_id"], len(e)) for split, e in splits.items()}
    assert spans == {"train": (601, 974, 374), "dev": (511, 600, 90), "test": (11, 510, 500)}


def test_mbpps_programs_have_line_feeds_and_their_tests(tmp_path):
    write_mbpp(tmp_path)
    first, second = read("mbpp", tmp_path)["train"][:2]
    assert first.code == "def f():\n    return 1"
    assert first.tests == ("assert f() == 1",)
    assert second.tests == ("x = 1\ny = 2", "assert f() == 1")


@pytest.mark.parametrize(("task", "split"), [(700, "train"), (300, "test")])
def test_a_cut_line_of_mbpp_is_skipped_in_training_only(tmp_path, task, split):
    lines = write_mbpp(tmp_path)
    lines[task - 1] = lines[task - 1][:30]
    (tmp_path / "mbpp.jsonl").write_text("\n".join(lines))
    source = open_source("mbpp", DataConfig(path=str(tmp_path)), seed=1)
    if split == "train":
        assert len(list(source.splits()["train"])) == 373
        assert source.bad.places == [f"{tmp_path / 'mbpp.jsonl'}:700: not JSON (cut in half?)"]
    else:
        with pytest.raises(UserError, match=r"mbpp.jsonl:300: not JSON"):
            list(source.splits()["test"])


@pytest.mark.parametrize("name", ["django", "nl2bash", "conala", "hearthstone", "mbpp"])
def test_an_empty_folder_says_how_to_get_the_corpus(tmp_path, name):
    with pytest.raises(UserError, match=f"python -m data fetch {name}"):
        read(name, tmp_path)


def test_the_cache_is_read_when_no_folder_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match="fetch django"):
        open_source("django", DataConfig(), seed=1)
    folder = tmp_path / "codegen" / "django"
    folder.mkdir(parents=True)
    write_django(folder, 3)
    assert len(list(open_source("django", DataConfig(), seed=1).splits()["train"])) == 3


COUNTS = {
    "django": {"train": 16000, "dev": 1000},
    "nl2bash": {"train": 9266, "dev": 1015, "test": 1025},
    "conala": {"train": 2135, "held_out": 243},
    "hearthstone": {"train": 533, "dev": 66},
    "mbpp": {"train": 374, "dev": 90, "test": 500},
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_corpora_have_their_published_sizes(name):
    if not (DATA / name).is_dir():
        pytest.skip("no published corpora here (set CODEGEN_DATA)")
    splits = read(name, DATA / name)
    sizes = {split: len(examples) for split, examples in splits.items()}
    whole = {"django": 18805, "nl2bash": 12607, "conala": 2879, "hearthstone": 665, "mbpp": 964}
    assert sizes == COUNTS[name] or sum(sizes.values()) == whole[name]
    everything = [example for examples in splits.values() for example in examples]
    assert len({example.id for example in everything}) == len(everything)
    assert name != "django" or len(duplicates(splits["train"], splits["dev"])) == 192
