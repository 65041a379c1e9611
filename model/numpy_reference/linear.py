"""The parts that every other piece is made of: the linear map, the embedding, and named weights.

    y = x W^T + b          dL/dx = dL/dy W     dL/dW = sum over tokens of dL/dy^T x     dL/db = sum over tokens of dL/dy
    x_t = E[id_t]          dL/dE[v] = sum over the positions t with id_t = v of dL/dx_t
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

Weights = dict[str, ndarray]  # name -> array; gradients have the same form
Saved = dict[str, object]  # what a forward keeps for its backward, by name; their gradients have the same form


def part(weights: Weights, name: str) -> Weights:
    """The weights under `name.`, without that prefix."""
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}


def under(name: str, gradients: Weights) -> Weights:
    """The gradients with the prefix `name.` before every key, the opposite of `part`."""
    return {f"{name}.{key}": value for key, value in gradients.items()}


def linear(x: ndarray, weights: Weights) -> ndarray:
    """The linear map: x (..., d_in), `weight` (d_out, d_in), `bias` (d_out) or none -> (..., d_out)."""
    y = x @ weights["weight"].T
    return y + weights["bias"] if "bias" in weights else y


def linear_backward(d_y: ndarray, x: ndarray, weights: Weights) -> tuple[ndarray, Weights]:
    """dL/dx (..., d_in) and the gradients of weight and bias, summed over all tokens."""
    rows = d_y.reshape(-1, d_y.shape[-1])  # (N, d_out)
    gradients = {"weight": rows.T @ x.reshape(-1, x.shape[-1])}  # (d_out, d_in)
    if "bias" in weights:
        gradients["bias"] = rows.sum(axis=0)  # (d_out)
    return d_y @ weights["weight"], gradients


def embedding_backward(d_x: ndarray, ids: ndarray, n_rows: int) -> ndarray:
    """dL/dE (n_rows, d) of x = E[ids], d_x (..., d): a scatter-add, for a token that occurs twice adds twice."""
    d_table = np.zeros((n_rows, d_x.shape[-1]), d_x.dtype)
    np.add.at(d_table, ids, d_x)
    return d_table
