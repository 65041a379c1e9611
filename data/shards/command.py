"""`python -m data build`: what it asks for, where the corpus goes, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from data.atomic_files import write_json
from data.cache import cache_folder
from data.example import DataError
from data.shards.build import build, plan_of
from data.shards.contamination import read_targets
from data.shards.sources import Origin, default_packages, folder_origin, package_origins, units_of

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
    contaminated: bool = False  # look for no benchmark's lines, to measure what that changes
    workers: int = 0  # processes; 0: one per core
    json: str = ""  # file that gets the data card


def run_build(command: Build) -> None:
    """Build a corpus, or finish it, and print its data card in short."""
    out, card, benchmarks = build_corpus(command)
    print(show_card(card))
    if not benchmarks:
        print("no benchmark's lines were looked for; `python -m data fetch NAME` brings them here")
    print(f"the corpus is in {out}; pretrain on it with --data.shards {out if command != Build() else MINED}")
    if command.json:
        write_json(Path(command.json), card)


def build_corpus(command: Build) -> tuple[Path, dict[str, Any], list[str]]:
    """(folder, data card, benchmarks that were looked for) of what is asked for, made now or before."""
    origins = origins_of(command)
    targets = {} if command.contaminated else read_targets(command.benchmarks)
    settings = targets, command.vocab_size, command.tokenizer
    out = Path(command.out).expanduser().absolute() if command.out else None
    if out is None:
        out = cache_folder("corpora", plan_of(origins, units_of(origins), *settings)["hash"]).absolute()
    return out, build(origins, out, *settings, command.workers), sorted(targets)


def corpus_folder(shards: str, workers: int) -> Path:
    """The folder that the setting data.shards names; "mined": what `python -m data build` makes, made when missing."""
    return build_corpus(Build(workers=workers))[0] if shards == MINED else Path(shards).expanduser()


def origins_of(command: Build) -> list[Origin]:
    """The folders, the packages, or both. Raises DataError where two folders have one name."""
    folders = [folder_origin(Path(folder).expanduser()) for folder in command.folders]
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        twice = max(names, key=names.count)
        raise DataError(f"two of the folders are called {twice!r}; rename one, or give the folder above them")
    if command.folders and not command.packages:
        return folders
    return [*package_origins(command.packages or default_packages()), *folders]


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
    left_out = {**card["left_out"], **{name: n for name, n in card["read"].items() if ": " in name or name[0] == "l"}}
    lines += ["", "left out:"]
    lines += [f"  {n:9,}  {name}" for name, n in sorted(left_out.items()) if n and not name.startswith("examples")]
    kinds = ", ".join(f"{n:,} of {kind}" for kind, n in card["examples_by_kind"].items())
    lines += [
        "",
        f"{card['examples']:,} examples ({kinds}; {card['held_out']:,} held out), {card['characters'] / 1e6:.1f} MB, "
        f"{card['tokens'] / 1e6:.1f} M tokens of a vocabulary of {card['vocabulary']:,}, {len(card['shards'])} shards",
    ]
    return "\n".join(lines)
