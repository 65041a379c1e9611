"""Every number of the worked example by a short name, forward and backward, from the NumPy reference.

    enc.  dec.                    encoder or decoder
    self.  cross.  ff.            the sublayer
    E WQ WK WV WO W1 W2 gain      weights: W1 is `inner`, W2 is `outer`, the gain is the norm's after the sublayer
    Q K V S A heads out sum       queries, keys, values, scaled scores, weights, heads, sublayer's output, residual sum
    d_NAME                        the gradient of the loss with respect to NAME, of NAME's shape
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from model.numpy_reference.linear import Saved, Weights, embedding_backward
from model.numpy_reference.losses import cross_entropy
from model.numpy_reference.optimizer import AdamW
from model.numpy_reference.positions import sinusoidal_positions
from model.numpy_reference.softmax import softmax
from model.numpy_reference.training_step import loss_and_gradients
from model.numpy_reference.transformer import logits_backward
from teaching.the_math.number_blocks import Matrix
from teaching.worked_example.example import DECODER_INPUT, PAD, SOURCE, TARGET, VOCABULARY, batch, config, weights

LEARNING_RATE = 0.01  # learning rate of the one AdamW step
LABEL_SMOOTHING = 0.1


def tokens_of(ids: tuple[int, ...]) -> tuple[str, ...]:
    """The tokens of the vocabulary that the ids stand for."""
    return tuple(VOCABULARY[index] for index in ids)


SOURCE_TOKENS, INPUT_TOKENS, TARGET_TOKENS = tokens_of(SOURCE), tokens_of(DECODER_INPUT), tokens_of(TARGET)
POSITIONS = ("position 0", "position 1", "position 2")


def trace() -> dict[str, Matrix]:
    """All matrices of the example, in the order in which they are computed."""
    given = weights()
    loss, gradients, saved, d_saved = loss_and_gradients(batch(), given, config(), PAD)
    encoder, decoder, d_encoder, d_decoder = (
        values[stack] for values in (saved, d_saved) for stack in ("encoder", "decoder")
    )
    found = {"PE": Matrix(sinusoidal_positions(3, 4), POSITIONS)}
    found |= embedding_matrices("enc", encoder["embed"], d_encoder["embed"], SOURCE_TOKENS)
    found |= layer_matrices("enc", encoder["layers"][0], d_encoder["layers"][0], SOURCE_TOKENS)
    found |= both("H_enc", encoder["memory"], d_encoder["memory"], SOURCE_TOKENS)
    found |= embedding_matrices("dec", decoder["embed"], d_decoder["embed"], INPUT_TOKENS)
    found |= layer_matrices("dec", decoder["layers"][0], d_decoder["layers"][0], INPUT_TOKENS)
    found |= both("H_dec", decoder["states"], d_decoder["states"], INPUT_TOKENS)
    found |= prediction_matrices(saved, d_saved, loss)
    of_weights = {f"d_{short_name(name)}": weight_matrix(gradient) for name, gradient in gradients.items()}
    return found | of_weights | embedding_uses(saved, d_saved, given) | one_step(given, gradients)


def both(name: str, value: ndarray, gradient: ndarray, rows: tuple[str, ...]) -> dict[str, Matrix]:
    """A value and its gradient, both (1, rows, columns), under `name` and `d_name`."""
    return {name: Matrix(value[0], rows), f"d_{name}": Matrix(gradient[0], rows)}


def embedding_matrices(stack: str, saved: Saved, d_saved: Saved, rows: tuple[str, ...]) -> dict[str, Matrix]:
    """The input of a stack, 2 E[ids] + PE, and its gradient."""
    return both(f"{stack}.x", saved["x"], d_saved["x"], rows)


def layer_matrices(stack: str, saved: Saved, d_saved: Saved, rows: tuple[str, ...]) -> dict[str, Matrix]:
    """The matrices of a layer, sublayer by sublayer."""
    found = {}
    for name, sublayer in saved.items():
        if name == "feed_forward":
            found |= feed_forward_matrices(f"{stack}.ff", sublayer, d_saved[name], rows)
        else:
            keys = rows if name == "self_attention" else SOURCE_TOKENS
            found |= attention_matrices(f"{stack}.{name.partition('_')[0]}", sublayer, d_saved[name], rows, keys)
    return found


def attention_matrices(
    prefix: str, saved: Saved, d_saved: Saved, queries: tuple[str, ...], keys: tuple[str, ...]
) -> dict[str, Matrix]:
    """The matrices of equations (4) and (5), then those of the residual sum and its norm."""
    key_columns = "keys: " + " ".join(keys)
    found = {}
    for sign, inside in (("", saved["inside"]), ("d_", d_saved["inside"])):
        for short, name, rows, columns in (
            ("Q", "queries", queries, ""), ("K", "keys", keys, ""), ("V", "values", keys, ""),
            ("S", "scores", queries, key_columns), ("A", "weights", queries, key_columns),
            ("heads", "heads", queries, ""),
        ):  # fmt: skip
            found[f"{sign}{prefix}.{short}"] = Matrix(inside[name][0], rows, columns)
    return found | residual_matrices(prefix, saved, d_saved, queries)


def feed_forward_matrices(prefix: str, saved: Saved, d_saved: Saved, rows: tuple[str, ...]) -> dict[str, Matrix]:
    """The feed-forward layer before and after ReLU, then the residual sum and its norm."""
    found = {f"{prefix}.{name}": Matrix(saved["inside"][name][0], rows) for name in ("u", "hidden")}
    found |= {f"d_{prefix}.{name}": Matrix(d_saved["inside"][name][0], rows) for name in ("hidden", "u")}
    return found | residual_matrices(prefix, saved, d_saved, rows)


def residual_matrices(prefix: str, saved: Saved, d_saved: Saved, rows: tuple[str, ...]) -> dict[str, Matrix]:
    """A sublayer's output, the residual sum, the root that LayerNorm divides by, and LayerNorm before its gain."""
    normed = saved["norm"]
    return {
        f"{prefix}.out": Matrix(saved["output"][0], rows),
        f"{prefix}.sum": Matrix(normed["x"][0], rows),
        f"{prefix}.sigma": Matrix(normed["sigma"][0], rows),
        f"{prefix}.x_hat": Matrix(normed["x_hat"][0], rows),
        f"d_{prefix}.sum": Matrix(d_saved["output"][0], rows),
    }


