"""Write a run as a folder that the `from_pretrained` of transformers accepts: the way back from --init.from.

    python -m training.export --run runs/codet5 --to FOLDER              as the family that the run began from
    python -m training.export --run runs/mine --to FOLDER --kind bart    another one, where it can say what the run has

The tokenizer goes along where the run began from a checkpoint. Ours is no class of transformers: a network that was
trained with it goes alone.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch

from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.tokenizer import Tokenizer
from model.config import ModelConfig
from model.decoding import SpecialIds
from model.interop.hugging_face import ConversionError, Tensors, to_hugging_face
from system.atomic_files import check_name, read_json, write_atomically, write_json
from system.errors import UserError
from system.options import parse, run_and_report
from training.run.folder import make_folder
from training.run.load import load_tokenizer
from training.run.settings_file import from_dict
from training.weights import read_tensors


@dataclass(frozen=True)
class Options:
    """The run to convert, and the folder to write."""

    run: str = "runs/quickstart"  # the run folder
    to: str = ""  # the folder that is made; it must not be there, or be empty
    kind: str = ""  # t5, bart, plbart or marian; empty: what the run began from


def main(argv: list[str]) -> int:
    """Read the run and write the folder."""
    options = parse(Options, argv, Options(), __doc__, "python -m training.export")
    run, folder = Path(options.run), Path(options.to)
    if not options.to or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UserError("give --to a folder that is not there yet or is empty")
    check_name(folder)
    tokenizer = load_tokenizer(run)
    config = from_dict(ModelConfig, read_json(run / "config.json")["model"], run / "config.json")
    weights = read_tensors(run / "model.safetensors")
    save_pretrained(folder, options.kind or began_as(tokenizer, run), config, weights, tokenizer)
    print(f"{folder} holds the network{' and its tokenizer' if isinstance(tokenizer, PretrainedTokenizer) else ''}")
    return 0


def began_as(tokenizer: Tokenizer, run: Path) -> str:
    """The family of the checkpoint that a run began from. Raises UserError."""
    path = run / tokenizer.file_name / "config.json"
    if not path.is_file():
        raise UserError(f"{run} began from no checkpoint; say what it should become: --kind t5, bart, plbart or marian")
    return read_json(path)["model_type"]


def save_pretrained(folder: Path, kind: str, config: ModelConfig, weights: Tensors, tokenizer: Tokenizer) -> None:
    """Write config.json, model.safetensors and, where it is a checkpoint's, the tokenizer. Raises UserError."""
    special = SpecialIds(tokenizer.pad_id, tokenizer.end_id, tokenizer.decoder_start_id)
    try:
        values, tensors = to_hugging_face(kind, config, weights, special)
    except ConversionError as error:
        raise UserError(f"the run cannot become {kind}: {error}") from error
    make_folder(folder)
    if isinstance(tokenizer, PretrainedTokenizer):
        tokenizer.save(folder)
        values = {**read_json(folder / "config.json"), **values}
    write_json(folder / "config.json", values)
    content = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_atomically(folder / "model.safetensors", safetensors.torch.save(content, {"format": "pt"}))


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
