"""Download a published corpus into the user's cache: bounded, checked, nothing half-written under a final name.

All files are small. Each is read whole, never more than its published size, and gets its name only after it was
checked; a run that is stopped leaves nothing, and the next one begins anew.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import queue
import threading
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from system.atomic_files import write_atomically
from system.errors import UserError

GITHUB = "https://raw.githubusercontent.com"
ODASHI = f"{GITHUB}/odashi/ase15-django-dataset/c37fa281ced0de16aa7868415522905f8380686e/django"
CARDS = f"{GITHUB}/deepmind/card2code/2a38b6192f154c23a6f0f474822f421ea9ab7b51/third_party/hearthstone"
NL2BASH = f"{GITHUB}/TellinaTool/nl2bash/466c5fe873ab08c7cc0112ea1521cc6ad9c20992/data/bash"
MBPP = f"{GITHUB}/google-research/google-research/2251e8c67a7fe7d6348714967ee101080b28e956/mbpp"
CONALA = "https://www.phontron.com/download"

SILENCE = 30  # seconds without an answer or a byte
DEADLINE = 600  # seconds for a whole file
READ_BYTES = 1 << 16  # of a download, at a time
MIB = 1 << 20
MOST_BYTES = 128 * MIB  # of a file whose size is not published
AGAIN = "run the same command again"


@dataclass(frozen=True)
class Published:
    """One published file. Without a SHA-256, `check` checks the form of its content."""

    address: str
    size: int = 0  # bytes; 0: not published, and then at most MOST_BYTES
    sha256: str = ""
    check: Callable[[bytes], str] | None = None  # -> "" or what is wrong
    members: tuple[str, ...] = ()  # files to take out of a zip archive
    member_size: int = 4 * MIB  # bytes that one of them has at most

    @property
    def name(self) -> str:
        """The file's name, the last part of its address."""
        return self.address.rsplit("/", 1)[-1]

    @property
    def most(self) -> int:
        """The bytes that are read at most."""
        return self.size or MOST_BYTES


def fetch(name: str, folder: Path) -> list[Path]:
    """Download the files of the corpus `name` into `folder`; files that are there and right are left alone.

    Returns the files. Raises UserError with one line when the name is unknown, the network fails, a file is not the
    published one, or another file of that name stands in the folder.
    """
    if name not in PUBLISHED_FILES:
        raise UserError(f"{name!r} cannot be fetched; choose one of {', '.join(PUBLISHED_FILES)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [path for published in PUBLISHED_FILES[name] for path in fetch_file(published, folder)]
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror or error}; {AGAIN}") from None


def fetch_file(published: Published, folder: Path) -> list[Path]:
    """Download one file, or the wanted members of an archive, into `folder`; of two processes the later one waits."""
    targets = [folder / Path(member).name for member in published.members] or [folder / published.name]
    if are_there(targets, published):
        return targets
    with locked(folder / f".{published.name}.lock"):
        if are_there(targets, published):
            return targets
        content = download(published)
        if problem := fault(content, published):
            raise UserError(f"{published.address}: what came {problem}; try again later, or fetch it by hand")
        parts = unpack(content, published) if published.members else [content]
        for path, part in zip(targets, parts, strict=True):
            write_atomically(path, part)
    return targets


