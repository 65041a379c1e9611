"""What one of several processes ends of is told to all, printed once, and found out where it can say nothing itself."""

import os
import socket
import subprocess
import sys

import pytest
import torch
from torch import distributed, nn

from system.errors import UserError
from training import ending, meeting
from training.alike import checksum, difference_of
from training.processes import SAYING, STORE, stopped_status


@pytest.fixture
def store(monkeypatch):
    """A store of a job whose processes wait for each other for an instant only."""
    monkeypatch.setattr(ending, "GRACE", 0.1)
    monkeypatch.setattr(ending, "ROLL_CALL", 0.3)
    monkeypatch.setenv(STORE, "one")  # nothing is printed elsewhere than it was
    yield distributed.HashStore()
    if SAYING.locked():
        SAYING.release()


def failing(error):
    def main(argv):
        raise error

    return main


def test_alone_a_command_is_run_as_it_is(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert ending.together(main := failing(UserError("no"))) is main


def test_the_first_to_tell_is_heard(store):
    assert ending.heard(store) == ""
    assert ending.tell(1, 3, store, "no\nspace")
    assert not ending.tell(2, 3, store, "no space")
    assert ending.heard(store) == "process 1 of 3: no space"


def test_torchrun_reports_what_a_process_has_told(store, monkeypatch, tmp_path):
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    ending.tell(1, 3, store, "no space")
    failure = ProcessFailure(local_rank=1, pid=7, exitcode=2, error_file=str(tmp_path / "error.json"))
    assert failure.message["extraInfo"]["py_callstack"] == "process 1 of 3: no space"


@pytest.mark.parametrize("rank, printed, expected", [
    (0, False, UserError("no space")), (1, True, SystemExit(2)), (1, False, UserError("process 1 of 2: no space")),
])  # fmt: skip
def test_the_first_process_prints_and_another_one_only_where_it_does_not(store, monkeypatch, rank, printed, expected):
    monkeypatch.setattr(ending, "meet", lambda: (rank, 2, store))
    if printed:
        store.set(ending.SAID, "")
    with pytest.raises(type(expected)) as raised:
        ending.run_together(failing(UserError("no space")), [])
    assert str(raised.value) == str(expected)
    assert ending.heard(store) == f"process {rank} of 2: no space"


def test_what_all_but_the_first_process_have_told_is_not_told_again(store, monkeypatch):
    monkeypatch.setattr(ending, "meet", lambda: (2, 3, store))
    ending.tell(1, 3, store, "no space")
    with pytest.raises(SystemExit):
        ending.run_together(failing(UserError("process 1 of 3: no space")), [])


@pytest.mark.parametrize("silent, how", [(0.0, "has ended"), (61.2, "has not answered for 61 s")])
def test_who_is_lost_is_known_by_who_is_left(store, silent, how):
    store.set("left 2", "0.0")
    assert str(ending.lost(0, 3, store, silent)).startswith(f"process 1 of 3 {how}; ")


def test_a_process_that_has_ended_is_named_before_those_that_are_slow_to_notice(store, monkeypatch):
    for rank, number in enumerate((os.getpid(), os.getpid(), ended_process())):
        store.set(f"here {rank}", f"{number} {socket.gethostname()}")
    assert str(ending.lost(0, 3, store, 0.0)).startswith("process 2 of 3 has ended; ")
    assert not meeting.has_ended(store, 1)
    store.set("here 2", f"{ended_process()} elsewhere")
    assert not meeting.has_ended(store, 2), "a number on another machine says nothing here"


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_the_lost_process_has_told_is_the_reason(store):
    ending.tell(2, 3, store, "no space")
    assert str(ending.lost(0, 3, store, 0.0)) == "process 2 of 3: no space"


def test_an_exchange_that_fails_with_all_there_says_so(store):
    store.set("left 1", "0.0")
    assert str(ending.lost(0, 2, store, 0.0)).startswith("process 0 of 2: an exchange has failed")


def test_whoever_waits_for_the_first_process_hears_that_it_ends(store):
    store.set("here 0", f"{ended_process()} {socket.gethostname()}")
    with pytest.raises(UserError, match="process 0 of 2 has ended"):
        ending.wait_patiently(2, store, "done 1")
    ending.tell(0, 2, store, "no space")
    with pytest.raises(UserError, match="process 0 of 2: no space"):
        ending.wait_patiently(2, store, "done 1")
    store.set("done 1", "")
    ending.wait_patiently(2, store, "done 1")


def test_processes_that_do_not_come_are_named(store):
    store.set("here 0", "")
    with pytest.raises(UserError, match=r"in vain for other processes \(here 1\)"):
        meeting.wait_for(store, ["here 0", "here 1"], 0.05)


def test_variables_of_another_launcher_are_no_traceback(monkeypatch):
    meeting.meet.cache_clear()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UserError, match="start them with torchrun, or unset"):
        meeting.meet()


def test_a_restart_goes_on_with_the_run_and_overwrites_nothing(monkeypatch, tmp_path):
    asked = ["django", "--run", str(tmp_path), "--overwrite"]
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert ending.as_restarted(asked) == asked, "there is nothing to go on with"
    (tmp_path / "config.json").touch()
    assert ending.as_restarted(asked) == ["django", "--run", str(tmp_path), "--resume"]
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert ending.as_restarted(asked) == asked


def test_torchrun_does_not_start_again_what_was_asked_to_stop(monkeypatch):
    for name in ("RANK", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    assert stopped_status() == 130
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert stopped_status() == 0


FACTS = {
    "host": "a", "versions": {"PyTorch": "2.13"}, "code": {"train.py": "12"}, "settings": {"seed": "0"},
    "data": {"training": "34"},
}  # fmt: skip


@pytest.mark.parametrize("theirs, said", [
    ({}, ""), ({"host": "b"}, ""), ({"code": {"train.py": "12", "training/ema.py": "5"}}, ""),
    ({"code": {"train.py": "13"}}, "code than process 0: train.py; give all machines the same commit"),
    ({"settings": {"seed": "1"}}, "settings than process 0: seed (1 there, 0 in process 0); start all processes"),
    ({"settings": {}}, "settings than process 0: seed (None there, 0 in process 0)"),
    ({"data": {"training": "35"}}, "data than process 0: training; give all machines the same data"),
    ({"versions": {"PyTorch": "2.12"}}, "versions than process 0: PyTorch (2.12 there, 2.13 in process 0)"),
])  # fmt: skip
def test_what_processes_have_otherwise_is_named(theirs, said):
    found = difference_of(FACTS, FACTS | theirs)
    assert found.startswith(said) and bool(found) == bool(said)


def test_a_checksum_sees_one_bit_of_one_weight():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1, dtype=torch.bfloat16))
    before = checksum(network)
    assert checksum(network) == before
    with torch.no_grad():
        network[1].weight.view(torch.int16)[0, 0] ^= 1
    assert checksum(network) != before
