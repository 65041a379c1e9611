"""Download a published corpus into the user's cache: resumable, checked, nothing half-written under a final name.

A file grows as NAME.part and gets its name only after it was checked. A run that is stopped, or whose network breaks,
leaves the .part file, and the next run asks the server for the rest of it (HTTP Range, RFC 9110 section 14).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from system.errors import UserError

GITHUB = "https://raw.githubusercontent.com"
ODASHI = f"{GITHUB}/odashi/ase15-django-dataset/c37fa281ced0de16aa7868415522905f8380686e/django"
CARDS = f"{GITHUB}/deepmind/card2code/2a38b6192f154c23a6f0f474822f421ea9ab7b51/third_party/hearthstone"
NL2BASH = f"{GITHUB}/TellinaTool/nl2bash/466c5fe873ab08c7cc0112ea1521cc6ad9c20992/data/bash"
MBPP = f"{GITHUB}/google-research/google-research/master/mbpp"
CONALA = "http://www.phontron.com/download"

TIMEOUT = 30  # seconds without an answer or a byte
BROKEN_ATTEMPTS = 5  # breaks in a row without a new byte before giving up
READ_BYTES = 1 << 16  # of a download, at a time
AGAIN = "run the same command again to go on"


@dataclass(frozen=True)
class Published:
    """One published file. Without a SHA-256, `check` checks the form of its content."""

    address: str
    size: int = 0  # bytes; 0: not published
    sha256: str = ""
    check: Callable[[Path], str] | None = None  # -> "" or what is wrong
    members: tuple[str, ...] = ()  # files to take out of a zip archive

    @property
    def name(self) -> str:
        """The file's name, the last part of its address."""
        return self.address.rsplit("/", 1)[-1]


def fetch(name: str, folder: Path) -> list[Path]:
    """Download the files of the corpus `name` into `folder`; files that are there and right are left alone.

    Returns the files. Raises UserError with one line when the name is unknown, the network fails, a checked file is
    wrong (kept as NAME.bad), or another file of that name stands in the folder.
    """
    if name not in PUBLISHED_FILES:
        raise UserError(f"{name!r} cannot be fetched; choose one of {', '.join(PUBLISHED_FILES)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [path for published in PUBLISHED_FILES[name] for path in fetch_file(published, folder)]
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror or error}; {AGAIN}") from None


def fetch_file(published: Published, folder: Path) -> list[Path]:
    """Download one file, or the wanted members of an archive, into `folder`."""
    target = folder / published.name
    members = [folder / Path(member).name for member in published.members]
    if members and all(path.is_file() for path in members):
        return members
    if target.exists():
        if problem := fault(target, published):
            raise UserError(f"{target} is there but {problem}; move it away, or choose another folder with --to")
    else:
        download(published, target)
    return unpack(target, published.members) if members else [target]


def download(published: Published, target: Path) -> None:
    """Download one file to `target`, continuing where `target`.part ends."""
    part = target.with_name(target.name + ".part")
    furthest, breaks = size_of(part), 0
    with tqdm(desc=target.name, unit="B", unit_scale=True, total=published.size or None) as bar:
        while not download_rest(published, part, bar):
            breaks = 0 if size_of(part) > furthest else breaks + 1
            furthest = max(furthest, size_of(part))
            if breaks == BROKEN_ATTEMPTS:
                raise UserError(f"{published.address}: the connection keeps breaking; {offline_advice(part)}")
    if problem := fault(part, published):
        bad = target.with_name(target.name + ".bad")
        os.replace(part, bad)
        raise UserError(f"{published.address}: {problem}; it is kept as {bad}, the next run starts over")
    os.replace(part, target)


def download_rest(published: Published, part: Path, bar: tqdm) -> bool:
    """Request the bytes that `part` lacks and append them; True when the server says that these were all."""
    have = size_of(part)
    if published.size and have == published.size:
        return True

    request = urllib.request.Request(published.address, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing after what is there: the part was whole, or it is of another file
            return True
        raise UserError(f"{published.address} answered {error.code} {error.reason}; try again later") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"{published.address} cannot be reached ({reason}); {offline_advice(part)}") from None

    with response:
        start = range_start(response)
        if start not in (0, have):
            raise UserError(f"{published.address}: asked for bytes from {have}, the server sends from {start}")
        announced = int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if start else "wb") as file:
            bar.reset(total=published.size or (start + announced if announced else None))
            bar.n = bar.initial = start
            return copy(response, announced, file, bar)


def range_start(response: http.client.HTTPResponse) -> int:
    """The position from which the server sends; 0 when it sends the whole file, as servers without ranges do."""
    content_range = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))  # "bytes 100-199/200"
    return int(content_range[1]) if response.status == 206 and content_range else 0


