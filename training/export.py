"""Write a run as a folder that the `from_pretrained` of transformers accepts: the way back from --init.from.

    python -m training.export --run runs/codet5 --to FOLDER              as the family that the run began from
    python -m training.export --run runs/mine --to FOLDER --kind bart    another one, where it can say what the run has

The tokenizer goes along where the run began from a checkpoint. Ours is no class of transformers: a network that was
trained with it goes alone. `generate()` of the folder writes what the run writes: it gets the run's own settings of
decoding, and those of the checkpoint (beams, shortest lengths, forced tokens, repetitions) are left behind and named.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch

from data.tokenizers.piece_files import read_table
from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.tokenizer import Tokenizer
from model.config import ModelConfig
from model.decoding import SpecialIds
from model.interop.families import FAMILIES
from model.interop.hugging_face import ConversionError, Tensors, lost_dropout, to_hugging_face
from system.atomic_files import check_name, read_json, write_atomically, write_json
from system.errors import UserError
from system.options import parse, run_and_report
from system.terminal import shown
from training.run.folder import CONFIG_FILE, make_folder, read_config_values
from training.run.load import load_tokenizer
from training.run.settings_file import from_dict
from training.weights import read_tensors

MAX_NEW_TOKENS = 128  # of runs so old that they do not say it
LONGEST_VALUE = 40  # characters of a setting that is shown
FAMILY_NAMES = ", ".join(FAMILIES)
# What transformers reads of config.json or generation_config.json when it writes text, without the special tokens' ids.
OF_GENERATION = (
    "max_length", "max_new_tokens", "min_length", "min_new_tokens", "early_stopping", "max_time", "stop_strings",
    "do_sample", "num_beams", "num_beam_groups", "diversity_penalty", "penalty_alpha", "temperature", "top_k", "top_p",
    "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff", "repetition_penalty", "encoder_repetition_penalty",
    "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "force_words_ids",
    "constraints", "renormalize_logits", "forced_bos_token_id", "forced_eos_token_id", "forced_decoder_ids",
    "force_bos_token_to_be_generated", "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens",
    "begin_suppress_tokens", "sequence_bias", "token_healing", "guidance_scale", "watermarking_config",
    "num_return_sequences", "prompt_lookup_num_tokens", "assistant_early_exit", "low_memory", "dola_layers",
    "task_specific_params", "prefix",
)  # fmt: skip
NEUTRAL = {  # values that change nothing
    "max_length": 20, "min_length": 0, "do_sample": False, "early_stopping": False, "num_beams": 1,
    "num_beam_groups": 1, "diversity_penalty": 0.0, "temperature": 1.0, "top_k": 50, "top_p": 1.0, "typical_p": 1.0,
    "repetition_penalty": 1.0, "length_penalty": 1.0, "no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0,
    "num_return_sequences": 1, "remove_invalid_values": False, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0,
    "encoder_repetition_penalty": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """The run to convert, and the folder to write."""

    run: str = "runs/quickstart"  # the run folder
    to: str = ""  # the folder that is made; it must not be there, or be empty
    kind: str = ""  # t5, mt5, bart, plbart or marian; empty: what the run began from


def main(argv: list[str]) -> int:
    """Read the run and write the folder."""
    options = parse(Options, argv, Options(), __doc__, "python -m training.export")
    run, folder = Path(options.run), Path(options.to)
    if not options.to or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UserError("give --to a folder that is not there yet or is empty")
    check_name(folder)
    tokenizer = load_tokenizer(run)
    settings = read_config_values(run)
    config = from_dict(ModelConfig, settings.get("model", {}), run / CONFIG_FILE)
    weights = read_tensors(run / "model.safetensors")
    kind = options.kind or began_as(tokenizer, run)
    save_pretrained(folder, kind, config, weights, tokenizer, settings.get("evaluation", {}))
    print(f"{folder} holds the network{' and its tokenizer' if isinstance(tokenizer, PretrainedTokenizer) else ''}")
    for line in left_behind(kind, config, tokenizer, settings):
        print(shown(line))
    return 0


def began_as(tokenizer: Tokenizer, run: Path) -> str:
    """The family of the checkpoint that a run began from. Raises UserError."""
    path = run / tokenizer.file_name / "config.json"
    kind = read_table(path).get("model_type") if path.is_file() else None
    if kind not in tuple(FAMILIES):  # whatever type it has
        raise UserError(f"{run} began from no checkpoint; say what it should become: --kind {FAMILY_NAMES}")
    return kind


def save_pretrained(
    folder: Path, kind: str, config: ModelConfig, weights: Tensors, tokenizer: Tokenizer, decoding: Mapping[str, Any]
) -> None:
    """Write config.json, generation_config.json, model.safetensors and a checkpoint's tokenizer. Raises UserError.

    decoding: the run's settings of evaluation.
    """
    special = SpecialIds(tokenizer.pad_id, tokenizer.end_id, tokenizer.decoder_start_id)
    try:
        values, tensors = to_hugging_face(kind, config, weights, special)
    except ConversionError as error:
        raise UserError(f"the run cannot become {kind}: {error}") from error
    generation = generation_settings(tokenizer, decoding)
    make_folder(folder)
    if isinstance(tokenizer, PretrainedTokenizer):
        tokenizer.save(folder)
        before = read_json(folder / "config.json")
        values = {name: value for name, value in before.items() if name not in OF_GENERATION} | values
    write_json(folder / "config.json", values)
    write_json(folder / "generation_config.json", generation)
    content = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_atomically(folder / "model.safetensors", safetensors.torch.save(content, {"format": "pt"}))


def generation_settings(tokenizer: Tokenizer, decoding: Mapping[str, Any]) -> dict[str, Any]:
    """generation_config.json for a run: its own way of decoding, and nothing that a checkpoint said of its texts."""
    values = {
        "pad_token_id": tokenizer.pad_id, "eos_token_id": tokenizer.end_id,
        "decoder_start_token_id": tokenizer.decoder_start_id, "do_sample": False,
        "num_beams": decoding.get("beam", 1), "max_new_tokens": decoding.get("max_new_tokens", MAX_NEW_TOKENS),
    }  # fmt: skip
    if values["num_beams"] > 1:
        values |= {"length_penalty": decoding.get("length_penalty", 1.0), "early_stopping": False}
    if tokenizer.never_ids:
        values["bad_words_ids"] = [[index] for index in tokenizer.never_ids]
    return values


def left_behind(
    kind: str, config: ModelConfig, tokenizer: Tokenizer, settings: Mapping[str, Any]
) -> Iterator[str]:
    """A line for each thing of the run, or of the checkpoint that it began from, that has no place in the folder."""
    if rates := lost_dropout(kind, config):
        yield f"left behind: {', '.join(rates)}, which {kind} has no setting for; dropout changes training alone"
    before: dict[str, Any] = {}
    for name in ("config.json", "generation_config.json") if isinstance(tokenizer, PretrainedTokenizer) else ():
        before |= json.loads(tokenizer.files.get(name, b"{}"))
    now = generation_settings(tokenizer, settings.get("evaluation", {}))
    old = [name for name in OF_GENERATION if before.get(name) not in (None, NEUTRAL.get(name), now.get(name))]
    if old:
        said = ", ".join(f"{name}={shortened(str(before[name]))}" for name in old)
        yield f"left behind: settings of generation that the checkpoint had and the run does without: {said}"
    data, evaluation = settings.get("data", {}), settings.get("evaluation", {})
    if prefix := data.get("prefix"):
        yield f"left behind: data.prefix; give transformers descriptions with {prefix!r} in front"
    if data.get("slots"):
        yield "left behind: data.slots; give transformers descriptions with slots, and put the texts back yourself"
    if evaluation.get("parsing_first"):
        yield "left behind: evaluation.parsing_first; transformers takes the likeliest hypothesis"


def shortened(text: str) -> str:
    """A value's text, cut to what fits into a line."""
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
