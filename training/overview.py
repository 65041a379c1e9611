"""The overview that training prints before its first step: corpus, network, device."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from data.example import BadRecords
from data.tokenizers.piece_files import read_table
from data.tokenizers.pretrained import PretrainedTokenizer
from model.interop.families import FAMILIES
from model.interop.hugging_face import unsayable
from model.transformer import Transformer
from system.device import has_bf16, warn_without_bf16
from system.from_disk import Table, read_typed
from system.terminal import shown
from training.config import LoopConfig
from training.corpus import Corpus
from training.recipes import TrainingSettings
from training.run.folder import CONFIG_FILE, read_config_values
from training.run.load import is_own_run
from training.run.settings_file import from_dict

PLACES_SHOWN = 3  # of each kind of bad record
NOT_TRAINING = ("special_ids", "evaluation")  # of a run's config.json


@dataclass
class WithData:
    """The types of what is used here of a run's environment.json."""

    data: dict[str, Table] = field(default_factory=dict)  # phase -> what is known of its corpus


def workers_in_words(processes: int) -> str:
    """The processes that train together, and the threads of each."""
    n = torch.get_num_threads()
    threads = f"{n} thread" + "s" * (n != 1)
    return threads if processes == 1 else f"{processes} processes of {threads} each"


def show_overview(
    settings: TrainingSettings, corpora: Mapping[str, Corpus], model: Transformer, device: torch.device,
    keeps_memory: bool, processes: int = 1,
) -> None:
    """Print a few aligned lines on stderr, beside the bars, and what was wrong with the data.

    keeps_memory: what `keep_freed_memory` has returned.
    """
    warn_without_bf16(device, settings.pretraining.bf16 or settings.training.bf16)
    config = settings.model
    rows = {"run": settings.run}
    for name, corpus in corpora.items():
        rows[name] = f"{corpus_in_words(corpus)}; {budget_in_words(getattr(settings, name))}"
    if settings.corpus == "files":
        rows["language"] = language_in_words(settings.data.language, corpora["training"])
    if settings.init.from_:
        rows["begins with"] = settings.init.from_

    rows["vocabulary"] = f"{config.vocab_size:,} pieces"
    rows["network"] = (
        f"{sum(weight.numel() for weight in model.parameters()):,} parameters: {config.preset}, d_model "
        f"{config.d_model}, {config.n_heads} heads, {config.n_encoder_layers} + {config.n_decoder_layers} layers"
    )

    bf16 = has_bf16(device) and any(getattr(settings, name).bf16 for name in corpora)
    rows["device"] = f"{device}, {workers_in_words(processes)}" + (", bf16 matrix products" if bf16 else "")
    rows["memory"] = memory_in_words(keeps_memory)

    width = max(map(len, rows))
    lines = (f"{name.ljust(width)}  {shown(text)}" for name, text in rows.items())
    print("\n".join(lines), file=sys.stderr, flush=True)
    for name, corpus in corpora.items():
        show_bad_records(name, corpus.bad)
        for note in corpus.notes:
            print(note, file=sys.stderr, flush=True)
    warn_of_known_lines(settings, corpora["training"])
    warn_of_no_way_back(settings)


def corpus_in_words(corpus: Corpus) -> str:
    """The corpus of a phase in a few words: examples, name, how many are held out."""
    held_out = f", {len(corpus.held_out):,} more held out" if corpus.held_out else ""
    return f"{len(corpus.train):,} examples of {corpus.about.get('corpus', 'text')}{held_out}"


def language_in_words(language: str, corpus: Corpus) -> str:
    """The language of a user's own code, and what the code looks like where that is another one."""
    from data.corpora.language import TEXT, looked_at, most_alike  # which other runs must not import

    codes = looked_at(example.code for example in corpus.train if example.language == language)
    alike = most_alike(codes)
    if not codes:  # the code is read here, and descriptions are written
        return f"{language} (another: --data.language NAME)"
    if alike == language:
        return f"{language}, as {len(codes):,} pairs looked at seem to be (another: --data.language NAME)"
    seems = "" if alike == TEXT else f", but its code looks like {alike}"
    return f"{language}{seems} (another: --data.language NAME)"