def copy(response: http.client.HTTPResponse, announced: int, file: BinaryIO, bar: tqdm) -> bool:
    """Append the response's content; False when it broke off before its announced length (0: not announced)."""
    n_bytes = 0
    while True:
        try:
            chunk = response.read(READ_BYTES)
        except (http.client.HTTPException, OSError):
            return False
        if not chunk:
            return n_bytes >= announced
        file.write(chunk)
        n_bytes += len(chunk)
        bar.update(len(chunk))


def offline_advice(part: Path) -> str:
    """Advice for a user without network: what is there already, and what to do next."""
    n_bytes = size_of(part)
    return f"{n_bytes} bytes are kept in {part}; {AGAIN}" if n_bytes else "check the network, then run it again"


def size_of(path: Path) -> int:
    """The size of a file in bytes, 0 when it is not there."""
    return path.stat().st_size if path.exists() else 0


def fault(path: Path, published: Published) -> str:
    """The fault of a complete file in words, or "" when there is none."""
    if published.sha256:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != published.sha256:
            return f"is not the published file (SHA-256 {found[:12]}..., published {published.sha256[:12]}...)"
    return published.check(path) if published.check else ""


def check_mbpp(path: Path) -> str:
    """Check MBPP, which has no published hash, by its form: 974 JSON objects, task i on line i."""
    try:
        ids = [json.loads(line)["task_id"] for line in path.read_bytes().split(b"\n") if line.strip()]
    except (ValueError, KeyError, TypeError):
        return "is not JSON lines with a task_id each"
    return "" if ids == list(range(1, 975)) else f"holds {len(ids)} tasks, not the tasks 1 to 974"


def check_zip(path: Path) -> str:
    """Check CoNaLa, which has no published hash, by its archive's own checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except zipfile.BadZipFile:
        return "is not a zip archive"
    return f"is damaged ({broken})" if broken else ""


def unpack(archive_path: Path, members: tuple[str, ...]) -> list[Path]:
    """Write the wanted members beside the archive, each whole or not at all, then remove the archive."""
    paths = []
    with zipfile.ZipFile(archive_path) as archive:
        for member in members:
            path = archive_path.with_name(Path(member).name)
            part = path.with_name(path.name + ".part")
            try:
                part.write_bytes(archive.read(member))
            except KeyError:
                raise UserError(f"{archive_path} holds no {member}; look into it by hand") from None
            os.replace(part, path)
            paths.append(path)
    archive_path.unlink()
    return paths


PUBLISHED_FILES: dict[str, tuple[Published, ...]] = {
    "django": (
        Published(f"{ODASHI}/all.anno", 1382085, "86b38c7bf6ffe2882d4603f799e92f48ddaab8a7d9b2af41bba923e59b41800a"),
        Published(f"{ODASHI}/all.code", 906732, "d20b345fd3cdcf8d54b9cd123b3de4078f8f9a3c6bfc9fed9cd215bc857f99db"),
    ),
    "nl2bash": (
        Published(f"{NL2BASH}/all.nl", 1032340, "1db0c529c350b463919624550b8f5882a97c42ad5051c7d49fbc496bc4e8b770"),
        Published(f"{NL2BASH}/all.cm", 575091, "3a72eaced7fa14a0938354cefc42b2dcafb2d47297102f1279086e18c3abe57e"),
    ),
    "conala": (
        Published(
            f"{CONALA}/conala-corpus-v1.1.zip",
            check=check_zip,
            members=("conala-corpus/conala-train.json", "conala-corpus/conala-test.json"),
        ),
    ),
    "hearthstone": (
        Published(f"{CARDS}/train_hs.in", 96163, "605b3ee9ca8f3fd1f3618d777f19efa1c77f354379ab218f963d3155b8e35d92"),
        Published(f"{CARDS}/train_hs.out", 191817, "e991014bb8fc69af1e2c3e54eb433e668580006aa1da2a66564f73032a68b76c"),
        Published(f"{CARDS}/dev_hs.in", 11896, "7a3edbe72f99dc02de7627341fe2b331908074bed8f0fd5348f61565333b8932"),
        Published(f"{CARDS}/dev_hs.out", 23920, "4e5bf299ab22b7c5c1ba1a82773e7f45c98c21e2fd5ff0f34a579f910e0e4b5c"),
        Published(f"{CARDS}/test_hs.in", 11933, "a55174fae642417820918339d7dcc2721c1bb93279ee73536d0d854171fd0104"),
        Published(f"{CARDS}/test_hs.out", 24552, "9664c04463ec88bf8920ffd5ba6eb531b7b7ab5f77d7d1e4ab87c61205d30448"),
    ),
    "mbpp": (Published(f"{MBPP}/mbpp.jsonl", check=check_mbpp),),
}
