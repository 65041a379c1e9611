"""Step 1 of chapter 3.1: a checkpoint of another library that a run begins with (`--init.from`), and its tokenizer.

The folder is a checkpoint of Hugging Face's (a run of this project: run/load.py): config.json, model.safetensors or
pytorch_model.bin (also in parts, with an index), and the tokenizer's files. Names and quirks are
model/interop/hugging_face.py's, tokenizers data/tokenizers/piece_files.py's. What generation_config.json forces (a
first or last token, beams, lengths) is left to the settings of evaluation; tokens that it forbids are never chosen.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.tokenizers.piece_files import read_table
from data.tokenizers.pretrained import PretrainedTokenizer
from model.interop.hugging_face import ConversionError, Imported, from_hugging_face, special_ids
from system.errors import UserError
from system.from_disk import read_typed, refuse_in_its_place
from system.links import refuse_links
from training.weights import NUMBERS, number_kind, read_tensors

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # the first that is there is read


@dataclass
class WeightIndex:
    """What is used of an index of weights in parts."""

    weight_map: dict[str, str]  # tensor -> the file that holds it


def read_network(folder: Path) -> Imported:
    """The network of a checkpoint in our terms. Raises UserError where it is none that we can read."""
    try:
        return from_hugging_face(read_values(folder), read_weights(folder))
    except ConversionError as error:
        raise UserError(f"{folder} cannot be used: {error}") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Name -> tensor, from safetensors or torch files, whole or in parts. Raises UserError; no file can run code."""
    tensors = {}
    for path in weight_files(folder):
        part = read_file(path)
        refuse_odd_numbers(path, part)
        tensors |= part
    return tensors


def refuse_odd_numbers(path: Path, tensors: dict[str, Tensor]) -> None:
    """Refuse weights that would be read wrongly (of fewer bits, sparse) or spoil all others (NaN). Raises UserError."""
    for name, tensor in tensors.items():
        if tensor.dtype not in NUMBERS or tensor.layout != torch.strided or tensor.is_meta:
            layout = "" if tensor.layout == torch.strided else ", sparse"
            what = f"is {number_kind(tensor.dtype)}{layout}"
            mend = "fetch the checkpoint in float32, float16 or bfloat16, and not quantised"
        elif not tensor.isfinite().all():
            what, mend = "holds numbers that are NaN or infinite", "fetch the checkpoint again"
        else:
            continue
        raise UserError(f"{path}: {name} {what}; {mend}")


def weight_files(folder: Path) -> list[Path]:
    """The files with a checkpoint's weights. Raises UserError where there are none."""
    for name in WEIGHT_FILES:
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            return [folder / name]
        if index.is_file():
            parts = read_typed(index, WeightIndex, "fetch the checkpoint again").weight_map.values()
            return [folder / part for part in sorted({Path(part).name for part in parts})]
    raise UserError(f"{folder} has no weights; it needs {' or '.join(WEIGHT_FILES)}")


def weights_hash(folder: Path) -> str:
    """SHA-256 over a checkpoint's files of weights, in order: environment.json remembers what a run began with."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def read_file(path: Path) -> dict[str, Tensor]:
    """The tensors of one file. Raises UserError where it is missing, damaged, or holds more than tensors."""
    if path.suffix == ".safetensors":
        return read_tensors(path)
    refuse_in_its_place(path)
    try:
        refuse_packed_zip(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that it then refuses
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} holds more than tensors, which is not read: it could run code; convert it to "
                        "model.safetensors where you trust it") from error  # fmt: skip
    except UserError:
        raise
    except Exception as error:  # of a damaged pickle torch raises whatever its instructions lead to
        raise UserError(f"{path} is missing or damaged ({error}); fetch it again") from error
    whole = isinstance(tensors, dict) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items()
    )
    if not whole:
        raise UserError(f"{path} holds more than names and tensors; it is no pytorch_model.bin")
    return tensors


def refuse_packed_zip(path: Path) -> None:
    """Refuse a zip whose content is compressed: torch writes none, and it could fill the memory. Raises UserError."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise UserError(f"{path} is a compressed archive, which torch writes none of; fetch it again")


def read_values(folder: Path) -> dict[str, Any]:
    """The values of config.json and, of newer files, those of decoding in generation_config.json. Raises UserError.

    Every use of a checkpoint begins here: it is refused where its files are links, but for those of a hub's cache.
    """
    refuse_links(folder)
    if not (folder / "config.json").is_file():
        what = "has no config.json; give another folder" if folder.exists() else "does not exist; download it first"
        raise UserError(f"{folder} is no run and no checkpoint: it {what}")
    path = folder / "generation_config.json"
    values, generation = read_table(folder / "config.json"), read_table(path) if path.is_file() else {}
    unsaid = [name for name in ("decoder_start_token_id", "bad_words_ids") if values.get(name) is None]
    return values | {name: generation[name] for name in unsaid if name in generation}


def read_tokenizer(folder: Path) -> PretrainedTokenizer:
    """The tokenizer that belongs to a checkpoint. Raises UserError where there is none or it is another network's."""
    values = read_values(folder)
    try:
        special = special_ids(values)
    except ConversionError as error:
        raise UserError(f"{folder} cannot be used: {error}") from error
    tokenizer = PretrainedTokenizer(folder, values["vocab_size"], **asdict(special))
    if values["model_type"] == "plbart":  # its class puts a target's last token, the language, in front
        tokenizer.decoder_start_id = tokenizer.target_suffix[-1]
    return tokenizer
