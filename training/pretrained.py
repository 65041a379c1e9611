"""Step 1 of chapter 3.1: the network that a run begins with, from a folder (`--init.from`).

The folder is a run of this project, or a checkpoint of Hugging Face's: config.json, model.safetensors or
pytorch_model.bin (also in parts, with an index), and the tokenizer's files. Names and quirks are model/interop.py's,
tokenizers data/piece_files.py's. What generation_config.json forces (a first or last token, beams, lengths) is left to
the settings of evaluation; tokens that it forbids are never chosen.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.config import DataConfig
from data.example import DataError
from data.piece_files import read_table
from data.pretrained_tokenizer import PretrainedTokenizer
from data.tokenizer import Tokenizer
from model.config import PRETRAINING_HEADS, ModelConfig
from model.interop import ConversionError, Imported, fill, from_hugging_face, special_ids
from model.transformer import Transformer
from training.corpus import Corpus, make_tokenizer
from training.recipes import TrainingSettings
from training.run_folder import CONFIG, is_run, read_config_values
from training.settings_file import from_dict
from training.weights import load_weights, read_tensors

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that is there is read
# Parts of our network that a checkpoint may lack: they start anew.
HEADS = ("copy_head", *PRETRAINING_HEADS)
NEW = tuple(f"{head}." for head in HEADS)
NOT_TRAINING = ("special_ids", "evaluation")  # of a run's config.json


def read_network(folder: Path) -> Imported:
    """The network of a checkpoint in our terms. Raises DataError, one line, where it is none that we can read."""
    try:
        return from_hugging_face(read_values(folder), read_weights(folder))
    except ConversionError as error:
        raise DataError(f"{folder} cannot be used: {error}") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Name -> tensor, from safetensors or torch files, whole or in parts. Raises DataError; no file can run code."""
    return {name: tensor for path in weight_files(folder) for name, tensor in read_file(path).items()}


def weight_files(folder: Path) -> list[Path]:
    """Where a checkpoint's weights lie. Raises DataError where there are none."""
    for name in WEIGHTS:
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            return [folder / name]
        if index.is_file():
            parts = read_table(index).get("weight_map", {}).values()
            return [folder / part for part in sorted({Path(part).name for part in parts})]
    raise DataError(f"{folder} has no weights; it needs {' or '.join(WEIGHTS)}")


def weights_hash(folder: Path) -> str:
    """SHA-256 over a checkpoint's files of weights, in order: environment.json remembers what a run began with."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def read_file(path: Path) -> dict[str, Tensor]:
    """The tensors of one file. Raises DataError where it is missing, damaged, or holds more than tensors."""
    if path.suffix == ".safetensors":
        return read_tensors(path)
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(f"{path} holds more than tensors, which is not read: it could run code; convert it to "
                        "model.safetensors where you trust it") from error  # fmt: skip
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(f"{path} is missing or damaged ({error}); fetch it again") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise DataError(f"{path} holds more than names and tensors; it is no pytorch_model.bin")
    return tensors


def read_values(folder: Path) -> dict[str, Any]:
    """config.json, with what newer checkpoints say of decoding in generation_config.json alone. Raises DataError."""
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder} is no run and no checkpoint: it has no config.json; give another folder")
    path = folder / "generation_config.json"
    values, generation = read_table(folder / "config.json"), read_table(path) if path.is_file() else {}
    unsaid = [name for name in ("decoder_start_token_id", "bad_words_ids") if values.get(name) is None]
    return values | {name: generation[name] for name in unsaid if name in generation}


def is_own_run(folder: Path) -> bool:
    """Whether a folder is a run of this project and not somebody else's checkpoint: both have a config.json."""
    return is_run(folder) and "special_ids" in read_table(folder / CONFIG)


def network_config(folder: Path) -> ModelConfig:
    """The shape of the network in a folder, a run's or a checkpoint's. Raises DataError."""
    if not is_own_run(folder):
        return read_network(folder).config
    if not (folder / WEIGHTS[0]).is_file():
        raise DataError(f"{folder} is not trained to its end; go on with: python train.py --run {folder} --resume")
    return from_dict(ModelConfig, read_config_values(folder)["model"], folder / CONFIG)


def load_network(model: Transformer, folder: Path) -> None:
    """Put the weights of a run or a checkpoint into the network that its configuration made. Raises DataError.

    Of a run's heads, those that the network has not are left behind.
    """
    try:
        if not is_own_run(folder):
            fill(model, read_network(folder).weights, NEW)
            return
        weights, own = read_weights(folder), model.state_dict().keys()
        fill(model, {name: tensor for name, tensor in weights.items() if name in own or not name.startswith(NEW)}, NEW)
    except ConversionError as error:
        raise DataError(f"{folder} does not hold the network that the run was begun with: {error}") from error


def new_heads(settings: TrainingSettings) -> list[str]:
    """The network's heads that the folder which it begins with has not: all, but where it is a run of this project."""
    heads = [head for head in HEADS if getattr(settings.model, head)]
    if not settings.init.from_ or not is_own_run(Path(settings.init.from_)):
        return heads
    before = network_config(Path(settings.init.from_))
    return [head for head in heads if not getattr(before, head)]


