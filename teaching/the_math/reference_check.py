"""Compare the NumPy reference with the PyTorch network: outputs, gradients, differences, ten steps of training.

    python -m teaching.the_math.reference_check                 the worst errors of every preset, in float64

An error is max|a - b| / max(1, max|b|) of one tensor; the worst over all tensors is shown.

    forward       memory, states and logits against the PyTorch network                          at most 1e-10
    gradients     every weight's gradient against autograd                                       at most 1e-9
    differences   the same against central differences of the loss, every single weight          at most 1e-6
    ten steps     all weights after ten steps of AdamW against the training loop's               at most 1e-9
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import torch

from data.batches import Batch, collate
from data.example import Item
from model.config import PRESETS, ModelConfig, preset
from model.decoding import SpecialIds
from model.fast import make_network
from model.numpy_reference import transformer as reference
from model.numpy_reference.linear import Weights
from model.numpy_reference.optimizer import AdamW
from model.numpy_reference.training_step import loss_and_gradients, training_step
from model.transformer import Transformer
from system.options import parse, run_and_report
from training.batch_loss import batch_loss
from training.config import LoopConfig
from training.optimizer import clip_gradient, make_optimizer, set_learning_rate

SPECIAL = SpecialIds(pad_id=0, end_id=1, decoder_start_id=3)
SIZES = {"vocab_size": 11, "d_model": 8, "n_heads": 2, "d_ff": 12, "n_encoder_layers": 2, "n_decoder_layers": 2,
         "max_length": 16, "relative_buckets": 8, "relative_max_distance": 12, "dropout": 0.0,
         "dropout_attention": 0.0, "dropout_feed_forward": 0.0, "dropout_output": 0.0}  # fmt: skip
LIMITS = {"forward": 1e-10, "gradients": 1e-9, "differences": 1e-6, "ten steps": 1e-9}
LABEL_SMOOTHING, LEARNING_RATE, TRAINING_STEPS = 0.1, 1e-3, 10
STEP_SIZE, KINK = 1e-5, 1e-3  # of central differences; how far from ReLU's kink every input stays


@dataclass(frozen=True)
class Settings:
    """No settings: every preset is compared."""


def small_model(config: ModelConfig, seed: int = 1) -> Transformer:
    """A network in float64 whose gains, biases and gates are as random as its matrices: zeros could hide a mistake."""
    torch.manual_seed(seed)
    model = make_network(config, SPECIAL.pad_id).double().eval()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor += 0.3 * torch.randn_like(tensor)
    return model


def small_batch(vocab_size: int, seed: int = 2) -> Batch:
    """Four pairs of unequal lengths, two of them padded on both sides, with tokens that occur twice."""
    draw = np.random.default_rng(seed)
    items = [
        Item(draw.integers(4, vocab_size, source).tolist(), [*draw.integers(4, vocab_size, target - 1).tolist(), 1])
        for source, target in ((7, 5), (5, 6), (3, 2), (7, 4))
    ]
    return collate(items, ["a", "b", "c", "d"], SPECIAL)


def numpy_weights(model: Transformer) -> Weights:
    """The network's weights by name, a tied one once, and the numbers that are not trained."""
    named = (*model.named_parameters(), *model.named_buffers())
    return {name: tensor.detach().numpy().copy() for name, tensor in named}


def numpy_batch(batch: Batch) -> reference.Batch:
    """A batch's ids and masks as arrays."""
    return reference.Batch(*(getattr(batch, name).numpy() for name in reference.Batch._fields))


def error(ours: np.ndarray, truth: np.ndarray) -> float:
    """The error max|a - b| / max(1, max|b|)."""
    return float(np.abs(ours - truth).max() / max(1.0, np.abs(truth).max()))


def worst(ours: Weights, truth: Weights) -> float:
    """The largest error over all tensors. Raises ValueError where a name is missing on one side."""
    if ours.keys() != truth.keys():
        raise ValueError(f"only on one side: {sorted(ours.keys() ^ truth.keys())}")
    return max(error(ours[name], truth[name]) for name in truth)


def forward_error(model: Transformer, batch: Batch) -> float:
    """The worst error of memory, states and logits, at real positions and at padding."""
    with torch.no_grad():
        memory = model.encode(batch.source, batch.source_mask)
        states = model.decode(batch.decoder_input, memory, batch.source_mask)
        truth = {"memory": memory, "states": states, "logits": model.logits(states)}
    logits, saved = reference.forward(numpy_batch(batch), numpy_weights(model), model.config)
    ours = {"memory": saved["encoder"]["memory"], "states": saved["decoder"]["states"], "logits": logits}
    return worst(ours, {name: value.numpy() for name, value in truth.items()})


def gradients_of(model: Transformer, batch: Batch) -> Weights:
    """Autograd's gradients of the training loop's loss per real token; zero where the loss does not reach."""
    model.zero_grad()
    loss, n_tokens = batch_loss(model, batch, LABEL_SMOOTHING)
    (loss / n_tokens).backward()
    return {
        name: (torch.zeros_like(weight) if weight.grad is None else weight.grad).numpy()
        for name, weight in model.named_parameters()
    }


