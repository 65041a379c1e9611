"""What 0.1, 1 and 7 billion parameters need on 8, 64 and 1,024 GPUs: the tables of docs/scaling.md, by arithmetic.

    python -m experiments.studies.scaling

Nothing is measured: the GPU and the links below are assumed, the FLOPs are the budget's own count, and what a layer's
forward pass keeps is a dry run's (training/dry_run.py), of one layer and of two, as all others are like the second.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cache

import torch

from data.config import DataConfig
from experiments.record.cells import table
from model.config import ModelConfig, preset
from model.transformer import Transformer
from system.options import run_and_report
from training.config import LoopConfig, ParallelConfig
from training.dry_run import Needs, longest_batch, needs
from training.flops import decoder_layer_flops, encoder_flops
from training.recipes import TrainingSettings
from training.run.budget import batch_flops

GPUS = (8, 64, 1024)
IN_NODE = 8  # GPUs of a node
GIB, GB = 2**30, 1e9
MEMORY = 80 * GB  # of a GPU
SPEED = 400e12  # FLOPs a second that a GPU reaches: 40% of an H100's peak in bfloat16 (989e12)
LINKS = {"InfiniBand": 400 * GB, "Ethernet": 12.5 * GB}  # a second, into and out of a node: 8 x 400 Gb/s; 100 Gb/s
NVLINK = 450 * GB  # a second, of a GPU to the others of its node
DATA = DataConfig(max_source_length=512, max_target_length=512, batch_tokens=16_384)  # of one batch, 16 pairs


def network(d_model: int, d_ff: int, n_heads: int, layers: int) -> ModelConfig:
    """A network of as many layers in the encoder as in the decoder."""
    sizes = {"d_model": d_model, "d_ff": d_ff, "n_heads": n_heads, "vocab_size": 32_000}
    return preset("modern", **sizes, n_encoder_layers=layers, n_decoder_layers=layers)


NETWORKS = {
    "0.1 billion": network(768, 2048, 12, 5), "1 billion": network(1536, 4096, 16, 15),
    "7 billion": network(4096, 10_752, 32, 15),
}  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """Parameters of a network."""

    layers: int  # in all layers
    largest: int  # in the largest layer
    rest: int  # embedding and norms

    @property
    def all(self) -> int:
        """All of them."""
        return self.layers + self.rest


@dataclass(frozen=True)
class Plan:
    """What one GPU of so many has to do in a step in which each has one batch."""

    memory: float  # bytes at the most crowded moment
    sent: float  # bytes to other GPUs
    hides: bool  # whether exchanges go on while the GPU computes

    def share_computing(self, computing: float, exchanging: float) -> float:
        """The share of a step's time in which a GPU computes; seconds of both."""
        return computing / (max(computing, exchanging) if self.hides else computing + exchanging)


@cache
def sizes_of(config: ModelConfig) -> Sizes:
    """How many parameters a network has, counted without making them."""
    with torch.device("meta"):
        model = Transformer(config, 0)
    of_layers = [sum(weight.numel() for weight in layer.parameters()) for layer in (*model.encoder, *model.decoder)]
    everything = sum(weight.numel() for weight in model.parameters())
    return Sizes(sum(of_layers), max(of_layers), everything - sum(of_layers))


@cache
def activations(config: ModelConfig, recompute: bool) -> int:
    """Bytes that a batch's forward pass keeps for the backward pass, in bfloat16 where products are."""
    return of_layers(config, [dry(config, layers, recompute).activations for layers in (1, 2)])


@cache
def working(config: ModelConfig) -> int:
    """The most bytes that a batch takes at a time beside weights, gradients and optimiser."""
    found = [dry(config, layers, recompute=True) for layers in (1, 2)]
    return of_layers(config, [one.peak - one.parameters - one.gradients - one.optimizer for one in found])


def of_layers(config: ModelConfig, sizes: list[int]) -> int:
    """A size of all layers, from that of one and that of two."""
    return sizes[0] + (config.n_encoder_layers - 1) * (sizes[1] - sizes[0])


@cache
def dry(config: ModelConfig, layers: int, recompute: bool) -> Needs:
    """What one process needs for a step with so many layers of a network, of two batches where all of it is asked."""
    shallow = replace(config, n_encoder_layers=layers, n_decoder_layers=layers)
    settings = TrainingSettings(model=shallow, data=DATA, parallel=ParallelConfig(recompute=recompute))
    return needs(settings, LoopConfig(bf16=True, accumulate=1 + recompute), 1, torch.device("cpu"), shards=False)


def flops(config: ModelConfig) -> int:
    """FLOPs of a batch's forward and backward pass, and of the layers' second forward pass."""
    batch = longest_batch(DATA, torch.device("cpu"))
    S, T = DATA.max_source_length, DATA.max_target_length
    again = encoder_flops(config, S) + config.n_decoder_layers * decoder_layer_flops(config, S, T)
    return batch_flops(config, batch) + len(batch.source) * again