def are_there(targets: list[Path], published: Published) -> bool:
    """Whether the files are there. Raises UserError where a file of that name is another one."""
    if published.members:  # of which no hash is known
        return all(path.is_file() for path in targets)
    (path,) = targets
    if not os.path.lexists(path):
        return False
    if not path.is_file():
        problem = "is no file"
    elif path.stat().st_size > published.most:
        problem = f"is larger than the published file ({published.most:,} bytes)"
    else:
        problem = fault(path.read_bytes(), published)
    if problem:
        raise UserError(f"{path} is there but {problem}; move it away, or choose another folder with --to")
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Inside the `with` no other process downloads this file, where the file system knows locks."""
    lock = FileLock(path)
    try:
        lock.acquire()
    except (OSError, NotImplementedError):  # then two may download it, and each writes the whole file
        lock = None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
            with suppress(OSError):  # whoever waits for it meets the file that has come, or writes a whole one
                path.unlink()


def download(published: Published) -> bytes:
    """The content at an address. Raises UserError where it cannot be had, is too long or takes too long.

    A thread reads it: a server that sends a byte now and then, be it of its headers, keeps nobody past the deadline.
    """
    answers: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(content_of(published))
        except BaseException as error:
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=DEADLINE)
    except queue.Empty:
        raise UserError(f"{published.address} was not whole after {DEADLINE} s; {AGAIN} later") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def content_of(published: Published) -> bytes:
    """What a server sends, no byte beyond the published size. Raises UserError."""
    address = published.address
    try:
        with urllib.request.urlopen(address, timeout=SILENCE) as response:
            scheme = response.url.partition(":")[0]
            if scheme not in ("https", address.partition(":")[0]):
                raise UserError(f"{address} leads to {response.url[:100]}, which is not https; {AGAIN} later")
            return read_bounded(response, published)
    except urllib.error.HTTPError as error:
        raise UserError(f"{address} answered {error.code} {flat(error.reason)}; {AGAIN} later") from None
    except UserError:  # which is a ValueError
        raise
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = flat(getattr(error, "reason", None) or str(error) or type(error).__name__)
        raise UserError(f"{address} cannot be read ({reason}); check the network, then {AGAIN}") from None


def flat(text: object) -> str:
    """A server's or a system's words on one line."""
    return " ".join(str(text).split())[:200]


def read_bounded(response: http.client.HTTPResponse, published: Published) -> bytes:
    """The content of an answer. Raises UserError where it is longer than published or shorter than announced."""
    content = bytearray()
    with tqdm(desc=published.name, unit="B", unit_scale=True, total=published.size or None) as bar:
        while chunk := response.read1(min(READ_BYTES, published.most + 1 - len(content))):
            content += chunk
            bar.update(len(chunk))
            if len(content) > published.most:
                raise UserError(f"{published.address} sends more than {published.most:,} bytes; {AGAIN} later")
    if response.length:  # what was announced and did not come
        raise UserError(f"{published.address} broke off after {len(content):,} bytes; {AGAIN}")
    return bytes(content)


def fault(content: bytes, published: Published) -> str:
    """The fault of a file's content in words, or "" when there is none."""
    found = hashlib.sha256(content).hexdigest()
    if published.sha256 and found != published.sha256:
        return f"is not the published file (SHA-256 {found[:12]}..., published {published.sha256[:12]}...)"
    return published.check(content) if published.check else ""


def check_mbpp(content: bytes) -> str:
    """Check MBPP, which has no published hash, by its form: 974 JSON objects, task i on line i."""
    try:
        ids = [json.loads(line)["task_id"] for line in content.split(b"\n") if line.strip()]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "is not JSON lines with a task_id each"
    return "" if ids == list(range(1, 975)) else f"holds {len(ids)} tasks, not the tasks 1 to 974"


def check_zip(content: bytes) -> str:
    """Check CoNaLa, which has no published hash, by its archive's form; each member has a checksum of its own."""
    return "" if zipfile.is_zipfile(io.BytesIO(content)) else "is not a zip archive"


def unpack(content: bytes, published: Published) -> list[bytes]:
    """The wanted members of an archive, none larger than allowed, whatever the archive says of their sizes."""
    parts, most = [], published.member_size
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in published.members:
                announced = archive.getinfo(member).file_size
                with archive.open(member) as file:
                    part = file.read(most + 1) if announced <= most else b""
                if max(announced, len(part)) > most:
                    raise UserError(f"{published.address}: {member} is larger than {most:,} bytes; fetch it by hand")
                parts.append(part)
    except KeyError:
        raise UserError(f"{published.address} holds no {member}; fetch it by hand and look into it") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{published.address}: the archive is damaged ({error}); {AGAIN}") from None
    return parts


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
            f"{CONALA}/conala-corpus-v1.1.zip", check=check_zip,
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
    "mbpp": (Published(f"{MBPP}/mbpp.jsonl", 563537, check=check_mbpp),),
}