def gradient_error(model: Transformer, batch: Batch) -> float:
    """The worst error of the weights' gradients against autograd's."""
    _, ours, _, _ = loss_and_gradients(
        numpy_batch(batch), numpy_weights(model), model.config, SPECIAL.pad_id, LABEL_SMOOTHING
    )
    return worst(ours, gradients_of(model, batch))


def difference_error(config: ModelConfig) -> float:
    """The worst error of the gradients against (L(w + h) - L(w - h)) / 2h, in the reference alone."""
    weights, batch = away_from_the_kink(config)
    _, ours, _, _ = loss_and_gradients(batch, weights, config, SPECIAL.pad_id, LABEL_SMOOTHING)
    truth = {name: np.zeros_like(weight) for name, weight in weights.items()}
    for name, weight in weights.items():
        for place in np.ndindex(weight.shape):
            if name == "embedding.weight" and place[0] == SPECIAL.pad_id and not config.learn_padding:
                continue  # no input teaches the padding, by definition: the difference would say something else
            kept = weight[place]
            losses = []
            for moved in (kept + STEP_SIZE, kept - STEP_SIZE):
                weight[place] = moved
                losses.append(loss_and_gradients(batch, weights, config, SPECIAL.pad_id, LABEL_SMOOTHING)[0])
            weight[place] = kept
            truth[name][place] = (losses[0] - losses[1]) / (2 * STEP_SIZE)
    if not config.learn_padding:
        ours["embedding.weight"][SPECIAL.pad_id] = 0
    return worst(ours, truth)


def away_from_the_kink(config: ModelConfig) -> tuple[Weights, reference.Batch]:
    """A small network and batch in which no input of a ReLU is near 0, where it has no slope."""
    for seed in range(1, 100):
        weights, batch = numpy_weights(small_model(config, seed)), numpy_batch(small_batch(config.vocab_size, seed))
        saved = reference.forward(batch, weights, config)[1]
        layers = (*saved["encoder"]["layers"], *saved["decoder"]["layers"])
        nearest = min(np.abs(layer["feed_forward"]["inside"]["u"]).min() for layer in layers)
        if config.feed_forward != "relu" or nearest > KINK:
            return weights, batch
    raise ValueError("no seed below 100 keeps all inputs of ReLU away from 0")


def ten_steps_error(model: Transformer, batch: Batch) -> float:
    """The worst error of the weights after ten steps by the training loop's functions, which train `model`."""
    weights, ids = numpy_weights(model), numpy_batch(batch)
    loop = LoopConfig(weight_decay=0.1, learning_rate=LEARNING_RATE)
    optimizer = make_optimizer(model, loop)
    ours = AdamW(loop.beta1, loop.beta2, loop.epsilon, loop.weight_decay)
    for step in range(TRAINING_STEPS):
        rate = LEARNING_RATE * (step + 1) / TRAINING_STEPS
        set_learning_rate(optimizer, rate)
        optimizer.zero_grad()
        loss, n_tokens = batch_loss(model, batch, LABEL_SMOOTHING)
        (loss / n_tokens).backward()
        clip_gradient(model, loop.clip_norm)
        optimizer.step()
        training_step(ids, weights, ours, model.config, SPECIAL.pad_id, rate, LABEL_SMOOTHING, loop.clip_norm)
    return worst(weights, numpy_weights(model))


def errors_of(name: str, **changes: object) -> dict[str, float]:
    """The four errors of a preset with small sizes: 2+2 layers, and 1+1 for the differences."""
    config = preset(name, **{**SIZES, **changes})
    smallest = preset(name, **{**SIZES, "n_encoder_layers": 1, "n_decoder_layers": 1, **changes})
    batch = small_batch(config.vocab_size)
    model = small_model(config)
    return {
        "forward": forward_error(model, batch),
        "gradients": gradient_error(model, batch),
        "differences": difference_error(smallest),
        "ten steps": ten_steps_error(model, batch),
    }


def main(arguments: list[str]) -> int:
    """Print the table; status 1 where an error is above its limit."""
    parse(Settings, arguments, Settings(), __doc__.splitlines()[0], "python -m teaching.the_math.reference_check")
    torch.set_num_threads(1)  # tensors this small lose more to a second thread than they gain
    print(f"{'worst error, float64':<28}" + "".join(f"{name:>14}" for name in LIMITS))
    found: dict[str, dict[str, float]] = {}
    for name, changes in {**{name: {} for name in PRESETS}, "modern, copy head": {"copy_head": True}}.items():
        found[name] = errors_of(name.partition(",")[0], **changes)
        print(f"{name:<28}" + "".join(f"{value:>14.1e}" for value in found[name].values()), flush=True)
    print(f"{'limit':<28}" + "".join(f"{limit:>14.0e}" for limit in LIMITS.values()))
    return int(any(errors[name] > limit for errors in found.values() for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
