"""What the attention heads of a trained run do: which can be missed, how sharply they look, which of them copy.

    python -m experiments.studies.head_analysis runs/quickstart
    python -m experiments.studies.head_analysis runs/quickstart --split longer --examples 500 --plot heads.png
        --json heads.json

importance   the rise of the loss when a head's output is set to zero (Michel et al. 2019, section 3)
entropy      of a head's weights, in nats, the mean over queries: log n is "looks everywhere", 0 is "at one token"
copying      the share of a cross-attention head's weight that lies on the source positions that hold the token about
             to be written, over the target tokens that stand in the source (the end token is one)

No training: one pass over the examples for each head, and one that sees the weights.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from torch import Tensor, nn
from tqdm import tqdm

import train
from data.batches import Batch, collate
from data.objectives.pairs import pairs
from data.splits import read_splits
from experiments.record.cells import as_text
from experiments.record.measurement import check_writable, write_rows
from model.fast import plain_modules
from model.transformer import Transformer
from system.errors import UserError
from system.options import parse, run_and_report
from training.batch_loss import batch_loss
from training.run.folder import read_config
from training.run.load import load_trained
from training.run.own import check_places

ATTENTION_KINDS = {"encoder self": "encoder", "decoder self": "decoder", "cross": "decoder"}
EXAMPLES_A_BATCH = 32


@dataclass(frozen=True)
class Settings:
    """Which run, and over which examples."""

    run: Annotated[Path, tyro.conf.Positional]  # a run folder
    split: str = ""  # a test split; empty: the corpus's first
    examples: int = 200  # of the split
    data_path: str = ""  # folder of the corpus where it is not where it was at training
    plot: Path | None = None  # file for the picture (png or svg)
    json: Path | None = None  # file for the figures


@dataclass(frozen=True)
class Head:
    """One head and what is known of it."""

    kind: str  # encoder self, decoder self or cross
    layer: int
    head: int
    importance: float  # nats a token
    entropy: float  # nats
    copying: float | None  # share, of cross-attention alone


def attention_of(model: Transformer, kind: str, layer: int) -> nn.Module:
    """The attention module of a kind in a layer."""
    name = "cross_attention" if kind == "cross" else "self_attention"
    return getattr(getattr(model, ATTENTION_KINDS[kind])[layer], name)


def places(model: Transformer) -> list[tuple[str, int]]:
    """Every kind and layer that the network has."""
    return [
        (kind, layer)
        for kind, stack in ATTENTION_KINDS.items()
        if kind != "cross" or model.config.cross_attention
        for layer in range(len(getattr(model, stack)))
    ]


@contextmanager
def without_head(attention: nn.Module, head: int) -> Iterator[None]:
    """Inside the `with`, one head gives zeros: its columns of the input of W^O are set to 0."""
    d_k = attention.output.in_features // attention.n_heads

    def silence(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        heads = inputs[0].clone()  # (B, T, h * d_k)
        heads[..., head * d_k : (head + 1) * d_k] = 0
        return (heads,)

    hook = attention.output.register_forward_pre_hook(silence)
    try:
        yield
    finally:
        hook.remove()


@torch.no_grad()
def mean_loss(model: Transformer, batches: list[Batch]) -> float:
    """Unsmoothed loss in nats a real token."""
    sums = [batch_loss(model, batch, 0.0) for batch in batches]
    return sum(float(loss) for loss, _ in sums) / sum(n for _, n in sums)


@torch.no_grad()
def looks(model: Transformer, batches: list[Batch]) -> dict[tuple[str, int], tuple[Tensor, Tensor | None]]:
    """Kind and layer -> entropy (h,) and, of cross-attention, copying (h,), as means over all batches."""
    found: dict[tuple[str, int], list[Tensor]] = {}
    copied: dict[int, list[Tensor]] = {}
    counts: dict[tuple[str, int], int] = {}
    n_copied = 0

    for batch in batches:
        seen = weights_of(model, batch)
        stands = (batch.target[:, :, None] == batch.source[:, None, :]) & batch.source_mask[:, None, :]  # (B, T, S)
        stands = stands & batch.target_mask[:, :, None]
        may_copy = stands.any(dim=-1)  # (B, T)
        n_copied += int(may_copy.sum())
        for (kind, layer), weights in seen.items():  # (B, h, T or S, S or T)
            real = batch.source_mask if kind == "encoder self" else batch.target_mask  # (B, queries)
            entropy = torch.special.entr(weights).sum(dim=-1)  # (B, h, queries)
            found.setdefault((kind, layer), []).append((entropy * real[:, None]).sum(dim=(0, 2)))
            counts[kind, layer] = counts.get((kind, layer), 0) + int(real.sum())
            if kind == "cross":
                share = (weights * stands[:, None]).sum(dim=-1) * may_copy[:, None]  # (B, h, T)
                copied.setdefault(layer, []).append(share.sum(dim=(0, 2)))

    return {
        (kind, layer): (
            sum(sums) / counts[kind, layer],
            sum(copied[layer]) / max(1, n_copied) if kind == "cross" else None,
        )
        for (kind, layer), sums in found.items()
    }


def weights_of(model: Transformer, batch: Batch) -> dict[tuple[str, int], Tensor]:
    """Kind and layer -> the weights (B, h, queries, keys), which the plain modules show."""
    seen: dict[tuple[str, int], Tensor] = {}
    hooks = []
    for kind, layer in places(model):
        attention = attention_of(model, kind, layer)

        def keep(module: nn.Module, inputs: Any, output: tuple, place: tuple[str, int] = (kind, layer)) -> None:
            seen[place] = output[1]

        hooks.append(attention.register_forward_hook(keep))
    try:
        with plain_modules(model):
            model.decode(batch.decoder_input, model.encode(batch.source, batch.source_mask), batch.source_mask)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def analyse(model: Transformer, batches: list[Batch]) -> tuple[float, list[Head]]:
    """The loss with all heads, and every head."""
    whole, seen = mean_loss(model, batches), looks(model, batches)
    heads = []
    every = [(kind, layer, head) for kind, layer in places(model) for head in range(model.config.n_heads)]
    for kind, layer, head in tqdm(every, desc="heads", leave=False, disable=None):
        with without_head(attention_of(model, kind, layer), head):
            importance = mean_loss(model, batches) - whole
        entropy, copying = seen[kind, layer]
        share = None if copying is None else float(copying[head])
        heads.append(Head(kind, layer, head, importance, float(entropy[head]), share))
    return whole, heads


def read_batches(settings: Settings, run: train.Settings, tokenizer: Any) -> list[Batch]:
    """The split's first examples in batches. Raises UserError for a split that is not there."""
    if not settings.data_path:
        check_places(settings.run, {"data.path": run.data.path}, "give --data_path FOLDER")
    data = replace(run.data, path=settings.data_path) if settings.data_path else run.data
    splits = read_splits(run.corpus, data, run.seed).tests
    name = settings.split or next(iter(splits), "")
    if name not in splits:
        there = ", ".join(splits) or "no test split"
        raise UserError(f"--split {name or 'none'} is not there; this corpus has {there}")
    examples = [example for _, example in zip(range(settings.examples), splits[name])]
    items = [pairs(example, tokenizer, None) for example in examples]
    fitting = [item for item in items if max(len(item.source), len(item.target)) <= run.model.max_length]
    if not fitting:
        raise UserError(f"none of {len(examples)} examples of {name} is short enough; raise --examples")
    parts = [fitting[first : first + EXAMPLES_A_BATCH] for first in range(0, len(fitting), EXAMPLES_A_BATCH)]
    return [collate(part, [""] * len(part), tokenizer) for part in parts]


