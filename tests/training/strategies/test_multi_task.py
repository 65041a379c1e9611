"""Several tasks in one epoch: prefixes, shares by temperature, nothing repeated before all was seen."""

import json
from collections import Counter

import numpy
import pytest

import train
from data.config import DataConfig
from data.example import BadRecords, Example
from data.multi_task import Tasks, summary, with_tasks
from data.objectives.pairs import pairs
from data.splits import read_splits
from system.errors import UserError
from training.command_line import read_training_command
from training.config import ObjectivesConfig
from training.mixture import Mixture
from training.stream import Stream, examples_in_epoch


def task(name, n):
    return [Example(f"{name}:{i}", f"{name}: {i}", f"x = {i}") for i in range(n)]


@pytest.mark.parametrize(("temperature", "counts"), [(1.0, [100, 400, 25]), (2.0, [100, 200, 50]), (1e9, [100] * 3)])
def test_a_tasks_share_is_its_size_to_the_power_of_one_over_the_temperature(temperature, counts):
    """100, 400 and 25 examples: the square roots of 4 and 1/4 are 2 and 1/2."""
    tasks = Tasks({"a": task("a", 100), "b": task("b", 400), "c": task("c", 25)}, temperature)
    assert tasks.counts == counts and examples_in_epoch(tasks) == sum(counts)
    drawn = tasks.drawn(numpy.random.default_rng(0))
    names = Counter(tasks[index].id[0] for index in drawn.tolist())
    assert [names[name] for name in "abc"] == counts
    often = Counter(drawn.tolist())
    assert max(often[index] for index in range(100)) == 1  # the first task once each
    assert {often[index] for index in range(500, 525)} <= {counts[2] // 25, -(-counts[2] // 25)}


def test_an_epoch_of_batches_has_every_task_in_its_share(tokenizer, examples):
    tasks = Tasks({"own": list(examples), "other": [Example(f"o:{i}", "add 1", "x += 1") for i in range(24)]}, 2.0)
    mixture = Mixture(ObjectivesConfig(), tokenizer, 0, tasks)
    stream = Stream(mixture, DataConfig(batch_tokens=0, batch_examples=4), None)
    ids = [id for batch in stream.one_epoch() for id in batch.ids]
    assert Counter(id[0] for id in ids) == {"e": 6, "o": 12}


def test_a_summary_reads_code_and_writes_the_description(tokenizer):
    turned = summary(Example("d:1", "django: add one", "x += 1"), "django", "django: ")
    assert (turned.id, turned.nl, turned.code) == ("d:1:summary", "describe django: x += 1", "add one")
    item = pairs(turned, tokenizer, None)
    assert tokenizer.decode(item.source) == "describe django: x += 1" and tokenizer.decode(item.target) == "add one"


@pytest.fixture
def nl2bash(tmp_path, monkeypatch):
    """A cache that holds a small NL2Bash."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "codegen" / "nl2bash"
    folder.mkdir(parents=True)
    (folder / "all.nl").write_text("".join(f"list files of {i}\n" for i in range(60)))
    (folder / "all.cm").write_text("".join("\n" if i < 2 else f"tool{i} {i}\n" for i in range(60)))


def test_another_corpus_is_another_task(nl2bash):
    own = task("django", 50)
    bad = BadRecords()
    tasks = with_tasks(own, "django", ["nl2bash", "summary"], 1.0, DataConfig(prefix="django: "), 0, bad)
    bash = [example for example in tasks if example.language == "bash"]
    assert bash and all(example.nl.startswith("nl2bash: list files of") for example in bash)
    assert tasks.sizes == [50, len(bash), 50]
    assert sum(bad.counts.values()) == 2 and all("nl2bash" in place for place in bad.places)
    with pytest.raises(UserError, match="strategies.tasks.names: conala is not in the cache"):
        with_tasks(own, "django", ["conala"], 1.0, DataConfig(prefix="django: "), 0, bad)


def test_what_is_scored_has_its_prefix_too(tmp_path):
    lines = [json.dumps({"nl": f"add {i}", "code": f"x += {i}"}) for i in range(30)]
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    argv = ["files", "--data.path", str(tmp_path), "--strategies.tasks.names", "summary"]
    settings = read_training_command(train.Settings, argv, "")[0]
    assert settings.data.prefix == "files: "
    splits = read_splits("files", settings.data, 0)
    assert {example.nl.split()[0] for example in [*splits.train, *splits.tests["test"]]} == {"files:"}