def prediction_matrices(saved: Saved, d_saved: Saved, loss: float) -> dict[str, Matrix]:
    """The matrices of equations (3) and (6): logits, probabilities and losses."""
    columns = " ".join(VOCABULARY)
    logits = saved["logits"]
    smoothed, d_smoothed = cross_entropy(logits, batch().target, batch().target_mask, LABEL_SMOOTHING)
    of_each = -np.log(softmax(logits)[0, [0, 1], list(TARGET)])[:, None]  # (T, 1)
    return {
        "logits": Matrix(logits[0], INPUT_TOKENS, columns),
        "P": Matrix(softmax(logits)[0], INPUT_TOKENS, columns),
        "-log P": Matrix(of_each, TARGET_TOKENS),
        "L": Matrix(np.array([[loss]]), ("mean",)),
        "L smoothed": Matrix(np.array([[smoothed]]), ("mean",)),
        "d_logits": Matrix(d_saved["logits"][0], INPUT_TOKENS, columns),
        "d_logits smoothed": Matrix(d_smoothed[0], INPUT_TOKENS, columns),
    }


SHORT_NAMES = {
    "encoder.0.": "enc.", "decoder.0.": "dec.", "self_attention": "self", "cross_attention": "cross",
    "feed_forward": "ff", "_residual.norm": "", "embedding.weight": "E", "query.weight": "WQ", "key.weight": "WK",
    "value.weight": "WV", "output.weight": "WO", "inner.weight": "W1", "outer.weight": "W2",
}  # fmt: skip


def short_name(name: str) -> str:
    """A weight's name as the page has it: `encoder.0.self_attention.query.weight` is `enc.self.WQ`."""
    for long, short in SHORT_NAMES.items():
        name = name.replace(long, short)
    return name


def weight_matrix(values: ndarray) -> Matrix:
    """A weight or its gradient as a matrix with labelled rows; a gain is one row."""
    if values.ndim == 1:
        return Matrix(values[None], ("gain",))
    is_embedding = len(values) == len(VOCABULARY)
    return Matrix(values, VOCABULARY if is_embedding else tuple(f"row {i + 1}" for i in range(len(values))))


def embedding_uses(saved: Saved, d_saved: Saved, given: Weights) -> dict[str, Matrix]:
    """The three parts of the tied embedding's gradient: as source, as decoder input, as output matrix."""
    size = len(VOCABULARY)
    parts = {
        "d_E source": embedding_backward(2 * d_saved["encoder"]["embed"]["x"], np.array([SOURCE]), size),
        "d_E input": embedding_backward(2 * d_saved["decoder"]["embed"]["x"], np.array([DECODER_INPUT]), size),
        "d_E output": logits_backward(d_saved["logits"], saved["decoder"]["states"], given, config())[1],
    }
    return {name: Matrix(values, VOCABULARY) for name, values in parts.items()}


def one_step(given: Weights, gradients: Weights) -> dict[str, Matrix]:
    """The embedding after one step of AdamW, and the loss after it."""
    moved = {name: weight.copy() for name, weight in given.items()}
    AdamW().update(moved, gradients, LEARNING_RATE)
    loss = loss_and_gradients(batch(), moved, config(), PAD)[0]
    return {
        "E after one step": Matrix(moved["embedding.weight"], VOCABULARY),
        "L after one step": Matrix(np.array([[loss]]), ("mean",)),
    }
