"""Downloads against a server on this machine that breaks off, never ends, and answers with the wrong thing."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from data.__main__ import main
from data.corpora import fetch as module
from data.corpora.fetch import PUBLISHED_FILES, Published, check_mbpp, check_zip, fetch
from system.errors import UserError

MBPP = Path(os.environ.get("CODEGEN_DATA", "no such folder"), "mbpp", "mbpp.jsonl")
CONTENT = bytes(range(256)) * 1500  # 384,000 bytes


class Files(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; `server.behaviour` may answer in another way."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        content = server.files.get(self.path)
        if content is None:
            return self.send_error(404)
        with contextlib.suppress(ConnectionError):
            (server.behaviour or plainly)(self, content)

    def log_message(self, *_):
        """Stay silent."""


def plainly(handler, content, length=None):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as running:
        running.files, running.behaviour, running.asked = {"/all.anno": CONTENT}, None, []
        running.daemon_threads = True
        running.block_on_close = False
        running.address = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def published(server, monkeypatch):
    file = Published(f"{server.address}/all.anno", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(PUBLISHED_FILES, "django", (file,))
    return file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refusal(action, *arguments):
    with pytest.raises(UserError) as error:
        action(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_gets_its_name_when_it_is_whole(tmp_path, published):
    assert fetch("django", tmp_path) == [tmp_path / "all.anno"]
    assert (tmp_path / "all.anno").read_bytes() == CONTENT and names(tmp_path) == ["all.anno"]


def announcing(length):
    return lambda handler, content: plainly(handler, content, length)


def without_length(handler, content):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content)


def in_chunks(handler, content):
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for start in range(0, len(content), 100_000):
        part = content[start : start + 100_000]
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
    handler.wfile.write(b"0\r\n\r\n")


@pytest.mark.parametrize("behaviour", [
    without_length, in_chunks, announcing("abc"), announcing("9" * 5000), announcing(-5),
])  # fmt: skip
def test_what_a_server_announces_decides_nothing(tmp_path, server, published, behaviour):
    server.behaviour = behaviour
    fetch("django", tmp_path)
    assert (tmp_path / "all.anno").read_bytes() == CONTENT


def cut(handler, content):
    plainly(handler, content[:100_000], len(content))


def endless(handler, content):
    without_length(handler, b"")
    while True:
        handler.wfile.write(content)


def one_byte_too_many(handler, content):
    plainly(handler, content + b"?")


def broken_chunks(handler, content):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\nabc")


def no_http(handler, content):
    handler.wfile.write(b"HTTP/1.1 abc def\r\n\r\n")


def to_a_file(handler, content):
    handler.send_response(302)
    handler.send_header("Location", "file:///etc/hostname")
    handler.end_headers()


def to_itself(handler, content):
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


HOSTILE = {
    cut: "broke off after 100,000 bytes", endless: "sends more than 384,000 bytes",
    one_byte_too_many: "sends more than 384,000 bytes", broken_chunks: "cannot be read", no_http: "cannot be read",
    to_a_file: "answered 302", to_itself: "answered 302",
    lambda handler, _: plainly(handler, b"<html>please log in</html>"): "what came is not the published file (SHA-256",
    lambda handler, _: None: "cannot be read", lambda handler, _: handler.send_error(503): "answered 503",
    lambda handler, _: [handler.send_header(f"X{i}", "a") for i in range(300)] and handler.end_headers(): "cannot be",
}  # fmt: skip


@pytest.mark.parametrize("behaviour", HOSTILE)
def test_a_wrong_answer_gets_one_line_and_leaves_nothing(tmp_path, server, published, behaviour):
    server.behaviour = behaviour
    line = refusal(fetch, "django", tmp_path)
    assert HOSTILE[behaviour] in line and line.count("http://") == 1
    assert names(tmp_path) == []
    server.behaviour = None
    fetch("django", tmp_path)
    assert (tmp_path / "all.anno").read_bytes() == CONTENT


def slow_content(handler, content):
    without_length(handler, b"")
    for byte in content[:100]:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.05)


def slow_headers(handler, content):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(90):
        handler.wfile.write(b"X%d: a\r\n" % number)
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("behaviour", [slow_content, slow_headers])
def test_a_server_that_sends_a_byte_now_and_then_keeps_nobody(tmp_path, server, published, monkeypatch, behaviour):
    monkeypatch.setattr(module, "DEADLINE", 0.5)
    server.behaviour = behaviour
    assert "was not whole after 0.5 s" in refusal(fetch, "django", tmp_path)
    assert names(tmp_path) == []


def test_https_is_not_left(monkeypatch, tmp_path):
    class Answer(io.BytesIO):
        url, length = "http://elsewhere/all.anno", 0

    monkeypatch.setattr(module.urllib.request, "urlopen", lambda *_, **__: Answer(CONTENT))
    published = Published("https://here/all.anno", len(CONTENT))
    assert "leads to http://elsewhere/all.anno, which is not https" in refusal(module.download, published)


def test_of_two_processes_one_waits_for_the_other(tmp_path, server, published):
    def slowly(handler, content):
        time.sleep(0.3)
        plainly(handler, content)

    server.behaviour = slowly
    threads = [threading.Thread(target=fetch, args=("django", tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "all.anno").read_bytes() == CONTENT and server.asked == ["/all.anno"]


def test_a_missing_address_gets_one_line(server):
    assert "answered 404" in refusal(module.download, Published(f"{server.address}/none", 10))


def test_no_network_gets_one_line():
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        address = f"http://127.0.0.1:{closed_soon.getsockname()[1]}/all.anno"
    line = refusal(module.download, Published(address, 10))
    assert "cannot be read" in line and "check the network" in line


def test_a_corpus_is_fetched_once(tmp_path, server, published):
    folder = tmp_path / "new" / "django"
    assert fetch("django", folder) == [folder / "all.anno"] == fetch("django", folder)
    assert len(server.asked) == 1


@pytest.mark.parametrize(("make", "said"), [
    (lambda path: path.write_text("mine"), "is not the published file"),
    (lambda path: path.write_bytes(CONTENT + b"?"), "is larger than the published file"),
    (lambda path: path.mkdir(), "is no file"), (lambda path: os.mkfifo(path), "is no file"),
    (lambda path: path.symlink_to("nowhere"), "is no file"),
])  # fmt: skip
def test_what_stands_there_under_the_name_is_not_overwritten(tmp_path, server, published, make, said):
    make(tmp_path / "all.anno")
    before = os.lstat(tmp_path / "all.anno")
    line = refusal(fetch, "django", tmp_path)
    assert said in line and "move it away" in line
    assert os.lstat(tmp_path / "all.anno").st_ino == before.st_ino and not server.asked


def test_a_folder_that_cannot_be_made_gets_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refusal(fetch, "django", tmp_path / "file" / "django")


def test_an_unknown_corpus_gets_one_line(tmp_path):
    assert "django, nl2bash" in refusal(fetch, "mined", tmp_path)


MEMBERS = ("conala-corpus/conala-train.json", "conala-corpus/conala-test.json")


def zipped(files, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def conala(server, monkeypatch):
    """A function that lets the server send this archive as CoNaLa's."""

    def serve(content):
        server.files["/conala.zip"] = content
        published = Published(f"{server.address}/conala.zip", 10**7, "", check_zip, MEMBERS, 1000)
        monkeypatch.setitem(PUBLISHED_FILES, "conala", (published,))

    return serve


