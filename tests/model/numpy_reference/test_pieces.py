"""Single pieces: their properties, and agreement with PyTorch where a whole network might hide a mistake."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from model import positions as torch_positions
from model.attention import written_out_attention
from model.config import ModelConfig
from model.numpy_reference import positions
from model.numpy_reference.attention import attention, attention_backward, join, split
from model.numpy_reference.feed_forward import ACTIVATIONS
from model.numpy_reference.heads import copy_loss
from model.numpy_reference.linear import embedding_backward, linear_backward
from model.numpy_reference.losses import cross_entropy
from model.numpy_reference.normalization import norm, norm_backward
from model.numpy_reference.optimizer import AdamW, clip
from model.numpy_reference.softmax import log_softmax, softmax, softmax_backward
from model.numpy_reference.transformer import Batch


@pytest.fixture
def draw():
    return np.random.default_rng(3)


def test_softmax_survives_numbers_whose_exponential_does_not():
    rows = np.array([[1000.0, 1000.0], [-1000.0, 0.0]])
    np.testing.assert_allclose(softmax(rows), [[0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_allclose(log_softmax(rows), [[-math.log(2), -math.log(2)], [-1000.0, 0.0]])


def test_softmax_backward_is_its_jacobian_times_the_gradient(draw):
    scores, gradient = draw.normal(size=5), draw.normal(size=5)
    jacobian = torch.autograd.functional.jacobian(lambda x: x.softmax(-1), torch.from_numpy(scores)).numpy()
    found = softmax_backward(gradient, softmax(scores))
    np.testing.assert_allclose(found, jacobian @ gradient, atol=1e-15)
    assert abs(found.sum()) < 1e-15


def test_linear_backward_on_a_hand_worked_example():
    x, d_y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [10.0]])
    d_x, gradients = linear_backward(d_y, x, {"weight": np.array([[5.0, 6.0]]), "bias": np.array([0.0])})
    assert d_x.tolist() == [[5, 6], [50, 60]]
    assert gradients["weight"].tolist() == [[31, 42]] and gradients["bias"].tolist() == [11]


def test_an_embedding_that_occurs_twice_is_taught_twice(draw):
    ids, d_x = np.array([[2, 0, 2]]), draw.normal(size=(1, 3, 4))
    one_hot = np.eye(5)[ids[0]]
    np.testing.assert_allclose(embedding_backward(d_x, ids, 5), one_hot.T @ d_x[0])


def test_join_undoes_split_and_head_one_reads_the_first_columns(draw):
    x = draw.normal(size=(2, 3, 8))
    assert np.array_equal(join(split(x, 4)), x)
    assert np.array_equal(split(x, 4)[:, 0], x[..., :2])


def test_a_query_that_may_attend_to_nothing_gives_and_takes_nothing(draw):
    queries, keys, values = (draw.normal(size=(1, 1, 3, 4)) for _ in range(3))
    may_attend = np.array([[True, False, True], [False, False, False], [False, True, False]])
    output, saved = attention(queries, keys, values, may_attend, None, 0.5)
    gradients = attention_backward(np.ones_like(output), saved, 0.5)
    assert not output[0, 0, 1].any() and not gradients["queries"][0, 0, 1].any()
    tensors = [torch.tensor(x, requires_grad=True) for x in (queries, keys, values)]
    truth, _ = written_out_attention(*tensors, torch.from_numpy(may_attend), None, 0.5)
    truth.sum().backward()
    np.testing.assert_allclose(output, truth.detach().numpy(), atol=1e-15)
    for name, tensor in zip(("queries", "keys", "values"), tensors, strict=True):
        np.testing.assert_allclose(gradients[name], tensor.grad.numpy(), atol=1e-15)
    assert not gradients["scores"][0, 0][~may_attend].any()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_slopes_equal_pytorchs(name, draw):
    u = np.append(draw.normal(scale=3, size=50), 0.0)  # at ReLU's kink the slope is 0
    truths = {"relu": F.relu, "gelu": F.gelu, "swish": F.silu, "swiglu": F.silu}
    truth_of = truths.get(name, lambda x: F.gelu(x, approximate="tanh"))
    tensor = torch.tensor(u, requires_grad=True)
    truth = truth_of(tensor)
    truth.sum().backward()
    value, slope = ACTIVATIONS[name](u)
    np.testing.assert_allclose(value, truth.detach().numpy(), atol=1e-14)
    np.testing.assert_allclose(slope, tensor.grad.numpy(), atol=1e-14)


@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_a_norm_stops_gradients_along_what_it_removes(kind, draw):
    config = ModelConfig(d_model=8, n_heads=2, norm=kind, norm_epsilon=1e-12)
    weights = {"gain": draw.normal(size=8)}
    x, d_y = draw.normal(size=(3, 8)), draw.normal(size=(3, 8))
    y, saved = norm(x, weights, config)
    d_x, _ = norm_backward(d_y, saved, weights, config)
    np.testing.assert_allclose((d_x * saved["x_hat"]).sum(axis=-1), 0, atol=1e-10)
    if kind == "layer":
        np.testing.assert_allclose(d_x.sum(axis=-1), 0, atol=1e-12)
    bigger, _ = norm(5 * x, weights, config)
    np.testing.assert_allclose(bigger, y, atol=1e-10)  # its size is one of the directions


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("n_buckets", "max_distance"), [(32, 128), (8, 12), (16, 20), (64, 1000)])
def test_buckets_are_those_of_pytorch_at_every_distance(bidirectional, n_buckets, max_distance):
    distance = np.arange(-1100, 1101)
    truth = torch_positions.t5_bucket(torch.from_numpy(distance), bidirectional, n_buckets, max_distance).numpy()
    assert np.array_equal(positions.t5_bucket(distance, bidirectional, n_buckets, max_distance), truth)


def test_turning_back_undoes_a_turn(draw):
    x = draw.normal(size=(1, 2, 5, 6))
    rotary = np.cos(positions.angles(5, 6)), np.sin(positions.angles(5, 6))
    np.testing.assert_allclose(positions.rotate_backward(positions.rotate(x, rotary), rotary), x, atol=1e-15)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_cross_entropy_counts_real_tokens_alone(label_smoothing, draw):
    logits, target = draw.normal(size=(2, 3, 7)), draw.integers(0, 7, (2, 3))
    mask = np.array([[True, True, True], [True, False, False]])
    tensor = torch.tensor(logits, requires_grad=True)
    truth = F.cross_entropy(
        tensor[torch.from_numpy(mask)], torch.from_numpy(target[mask]), label_smoothing=label_smoothing
    )
    truth.backward()
    loss, d_logits = cross_entropy(logits, target, mask, label_smoothing)
    assert abs(loss - truth.item()) < 1e-14
    np.testing.assert_allclose(d_logits, tensor.grad.numpy(), atol=1e-15)
    np.testing.assert_allclose(d_logits.sum(axis=-1), 0, atol=1e-15)


def test_the_loss_of_a_mixture_worked_by_hand():
    """The source is "7 2 7", pointed at with 1/2, 1/3 and 1/6; of ten tokens the softmax gives 0.1 to each.

    P(7) = 0.4 * 0.1 + 0.6 * (1/2 + 1/6) = 0.44, P(5) = 0.04, and the third target is padding.
    """
    pointed = np.broadcast_to([1 / 2, 1 / 3, 1 / 6], (1, 3, 3))
    pointer = {"pointed": pointed, "generate": np.full((1, 3), 0.4)}
    source, target = np.array([[7, 2, 7]]), np.array([[7, 5, 2]])
    batch = Batch(source, np.ones((1, 3), bool), target, target, np.array([[True, True, False]]))
    exact = -(math.log(0.44) + math.log(0.04)) / 2
    assert copy_loss(np.zeros((1, 3, 10)), pointer, batch)[0] == pytest.approx(exact)
    smoothed = copy_loss(np.zeros((1, 3, 10)), pointer, batch, 0.1)[0]
    assert smoothed == pytest.approx(0.9 * exact + 0.1 * math.log(10))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_gradients_of_a_mixtures_loss_are_central_differences_of_it(label_smoothing, draw):
    """By the logits, and by the scores that the pointer and the gate are made of."""
    source, target = draw.integers(0, 5, (2, 4)), draw.integers(0, 5, (2, 3))
    mask = np.array([[True, True, True], [True, False, False]])
    batch = Batch(source, np.ones((2, 4), bool), target, target, mask)
    inputs = [draw.normal(size=shape) for shape in ((2, 3, 5), (2, 3), (2, 3, 4))]

    def loss_of(logits, gate, scores):
        pointer = {"pointed": softmax(scores), "generate": 1 / (1 + np.exp(-gate))}
        return copy_loss(logits, pointer, batch, label_smoothing)

    loss, *gradients = loss_of(*inputs)
    for x, gradient in zip(inputs, gradients, strict=True):
        for place in np.ndindex(x.shape):
            ends = []
            for step in (1e-5, -1e-5):
                x[place] += step
                ends.append(loss_of(*inputs)[0])
                x[place] -= step
            assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(gradient[place], abs=1e-8)


def test_three_steps_are_pytorchs_by_its_own_defaults(draw):
    """A matrix, which decays, and a vector, which does not; gradients of the size of epsilon among them."""
    weights = {"matrix": draw.normal(size=(2, 3)), "vector": draw.normal(size=3)}
    tensors = {name: torch.tensor(weight, requires_grad=True) for name, weight in weights.items()}
    groups = [{"params": tensors["matrix"]}, {"params": tensors["vector"], "weight_decay": 0.0}]
    ours, theirs = AdamW(), torch.optim.AdamW(groups, lr=0.1)
    for size in (1.0, 1e-8, 3.0):
        gradients = {name: size * draw.normal(size=weight.shape) for name, weight in weights.items()}
        for name, tensor in tensors.items():
            tensor.grad = torch.from_numpy(gradients[name].copy())
        ours.update(weights, gradients, 0.1)
        theirs.step()
        for name, tensor in tensors.items():
            np.testing.assert_allclose(weights[name], tensor.detach().numpy(), rtol=1e-12)


def test_a_first_step_of_a_tiny_gradient_shows_epsilon():
    """By hand: m / (1 - beta1) = g and v / (1 - beta2) = g^2, so the step is lr g / (|g| + epsilon) = lr / 2."""
    weights = {"vector": np.array([1.0])}
    AdamW().update(weights, {"vector": np.array([1e-8])}, 0.1)
    assert weights["vector"][0] == pytest.approx(0.95, rel=1e-9)


def test_clipping_keeps_the_direction_of_the_whole_gradient():
    gradients = {"a": np.array([3.0]), "b": np.array([[0.0, 4.0]])}
    assert clip(gradients, 1.0) == 5.0
    np.testing.assert_allclose([gradients["a"][0], gradients["b"][0, 1]], [0.6, 0.8], atol=1e-6)
    assert clip(gradients, 10.0) < 1.001 and gradients["a"][0] < 0.61


def test_a_small_gradient_is_clipped_as_by_pytorch_and_one_of_the_limit_is_left_alone(draw):
    """Of norms near the 1e-6 that stands beside the norm, which would not show otherwise."""
    gradients = {"a": 1e-5 * draw.normal(size=3), "b": 1e-5 * draw.normal(size=(2, 2))}
    tensors = [torch.zeros(gradient.shape, dtype=torch.float64) for gradient in gradients.values()]
    for tensor, gradient in zip(tensors, gradients.values(), strict=True):
        tensor.grad = torch.from_numpy(gradient.copy())
    norm = torch.nn.utils.clip_grad_norm_(tensors, 1e-6)
    assert clip(gradients, 1e-6) == pytest.approx(norm.item())
    for tensor, gradient in zip(tensors, gradients.values(), strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-12)
    whole = {"a": np.array([3.0, 4.0])}
    assert clip(whole, 5.0) == 5.0 and whole["a"].tolist() == [3.0, 4.0]
