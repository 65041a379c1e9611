"""Downloads against a server on this machine that can resume, cut the connection, and answer with the wrong thing."""

import hashlib
import http.server
import io
import json
import re
import socket
import subprocess
import sys
import threading
import zipfile

import pytest

from data.__main__ import main
from data.corpora import fetch as module
from data.corpora.fetch import PUBLISHED_FILES, Published, check_mbpp, check_zip, download, fetch
from system.errors import UserError

CONTENT = bytes(range(256)) * 1500  # 384,000 bytes


class Files(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; `server.cuts` are the numbers of bytes after which the next answers break off."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        content = server.files.get(self.path)
        if content is None:
            return self.send_error(404)
        start = 0
        if server.ranges and (wanted := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))):
            start = int(wanted[1])
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        rest = content[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: server.cuts.pop(0)] if server.cuts else rest)

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as running:
        running.files, running.ranges, running.cuts, running.asked = {"/all.anno": CONTENT}, True, [], []
        running.address = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def published(server):
    return Published(f"{server.address}/all.anno", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refusal(action, *arguments):
    with pytest.raises(UserError) as error:
        action(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_gets_its_name_when_it_is_whole(tmp_path, published):
    download(published, tmp_path / "all.anno")
    assert (tmp_path / "all.anno").read_bytes() == CONTENT and names(tmp_path) == ["all.anno"]


def test_a_cut_connection_goes_on_where_it_broke(tmp_path, server, published):
    server.cuts = [100_000, 50_000]
    download(published, tmp_path / "all.anno")
    assert (tmp_path / "all.anno").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_run_goes_on_from_the_part(tmp_path, server, published):
    (tmp_path / "all.anno.part").write_bytes(CONTENT[:70_000])
    download(published, tmp_path / "all.anno")
    assert (tmp_path / "all.anno").read_bytes() == CONTENT
    assert server.asked == ["bytes=70000-"]


def test_a_server_without_ranges_starts_over(tmp_path, server, published):
    server.ranges = False
    (tmp_path / "all.anno.part").write_bytes(b"x" * 70_000)
    server.cuts = [100_000]
    download(published, tmp_path / "all.anno")
    assert (tmp_path / "all.anno").read_bytes() == CONTENT


def test_a_connection_that_keeps_breaking_leaves_the_part(tmp_path, server, published):
    server.cuts = [100_000] + [0] * 20
    line = refusal(download, published, tmp_path / "all.anno")
    assert "keeps breaking" in line and "100000 bytes are kept" in line
    assert (tmp_path / "all.anno.part").read_bytes() == CONTENT[:100_000]


@pytest.mark.parametrize("size", [0, len(CONTENT)])
def test_a_whole_part_needs_only_its_name(tmp_path, published, size):
    (tmp_path / "all.anno.part").write_bytes(CONTENT)
    download(Published(published.address, size, published.sha256), tmp_path / "all.anno")
    assert names(tmp_path) == ["all.anno"]


def test_a_wrong_file_never_gets_the_name(tmp_path, server, published):
    server.files["/all.anno"] = CONTENT[:-1] + b"?"
    line = refusal(download, published, tmp_path / "all.anno")
    assert "SHA-256" in line and "all.anno.bad" in line
    assert names(tmp_path) == ["all.anno.bad"]
    server.files["/all.anno"] = CONTENT
    download(published, tmp_path / "all.anno")
    assert (tmp_path / "all.anno").read_bytes() == CONTENT


def test_a_missing_address_gets_one_line(tmp_path, server):
    assert "answered 404" in refusal(download, Published(f"{server.address}/none"), tmp_path / "none")


def test_no_network_gets_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        address = f"http://127.0.0.1:{closed_soon.getsockname()[1]}/all.anno"
    line = refusal(download, Published(address), tmp_path / "all.anno")
    assert "cannot be reached" in line and "check the network" in line
    (tmp_path / "all.anno.part").write_bytes(b"x" * 10)
    assert "10 bytes are kept" in refusal(download, Published(address), tmp_path / "all.anno")


def test_an_interrupt_keeps_what_came(tmp_path, server, published, monkeypatch):
    def interrupted(response, announced, file, bar):
        file.write(response.read(100_000))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "copy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download(published, tmp_path / "all.anno")
    assert names(tmp_path) == ["all.anno.part"]
    download(published, tmp_path / "all.anno")
    assert server.asked[-1] == "bytes=100000-" and (tmp_path / "all.anno").read_bytes() == CONTENT


def test_a_corpus_is_fetched_once(tmp_path, server, published, monkeypatch):
    monkeypatch.setitem(PUBLISHED_FILES, "django", (published,))
    folder = tmp_path / "new" / "django"
    assert fetch("django", folder) == [folder / "all.anno"] == fetch("django", folder)
    assert len(server.asked) == 1


def test_a_file_of_the_users_is_not_overwritten(tmp_path, server, published, monkeypatch):
    monkeypatch.setitem(PUBLISHED_FILES, "django", (published,))
    (tmp_path / "all.anno").write_text("mine")
    assert "move it away" in refusal(fetch, "django", tmp_path)
    assert (tmp_path / "all.anno").read_text() == "mine" and not server.asked


def test_a_folder_that_cannot_be_made_gets_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refusal(fetch, "django", tmp_path / "file" / "django")


def test_an_unknown_corpus_gets_one_line(tmp_path):
    assert "django, nl2bash" in refusal(fetch, "mined", tmp_path)


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_an_archive_is_unpacked_and_removed(tmp_path, server, monkeypatch):
    members = ("conala-corpus/conala-train.json", "conala-corpus/conala-test.json")
    server.files["/conala.zip"] = zipped({members[0]: "[1]", members[1]: "[2]", "conala-corpus/other": "x" * 999})
    published = Published(f"{server.address}/conala.zip", 0, "", check_zip, members)
    monkeypatch.setitem(PUBLISHED_FILES, "conala", (published,))
    for _ in range(2):
        assert [path.read_text() for path in fetch("conala", tmp_path)] == ["[1]", "[2]"]
    assert names(tmp_path) == ["conala-test.json", "conala-train.json"] and len(server.asked) == 1


def test_a_page_in_place_of_an_archive_is_refused(tmp_path, server):
    server.files["/conala.zip"] = b"<html>please log in</html>"
    line = refusal(download, Published(f"{server.address}/conala.zip", check=check_zip), tmp_path / "conala.zip")
    assert "not a zip archive" in line and names(tmp_path) == ["conala.zip.bad"]


def test_mbpp_is_checked_by_its_form(tmp_path):
    path = tmp_path / "mbpp.jsonl"
    lines = [json.dumps({"task_id": i}) for i in range(1, 975)]
    path.write_text("\n".join(lines))
    assert check_mbpp(path) == ""
    path.write_text("\n".join(lines[:-1]))
    assert "973 tasks" in check_mbpp(path)
    path.write_text("<html>")
    assert "not JSON lines" in check_mbpp(path)


def test_every_pinned_file_has_a_hash_of_the_right_form():
    files = [published for corpus in PUBLISHED_FILES.values() for published in corpus]
    assert {published.name for published in files if not published.sha256} == {"conala-corpus-v1.1.zip", "mbpp.jsonl"}
    for published in files:
        assert re.fullmatch(r"[0-9a-f]{64}", published.sha256) or published.check
        assert published.size or published.check


def test_the_command_says_where_the_files_are_and_how_they_were_checked(tmp_path, server, monkeypatch, capsys):
    monkeypatch.setitem(PUBLISHED_FILES, "mbpp", (Published(f"{server.address}/all.anno", len(CONTENT)),))
    monkeypatch.setattr(sys, "argv", ["data", "fetch", "mbpp", "--to", str(tmp_path)])
    assert main() == 0
    shown = capsys.readouterr().out
    assert str(tmp_path / "all.anno") in shown and "no SHA-256 is published" in shown


def test_the_command_says_how_to_go_on_after_an_interrupt(tmp_path, server, published, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setitem(PUBLISHED_FILES, "django", (published,))
    monkeypatch.setattr(module, "copy", interrupted)
    monkeypatch.setattr(sys, "argv", ["data", "fetch", "django", "--to", str(tmp_path)])
    assert main() == 130 and "run the same command again" in capsys.readouterr().err


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