def test_an_archive_is_unpacked_and_not_kept(tmp_path, server, conala):
    conala(zipped({MEMBERS[0]: "[1]", MEMBERS[1]: "[2]", "conala-corpus/other": "x" * 999, "../../escaped": "x"}))
    for _ in range(2):
        assert [path.read_text() for path in fetch("conala", tmp_path)] == ["[1]", "[2]"]
    assert names(tmp_path) == ["conala-test.json", "conala-train.json"] and len(server.asked) == 1


def lying(content):
    """The archive with the size of its second member said to be 3 bytes, in both places."""
    return content.replace((5000).to_bytes(4, "little"), (3).to_bytes(4, "little"))


BAD_ARCHIVES = {
    "a page": (b"<html>please log in</html>", "is not a zip archive"),
    "a bomb": (zipped({MEMBERS[0]: "[1]", MEMBERS[1]: " " * 10**6}), "conala-test.json is larger than 1,000 bytes"),
    "a bomb that lies": (lying(zipped({MEMBERS[0]: "[1]", MEMBERS[1]: "a" * 5000})), "the archive is damaged"),
    "too few files": (zipped({MEMBERS[0]: "[1]"}), "holds no conala-corpus/conala-test.json"),
    "damage": (zipped({MEMBERS[0]: "[1]", MEMBERS[1]: "[22222]"}, 0).replace(b"[22222]", b"[22322]"), "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_a_wrong_archive_gets_one_line_and_leaves_nothing(tmp_path, conala, name):
    content, said = BAD_ARCHIVES[name]
    conala(content)
    assert said in refusal(fetch, "conala", tmp_path) and names(tmp_path) == []


def test_mbpp_is_checked_by_its_form():
    lines = [json.dumps({"task_id": i}).encode() for i in range(1, 975)]
    assert check_mbpp(b"\n".join(lines)) == ""
    assert "973 tasks" in check_mbpp(b"\n".join(lines[:-1]))
    for content in (b"<html>", b"[1]", b"[" * 10**6, b"\xff"):
        assert "not JSON lines" in check_mbpp(content)


@pytest.mark.skipif(not MBPP.exists(), reason="no published corpora here (set CODEGEN_DATA)")
def test_the_published_mbpp_is_of_its_form_and_size():
    (published,) = PUBLISHED_FILES["mbpp"]
    content = MBPP.read_bytes()
    assert published.size - len(content) in (0, 1) and check_mbpp(content) == ""  # a copy may lack the last line's end


def test_every_pinned_file_has_a_hash_of_the_right_form():
    files = [published for corpus in PUBLISHED_FILES.values() for published in corpus]
    assert {published.name for published in files if not published.sha256} == {"conala-corpus-v1.1.zip", "mbpp.jsonl"}
    for published in files:
        assert re.fullmatch(r"[0-9a-f]{64}", published.sha256) or published.check
        assert (published.size or published.members) and published.address.startswith("https://")
        assert "github" not in published.address or re.search(r"/[0-9a-f]{40}/", published.address)


def test_the_command_says_where_the_files_are_and_how_they_were_checked(tmp_path, server, monkeypatch, capsys):
    monkeypatch.setitem(PUBLISHED_FILES, "mbpp", (Published(f"{server.address}/all.anno", len(CONTENT)),))
    monkeypatch.setattr(sys, "argv", ["data", "fetch", "mbpp", "--to", str(tmp_path)])
    assert main() == 0
    shown = capsys.readouterr().out
    assert str(tmp_path / "all.anno") in shown and "no SHA-256 is published" in shown


def test_the_command_says_how_to_go_on_after_an_interrupt(tmp_path, published, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "read_bounded", interrupted)
    monkeypatch.setattr(sys, "argv", ["data", "fetch", "django", "--to", str(tmp_path)])
    assert main() == 130 and "run the same command again" in capsys.readouterr().err
    assert names(tmp_path) == []


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "data", *arguments], capture_output=True, text=True, check=False)


def test_the_command_counts_a_corpus(tmp_path):
    (tmp_path / "pairs.jsonl").write_text('{"nl": "one", "code": "1"}\n{"nl": "tw\n{"nl": "one", "code": "1"}\n')
    path = tmp_path / "figures.json"
    done = command("stats", "files", "--data.path", str(tmp_path / "pairs.jsonl"), "--json", str(path))
    assert done.returncode == 0, done.stderr
    figures = json.loads(path.read_text())
    assert (figures["splits"]["train"]["examples"], figures["splits"]["train"]["distinct"]) == (2, 1)
    assert sum(figures["bad"].values()) == 1 and "pairs.jsonl:2: not JSON" in done.stdout


def test_the_command_ends_with_one_line_on_bad_input(tmp_path):
    done = command("stats", "django", "--data.path", str(tmp_path))
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
