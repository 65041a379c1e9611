"""Shards give back what was written, in any order and from any place."""

import json
import os

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.config import DataConfig
from data.example import BadRecords, evenly
from data.shards import store
from data.shards.store import ShardedExamples, write_shard
from data.tokenizers.tokenizer import train_tokenizer
from system.errors import UserError
from training import stream
from training.config import ObjectivesConfig
from training.corpus import read_pretraining
from training.mixture import Mixture
from training.stream import Stream, StreamPosition

TEXTS = [(f"m{n % 4}:f{n}", f"Say {n}." if n % 3 else None, f"def f{n}():\n    return 'é{n}'\n") for n in range(50)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for _, nl, code in TEXTS for text in (nl, code) if text], 500)


@pytest.fixture
def corpus(tmp_path, tokenizer):
    """Two shards of 30 and 20 examples; the last three of the first and the last of the second are held out."""
    tokenizer.save(tmp_path / "tokenizer.model")
    shards = []
    for name, part, held_out in (("00000", TEXTS[:30], 3), ("00003", TEXTS[30:], 1)):
        rows, ids = [], []
        for id, nl, code in part:
            described = tokenizer.encode(nl) if nl else []
            rows.append((id, len(described) if nl else -1, 1, 0))
            ids.append([*described, *tokenizer.encode(code)])
        write_shard(tmp_path / name, rows, ids, tokenizer.vocab_size)
        shards.append({"name": name, "examples": len(part), "held_out": held_out})
    write_card(tmp_path, shards)
    return tmp_path


def write_card(folder, shards):
    card = {"format": store.FORMAT, "hash": "abc", "languages": ["bash", "python"], "sources": [], "benchmarks": {}}
    for shard in shards:
        shard["sha256"] = {end: store.sha256((folder / shard["name"]).with_suffix(end)) for end in store.SHARD_FILES}
    files = {"tokenizer": store.sha256(folder / "tokenizer.model"), "shards": shards}
    (folder / "corpus.json").write_text(json.dumps(card | files))


def as_texts(examples):
    return [(example.id, example.nl, example.code) for example in examples]


def test_what_is_read_is_what_was_written(corpus):
    train, held_out = ShardedExamples(corpus), ShardedExamples(corpus, held_out=True)
    assert as_texts(train) == TEXTS[:27] + TEXTS[30:49] and len(train) == 46
    assert as_texts(held_out) == TEXTS[27:30] + TEXTS[49:]
    assert train[0].language == "python"
    assert as_texts([train[-1], train[26], train[27]]) == [TEXTS[48], TEXTS[26], TEXTS[30]]
    assert as_texts(train[5:9]) == TEXTS[5:9]
    for index in (46, -47):
        with pytest.raises(IndexError):
            train[index]


def test_with_few_shards_open_at_a_time_the_same_is_read(corpus, monkeypatch):
    monkeypatch.setattr(store, "OPEN", 1)
    train = ShardedExamples(corpus)
    order = numpy.random.default_rng(0).permutation(46).tolist() * 3
    assert as_texts(train[index] for index in order) == [as_texts([train[index]])[0] for index in order]


@settings(max_examples=30, deadline=None)
@given(vocab=st.sampled_from([500, 1 << 16, (1 << 16) + 1]))
def test_a_large_vocabulary_takes_four_bytes(vocab, tmp_path_factory):
    place = tmp_path_factory.mktemp("shard") / "00000"
    write_shard(place, [("a", -1, 0, 0)], [[1, vocab - 1]], vocab)
    assert numpy.fromfile(place.with_suffix(".ids"), store.ids_type(vocab)).tolist() == [1, vocab - 1]


def stream_of(corpus, tokenizer):
    mixture = Mixture(ObjectivesConfig(pairs=0, causal=1.0), tokenizer, 1, ShardedExamples(corpus))
    return Stream(mixture, DataConfig(batch_tokens=0, batch_examples=4), BadRecords())


@pytest.mark.parametrize("chunk", [16384, 10])
def test_a_stream_goes_on_from_any_step(corpus, tokenizer, monkeypatch, chunk):
    monkeypatch.setattr(stream, "CHUNK_EXAMPLES", chunk)
    batches = []
    for place, batch in stream_of(corpus, tokenizer).batches():
        batches.append((place, batch.ids, batch.target.tolist()))
        if len(batches) == 30:
            break
    for done in (0, 7, 11, 12, 25):
        rest = stream_of(corpus, tokenizer).batches(batches[done][0])
        place, batch = next(rest)
        assert (place, batch.ids, batch.target.tolist()) == batches[done + 1]
    assert batches[-1][0].epoch >= 2 and StreamPosition() not in [place for place, *_ in batches]


def test_training_reads_it_and_holds_out_what_the_build_held_out(corpus):
    read = read_pretraining(DataConfig(shards=str(corpus)), "files")
    assert as_texts(read.train) == TEXTS[:27] + TEXTS[30:49] and len(read.held_out) == 4
    assert read.about["data_hash"] == "abc" and read.about["train"] == 46
    assert len(read_pretraining(DataConfig(shards=str(corpus), mined_limit=5), "files").train) == 5


