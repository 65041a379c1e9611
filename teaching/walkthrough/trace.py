"""One description through the network with every step kept: forward hooks, and one backward pass (chapter 4.1).

The network's plain modules run, whose attention is written out; hooks keep the very tensors that they hand on, and
`retain_grad` has the backward pass leave each tensor's gradient beside it. The loss is equation (6) as it is written,
divided by the number of target tokens, which is what training minimises.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from model.attention import HookPoint, MultiHeadAttention
from model.config import PRETRAINING_HEADS
from model.fast import plain_modules
from model.layers import Residual
from model.positions import rotation
from model.transformer import Transformer
from training.losses import sequence_loss_written_out


@dataclass(frozen=True)
class Activation:
    """One tensor of the forward pass, without its batch axis, and the gradient of the loss with respect to it."""

    value: Tensor
    gradient: Tensor | None  # None only where nothing learned lies before it: sinusoids, rotations, ALiBi


@dataclass(frozen=True)
class ParameterNorms:
    """The Euclidean norms of a parameter and of the gradient that reaches it."""

    name: str
    shape: tuple[int, ...]
    value: float
    gradient: float


@dataclass(frozen=True)
class Trace:
    """The trace of one pass: everything that the hooks saw."""

    source: Tensor  # (S) long, padding at its end
    n_source: int  # real source tokens
    target: Tensor  # (T) long, the tokens whose loss is taken
    decoder_input: Tensor  # (T) long, the target shifted right by one
    activations: dict[str, Activation]
    loss: Tensor  # (T), -log P(y_t | y_<t, X)
    parameters: list[ParameterNorms]
    fused_difference: float  # largest difference between these log-probabilities and those of the fused form


@dataclass
class Recorder:
    """A recorder of a forward pass's tensors by name; each name once."""

    kept: dict[str, Tensor] = field(default_factory=dict)
    handles: list[RemovableHandle] = field(default_factory=list)

    def keep(self, name: str, tensor: Tensor) -> None:
        """Keep one tensor and have its gradient kept. A name may come again only with the same tensor."""
        if self.kept.setdefault(name, tensor) is not tensor:
            raise RuntimeError(f"two tensors are called {name}")
        if tensor.requires_grad:
            tensor.retain_grad()

    def output_of(self, module: nn.Module, *names: str) -> None:
        """Keep the module's outputs: the first call's under the first name, and so on."""
        waiting = iter(names)
        self.handles.append(module.register_forward_hook(lambda _, inputs, output: self.keep(next(waiting), output)))

    def input_of(self, module: nn.Module, *names: str) -> None:
        """Keep the module's inputs: the first call's under the first name, and so on."""
        waiting = iter(names)
        self.handles.append(module.register_forward_pre_hook(lambda _, inputs: self.keep(next(waiting), inputs[0])))

    def steps_of(self, see: HookPoint, stack: str, prefix: str) -> None:
        """Keep what passes the hook point inside an attention; a bias of positions belongs to the whole stack."""

        def keep(_: nn.Module, inputs: tuple[str, Tensor], output: Tensor) -> None:
            name = inputs[0]
            if name != "bias":
                self.keep(f"{prefix}.{name}", output)
            elif f"{stack}.bias" not in self.kept:
                self.keep(f"{stack}.bias", output)

        self.handles.append(see.register_forward_hook(keep))


def watch(model: Transformer, recorder: Recorder) -> None:
    """Hook every step of the network that has a place in the walkthrough."""
    stacks = ("encoder", "decoder")
    recorder.output_of(model.embedding, *(f"{stack}.embedding" for stack in stacks))
    if model.config.norm_embeddings:
        recorder.input_of(model.encoder_embedding_norm, "encoder.sum")
        recorder.input_of(model.decoder_embedding_norm, "decoder.sum")
    recorder.input_of(model.embedding_dropout, *(f"{stack}.input" for stack in stacks))

    for stack in stacks:
        for index, layer in enumerate(getattr(model, stack)):
            for sublayer in sublayers(layer):
                watch_sublayer(layer, stack, f"{stack}.{index}.{sublayer}", sublayer, recorder)

    if model.config.has_final_norm:
        recorder.output_of(model.encoder_norm, "encoder.final")
        recorder.output_of(model.decoder_norm, "decoder.final")
    recorder.output_of(model.see, "logits")
    if model.copy_head is not None:
        recorder.output_of(model.copy_head.query, "copy.states")
        recorder.steps_of(model.copy_head.see, "copy", "copy")
        recorder.output_of(model.copy_head.gate, "copy.gate")
    recorder.output_of(model, "log_probs")


