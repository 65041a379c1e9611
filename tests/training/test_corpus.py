"""What a run learns from: which lines are trained on, which are held out, what the vocabulary may see."""

import itertools
import json
from dataclasses import replace

import pytest

from data.config import DataConfig
from data.corpora.held_out import data_hash
from data.example import BadRecords
from data.mining.packages import standard_library
from system.errors import UserError
from training.config import ObjectivesConfig
from training.corpus import read_corpora, read_corpus
from training.first_tokenizer import tokenizer_of_corpora
from training.recipes import recipe
from training.stream import Stream


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def pair(n):
    return {"nl": f"add {n} to the total", "code": f"total += {n}"}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "train.jsonl", [pair(n) for n in range(50)])
    write(tmp_path / "test.jsonl", [{"nl": "zygote", "code": "xylophone()"}])
    return tmp_path


def read(path, seed=1, **data):
    return read_corpus("files", DataConfig(path=str(path), **{"held_out": 5} | data), seed)


def test_made_up_names_are_built_of_the_identifiers_that_training_code_has_slots_among_them(tmp_path):
    lines = [{"nl": f"set suffix to '.{n}' in file_name", "code": f"file_name = f('.{n}')"} for n in range(20)]
    corpus = read(write(tmp_path / "train.jsonl", lines), slots=True, name_slots=True)
    assert corpus.train[0].code == "NAME0 = f(SLOT0)" and {"NAME0", "SLOT0"} <= {*corpus.words}
    assert read(tmp_path / "train.jsonl").words == ["file_name"]


def test_every_line_is_trained_on_or_held_out(folder):
    corpus = read(folder)
    assert (len(corpus.train), len(corpus.held_out)) == (45, 5)
    assert {e.code for e in corpus.train + corpus.held_out} == {pair(n)["code"] for n in range(50)}
    assert (corpus.about["train"], corpus.about["held_out"]) == (45, 5)


def test_training_is_the_same_whether_or_not_test_lines_are_there(folder):
    before = read(folder)
    (folder / "test.jsonl").unlink()
    after = read(folder)
    assert after.train == before.train and after.held_out == before.held_out
    assert after.about["data_hash"] == before.about["data_hash"]


def test_fewer_training_lines_leave_the_held_out_ones_as_they_are(folder):
    assert read(folder, train_limit=10).held_out == read(folder).held_out
    assert read(folder, train_limit=10).train == read(folder).train[:10]


def test_the_hash_is_of_what_is_trained_on(folder):
    corpus = read(folder)
    assert corpus.about["data_hash"] == data_hash(corpus.train)
    assert read(folder, train_limit=10).about["data_hash"] != corpus.about["data_hash"]
    assert read(folder, seed=2).about["data_hash"] != corpus.about["data_hash"]


def test_the_vocabulary_is_learnt_on_training_lines_alone(folder):
    tokenizer = tokenizer_of_corpora({"training": read(folder)}, 400)
    (folder / "test.jsonl").unlink()
    assert tokenizer_of_corpora({"training": read(folder)}, 400).model == tokenizer.model
    assert len(tokenizer.encode("total")) < len(tokenizer.encode("zygote"))


def beginning(corpora, tokenizer):
    """The first batches of every phase."""
    batches = []
    for corpus in corpora.values():
        objectives = ObjectivesConfig(mlm=0.5, span=0.5)
        stream = Stream(corpus.mixture(objectives, tokenizer, 0), DataConfig(batch_tokens=600), BadRecords())
        batches += [batch for _, batch in itertools.islice(stream.batches(), 5)]
    return [(batch.ids, batch.source.tolist(), batch.target.tolist()) for batch in batches]


def drawn_again(split, *_):
    assert split != "train"
    return iter(())


def test_a_warm_cache_changes_no_hash_no_tokenizer_and_no_batch(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library = standard_library()
    few = replace(library, files=tuple(file for file in library.files if file[0].startswith(("json/", "email/"))))
    monkeypatch.setattr("data.mining.source.standard_library", lambda: few)
    start = recipe("generated")
    small = replace(start, data=replace(start.data, generated_train=300, held_out=20, workers=1))
    seen = []
    for _ in ("cold", "warm"):
        corpora = read_corpora(small)
        tokenizer = tokenizer_of_corpora(corpora, 400)
        seen.append((corpora, tokenizer.model, beginning(corpora, tokenizer)))
        monkeypatch.setattr("data.tokenizers.learned.train_tokenizer", lambda *_: pytest.fail("learned again"))
        monkeypatch.setattr("data.tasks.source.generate", drawn_again)
        monkeypatch.setattr("data.mining.parsed_files.parse_in_parallel", lambda *_: pytest.fail("parsed again"))
    assert seen[0] == seen[1]
    assert len(seen[0][-1]) == 10


def test_made_up_names_are_built_of_training_identifiers(folder):
    assert read(folder).words == ["total"]


def test_only_phases_with_a_budget_are_read(folder, monkeypatch):
    monkeypatch.setattr("training.corpus.read_mined", lambda data: pytest.fail("nothing asked for it"))
    start = recipe("files")
    assert list(read_corpora(replace(start, data=replace(start.data, path=str(folder))))) == ["training"]


def test_a_folder_without_training_lines_says_so(folder):
    (folder / "train.jsonl").rename(folder / "train.jsonl.gz")
    with pytest.raises(UserError, match=r"no training split among test; .*train.jsonl.gz \(packed; unpack it first"):
        read(folder)


def test_bad_lines_are_counted_with_their_places(folder):
    with open(folder / "train.jsonl", "a") as file:
        file.write('{"nl": "cut in ha\n' + json.dumps({"nl": "", "code": "x"}) + "\n")
    corpus = read(folder)
    assert sum(corpus.bad.counts.values()) == 2
    assert any("train.jsonl:51" in place for place in corpus.bad.places)
    with pytest.raises(UserError, match="train.jsonl:51"):
        read(folder, strict=True)
