"""Teacher forcing, and equation (6) of chapter 4.1, forward and backward."""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray
from torch.nn import functional as F

from model.numpy_reference.softmax import log_softmax
from teaching.exercises.exercise import Case, Exercise, mistakes_of


def teacher_forcing_cases(draw: np.random.Generator) -> list[Case]:
    """Unequal lengths, a sentence without tokens, and ids of end, start and padding in two orders."""
    many = [draw.integers(4, 20, n).tolist() for n in (5, 1, 3)]
    return [
        Case("1 sentence", ([[7, 5, 9]], 2, 1, 0)), Case("lengths 5, 1 and 3", (many, 2, 1, 0)),
        Case("one is empty, other special ids", ([[8, 8], []], 0, 3, 2)),
    ]  # fmt: skip


def teacher_forcing_by_definition(
    targets: list[list[int]], start_id: int, end_id: int, pad_id: int
) -> tuple[ndarray, ndarray, ndarray]:
    """Teacher forcing, position by position: at t the decoder has read label t - 1."""
    length = max(map(len, targets)) + 1
    labels = [(target + [end_id] + [pad_id] * length)[:length] for target in targets]
    read = [[start_id if t == 0 else row[t - 1] for t in range(length)] for row in labels]
    counted = [[t <= len(target) for t in range(length)] for target in targets]
    return np.array(read), np.array(labels), np.array(counted)


def slipped_teacher_forcing(
    targets: list[list[int]], start_id: int, end_id: int, pad_id: int, slip: str
) -> tuple[ndarray, ndarray, ndarray]:
    """Teacher forcing with a known mistake."""
    read, labels, counted = teacher_forcing_by_definition(targets, start_id, end_id, pad_id)
    left = np.concatenate([labels[:, 1:], np.full((len(labels), 1), pad_id)], axis=1)
    if slip == "no shift":
        return labels, labels, counted
    if slip == "left":
        return left, labels, counted
    if slip == "both shifted":
        return read, left, counted
    if slip == "labels shifted":
        return labels, left, counted
    if slip == "rolled":
        return np.roll(labels, 1, axis=1), labels, counted
    if slip == "padding counted":
        return read, labels, np.ones_like(counted)
    if slip == "end not counted":
        return read, labels, counted & (labels != end_id)
    if slip == "no end":
        return read, np.where(labels == end_id, pad_id, labels), counted
    return read[:, :-1], labels[:, :-1], counted[:, :-1]


FIRST_COLUMN = "the first column of decoder_input is start_id"
ALL_TOKENS = "counted.sum() is the number of tokens and one end token for each sentence"

TEACHER_SLIPS = [
    ("no shift", "decoder_input and labels the same", FIRST_COLUMN + ": else the decoder copies what it is to predict"),
    ("left", "a shift in the wrong direction", FIRST_COLUMN),
    ("both shifted", "labels shifted as well", "labels[b, 0] is the first token of sentence b"),
    ("labels shifted", "labels shifted, and not decoder_input", FIRST_COLUMN),
    ("rolled", "a roll that brings the last column to the front", FIRST_COLUMN),
    ("padding counted", "padding counted", ALL_TOKENS),
    ("end not counted", "the end token not counted", ALL_TOKENS),
    ("no end", "no end token in the labels", "every row of labels has one end_id: else no sentence learns to end"),
    ("too short", "one column too few", "the longest sentence has a place for its end token"),
]

TEACHER_FORCING = Exercise(
    "teacher_forcing", ("decoder_input", "labels", "counted"), teacher_forcing_cases, teacher_forcing_by_definition,
    mistakes_of(slipped_teacher_forcing, TEACHER_SLIPS),
)  # fmt: skip


# -- cross-entropy


def loss_cases(draw: np.random.Generator) -> list[Case]:
    """Unequal lengths, with and without smoothing, and logits whose exponentials are infinite, or one alone is."""

    def case(about: str, lengths: list[int], vocab_size: int, epsilon: float, size: float = 2.0) -> Case:
        shape = (len(lengths), max(lengths) + 1)
        is_real = np.arange(shape[1]) < np.array(lengths)[:, None]
        logits = size * draw.normal(size=(*shape, vocab_size))
        return Case(about, (logits, draw.integers(0, vocab_size, shape), is_real, epsilon))

    far = np.array([[[0.0, 0, 0, 2500], [-2500, 0, 0, 0], [2500, 0, 0, 0], [0, 0, 0, 800]]])  # (1, 4, 4)
    one_far_above = Case(
        "one logit far above or below the others", (far, np.array([[1, 2, 0, 3]]), np.ones((1, 4), dtype=bool), 0.1)
    )
    return [
        case("1 sentence, no smoothing", [3], 4, 0.0), case("lengths 5, 1 and 2, smoothing 0.1", [5, 1, 2], 7, 0.1),
        case("logits in the hundreds, smoothing 0.2", [2, 4], 5, 0.2, 400.0), one_far_above,
    ]  # fmt: skip


def loss_by_torch(logits: torch.Tensor, target: ndarray, is_real: ndarray, epsilon: float) -> torch.Tensor:
    """The loss as a tensor, by torch's cross_entropy over the rows of real tokens."""
    real = torch.from_numpy(is_real)
    return F.cross_entropy(logits[real], torch.from_numpy(target)[real], label_smoothing=epsilon)


def cross_entropy_by_torch(logits: ndarray, target: ndarray, is_real: ndarray, epsilon: float) -> float:
    """The loss as a number, by torch's cross_entropy."""
    return loss_by_torch(torch.from_numpy(logits), target, is_real, epsilon).item()