def first_tokenizer(settings: TrainingSettings, corpora: dict[str, Corpus]) -> Tokenizer:
    """The tokenizer of a new run: that of the folder that it begins from, its teacher's, or one learned. DataError."""
    given = settings.init.from_ or settings.strategies.teacher
    folder = Path(given)
    if not given:
        return make_tokenizer(corpora, settings.data.vocab_size)
    tokenizer = load_tokenizer(folder) if is_own_run(folder) else read_tokenizer(folder)
    if isinstance(tokenizer, PretrainedTokenizer):
        check_objectives(settings, tokenizer)
    return tokenizer


def read_tokenizer(folder: Path) -> PretrainedTokenizer:
    """The tokenizer that belongs to a checkpoint. Raises DataError where there is none or it is another network's."""
    values = read_values(folder)
    try:
        special = special_ids(values)
    except ConversionError as error:
        raise DataError(f"{folder} cannot be used: {error}") from error
    tokenizer = PretrainedTokenizer(folder, values["vocab_size"], **asdict(special))
    if values["model_type"] == "plbart":  # its class puts a target's last token, the language, in front
        tokenizer.decoder_start_id = tokenizer.target_suffix[-1]
    return tokenizer


def check_objectives(settings: TrainingSettings, tokenizer: PretrainedTokenizer) -> None:
    """Refuse objectives that need special tokens which this tokenizer has not. Raises DataError."""
    masks = (tokenizer.mask_id is not None, "a mask")
    own = (False, "words as this project's own tokenizer has them")
    needs = {
        **dict.fromkeys(("mlm", "denoise", "infilling", "permutation"), masks),
        "span": (len(tokenizer.sentinel_ids) > 1, "sentinels"),
        **dict.fromkeys(("identifier", "tag", "match", "whole_words"), own),
        "next_sentence": (tokenizer.begin_id is not None, "a token that begins a text"),
    }
    phases = {"pretraining": settings.pretrains, "training": settings.fine_tunes}
    asked = {
        f"{phase}.objectives.{objective}": objective
        for phase, runs in phases.items() for objective in needs
        if runs and getattr(getattr(settings, phase).objectives, objective)
    }  # fmt: skip
    if settings.strategies.auxiliary != "none":
        asked["strategies.auxiliary"] = settings.strategies.auxiliary
    for setting, objective in asked.items():
        has, what = needs[objective]
        if not has:
            raise DataError(f"{setting} needs {what}, which the checkpoint's tokenizer has not; leave it out")


def load_trained(run: Path, config: ModelConfig) -> tuple[Transformer, Tokenizer]:
    """The trained network of a run, whose shape its settings tell, and its vocabulary. Raises DataError."""
    tokenizer = load_tokenizer(run)
    model = Transformer(config, tokenizer.pad_id)
    load_weights(run / WEIGHTS[0], model)
    return model.eval(), tokenizer


def same_vocabulary(one: Tokenizer, other: Tokenizer) -> bool:
    """Whether every id stands for the same text in both."""
    ids = range(one.vocab_size)
    return one.vocab_size == other.vocab_size and one.pieces(ids) == other.pieces(ids)


def seen_otherwise(data: DataConfig, other: DataConfig) -> str | None:
    """The first setting by which two runs read or write other texts for the same examples, with both values."""
    for name in ("prefix", "slots", "name_slots", "reverse"):
        if getattr(data, name) != getattr(other, name):
            return f"data.{name} {getattr(other, name)!r} instead of {getattr(data, name)!r}"
    return None


def warn_of_known_lines(settings: TrainingSettings) -> None:
    """Say so where a network that the run learns from may know by heart what the run holds out.

    The seed says which lines of a corpus are held out, and of the same seed more are where more are asked for.
    """
    held_out, path = settings.data.held_out, settings.data.path
    for name, given in (("init.from", settings.init.from_), ("strategies.teacher", settings.strategies.teacher)):
        if not given or not held_out or not is_own_run(Path(given)):
            continue
        values = {name: value for name, value in read_config_values(Path(given)).items() if name not in NOT_TRAINING}
        other = from_dict(TrainingSettings, values, Path(given) / CONFIG)
        learnt = (other.corpus, *other.strategies.tasks) if other.fine_tunes else ()
        same_lines = settings.corpus in learnt and (settings.corpus != "files" or other.data.path == path)
        if same_lines and (other.seed != settings.seed or other.data.held_out < held_out):
            print(
                f"warning: {name}={given} may have learnt lines that are held out here, and the held-out loss flatters "
                f"then; with its own --seed {other.seed} and --data.held_out {other.data.held_out} it does not",
                file=sys.stderr,
            )


def check_positions(config: ModelConfig, sizes: Mapping[str, int], mend: str) -> None:
    """Refuse lengths, by the names of their settings, that a network's learned positions do not reach. DataError.

    `mend` ends the message.
    """
    for name, size in sizes.items():
        if config.positions == "learned" and size > config.max_length:
            raise DataError(f"{name}={size} is longer than the {config.max_length} learned positions{mend}")


def load_tokenizer(run: Path) -> Tokenizer:
    """The tokenizer of a run, its own or its checkpoint's. Raises DataError."""
    if not (run / PretrainedTokenizer.file_name).is_dir():
        return Tokenizer.load(run / Tokenizer.file_name)
    values = read_config_values(run)
    ids = {name: values["special_ids"][name] for name in ("pad_id", "end_id", "decoder_start_id", "never_ids")}
    return PretrainedTokenizer(run / PretrainedTokenizer.file_name, values["model"]["vocab_size"], **ids)