def sublayers(layer: nn.Module) -> list[str]:
    """Names of a layer's sublayers in the order in which they run."""
    return [name.removesuffix("_residual") for name, module in layer.named_children() if isinstance(module, Residual)]


def watch_sublayer(layer: nn.Module, stack: str, prefix: str, name: str, recorder: Recorder) -> None:
    """Hook one attention or feed-forward sublayer with its norm and its residual connection."""
    module, residual = getattr(layer, name), getattr(layer, f"{name}_residual")
    if residual.pre:
        recorder.output_of(residual.norm, f"{prefix}.normed")
    else:
        recorder.input_of(residual.norm, f"{prefix}.sum")
    if isinstance(module, MultiHeadAttention):
        recorder.steps_of(module.see, stack, prefix)
        recorder.output_of(module.output, f"{prefix}.output")
    else:
        if module.gate is not None:
            recorder.output_of(module.gate, f"{prefix}.gate")
        recorder.output_of(module.inner, f"{prefix}.inner")
        recorder.input_of(module.outer, f"{prefix}.hidden")
        recorder.output_of(module.outer, f"{prefix}.output")
    recorder.output_of(residual, f"{prefix}.stream")


def trace(model: Transformer, source: list[int], n_padding: int, target: list[int], start_id: int) -> Trace:
    """Read `source`, followed by so much padding, and `target` with every step kept, and send the loss back.

    The model is left as it was found, but for its parameters' gradients, which are cleared.
    """
    if model.training:
        raise ValueError("the model is in training mode, where dropout disturbs what is seen; call model.eval() first")

    device = model.embedding.weight.device
    padding = [model.pad_id] * n_padding
    ids = torch.tensor([[*source, *padding]], device=device)  # (1, S)
    mask = torch.arange(ids.shape[1], device=device)[None] < len(source)  # (1, S)
    targets = torch.tensor([target], device=device)  # (1, T)
    decoder_input = torch.tensor([[start_id, *target[:-1]]], device=device)  # (1, T)
    with torch.no_grad():
        fused = model(ids, mask, decoder_input)  # (1, T, V)

    recorder = Recorder()
    watch(model, recorder)
    model.zero_grad(set_to_none=True)

    try:
        with torch.enable_grad(), plain_modules(model):
            log_probs = model(ids, mask, decoder_input)  # (1, T, V)
            loss, n_tokens = sequence_loss_written_out(log_probs, targets, torch.ones_like(targets, dtype=torch.bool))
            (loss / n_tokens).backward()
    finally:
        for handle in recorder.handles:
            handle.remove()

    of_target = log_probs.detach().gather(-1, targets[..., None])[0, :, 0]  # (T)
    result = Trace(
        ids[0], len(source), targets[0], decoder_input[0], activations_of(recorder) | positions_of(model, ids, targets),
        -of_target, parameter_norms(model), float((log_probs.detach() - fused).abs().max()),
    )
    model.zero_grad(set_to_none=True)
    return result


def activations_of(recorder: Recorder) -> dict[str, Activation]:
    """The kept tensors with their gradients. Raises RuntimeError for a missing gradient."""
    result = {}
    for name, tensor in recorder.kept.items():
        if tensor.requires_grad and tensor.grad is None:
            raise RuntimeError(f"no gradient reached {name}: the loss does not depend on it, or its hook lost it")
        gradient = None if tensor.grad is None else tensor.grad.detach()[0]
        result[name] = Activation(tensor.detach()[0], gradient)
    return result


def positions_of(model: Transformer, source: Tensor, target: Tensor) -> dict[str, Activation]:
    """The network's positions: vectors that are added, or cosines and sines of a rotation."""
    result = {}
    for stack, ids in (("encoder", source), ("decoder", target)):
        positions = torch.arange(ids.shape[1], device=ids.device)
        added = getattr(model, f"{stack}_positions").embed(positions)
        if added is not None:
            result[f"{stack}.positions"] = Activation(added.detach().float(), None)
        if model.config.positions == "rotary":
            cosine, sine = rotation(positions, model.config.d_k)
            result[f"{stack}.cosine"] = Activation(cosine.float(), None)
            result[f"{stack}.sine"] = Activation(sine.float(), None)
    return result


def parameter_norms(model: Transformer) -> list[ParameterNorms]:
    """The norms of every parameter but those of pretraining's heads. Raises RuntimeError for a missing gradient."""
    norms = []
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            value, gradient = float(parameter.detach().norm()), float(parameter.grad.norm())
            norms.append(ParameterNorms(name, tuple(parameter.shape), value, gradient))
        elif not name.startswith(PRETRAINING_HEADS):
            raise RuntimeError(f"no gradient reached the parameter {name}")
    return norms
