"""How large is the gradient in each layer before the first step? Pre- and post-norm, two, six and twelve layers deep.

    python -m experiments.studies.gradient_norms
    python -m experiments.studies.gradient_norms --seeds 3 --plot docs/suites/gradient_norms.svg --json gradients.json

Xiong et al. 2020 (section 3.3, theorem 1 and figure 3) derive for the last layer's feed-forward matrix W_2 that its
expected gradient stays as large however deep a post-norm network is, and falls as 1 / sqrt(L) with the number L of
layers in a pre-norm one. Measured here is the Frobenius norm of the gradient of each decoder layer's W_2 in the network
of the suites' base, on one batch of its training data, dropout off. Nothing is trained.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from data.batches import collate
from data.objectives.pairs import pairs
from experiments.laboratory.plan import make_trial, settings_of
from experiments.laboratory.suite import BASE_ROW
from experiments.record.cells import as_text
from experiments.record.measurement import check_writable, facts_here, measured_row, write_rows
from experiments.suites.norm_and_warmup import SUITE
from model.fast import make_network
from system.device import seed_everything
from system.errors import UserError
from system.options import parse, run_and_report
from training.batch_loss import batch_loss
from training.corpus import read_corpora
from training.first_tokenizer import first_tokenizer

DEPTHS = (2, 6, 12)
NORM_PLACES = ("pre", "post")
MEASURED_PAIRS = 64


@dataclass(frozen=True)
class Settings:
    """How much the norms are averaged over."""

    seeds: int = 5  # networks of each kind
    plot: Path | None = None  # file for the picture (svg or png)
    json: Path | None = None  # file for the figures


def layer_norms(settings: Any, tokenizer: Any, batch: Any, place: str, depth: int, seed: int) -> list[float]:
    """The gradient's norm in W_2 of each decoder layer, the first layer first."""
    seed_everything(seed)
    config = replace(
        settings.model, norm_position=place, n_encoder_layers=depth, n_decoder_layers=depth,
        vocab_size=tokenizer.vocab_size,
    )  # fmt: skip
    model = make_network(config, tokenizer.pad_id).eval()
    loss, n_tokens = batch_loss(model, batch, 0.0)
    (loss / n_tokens).backward()
    return [float(layer.feed_forward.outer.weight.grad.norm()) for layer in model.decoder]


def measure(seeds: int) -> dict[tuple[str, int], list[float]]:
    """Place of the norm and depth -> the mean norm of each layer."""
    settings = settings_of(make_trial(SUITE, BASE_ROW, 1).options)
    corpora = read_corpora(settings)
    tokenizer = first_tokenizer(settings, corpora)
    items = [pairs(example, tokenizer, None) for example in corpora["training"].train[:MEASURED_PAIRS]]
    batch = collate(items, [""] * len(items), tokenizer)
    found = {}
    for place in NORM_PLACES:
        for depth in DEPTHS:
            of_seeds = [layer_norms(settings, tokenizer, batch, place, depth, seed) for seed in range(1, seeds + 1)]
            found[place, depth] = [fmean(of_layer) for of_layer in zip(*of_seeds, strict=True)]
    return found


def plot(found: dict[tuple[str, int], list[float]], file: Path) -> None:
    """Plot the norm against the layer, a line for each depth, pre-norm and post-norm beside each other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.fonttype"] = "none"
    pyplot.rcParams["svg.hashsalt"] = "codegen"
    figure, axes = pyplot.subplots(1, 2, figsize=(8.5, 3.6), sharey=True, layout="constrained")
    for axis, place in zip(axes, NORM_PLACES, strict=True):
        for depth in DEPTHS:
            norms = found[place, depth]
            axis.plot(range(1, depth + 1), norms, "o-", markersize=4, label=f"{depth} layers")
        axis.set_title(f"{place}-norm")
        axis.set_xlabel("decoder layer (1: next to the embedding)")
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("norm of the gradient of W_2")
    axes[0].legend(frameon=False)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)


def main(arguments: list[str]) -> int:
    """Measure the norms, print a table, and plot them."""
    settings = parse(
        Settings, arguments, Settings(), __doc__.splitlines()[0], "python -m experiments.studies.gradient_norms"
    )
    if settings.seeds < 1:
        raise UserError(f"--seeds {settings.seeds} must be at least 1")
    check_writable(settings.json)
    check_writable(settings.plot)

    found = measure(settings.seeds)
    rows = [
        [f"{place}-norm, {depth} layers", *(f"{norm:.4f}" for norm in (norms[0], max(norms), norms[-1]))]
        for (place, depth), norms in found.items()
    ]
    print(as_text(["network", "first layer", "largest", "last layer"], rows), end="")

    if settings.plot is not None:
        plot(found, settings.plot)
    if settings.json is not None:
        facts, command = facts_here(), ["experiments.studies.gradient_norms", *arguments]
        lines = [
            measured_row(
                "gradient_norms", f"{place}-norm, {depth} layers", command, facts, value=norms[-1],
                unit="norm of the gradient", layers=norms,
            )
            for (place, depth), norms in found.items()
        ]
        write_rows(settings.json, lines)
    return 0


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