def copies(config: ModelConfig, n: int) -> Plan:
    """Each GPU has the network: weight, gradient, Adam's two means; at the end the vector that is exchanged."""
    size = sizes_of(config).all
    return Plan(16 * size + max(working(config), 4 * size), 2 * 4 * size * (n - 1) / n, hides=False)


def shards(config: ModelConfig, n: int) -> Plan:
    """Each GPU has 1 / n; gathered are the rest, the layer at work, the next one, and the layer's gradient.

    Layers are gathered for the forward and for the backward pass, the rest once; a gradient goes to who keeps its part.
    """
    size = sizes_of(config)
    memory = 16 * size.all / n + 4 * (size.rest + 3 * size.largest) + working(config)
    return Plan(memory, 4 * (2 * size.layers + size.rest + size.all) * (n - 1) / n, hides=True)


MODES = {"copies": copies, "shards": shards}


def seconds(sent: float, n: int, link: float) -> float:
    """Of an exchange: in a ring all GPUs send at once, and the slowest link is that between nodes, if there are any."""
    return sent / (NVLINK if n <= IN_NODE else link)


def gib(size: float) -> str:
    """A size, in bold where a GPU has less."""
    text = f"{size / GIB:,.1f}"
    return text if size <= MEMORY else f"**{text}**"


def memory_table() -> str:
    """GiB of one GPU."""
    rows = [
        [
            name, f"{sizes_of(config).all / 1e6:,.0f} million", gib(activations(config, False)),
            gib(activations(config, True)), gib(copies(config, 8).memory),
            *(gib(shards(config, n).memory) for n in GPUS),
        ] for name, config in NETWORKS.items()
    ]  # fmt: skip
    columns = ["network", "parameters", "activations", "recomputed", "copies", *(f"shards of {n:,}" for n in GPUS)]
    return table(columns, rows)


def step_table() -> str:
    """Seconds of a step, and how much of them a GPU computes."""
    rows = []
    for name, config in NETWORKS.items():
        computing = flops(config) / SPEED
        for n in GPUS:
            for mode, plan_of in MODES.items():
                plan = plan_of(config, n)
                cells = []
                for link in LINKS.values():
                    exchanging = seconds(plan.sent, n, link)
                    cells += [f"{exchanging:.3f}", f"{plan.share_computing(computing, exchanging):.0%}"]
                if plan.memory > MEMORY:
                    cells = ["does not fit", "", "", ""]
                tokens = f"{n * DATA.batch_tokens / 1e6:.1f}"
                rows.append([name, f"{n:,}", tokens, mode, f"{computing:.3f}", f"{plan.sent / GB:,.1f}", *cells])
    columns = ["network", "GPUs", "million tokens a step", "mode", "s computing", "GB sent"]
    for link in LINKS:
        columns += [f"s exchanging, {link}", f"computes, {link}"]
    return table(columns, rows)


def hiding_table() -> str:
    """Thousands of tokens from which exchanges take a tenth of a step at most (of copies), or are hidden (of shards).

    Copies exchange once a step, whatever a GPU accumulates; shards with each batch.
    """
    rows, many = [], GPUS[-1]
    for name, config in NETWORKS.items():
        a_token = flops(config) / SPEED / DATA.batch_tokens  # seconds
        cells = [
            f"{factor * seconds(plan_of(config, many).sent, many, link) / a_token / 1e3:,.0f}"
            for factor, plan_of in ((10, copies), (1, shards)) for link in LINKS.values()
        ]  # fmt: skip
        rows.append([name, *cells])
    heads = ("copies, in a step", "shards, in a batch")
    return table(["thousand tokens of a GPU", *(f"{head}, {link}" for head in heads for link in LINKS)], rows)


def assumptions() -> str:
    """What the tables rest on, in words."""
    pairs = DATA.batch_tokens // (DATA.max_source_length + DATA.max_target_length)
    infiniband, ethernet = (f"{link / GB:g} GB/s" for link in LINKS.values())
    return (
        f"Assumed: GPUs of {MEMORY / GB:g} GB ({MEMORY / GIB:.1f} GiB) that reach {SPEED / 1e12:g} TFLOP/s in bfloat16;"
        f" {IN_NODE} in a node,\n{NVLINK / GB:g} GB/s each to the others of it; between nodes {infiniband} a node"
        f" (InfiniBand, a port of\n400 Gb/s a GPU) or {ethernet} a node (Ethernet, one port of 100 Gb/s). Each GPU has"
        f" one batch a step,\n{pairs} pairs of {DATA.max_source_length} + {DATA.max_target_length} tokens, with "
        "`--training.bf16 --parallel.recompute`.\n"
    )


def tables() -> str:
    """All of it, as it stands on the page."""
    return "\n".join([assumptions(), memory_table(), step_table(), hiding_table()])


def main(_: list[str]) -> int:
    """Print them."""
    print(tables(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
