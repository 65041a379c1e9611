"""What a person sees while training runs, on a terminal and in a log file."""

import io
import re

import pytest

from training.progress import Progress, clock


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(stream, total=400, start=0):
    with Progress("pretraining", total, start, stream) as progress:
        for step in range(start + 1, total + 1):
            progress.update(step, loss=2.345, tokens=100)
            if step == total // 2:
                progress.say("held-out loss 1.234")
    return stream.getvalue()


def test_a_log_file_gets_a_line_now_and_then():
    lines = shown(io.StringIO()).splitlines()
    assert len(lines) == 21
    assert re.fullmatch(r"pretraining step 20/400: loss 2\.345, [\d,]+ tokens/s, \d+:\d\d left", lines[0])
    assert lines[-1].startswith("pretraining step 400/400") and lines[-1].endswith("0:00 left")
    assert "held-out loss 1.234" in lines


def test_of_several_processes_the_slowest_is_named():
    stream = io.StringIO()
    with Progress("training", 1, stream=stream) as progress:
        progress.update(1, loss=2.0, tokens=100, exchange={"exchange_share": 0.125, "slowest_process": 3})
    assert "tokens/s, 12% in exchanges (slowest: process 3), " in stream.getvalue()


def test_a_terminal_gets_a_bar():
    text = shown(Terminal())
    last = text.replace("\n", "\r").strip("\r").split("\r")[-1]
    assert "pretraining 100%" in last and "400/400" in last
    assert "loss 2.345" in last and "tokens/s" in last and "left" in last
    assert "held-out loss 1.234\n" in text


def test_a_resumed_phase_counts_from_where_it_stands():
    lines = shown(io.StringIO(), start=390).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["pretraining step 400/400"]
    assert "400/400" in shown(Terminal(), start=390)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (725, "12:05"), (3723, "1:02:03")])
def test_time_is_written_as_people_write_it(seconds, text):
    assert clock(seconds) == text
