"""The loss a few rows at a time: the numbers and gradients of the plain losses, whatever the chunks and the head."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from model.config import preset
from model.fast import make_network
from training import chunked_loss as module
from training.chunked_loss import chunked_loss
from training.losses import copy_loss, sequence_loss

pytestmark = pytest.mark.usefixtures("one_thread")
V, WIDTH = 11, 5
ROWS = 64  # the fewest rows of a chunk


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(module, "LOGITS_AT_ONCE", 1)


def inputs(n: int, copying: bool, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Weight (V, width), states (n, width), targets (n,) and, with a copy head, log p_gen and log p_copy (n,)."""
    generator = torch.Generator().manual_seed(n)
    targets, tensors = torch.randint(V, (n,), generator=generator), []
    for size in ((V, WIDTH), (n, WIDTH), *([(n,), (n,)] if copying else [])):
        tensors.append(torch.randn(size, generator=generator).to(dtype))
    if copying:
        absent = torch.rand(n, generator=generator) < 0.3  # targets that are not in the source
        tensors[2:] = F.logsigmoid(tensors[2]), (tensors[3] - 3).masked_fill(absent, torch.finfo(dtype).min)
    weight, states, *mixture = (tensor.requires_grad_() for tensor in tensors)
    return [weight, states, targets, *mixture]


def plain_loss(weight: Tensor, states: Tensor, targets: Tensor, *mixture: Tensor, smoothing: float = 0.0) -> Tensor:
    """The plain forms, to which the chunked one is equal."""
    logits = states @ weight.T
    if not mixture:
        return sequence_loss(logits, targets, smoothing)[0]
    generated = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
    return copy_loss(torch.logaddexp(mixture[0] + generated, mixture[1]), logits, smoothing)[0]


def fast_loss(weight: Tensor, states: Tensor, targets: Tensor, *mixture: Tensor, smoothing: float = 0.0) -> Tensor:
    total, n = chunked_loss(lambda states: states @ weight.T, (weight,), states, targets, smoothing, *mixture)
    assert n == len(targets)
    return total


def with_gradients(loss, tensors: list[Tensor], smoothing: float) -> list[Tensor]:
    """The loss, and its gradients when three of it are a part of something larger."""
    total = loss(*tensors, smoothing=smoothing)
    learnt = [tensor for tensor in tensors if tensor.requires_grad]
    return [total.detach(), *torch.autograd.grad(3 * total, learnt)]


