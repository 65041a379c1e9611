"""A finished run of this project: its network, its tokenizer, and whether another run may use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from data.config import DataConfig
from data.tokenizers.piece_files import read_table
from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.tokenizer import Tokenizer
from model.config import PRETRAINING_HEADS, ModelConfig
from model.fast import make_network
from model.interop.hugging_face import ConversionError, fill
from model.transformer import Transformer
from system.errors import UserError
from system.from_disk import checked
from training.pretrained import WEIGHT_FILES, read_network, read_tokenizer, read_weights
from training.recipes import TrainingSettings
from training.run.folder import CONFIG_FILE, is_run, read_config_values
from training.run.own import refuse_links_of_strangers
from training.run.settings_file import from_dict
from training.weights import check_alike, read_tensors, restore_weights, weights_of

# Parts of our network that a checkpoint may lack: they start anew.
LOADED_HEADS = ("copy_head", *PRETRAINING_HEADS)
NEW_PREFIXES = tuple(f"{head}." for head in LOADED_HEADS)
VOCABULARY_ROWS = ("embedding.weight", "output.weight", "logits_bias", "mlm_head.bias")  # a row or a number a piece
NEW_ROWS = 0.1  # size of the rows of added pieces, as a share of the others'


def is_own_run(folder: Path) -> bool:
    """Whether a folder is a run of this project and not somebody else's checkpoint: both have a config.json."""
    return is_run(folder) and "special_ids" in read_table(folder / CONFIG_FILE)


def network_config(folder: Path) -> ModelConfig:
    """The shape of the network in a folder, a run's or a checkpoint's. Raises UserError."""
    if not is_own_run(folder):
        return read_network(folder).config
    if not (folder / WEIGHT_FILES[0]).is_file():
        raise UserError(f"{folder} is not trained to its end; go on with: python train.py --run {folder} --resume")
    return from_dict(ModelConfig, read_config_values(folder).get("model", {}), folder / CONFIG_FILE)


def load_network(model: Transformer, folder: Path, new_ids: Sequence[int] = (), seed: int = 0) -> None:
    """Put the weights of a run or a checkpoint into the network that its configuration made. Raises UserError.

    Of a run's heads, those that the network has not are left behind. new_ids: pieces that were added to the folder's
    vocabulary, whose rows are drawn.
    """
    try:
        if not is_own_run(folder):
            weights = read_network(folder).weights
        else:
            own = model.state_dict().keys()
            weights = {
                name: tensor for name, tensor in read_weights(folder).items()
                if name in own or not name.startswith(NEW_PREFIXES)
            }
        fill(model, with_new_rows(weights, new_ids, seed) if new_ids else weights, NEW_PREFIXES)
    except ConversionError as error:
        raise UserError(f"{folder} does not hold the network that the run was begun with: {error}") from error


def with_new_rows(weights: Mapping[str, Tensor], new_ids: Sequence[int], seed: int) -> dict[str, Tensor]:
    """The weights with rows for added pieces: matrices with a row a piece get small random ones, vectors zeros.

    Small is a tenth of the other rows' root mean square; the same seed draws the same rows.
    """
    before = len(weights["embedding.weight"])
    after = max(before, max(new_ids) + 1)
    generator = torch.Generator().manual_seed(seed)
    grown = dict(weights)
    for name in sorted(weights):
        if name not in VOCABULARY_ROWS or len(weights[name]) != before:
            continue
        old = weights[name].float()  # (V, d_model) or (V)
        rows = old.new_zeros(after, *old.shape[1:])
        rows[:before] = old
        size = NEW_ROWS * old.square().mean().sqrt() if old.dim() == 2 else 0.0
        rows[list(new_ids)] = size * torch.randn(len(new_ids), *old.shape[1:], generator=generator)
        grown[name] = rows
    return grown


def added_ids(tokenizer: Tokenizer, folder: Path) -> list[int]:
    """The ids of the pieces that a run's tokenizer has and that of the folder which it begins with has not."""
    if not isinstance(tokenizer, PretrainedTokenizer):
        return []
    before = load_tokenizer(folder) if is_own_run(folder) else read_tokenizer(folder)
    return sorted(tokenizer.table.keys() - before.table.keys())


def new_heads(settings: TrainingSettings) -> list[str]:
    """The network's heads that the folder it begins with lacks: all of them, unless that is a run of this project."""
    heads = [head for head in LOADED_HEADS if getattr(settings.model, head)]
    if not settings.init.from_ or not is_own_run(Path(settings.init.from_)):
        return heads
    before = network_config(Path(settings.init.from_))
    return [head for head in heads if not getattr(before, head)]


class NotDrawn(TorchFunctionMode):
    """Inside the `with` normal weights are not drawn: of tensors without memory PyTorch loads its compiler for that."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return kwargs["tensor"] if function is nn.init.normal_ else function(*args, **(kwargs or {}))


def load_trained(run: Path, config: ModelConfig) -> tuple[Transformer, Tokenizer]:
    """The trained network of a run in evaluation mode, and its tokenizer. Raises UserError."""
    tokenizer, path = load_tokenizer(run), run / WEIGHT_FILES[0]
    tensors = read_tensors(path)
    with torch.device("meta"), NotDrawn():  # a stranger's config.json may ask for more memory than there is
        check_alike(tensors, weights_of(Transformer(config, tokenizer.pad_id)), path)
    model = make_network(config, tokenizer.pad_id)
    restore_weights(tensors, model, path)
    refuse_not_finite(model, path)
    return model.eval(), tokenizer


def refuse_not_finite(model: Transformer, path: Path) -> None:
    """Refuse a network with weights that are NaN or infinite, of which nothing can be decoded. Raises UserError."""
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise UserError(
                f"{path}: {name} holds numbers that are NaN or infinite; take an earlier checkpoint's file, or train "
                "again with a lower learning rate"
            )


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


@dataclass
class TokenizerIds:
    """The ids that config.json says of a checkpoint's tokenizer."""

    pad_id: int
    end_id: int
    decoder_start_id: int
    never_ids: list[int]


def load_tokenizer(run: Path) -> Tokenizer:
    """The tokenizer of a run, its own or its checkpoint's. Raises UserError."""
    refuse_links_of_strangers(run)
    if not (run / PretrainedTokenizer.file_name).is_dir():
        return Tokenizer.load(run / Tokenizer.file_name)
    values = read_config_values(run)
    ids = checked(values.get("special_ids"), TokenizerIds, run / CONFIG_FILE)
    size = checked(values.get("model", {}).get("vocab_size"), int, run / CONFIG_FILE)
    return PretrainedTokenizer(run / PretrainedTokenizer.file_name, size, **vars(ids))
