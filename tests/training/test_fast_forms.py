"""All fast forms at once (`model.speed`) against the readable ones: losses, gradients, and fifty steps of training."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import prune

import train
from data.batches import Batch
from model import attention, linear
from model.config import preset
from model.fast import make_network
from model.transformer import Transformer
from training import losses
from training.batch_loss import batch_loss
from training.config import LoopConfig
from training.optimizer import make_optimizer
from training.state import TrainingStep

pytestmark = pytest.mark.usefixtures("one_thread")
NETWORKS = {
    "vaswani2017": ("vaswani2017", {}),
    "bart": ("bart", {"logits_bias": True, "position_offset": 2}),
    "t5": ("t5", {}),
    "t5_v1_1": ("t5_v1_1", {"d_kv": 6}),
    "modern": ("modern", {}),
    "modern, copy head": ("modern", {"copy_head": True}),
    "modern, copy scores": ("modern", {"copy_head": True, "copy_form": "scores"}),
    "modern, ALiBi": ("modern", {"positions": "alibi"}),
}
SIZES = {"vocab_size": 61, "d_model": 32, "n_heads": 4, "d_ff": 48, "n_encoder_layers": 2, "n_decoder_layers": 2,
         "max_length": 32}  # fmt: skip
NO_DROPOUT = {f"dropout{place}": 0.0 for place in ("", "_attention", "_feed_forward", "_output")}
B, S, T, START = 12, 13, 11, 3  # more rows than a convolution needs, B * T among them
SMOOTHING = 0.1


@pytest.fixture(autouse=True)
def calls_of_the_convolution(monkeypatch) -> list[torch.Size]:
    """The convolution serves wherever oneDNN is there, so that every machine tests it, and the loss has two chunks."""
    if torch.backends.mkldnn.is_available():
        monkeypatch.setattr(linear, "has_wide_onednn", lambda: True)
    seen, convolution = [], linear.linear_as_convolution

    def spy(x: Tensor, *rest: Tensor | None) -> Tensor:
        seen.append(x.shape)
        return convolution(x, *rest)

    monkeypatch.setattr(linear, "linear_as_convolution", spy)
    monkeypatch.setattr("training.chunked_loss.LOGITS_AT_ONCE", 1)
    return seen


def make_batch(seed: int) -> Batch:
    """Sources and targets of all lengths, padded; the targets repeat some of their source, so that copying pays."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, T + 1, (2, B, 1), generator=generator)
    lengths[:, 0] = T
    source_mask, target_mask = torch.arange(S) < lengths[0] + S - T, torch.arange(T) < lengths[1]
    source = torch.randint(4, 61, (B, S), generator=generator).masked_fill(~source_mask, 0)
    target = torch.randint(4, 61, (B, T), generator=generator)
    target[:, :3] = source[:, :3]
    decoder_input = F.pad(target[:, :-1], (1, 0), value=START)
    n_tokens = int(source_mask.sum() + target_mask.sum())
    ids = [f"e:{row}" for row in range(B)]
    return Batch(ids, "pairs", source, source_mask, target * target_mask, target_mask, decoder_input, None, n_tokens)


def make_model(network: str, speed: str, **changes: object) -> Transformer:
    name, own = NETWORKS[network]
    torch.manual_seed(0)
    return make_network(preset(name, **{**SIZES, **NO_DROPOUT, **own, **changes}, speed=speed), pad_id=0)