@pytest.mark.parametrize("name", ["00003.ids", "00000.index", "tokenizer.model"])
def test_training_refuses_a_file_that_is_not_as_it_was_built(corpus, name):
    content = (corpus / name).read_bytes()
    (corpus / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{name} is gone or damaged"):
        read_pretraining(DataConfig(shards=str(corpus)), "files")


def test_of_several_processes_the_first_reads_all_files_through_and_the_others_wait(corpus, monkeypatch):
    path = corpus / "00000.ids"
    path.write_bytes(b"\0" * path.stat().st_size)
    monkeypatch.setenv("RANK", "1")
    assert len(read_pretraining(DataConfig(shards=str(corpus)), "files").train) == 46
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UserError, match="00000.ids is gone or damaged"):
        read_pretraining(DataConfig(shards=str(corpus)), "files")


def test_several_processes_read_neighbouring_shards_each_its_own(tmp_path, tokenizer, monkeypatch):
    tokenizer.save(tmp_path / "tokenizer.model")
    for number in range(6):
        rows = [(f"m{number}:f{n}", -1, 0, 0) for n in range(4)]
        write_shard(tmp_path / f"{number:05d}", rows, [[200 + n] for n in range(4)], tokenizer.vocab_size)
    write_card(tmp_path, [{"name": f"{number:05d}", "examples": 4, "held_out": 0} for number in range(6)])

    class Alone:
        """One of three processes; it hears nothing of the others."""

        world = 3

        def collect(self, own):
            self.own = own
            return [own]

    read = []
    for number in range(3):
        made, ranks = stream_of(tmp_path, tokenizer), Alone()
        made.ranks, ranks.rank = ranks, number
        made.made(range(24), 0)
        read.append((set(made.mixture.examples.open), json.loads(ranks.own.split(b"\n")[0])[0]))
    assert [shards for shards, _ in read] == [{0, 1}, {2, 3}, {4, 5}]
    assert [row[0] for _, rows in read for row in rows if len(row) == 2] == list(range(24))


def test_what_is_mined_now_is_warned_of_where_there_is_a_benchmark(monkeypatch, capsys):
    monkeypatch.setattr("training.corpus.read_mined", lambda _: "mined")
    assert read_pretraining(DataConfig(), "files") == "mined" and capsys.readouterr().err == ""
    assert read_pretraining(DataConfig(), "django") == "mined"
    assert "--data.shards mined" in capsys.readouterr().err


def test_a_corpus_in_which_nobody_looked_for_the_benchmark_is_warned_of(corpus, capsys):
    read_pretraining(DataConfig(shards=str(corpus)), "files")
    assert capsys.readouterr().err == ""
    read_pretraining(DataConfig(shards=str(corpus)), "django")
    assert "nobody has looked whether" in capsys.readouterr().err


def test_a_pass_over_many_shards_needs_few_open_files(tmp_path, tokenizer):
    tokenizer.save(tmp_path / "tokenizer.model")
    for number in range(60):
        write_shard(tmp_path / f"{number:05d}", [(f"m{number}:f", -1, 0, 0)], [[200 + number]], tokenizer.vocab_size)
    shards = [{"name": f"{number:05d}", "examples": 1, "held_out": 0} for number in range(60)]
    write_card(tmp_path, shards)
    resource = pytest.importorskip("resource", reason="Windows has no limit on open files")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/dev/fd"))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 60, hard))
        assert len(list(ShardedExamples(tmp_path))) == 60
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_evenly_takes_about_as_many_as_asked_for():
    assert list(evenly(range(10), 3)) == [0, 3, 6, 9] and list(evenly(range(3), 10)) == [0, 1, 2]
    assert list(evenly(range(10), 0)) == [] == list(evenly([], 0))


@pytest.mark.parametrize(("number", "said"), [(2**31, "2,147,483,648"), (31, "31"), (29, "29"), (0, "0"), (-1, "-1")])
def test_a_card_that_counts_other_examples_than_there_are_is_refused(corpus, number, said):
    card = json.loads((corpus / "corpus.json").read_text())
    card["shards"][0]["examples"] = number
    (corpus / "corpus.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=f"00000.index has not the {said} examples of corpus.json; build it again"):
        ShardedExamples(corpus)


@pytest.mark.parametrize(("column", "value"), [
    ("nl", 2**31 - 1), ("code", 2**31 - 1), ("code", -1), ("start", 2**63), ("language", 9), ("name", 2**32 - 1),
])  # fmt: skip
def test_a_row_that_points_outside_of_its_files_is_refused(corpus, column, value):
    path = corpus / "00000.index"
    index = numpy.frombuffer(path.read_bytes(), store.INDEX).copy()
    index[column][3] = value
    path.write_bytes(index.tobytes())
    train = ShardedExamples(corpus)
    assert as_texts([train[2]]) == [TEXTS[2]]
    with pytest.raises(UserError, match="00000.index: row 3 points outside of its files"):
        train[3]
