"""`python -m data build`: its options, the corpus's folder, and its output."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from data.shards.build import build, plan_of
from data.shards.contamination import read_targets
from data.shards.parts import build_part, read_part, refuse_missing_parts
from data.shards.sources import Origin, default_packages, folder_origin, package_origins, units_of
from data.shards.store import CARD, check_files, read_card
from data.sources import BENCHMARK_NAMES
from system.atomic_files import check_name, write_json
from system.bounds import Threads, check_bounds
from system.cache import cache_folder
from system.errors import UserError
from system.terminal import shown

MINED = "mined"  # data.shards of the corpus that is built when nothing is named


@dataclass(frozen=True)
class Build:
    """Turn folders of code and text, or without any the installed packages, into a corpus to pretrain on."""

    folders: Annotated[tuple[str, ...], tyro.conf.Positional] = ()  # none: Python's library and packages
    out: str = ""  # folder of the corpus; empty: a folder of the user's cache
    packages: tuple[str, ...] = ()  # installed packages to mine; none named and no folder: all that the project needs
    vocab_size: int = 4000  # pieces that the corpus's tokenizer learns
    tokenizer: str = ""  # file of a tokenizer to use instead, such as a run's tokenizer.model
    benchmarks: str = ""  # folder of the published corpora whose dev and test lines must not occur; empty: the cache
    workers: Threads = 0  # processes; 0: one per core
    part: str = ""  # K/N: of a build by N machines the K-th part (data/shards/parts.py says in which steps)
    json: str = ""  # file that gets the data card

    def __post_init__(self) -> None:
        check_bounds(self)


def run_build(command: Build) -> None:
    """Build a corpus, or finish it, and print its data card in short."""
    if command.part:
        print(run_part(command))
        return
    began = time.time()
    out, card = build_corpus(command)
    print(shown(show_card(card)))
    megabytes, is_new = card["bytes_read"] / 1e6, (out / CARD).stat().st_mtime > began
    speed = f", {megabytes / (time.time() - began):.1f} MB/s" if is_new else ", built before"
    print(f"{megabytes:.1f} MB of files{speed}; the corpus is in {out}")
    print(f"pretrain on it with --data.shards {out if command != Build() else MINED}")
    if command.json:
        write_json(Path(command.json), card | {"seconds": round(time.time() - began, 1)})


def build_corpus(command: Build, places: Mapping[str, str] | None = None) -> tuple[Path, dict[str, Any]]:
    """The folder and data card of the corpus that is asked for, built if missing; `places`: folders of benchmarks."""
    origins = origins_of(command)
    settings = read_targets(command.benchmarks, places), command.vocab_size, command.tokenizer
    out = given_folder(command)
    if out is not None:
        refuse_missing_parts(out)
    else:
        out = cache_folder("corpora", plan_of(origins, units_of(origins), *settings)["hash"]).absolute()
    return out, build(origins, out, *settings, command.workers)


def given_folder(command: Build) -> Path | None:
    """The folder that --out names. Raises UserError."""
    out = Path(command.out).expanduser().absolute() if command.out else None
    check_name(out or Path())
    return out


def run_part(command: Build) -> str:
    """Do what can be done now of one part of a build; says what comes next. Raises UserError."""
    out, part = given_folder(command), read_part(command.part)
    if out is None or command.json:
        raise UserError("--part needs --out, a folder that all machines see, and no --json: the last step has the card")
    targets = read_targets(command.benchmarks, None)
    return build_part(origins_of(command), out, part, targets, command.vocab_size, command.tokenizer, command.workers)


def corpus_folder(shards: str, workers: int, corpus: str, path: str, reads_through: bool = True) -> Path:
    """The folder that the setting data.shards names; "mined" is the default build, made when missing.

    corpus, path: what is fine-tuned on, whose dev and test lines must not be in it: a warning says where nobody looked.
    reads_through: whether every file is read once to see that it is as it was built.
    """
    if shards == MINED:
        folder, card = build_corpus(Build(workers=workers), {corpus: path})
    else:
        folder = Path(shards).expanduser()
        card = read_card(folder)
        if reads_through:
            check_files(folder, card)
    if corpus in BENCHMARK_NAMES and corpus not in card["benchmarks"]:
        print(f"warning: nobody has looked whether {folder} holds dev or test lines of {corpus}; build it again with "
              "--benchmarks", file=sys.stderr)  # fmt: skip
    return folder


def origins_of(command: Build) -> list[Origin]:
    """The origins of a build: the folders, the packages, or both. Raises UserError where two folders have one name."""
    folders = [folder_origin(Path(folder).expanduser()) for folder in command.folders]
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        twice = max(names, key=names.count)
        raise UserError(f"two of the folders are called {twice!r}; rename one, or give the folder above them")
    if command.folders and not command.packages:
        return folders
    packages = command.packages or default_packages()
    if not packages:
        print("the project is not installed (pip install -e .): the standard library is mined alone", file=sys.stderr)
    return [*package_origins(packages), *folders]


def show_card(card: dict[str, Any]) -> str:
    """The data card as a few lines for people."""
    by_source = sorted(card["sources"], key=lambda source: -source["characters"])
    width = max(len(source["name"]) for source in by_source)
    whole = max(1, card["characters"])
    lines = [f"{'source':<{width}}  {'version':<12}  {'MB':>7}  {'share':>6}  {'files':>6}  licence"]
    lines += [
        f"{source['name']:<{width}}  {source['version'] or '-':<12.12}  {source['characters'] / 1e6:7.2f}  "
        f"{source['characters'] / whole:6.1%}  {source['files']:6,}  {source['licence']}"
        for source in by_source if source["characters"]
    ]  # fmt: skip

    lines += ["", "left out:"]
    lines += [f"  {n:9,}  {name}" for name, n in sorted(card["left_out"].items()) if n]

    lines += ["", "benchmarks whose dev and test lines were looked for:"]
    lines += [
        f"  {name}: {found['targets']:,}, of which {found['too short']:,} are too short to be looked for"
        for name, found in card["benchmarks"].items()
    ] or ["  none; `python -m data fetch NAME` brings them here, --benchmarks says where they are"]

    languages = sorted(card["characters_by_language"].items(), key=lambda pair: -pair[1])
    lines += ["", "languages: " + ", ".join(f"{name} {n / whole:.1%}" for name, n in languages)]
    kinds = ", ".join(f"{n:,} of {kind}" for kind, n in card["examples_by_kind"].items())
    lines += [
        "",
        f"{card['examples']:,} examples ({kinds}; {card['held_out']:,} held out), {card['characters'] / 1e6:.1f} MB, "
        f"{card['tokens'] / 1e6:.1f} M tokens of a vocabulary of {card['vocabulary']:,}, {len(card['shards'])} shards",
    ]
    return "\n".join(lines)
