"""A finished run of this project: its network, its tokenizer, and whether another run may use them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from data.config import DataConfig
from data.tokenizers.piece_files import read_table
from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.tokenizer import Tokenizer
from model.config import PRETRAINING_HEADS, ModelConfig
from model.fast import make_network
from model.interop.hugging_face import ConversionError, fill
from model.transformer import Transformer
from system.errors import UserError
from training.pretrained import WEIGHT_FILES, read_network, read_weights
from training.recipes import TrainingSettings
from training.run.folder import CONFIG_FILE, is_run, read_config_values
from training.run.own import refuse_links_of_strangers
from training.run.settings_file import from_dict
from training.weights import load_weights

# Parts of our network that a checkpoint may lack: they start anew.
LOADED_HEADS = ("copy_head", *PRETRAINING_HEADS)
NEW_PREFIXES = tuple(f"{head}." for head in LOADED_HEADS)


def is_own_run(folder: Path) -> bool:
    """Whether a folder is a run of this project and not somebody else's checkpoint: both have a config.json."""
    return is_run(folder) and "special_ids" in read_table(folder / CONFIG_FILE)


def network_config(folder: Path) -> ModelConfig:
    """The shape of the network in a folder, a run's or a checkpoint's. Raises UserError."""
    if not is_own_run(folder):
        return read_network(folder).config
    if not (folder / WEIGHT_FILES[0]).is_file():
        raise UserError(f"{folder} is not trained to its end; go on with: python train.py --run {folder} --resume")
    return from_dict(ModelConfig, read_config_values(folder)["model"], folder / CONFIG_FILE)


def load_network(model: Transformer, folder: Path) -> None:
    """Put the weights of a run or a checkpoint into the network that its configuration made. Raises UserError.

    Of a run's heads, those that the network has not are left behind.
    """
    try:
        if not is_own_run(folder):
            fill(model, read_network(folder).weights, NEW_PREFIXES)
            return
        own = model.state_dict().keys()
        weights = {
            name: tensor for name, tensor in read_weights(folder).items()
            if name in own or not name.startswith(NEW_PREFIXES)
        }
        fill(model, weights, NEW_PREFIXES)
    except ConversionError as error:
        raise UserError(f"{folder} does not hold the network that the run was begun with: {error}") from error


def new_heads(settings: TrainingSettings) -> list[str]:
    """The network's heads that the folder it begins with lacks: all of them, unless that is a run of this project."""
    heads = [head for head in LOADED_HEADS if getattr(settings.model, head)]
    if not settings.init.from_ or not is_own_run(Path(settings.init.from_)):
        return heads
    before = network_config(Path(settings.init.from_))
    return [head for head in heads if not getattr(before, head)]


def load_trained(run: Path, config: ModelConfig) -> tuple[Transformer, Tokenizer]:
    """The trained network of a run in evaluation mode, and its tokenizer. Raises UserError."""
    tokenizer = load_tokenizer(run)
    model = make_network(config, tokenizer.pad_id)
    load_weights(run / WEIGHT_FILES[0], model)
    return model.eval(), tokenizer


def same_vocabulary(one: Tokenizer, other: Tokenizer) -> bool:
    """Whether every id stands for the same text in both."""
    ids = range(one.vocab_size)
    return one.vocab_size == other.vocab_size and one.pieces(ids) == other.pieces(ids)


def differing_text_setting(data: DataConfig, other: DataConfig) -> str | None:
    """The first setting that makes two runs read or write different texts for the same examples, with both values."""
    for name in ("prefix", "slots", "name_slots", "reverse"):
        if getattr(data, name) != getattr(other, name):
            return f"data.{name} {getattr(other, name)!r} instead of {getattr(data, name)!r}"
    return None


def check_positions(config: ModelConfig, sizes: Mapping[str, int], mend: str) -> None:
    """Refuse lengths (setting -> tokens) that a network's learned positions do not reach. Raises UserError.

    `mend` ends the message.
    """
    for name, size in sizes.items():
        if config.positions == "learned" and size > config.max_length:
            raise UserError(f"{name}={size} is longer than the {config.max_length} learned positions{mend}")


def load_tokenizer(run: Path) -> Tokenizer:
    """The tokenizer of a run, its own or its checkpoint's. Raises UserError."""
    refuse_links_of_strangers(run)
    if not (run / PretrainedTokenizer.file_name).is_dir():
        return Tokenizer.load(run / Tokenizer.file_name)
    values = read_config_values(run)
    ids = {name: values["special_ids"][name] for name in ("pad_id", "end_id", "decoder_start_id", "never_ids")}
    return PretrainedTokenizer(run / PretrainedTokenizer.file_name, values["model"]["vocab_size"], **ids)