@pytest.mark.parametrize("copying", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("n", [0, 1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 17])
def test_the_loss_and_its_gradients_are_the_plain_ones(n, smoothing, copying):
    for dtype, worst in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
        tensors = inputs(n, copying, dtype)
        fast, plain = (with_gradients(loss, tensors, smoothing) for loss in (fast_loss, plain_loss))
        assert_close(fast, plain, rtol=worst, atol=worst)


@pytest.mark.parametrize("copying", [False, True])
def test_the_size_of_the_chunks_changes_nothing(copying, monkeypatch):
    tensors, results = inputs(500, copying), []
    for chunk in (1, 100 * V, 1 << 21):
        monkeypatch.setattr(module, "LOGITS_AT_ONCE", chunk)
        results.append(with_gradients(fast_loss, tensors, 0.1))
    assert_close(results[1], results[0])
    assert_close(results[2], results[0])


def test_no_more_rows_than_a_chunk_has_are_turned_into_logits_at_once(monkeypatch):
    monkeypatch.setattr(module, "LOGITS_AT_ONCE", 100 * V)
    weight, states, targets = inputs(250, copying=False)
    seen = []

    def logits_of(states: Tensor) -> Tensor:
        seen.append(len(states))
        return states @ weight.T

    chunked_loss(logits_of, (weight,), states, targets)
    assert seen == [84, 84, 82]  # as few parts as there can be, of equal length


def test_what_fits_into_one_chunk_is_one_part_and_nothing_is_smoothed_unless_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(module, "LOGITS_AT_ONCE", 250 * V)
    weight, states, targets = inputs(250, copying=False)
    seen = []
    total, _ = chunked_loss(lambda part: seen.append(len(part)) or part @ weight.T, (weight,), states, targets)
    assert seen == [250]
    assert_close(total, F.cross_entropy(states @ weight.T, targets, reduction="sum"))


@pytest.mark.parametrize("copying", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_are_those_of_finite_differences(smoothing, copying):
    """By every input: the output's weight, the states, log p_gen and log p_copy."""
    weight, states, targets, *mixture = inputs(ROWS + 3, copying)
    mixture = [part.detach().clamp_min(-9).requires_grad_() for part in mixture]  # in reach of a difference

    def loss(weight: Tensor, states: Tensor, *mixture: Tensor) -> Tensor:
        return fast_loss(weight, states, targets, *mixture, smoothing=smoothing)

    assert torch.autograd.gradcheck(loss, (weight, states, *mixture))


def test_one_token_by_hand():
    """P = (1/2, 1/4, 1/8, 1/8) and the target is the second; p_gen = 1/2, and copying gives it 1/8: P = 1/4 again."""
    logits = torch.tensor([[4.0, 2, 1, 1]], dtype=torch.float64).log().requires_grad_()
    half, eighth = (torch.tensor([p], dtype=torch.float64).log().requires_grad_() for p in (1 / 2, 1 / 8))
    unused, target = torch.zeros(4, 1), torch.tensor([1])

    def loss(smoothing: float, *mixture: Tensor) -> tuple[float, list[Tensor]]:
        total, _ = chunked_loss(lambda logits: logits, (unused,), logits, target, smoothing, *mixture)
        return total.item(), [g[0].tolist() for g in torch.autograd.grad(total, (logits, *mixture))]

    total, (of_logits,) = loss(0.0)
    assert total == pytest.approx(math.log(4)) and of_logits == pytest.approx([1 / 2, -3 / 4, 1 / 8, 1 / 8])
    # Half the target's probability is generated: half the gradient goes each way.
    total, (of_logits, of_generate, of_copy) = loss(0.0, half, eighth)
    assert total == pytest.approx(math.log(4))
    assert of_logits == pytest.approx([1 / 4, -3 / 8, 1 / 16, 1 / 16])
    assert (of_generate, of_copy) == (pytest.approx(-1 / 2), pytest.approx(-1 / 2))
    # Smoothing by 0.4: the target has 0.7 and each other 0.1 in the cross-entropy, p - 0.7 or p - 0.1 in the gradient.
    total, (of_logits,) = loss(0.4)
    assert total == pytest.approx(math.log(2) * (0.1 * 1 + 0.7 * 2 + 0.1 * 3 + 0.1 * 3))
    assert of_logits == pytest.approx([0.4, -0.45, 0.025, 0.025])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("copying", [False, True])
def test_a_target_whose_probability_is_zero_in_float32_costs_what_it_should(copying, smoothing):
    """e^-500 is 0 in float32, and so is e^-2000 in float64; the logarithm of neither is lost."""
    for dtype, distance in ((torch.float32, 500.0), (torch.float64, 2000.0)):
        logits = torch.zeros(3, V, dtype=dtype)
        logits[:, 0], targets = distance, torch.tensor([4, 0, 7])
        lowest = torch.finfo(dtype).min
        mixture = [torch.full((3,), math.log(0.5)), torch.tensor([lowest, lowest, -700.0])] if copying else []
        tensors = [torch.eye(V, dtype=dtype).requires_grad_(), logits.requires_grad_(), targets]
        tensors += [part.to(dtype).requires_grad_() for part in mixture]
        total, *gradients = with_gradients(fast_loss, tensors, smoothing)
        assert total.isfinite() and all(gradient.isfinite().all() for gradient in gradients)
        # By hand: the first target is `distance` away, the second certain, the third copied if that is likelier.
        third = distance + math.log(2) if copying and distance < 700 else 700.0 if copying else distance
        costs = [distance + math.log(2), math.log(2), third] if copying else [distance, 0.0, third]
        spread = 3 * distance * (V - 1) / V  # mean over v of -log P(v), the same for each
        assert total.item() == pytest.approx((1 - smoothing) * sum(costs) + smoothing * spread, rel=1e-6)
        assert_close([total, *gradients], with_gradients(plain_loss, tensors, smoothing), rtol=1e-5, atol=1e-5)


# What is not asked for is not computed


@pytest.fixture
def gradients_made(monkeypatch) -> list[int]:
    made, grad = [], torch.autograd.grad

    def spy(outputs: Tensor, wanted: tuple[Tensor, ...], *rest: Tensor) -> tuple[Tensor, ...]:
        made.append(len(wanted))
        return grad(outputs, wanted, *rest)

    monkeypatch.setattr(module.torch.autograd, "grad", spy)
    return made


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("copying", [False, True])
def test_no_gradient_is_made_where_none_is_wanted(gradients_made, copying, without):
    tensors = inputs(ROWS + 5, copying)
    with without():
        silent = fast_loss(*tensors, smoothing=0.1)
    assert not gradients_made and not silent.requires_grad
    loud = fast_loss(*tensors, smoothing=0.1)
    assert gradients_made and loud.requires_grad and loud.item() == silent.item()


def test_weights_that_are_frozen_get_no_gradient_and_the_others_theirs(gradients_made):
    weight, states, targets = inputs(ROWS + 5, copying=False)
    expected = torch.autograd.grad(plain_loss(weight, states, targets), (weight, states))
    gradients_made.clear()
    fast_loss(weight.requires_grad_(False), states, targets).backward()
    assert gradients_made == [1, 1] and weight.grad is None
    assert_close(states.grad, expected[1])
    weight.requires_grad_(True)
    fast_loss(weight, states.detach(), targets).backward()
    assert_close(weight.grad, expected[0])


def test_a_gradient_of_the_gradient_is_refused():
    weight, states, targets = inputs(3, copying=False)
    loss = fast_loss(weight, states, targets).square()
    (gradient,) = torch.autograd.grad(loss, states, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


# As it is called


@pytest.mark.parametrize("name", ["t5", "bart"])  # a tied matrix and scaled states; a bias that is not trained
def test_the_networks_own_logits_serve_and_a_tied_matrix_learns_from_both_sides(name):
    torch.manual_seed(0)
    sizes = {"vocab_size": V, "d_model": 8, "n_heads": 2, "d_ff": 8, "n_encoder_layers": 1, "n_decoder_layers": 1}
    model = make_network(preset(name, **sizes, logits_bias=name == "bart"), pad_id=0).double().eval()
    if model.logits_bias is not None:
        model.logits_bias.normal_()
    targets = torch.randint(1, V, (2 * ROWS,))

    def gradients(fast: bool) -> tuple[Tensor, ...]:
        states = 2 * model.embedding(targets)
        if fast:
            loss, _ = chunked_loss(model.logits, (model.output.weight,), states, targets, 0.1)
        else:
            loss, _ = sequence_loss(model.logits(states), targets, 0.1)
        return loss.detach(), *torch.autograd.grad(loss, model.embedding.weight)

    assert_close(gradients(fast=True), gradients(fast=False))


def test_in_half_precision_the_sums_stay_in_float32_and_the_weights_gradient_is_whole():
    """Mixed precision keeps one cast of a weight for all chunks; it must still lead back to the weight."""
    weight, states, targets = inputs(3 * ROWS, copying=False, dtype=torch.float32)
    results = []
    for loss in (fast_loss, plain_loss):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            total = loss(weight, states, targets)
        assert total.dtype == torch.float32
        results.append([total.detach(), *torch.autograd.grad(total, (weight, states))])
    assert_close(results[0], results[1], rtol=0.02, atol=0.02 * results[1][1].abs().max().item())
