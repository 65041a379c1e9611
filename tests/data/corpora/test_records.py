"""Files that cannot be read as records: pipes, devices, and files that grow meanwhile."""

import os

import pytest

from data.config import DataConfig
from data.sources import open_source
from system.errors import UserError


def files(path):
    return open_source("files", DataConfig(path=str(path)), seed=1)


def refusal(path):
    with pytest.raises(UserError) as error:
        files(path)
    return str(error.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.json", "pairs.csv", "pairs.tsv", "pairs.nl"])
def test_a_named_pipe_and_a_device_are_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    (tmp_path / "pairs.code").write_text("x\n")
    assert f"{name} is a pipe, which cannot be read more than once; save it to a file first" in refusal(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    assert "is a device or socket" in refusal(tmp_path / name)


@pytest.mark.parametrize("side", ["nl", "code"])
def test_parallel_text_that_grows_while_it_is_read_gets_one_line(tmp_path, side):
    for ending in ("nl", "code"):
        (tmp_path / f"train.{ending}").write_text("".join(f"{ending} {number}\n" for number in range(5)))
    source = files(tmp_path)
    with (tmp_path / f"train.{side}").open("a") as file:
        file.write("one more\n")
    with pytest.raises(UserError, match=f"train.{side}:6: a line came while it was read; start again when nobody"):
        list(source.splits()["train"])
