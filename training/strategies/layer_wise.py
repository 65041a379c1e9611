"""Layer-wise fine-tuning (chapter 3.2, strategy 1): which layers learn, from when on, and how fast.

    last layers         only the top k layers learn; what lies below stays what pretraining made it
    gradual unfreezing  the top layer first, one more every so many steps (Howard and Ruder 2018, 3.3)
    layer decay         each layer learns at `layers.decay` times the rate of the one above (the same paper, 3.2, which
                        calls it discriminative fine-tuning; the chapter uses that word for another strategy)

From the top down: heads and output layer, decoder layers, encoder layers, embeddings. A tied embedding is an embedding.
The gradient does not go below the lowest layer that learns, so a step costs at most as much as a plain one.
"""

from __future__ import annotations

from model.transformer import Transformer
from training.strategies.config import LayersConfig


def depths(model: Transformer) -> dict[str, int]:
    """Each parameter's depth below the top by name: heads 0, the last decoder layer 1, the embeddings lowest."""
    n_decoder, n_both = len(model.decoder), len(model.decoder) + len(model.encoder)
    found = {}
    for name, _ in model.named_parameters():
        room, number, *_ = name.split(".")
        if room == "decoder":
            found[name] = n_decoder - int(number)
        elif room == "encoder":
            found[name] = n_both - int(number)
        elif room == "encoder_norm":
            found[name] = n_decoder + 1  # it belongs to the last encoder layer
        else:
            found[name] = n_both + 1 if "embedding" in room or "positions" in room else 0
    return found


def lowest_trained(layers: LayersConfig, step: int) -> int | None:
    """The depth down to which parameters learn in optimiser step `step`, counted from 1; None: all learn."""
    if layers.unfreeze_every:
        return 1 + (step - 1) // layers.unfreeze_every
    return layers.last or None


def freeze(model: Transformer, layers: LayersConfig, step: int) -> None:
    """Require gradients of the parameters that learn in this step, and of no others."""
    lowest = lowest_trained(layers, step)
    if lowest is None:
        return
    found = depths(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(found[name] <= lowest)


def rates(model: Transformer, layers: LayersConfig) -> dict[str, float]:
    """Each parameter's learning rate by name, as a share of the schedule's."""
    return {name: layers.decay**depth for name, depth in depths(model).items()}