def moved(model: Transformer) -> Transformer:
    """Every parameter moved away from its tidy start: biases, gains and the gate among them."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def loss_and_gradients(model: Transformer, batch: Batch) -> dict[str, Tensor]:
    total, n = batch_loss(model, batch, SMOOTHING)
    model.zero_grad()
    (total / n).backward()
    assert n == batch.target_mask.sum() > 64  # rows of a chunk
    gradients = {name: parameter.grad.double() for name, parameter in model.named_parameters()}
    return {"loss": (total / n).detach().double(), **gradients}


def distances(results: dict[str, Tensor], truth: dict[str, Tensor]) -> dict[str, float]:
    """The largest difference of each tensor."""
    assert results.keys() == truth.keys()
    return {name: (results[name] - truth[name]).abs().max().item() for name in truth}


@pytest.mark.parametrize("network", NETWORKS)
def test_loss_and_gradients_are_those_of_the_readable_forms(network, calls_of_the_convolution):
    batch, models = make_batch(1), {speed: moved(make_model(network, speed)) for speed in ("fast", "readable")}
    fast, readable = (loss_and_gradients(model, batch) for model in models.values())
    n_matrices = sum(isinstance(module, linear.FastLinear) for module in models["fast"].modules())
    n_matrices -= network.startswith("modern, copy")  # its W_k is read another way
    n_calls = n_matrices if torch.backends.mkldnn.is_available() else 0  # the loss's second chunk is too short
    assert len(calls_of_the_convolution) == n_calls
    fast_in_double, truth = (loss_and_gradients(model.double(), batch) for model in models.values())
    assert len(calls_of_the_convolution) == n_calls  # float64 is not its affair


    largest = {name: value.abs().max().item() for name, value in truth.items()}
    scale = max(1.0, *largest.values())
    assert max(distances(fast, readable).values()) <= 1e-6 * scale
    for name, distance in distances(fast_in_double, truth).items():
        assert distance <= 1e-10 * largest[name] or largest[name] < 1e-15, name  # W^K's bias has no influence at all
    # In float32 both round; the fast forms not more than the readable ones.
    rounding = distances(readable, truth)
    for name, distance in distances(fast, truth).items():
        assert distance <= max(3 * rounding[name], 2e-6 * largest[name], 1e-8), name


@pytest.mark.parametrize("network", ["modern", "t5_v1_1"])
def test_a_pruned_output_learns_as_in_the_readable_form(network):
    batch, models = make_batch(1), [moved(make_model(network, speed)) for speed in ("fast", "readable")]
    for model in models:
        prune.l1_unstructured(model.output, "weight", amount=0.5)
    fast, readable = (loss_and_gradients(model, batch) for model in models)
    assert max(distances(fast, readable).values()) <= 1e-6 * max(value.abs().max() for value in readable.values())
    assert fast[{"modern": "embedding.weight", "t5_v1_1": "output.weight_orig"}[network]].any()


@pytest.mark.parametrize("network", ["modern", "t5", "modern, copy head"])
def test_with_readable_forms_training_takes_the_equations_as_they_are_shown(network, monkeypatch):
    """(1) to (3) as `Transformer.forward` calls them, (4) and (6) written out."""
    model, called, batch = make_model(network, "readable").train(), [], make_batch(1)

    def note(owner, name):
        function = getattr(owner, name)

        def noted(*arguments, **settings):
            called.append(name)
            return function(*arguments, **settings)

        monkeypatch.setattr(owner, name, noted)

    for name in ("encode", "decode", "logits", "log_probs"):
        note(model, name)
    note(attention, "written_out_attention")
    note(losses, "sequence_loss_written_out")
    monkeypatch.setattr("training.batch_loss.sequence_loss_written_out", losses.sequence_loss_written_out)
    model(batch.source, batch.source_mask, batch.decoder_input)
    forward, called[:] = [*called], []
    loss, n = batch_loss(model, batch, 0.0)
    assert called == [*forward, "sequence_loss_written_out"]
    assert called.count("written_out_attention") == 3 * SIZES["n_encoder_layers"]
    log_probs = model(batch.source, batch.source_mask, batch.decoder_input)
    chosen = log_probs.gather(-1, batch.target[..., None])[..., 0][batch.target_mask]
    assert loss.item() == pytest.approx(-chosen.sum().item(), rel=1e-5) and n == len(chosen)


def losses_of_training(model: Transformer) -> list[float]:
    """What `train.take_step` says of 50 steps with AdamW and clipping, over two batches in turn, and of one more.

    Adam takes a whole step for a gradient that is all rounding, unless epsilon is above that: with the usual 1e-9 the
    readable form in float32 is up to 4e-4 away from itself in float64.
    """
    model.train()
    loop = LoopConfig(clip_norm=1.0, label_smoothing=SMOOTHING, epsilon=1e-7)
    run = SimpleNamespace(model=model, device=torch.device("cpu"), position=SimpleNamespace(step=1), ranks=None)
    phase = SimpleNamespace(
        loop=loop, optimizer=make_optimizer(model, loop), average=None, gradient=None
    )
    batches = make_batch(1), make_batch(2)
    return [train.take_step(run, phase, TrainingStep.of([batches[step % 2]]), 5e-4)[0] for step in range(51)]


@pytest.mark.parametrize("network", NETWORKS)
def test_after_fifty_steps_of_training_the_loss_is_that_of_the_readable_forms(network, calls_of_the_convolution):
    readable = losses_of_training(make_model(network, "readable"))
    assert not calls_of_the_convolution
    fast = losses_of_training(make_model(network, "fast"))
    assert bool(calls_of_the_convolution) == torch.backends.mkldnn.is_available()
    assert readable[50] < readable[0] - 0.15  # something was learnt
    assert fast == pytest.approx(readable, abs=1e-4)


@pytest.mark.parametrize("network", ["t5_v1_1", "modern, copy head"])
def test_in_float64_fifty_steps_are_the_same_to_ten_digits(network):
    """What is left in float32 is rounding, then, and no other training."""
    fast, readable = (losses_of_training(make_model(network, speed).double()) for speed in ("fast", "readable"))
    assert fast == pytest.approx(readable, rel=1e-10)


def test_held_out_batches_cost_the_same_in_both_forms():
    """Without gradients, without smoothing, in evaluation mode: what early stopping looks at."""
    for network in NETWORKS:
        found = []
        for speed in ("fast", "readable"):
            with torch.no_grad():
                found.append(batch_loss(moved(make_model(network, speed)).eval(), make_batch(3), 0.0))
        assert found[0][0].item() == pytest.approx(found[1][0].item(), rel=1e-5)
        assert found[0][1] == found[1][1]


def test_the_two_forms_are_one_network_with_one_set_of_weights():
    for network in NETWORKS:
        fast, readable = (make_model(network, speed) for speed in ("fast", "readable"))
        assert {name: tensor.shape for name, tensor in fast.state_dict().items()} == {
            name: tensor.shape for name, tensor in readable.state_dict().items()
        }
        for ours, theirs in zip(fast.parameters(), readable.parameters(), strict=True):
            assert ours.equal(theirs)  # one seed starts both alike