def memory_in_words(kept: bool) -> str:
    """Whether the C library keeps freed memory (`keep_freed_memory`), in a few words."""
    if kept:
        return "freed blocks are kept for the next step"
    return "the C library's own settings (only glibc can keep freed blocks)"


def budget_in_words(loop: LoopConfig) -> str:
    """The length of a phase in steps or epochs."""
    return f"{loop.steps:,} steps" if loop.steps else f"{loop.epochs:g} epochs"


def show_bad_records(phase: str, bad: BadRecords, known: Mapping[str, int] | None = None) -> None:
    """Print one line for each kind of bad record: how many, and where the first ones stand.

    known: counts that were printed before; a kind of which there are no more is left out, and so are remarks on files.
    """
    for remark in bad.remarks if known is None else ():
        print(shown(f"{phase}: {remark}"), file=sys.stderr, flush=True)
    for reason, count in bad.counts.items():
        if count != (known or {}).get(reason):
            end = f": {reason}"
            places = [place.removesuffix(end) for place in bad.places if place.endswith(end)][:PLACES_SHOWN]
            where = f" (first: {', '.join(places)})" if places else ""
            print(shown(f"{phase}: {count:,} records {reason}{where}"), file=sys.stderr, flush=True)


def warn_of_no_way_back(settings: TrainingSettings) -> None:
    """Say so where a run that begins with somebody else's checkpoint could not be exported as one."""
    folder = Path(settings.init.from_)
    name = f"{PretrainedTokenizer.file_name}/{CONFIG_FILE}" if is_own_run(folder) else CONFIG_FILE
    if not settings.init.from_ or not (folder / name).is_file():
        return
    kind = read_table(folder / name).get("model_type")
    if kind in FAMILIES and (settings_left := unsayable(kind, settings.model)):
        print(
            f"warning: python -m training.export cannot make a {kind} checkpoint of this run: none has "
            f"{', '.join(settings_left)}; leave that out where transformers is to read it",
            file=sys.stderr,
        )


def warn_of_known_lines(settings: TrainingSettings, corpus: Corpus) -> None:
    """Say so where a network that the run learns from may know by heart what the run holds out.

    The seed says which lines of a corpus are held out, and of the same seed more are where more are asked for.
    """
    held_out = settings.data.held_out
    teacher = settings.strategies.teacher.run
    for name, given in (("init.from", settings.init.from_), ("strategies.teacher.run", teacher)):
        if not given or not held_out or not is_own_run(Path(given)):
            continue
        values = {name: value for name, value in read_config_values(Path(given)).items() if name not in NOT_TRAINING}
        other = from_dict(TrainingSettings, values, Path(given) / CONFIG_FILE)
        learnt = (other.corpus, *other.strategies.tasks.names) if other.fine_tunes else ()
        same_lines = settings.corpus in learnt and (
            settings.corpus != "files" or other.data.path == settings.data.path
            or learnt_pairs(given) == corpus.about.get("pairs_hash", "")
        )  # fmt: skip
        if same_lines and (other.seed != settings.seed or other.data.held_out < held_out):
            print(
                f"warning: {name}={given} may have learnt lines that are held out here, and the held-out loss flatters "
                f"then; with its own --seed {other.seed} and --data.held_out {other.data.held_out} it does not",
                file=sys.stderr,
            )


def learnt_pairs(run: str) -> str | None:
    """The hash of the pairs that a run on a user's own files was given, which is the same under any path."""
    path = Path(run) / "environment.json"
    data = read_typed(path, WithData).data if path.exists() else {}
    return data.get("training", {}).get("pairs_hash")