def smoothed(target: ndarray, vocab_size: int, epsilon: float, others_only: bool = False) -> ndarray:
    """The targets q of label smoothing, (B, T, V); `others_only` spreads epsilon over the wrong tokens alone."""
    one_hot = np.eye(vocab_size)[target]
    spread = (1 - one_hot) / (vocab_size - 1) if others_only else 1 / vocab_size
    return (1 - epsilon) * one_hot + epsilon * spread


def slipped_cross_entropy(logits: ndarray, target: ndarray, is_real: ndarray, epsilon: float, slip: str) -> float:
    """Equation (6) with a known mistake."""
    log_probs = log_softmax(np.exp(log_softmax(logits)) if slip == "softmax twice" else logits)  # (B, T, V)
    if slip == "rounded":
        log_probs = np.log(np.exp(log_probs))
    if slip == "no logarithm":
        log_probs = np.exp(log_probs)
    q = smoothed(target, logits.shape[-1], 0.0 if slip == "no smoothing" else epsilon, slip == "others")
    each = -(q * log_probs).sum(axis=-1)  # (B, T)
    if slip == "sentence means":
        return float(np.mean([row[real].mean() for row, real in zip(each, is_real)]))
    if slip == "padding":
        return float(each.mean())
    if slip == "padded mean":
        return float((each * is_real).mean())
    total = each[is_real].sum()
    return float({"sum": total, "sentences": total / len(each), "sign": -total / is_real.sum()}.get(
        slip, total / is_real.sum()
    ))


TWICE = "the same batch given twice over has the same loss"
SENTENCE_WEIGHT = "a long sentence weighs as many times as much as a short one as it has tokens"

LOSS_SLIPS = [
    ("sentence means", "the mean of the sentences' means", SENTENCE_WEIGHT),
    ("padding", "padding counted", "logits and targets at padded places change nothing"),
    ("padded mean", "a division by B T, padding included", "adding a column of padding changes nothing"),
    ("sum", "the sum, not divided", TWICE),
    ("sentences", "a division by the number of sentences", "the loss of a sentence said twice in a row is the same"),
    ("softmax twice", "softmax taken twice", "a logit 50 above all others costs 0 without smoothing"),
    ("rounded", "the logarithm of a probability rounded to 0", "a logit 1000 below the best costs 1000, not infinity"),
    ("no logarithm", "the probability in place of its logarithm", "equal logits cost log V"),
    ("sign", "the sign turned", "no loss is below 0"),
    ("no smoothing", "label smoothing forgotten", "with epsilon 1 the target does not matter"),
    ("others", "epsilon spread over the wrong tokens alone", "the true token's share is 1 - epsilon + epsilon / V"),
]

CROSS_ENTROPY = Exercise(
    "cross_entropy", ("loss",), loss_cases, cross_entropy_by_torch, mistakes_of(slipped_cross_entropy, LOSS_SLIPS)
)


# -- cross-entropy, backward


def loss_gradient_by_autograd(logits: ndarray, target: ndarray, is_real: ndarray, epsilon: float) -> ndarray:
    """The gradient of torch's cross_entropy."""
    leaf = torch.tensor(logits, requires_grad=True)
    loss_by_torch(leaf, target, is_real, epsilon).backward()
    return leaf.grad.numpy()


def slipped_loss_gradient(logits: ndarray, target: ndarray, is_real: ndarray, epsilon: float, slip: str) -> ndarray:
    """The gradient (P - q) / N at real tokens with a known mistake."""
    probs, n_real = np.exp(log_softmax(logits)), is_real.sum()
    q = smoothed(target, logits.shape[-1], 0.0 if slip == "no smoothing" else epsilon)
    found = -q if slip == "no probabilities" else q - probs if slip == "sign" else probs - q
    if slip == "jacobian":
        found = found * probs * (1 - probs)
    if slip != "padding":
        found = found * is_real[..., None]
    per_sentence = len(logits) * is_real.sum(axis=1)[:, None, None]
    return found / {"undivided": 1, "B T": is_real.size, "sentence means": per_sentence}.get(slip, n_real)


ROWS = "d_logits.sum(axis=-1) is 0 at every token"

LOSS_BACKWARD_SLIPS = [
    ("undivided", "no division by the number of real tokens", "the same batch given twice over halves each gradient"),
    ("B T", "a division by B T, padding included", "adding a column of padding changes no gradient"),
    ("sentence means", "each sentence divided by its own length",
     "real tokens of long and of short sentences have the same divisor"),
    ("padding", "a gradient at padding", "d_logits is 0 wherever is_real is False"),
    ("no smoothing", "label smoothing forgotten",
     "d_logits is 0 where P equals q, and q is epsilon / V at a wrong token"),
    ("sign", "the sign turned", "d_logits is negative at the true token: a larger logit there lowers the loss"),
    ("no probabilities", "the probabilities left out", ROWS),
    ("jacobian", "softmax's slope multiplied in once more", ROWS),
]  # fmt: skip

CROSS_ENTROPY_BACKWARD = Exercise(
    "cross_entropy_backward", ("d_logits",), loss_cases, loss_gradient_by_autograd,
    mistakes_of(slipped_loss_gradient, LOSS_BACKWARD_SLIPS),
)  # fmt: skip

EXERCISES = (TEACHER_FORCING, CROSS_ENTROPY, CROSS_ENTROPY_BACKWARD)
