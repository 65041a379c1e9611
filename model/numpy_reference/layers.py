"""One layer of the encoder and one of the decoder, forward and backward.

    post-norm:  x = Norm(x + Sublayer(x))        pre-norm:  x = x + Sublayer(Norm(x))

A residual connection is a sum, and the backward of a sum gives the same gradient to both terms: past the sublayer and
into it. A layer is two or three residual connections, and its backward the same in the opposite order. In pre-norm a
gradient has a way past every sublayer that no norm rescales.
"""

from __future__ import annotations

from collections.abc import Callable

from numpy import ndarray

from model.config import ModelConfig
from model.numpy_reference.attention import multi_head_attention, multi_head_attention_backward
from model.numpy_reference.feed_forward import feed_forward, feed_forward_backward
from model.numpy_reference.linear import Saved, Weights, part, under
from model.numpy_reference.normalization import norm, norm_backward
from model.numpy_reference.positions import Order

NO_ORDER = Order()


def residual(
    x: ndarray, name: str, sublayer: Callable[[ndarray], tuple[ndarray, Saved]], weights: Weights, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """The sublayer `name` with its residual connection and norm: (B, T, d_model) -> (B, T, d_model)."""
    of_norm = part(weights, f"{name}_residual.norm")
    if config.norm_position == "pre":
        normed, saved = norm(x, of_norm, config)
        output, inside = sublayer(normed)
        return x + output, {"norm": saved, "inside": inside, "output": output}
    output, inside = sublayer(x)
    y, saved = norm(x + output, of_norm, config)
    return y, {"norm": saved, "inside": inside, "output": output}


def residual_backward(
    d_y: ndarray, saved: Saved, name: str, sublayer_backward: Callable[[ndarray], tuple[ndarray, Weights, Saved]],
    weights: Weights, config: ModelConfig,
) -> tuple[ndarray, Weights, Saved]:
    """dL/dx past the sublayer and through it, the gradients of both it and its norm, and d_saved."""
    of_norm = part(weights, f"{name}_residual.norm")
    if config.norm_position == "pre":
        d_output = d_y
        d_normed, of_sublayer, d_inside = sublayer_backward(d_output)
        d_x, gradients = norm_backward(d_normed, saved["norm"], of_norm, config)
        d_x = d_y + d_x
    else:
        d_output, gradients = norm_backward(d_y, saved["norm"], of_norm, config)  # dL/d(x + output)
        d_inner, of_sublayer, d_inside = sublayer_backward(d_output)
        d_x = d_output + d_inner
    gradients = under(name, of_sublayer) | under(f"{name}_residual.norm", gradients)
    return d_x, gradients, {"inside": d_inside, "output": d_output}


def self_attention(
    x: ndarray, weights: Weights, may_attend: ndarray, order: Order, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """Let x attend to itself, inside its residual connection: (B, T, d_model) -> (B, T, d_model)."""

    def attend(x: ndarray) -> tuple[ndarray, Saved]:
        return multi_head_attention(x, x, part(weights, "self_attention"), may_attend, order, config)

    return residual(x, "self_attention", attend, weights, config)


def self_attention_backward(
    d_y: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Weights, Saved]:
    """dL/dx, summed over the two roles of x, which asks as the queries and answers as the keys and values."""

    def attend_backward(d_output: ndarray) -> tuple[ndarray, Weights, Saved]:
        d_as_query, d_as_source, gradients, d_inside = multi_head_attention_backward(
            d_output, saved["inside"], part(weights, "self_attention"), config
        )
        return d_as_query + d_as_source, gradients, d_inside

    return residual_backward(d_y, saved, "self_attention", attend_backward, weights, config)


def cross_attention(
    x: ndarray, memory: ndarray, weights: Weights, may_attend: ndarray, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """Let x (B, T, d_model) attend to the memory (B, S, d_model), which all layers share and none normalises."""

    def attend(x: ndarray) -> tuple[ndarray, Saved]:
        return multi_head_attention(x, memory, part(weights, "cross_attention"), may_attend, NO_ORDER, config)

    return residual(x, "cross_attention", attend, weights, config)


def cross_attention_backward(
    d_y: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, ndarray, Weights, Saved]:
    """dL/dx and dL/dmemory, the way by which the loss teaches the encoder."""

    def attend_backward(d_output: ndarray) -> tuple[ndarray, Weights, Saved]:
        d_x, d_memory, gradients, d_inside = multi_head_attention_backward(
            d_output, saved["inside"], part(weights, "cross_attention"), config
        )
        return d_x, gradients, d_inside | {"y": d_memory}

    d_x, gradients, d_saved = residual_backward(d_y, saved, "cross_attention", attend_backward, weights, config)
    return d_x, d_saved["inside"]["y"], gradients, d_saved


def position_wise(x: ndarray, weights: Weights, config: ModelConfig) -> tuple[ndarray, Saved]:
    """The feed-forward layer inside its residual connection: (B, T, d_model) -> (B, T, d_model)."""
    of_layer = part(weights, "feed_forward")
    return residual(x, "feed_forward", lambda x: feed_forward(x, of_layer, config), weights, config)


def position_wise_backward(
    d_y: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Weights, Saved]:
    """dL/dx through the layer and past it."""
    of_layer = part(weights, "feed_forward")
    return residual_backward(
        d_y, saved, "feed_forward", lambda d: feed_forward_backward(d, saved["inside"], of_layer), weights, config
    )


def encoder_layer(
    x: ndarray, weights: Weights, may_attend: ndarray, order: Order, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """An encoder layer: x (B, S, d_model), may_attend (B, 1, 1, S) -> (B, S, d_model)."""
    x, attended = self_attention(x, weights, may_attend, order, config)
    x, fed = position_wise(x, weights, config)
    return x, {"self_attention": attended, "feed_forward": fed}


def encoder_layer_backward(
    d_x: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Weights, Saved]:
    """The backward of `encoder_layer`: its two sublayers from the last to the first."""
    d_x, of_feed_forward, d_fed = position_wise_backward(d_x, saved["feed_forward"], weights, config)
    d_x, of_attention, d_attended = self_attention_backward(d_x, saved["self_attention"], weights, config)
    return d_x, of_feed_forward | of_attention, {"self_attention": d_attended, "feed_forward": d_fed}


def decoder_layer(
    x: ndarray, memory: ndarray, weights: Weights, source_may_attend: ndarray, may_attend: ndarray, order: Order,
    config: ModelConfig,
) -> tuple[ndarray, Saved]:
    """A decoder layer: x (B, T, d_model), memory (B, S, d_model), masks (B, 1, 1, S) and (T, T) -> (B, T, d_model)."""
    x, attended = self_attention(x, weights, may_attend, order, config)
    x, crossed = cross_attention(x, memory, weights, source_may_attend, config)
    x, fed = position_wise(x, weights, config)
    return x, {"self_attention": attended, "cross_attention": crossed, "feed_forward": fed}


def decoder_layer_backward(
    d_x: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, ndarray, Weights, Saved]:
    """The backward of `decoder_layer`: dL/dx, dL/dmemory, the gradients and d_saved."""
    d_x, of_feed_forward, d_fed = position_wise_backward(d_x, saved["feed_forward"], weights, config)
    d_x, d_memory, of_cross, d_crossed = cross_attention_backward(d_x, saved["cross_attention"], weights, config)
    d_x, of_self, d_attended = self_attention_backward(d_x, saved["self_attention"], weights, config)
    d_saved = {"self_attention": d_attended, "cross_attention": d_crossed, "feed_forward": d_fed}
    return d_x, d_memory, of_feed_forward | of_cross | of_self, d_saved