def plot(heads: list[Head], file: Path) -> None:
    """Plot importance, entropy and copying as maps of layers and heads."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = list(dict.fromkeys(head.kind for head in heads))
    measures = {"importance": "rise of the loss, nats", "entropy": "entropy, nats", "copying": "share on copies"}
    figure, axes = pyplot.subplots(
        len(measures), len(kinds), figsize=(3.2 * len(kinds), 7.2), layout="constrained", squeeze=False
    )
    for row, (measure, name) in enumerate(measures.items()):
        for column, kind in enumerate(kinds):
            axis, of_kind = axes[row, column], [head for head in heads if head.kind == kind]
            values = {(head.layer, head.head): getattr(head, measure) for head in of_kind}
            if None in values.values():
                axis.axis("off")
                continue
            n_layers, n_heads = (1 + max(place[axis_] for place in values) for axis_ in (0, 1))
            table = [[values[layer, head] for head in range(n_heads)] for layer in range(n_layers)]
            image = axis.imshow(table, cmap="viridis", aspect="auto")
            figure.colorbar(image, ax=axis, label=name)
            axis.set_title(kind)
            axis.set_xticks(range(n_heads), range(1, n_heads + 1))
            axis.set_yticks(range(n_layers), range(1, n_layers + 1))
            axis.set_xlabel("head")
            axis.set_ylabel("layer")
    figure.savefig(file)
    pyplot.close(figure)


def main(arguments: list[str]) -> int:
    """Load the run, analyse its heads, and print a table."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m experiments.studies.head_analysis")
    check_writable(settings.json)
    check_writable(settings.plot)
    run, _ = read_config(settings.run, train.Settings)
    model, tokenizer = load_trained(settings.run, run.model)
    batches = read_batches(settings, run, tokenizer)
    whole, heads = analyse(model, batches)
    rows = [
        [head.kind, str(head.layer + 1), str(head.head + 1), f"{head.importance:+.4f}", f"{head.entropy:.2f}",
         "" if head.copying is None else f"{head.copying:.2f}"]
        for head in sorted(heads, key=lambda head: -head.importance)
    ]  # fmt: skip
    print(f"loss with all heads {whole:.4f} nats a token, {sum(len(batch.ids) for batch in batches)} examples\n")
    print(as_text(["attention", "layer", "head", "rise of the loss", "entropy", "on copies"], rows), end="")
    if settings.plot is not None:
        plot(heads, settings.plot)
    write_rows(settings.json, [vars(head) for head in heads])
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
