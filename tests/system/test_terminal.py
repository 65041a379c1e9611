"""What a terminal shows moves no cursor, hides nothing, and ends quietly where nobody reads on."""

import io
import json
import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system import terminal
from system.errors import UserError
from system.options import run_and_report
from system.terminal import LONGEST_ERROR, at_terminal, error_line, shown

HOSTILE = "\x1b[2J\x1b]0;title\x07red\r over \u202egnitset\u202c \u2066x\u2069 a\u200bb \ufeff\u00ad "
HOSTILE += "\x7f\x9b31m \U000e0041 \u3164 \ud800"


def test_escapes_are_those_of_python():
    assert shown("\x1b[31m \r \x00 \u202e \u200b \U000e0041 \ud800") == (
        r"\x1b[31m \r \x00 \u202e \u200b \U000e0041 \ud800"
    )  # fmt: skip
    assert shown("a\tb\nc é 漢字 e\u0301 😀 مرحبا \u00a0 \\x1b") == "a\tb\nc é 漢字 e\u0301 😀 مرحبا \u00a0 \\x1b"


@given(st.text())
def test_no_control_or_format_character_is_left(text):
    left = {char for char in shown(text) if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n", "\t"}
    assert all(unicodedata.name(char).startswith(VISIBLE) for char in left), left
    assert shown(shown(text)) == shown(text)


VISIBLE = ("ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN")  # signs of numbers, which are seen although they format


def test_streams_that_are_closed_hold_nothing_and_take_everything(monkeypatch):
    def command(argv):
        print("seen by nobody"), print("nor this", file=sys.stderr)
        return (sys.stdin.read(), sys.stdin.isatty(), sys.stdout.isatty())

    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert run_and_report(command, []) == ("", False, False)


def test_an_error_that_cannot_be_written_keeps_its_exit_status(monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    def command(argv):
        raise UserError("lost")

    monkeypatch.setattr(sys, "stderr", Full())
    assert run_and_report(command, []) == 2


@pytest.mark.parametrize("text", [HOSTILE, "a\nb\n\nc", "x" * 10**6, "word " * 10**5, "\x1b" * 10**5, ""])
def test_an_error_is_one_line_that_ends_with_the_mend(text):
    line = error_line(f"file.csv:3: {text}; mend it with --data.nl")
    assert line.startswith("file.csv:3: ") and line.endswith("; mend it with --data.nl")
    assert len(line) <= LONGEST_ERROR and line.isprintable()


def test_an_error_of_the_usual_length_is_not_cut():
    line = "runs/a/config.json: " + "x" * 400 + "; mend it"
    assert error_line(line) == line


def test_errors_of_commands_are_shown_so(capsys):
    def refuse(_):
        raise UserError(f"{HOSTILE}\n{'x' * 10_000}; mend it")

    assert run_and_report(refuse, []) == 2
    said = capsys.readouterr().err
    assert said.startswith(r"error: \x1b[2J\x1b]0;title\x07red") and said.endswith("; mend it\n")
    assert said.count("\n") == 1 and len(said) < LONGEST_ERROR + 20


def test_answers_are_escaped_at_a_terminal_alone(monkeypatch):
    assert at_terminal(HOSTILE) == HOSTILE  # into a pipe code goes as it was written
    monkeypatch.setattr(sys, "stdout", type("Terminal", (io.StringIO,), {"isatty": lambda _: True})())
    assert at_terminal(HOSTILE) == shown(HOSTILE)


def data_command(*words, **more):
    return subprocess.run([sys.executable, "-m", "data", *words], capture_output=True, check=False, **more)


def test_hostile_pairs_are_counted_and_shown_without_a_control_character(tmp_path):
    rows = [{"nl": HOSTILE + str(i), "code": HOSTILE + str(i)} for i in range(3)] + [{"nl": "", "code": "x"}]
    path = tmp_path / "esc\x1b[31m\u202e.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:3] + [{"nl": "a", "code": ""}]))
    text = path.read_text().replace("\\ud800", "")
    path.write_text(text)
    done = data_command("stats", "files", "--data.path", str(path))
    assert done.returncode == 0, done.stderr
    for output in (done.stdout, done.stderr):
        assert not terminal.HIDDEN.search(output.decode())
    assert rb"\x1b[2J\x1b]0;title\x07red\r over \u202egnitset" in done.stdout
    missing = data_command("stats", "files", "--data.path", str(tmp_path / "no\x1b[2Jne.jsonl"))
    assert missing.returncode == 2 and b"\x1b" not in missing.stderr and rb"no\x1b[2Jne.jsonl" in missing.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_a_terminal_that_cannot_print_a_character_gets_its_escape(tmp_path, encoding):
    (tmp_path / "train.jsonl").write_text(json.dumps({"nl": "é 漢字 ▕", "code": "é 漢字 ▕ ␣"}) + "\n")
    words = "stats", "files", "--data.path", str(tmp_path)
    done = data_command(*words, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert done.returncode == 0 and not done.stderr
    assert ("漢字" if encoding == "utf-8" else "\\u6f22\\u5b57").encode() in done.stdout


def test_a_reader_that_goes_early_ends_a_command_quietly(tmp_path):
    rows = "".join(json.dumps({"nl": f"a {i}", "code": "x" * 500}) + "\n" for i in range(2000))
    (tmp_path / "train.jsonl").write_text(rows)
    command = [sys.executable, "-m", "data", "stats", "files", "--data.path", str(tmp_path), "--examples", "2000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


@pytest.mark.parametrize("name", [b"caf\xe9.jsonl", b"\xff\xfe.csv", b"a\nb.jsonl"])
def test_a_name_that_is_not_utf_8_is_read_and_said(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    try:
        with open(path, "wb") as file:
            file.write(b"nl,code\na,b\n" if name.endswith(b"csv") else b'{"nl": "a", "code": "b"}\n')
    except OSError:
        pytest.skip("the file system has UTF-8 names alone")
    command = [*map(os.fsencode, (sys.executable, "-m", "data", "stats", "files", "--data.path"))]
    done = subprocess.run([*command, path], capture_output=True, check=False)
    assert done.returncode == 0 and done.stderr == b"" and b"\nb\n" in done.stdout
    done = subprocess.run([*command, path + b"x"], capture_output=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith(b"error: ") and done.stderr.count(b"\n") == 1
