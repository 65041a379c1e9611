"""One layer of the encoder and one of the decoder, forward and backward.

    post-norm:  x = Norm(x + Sublayer(x))        pre-norm:  x = x + Sublayer(Norm(x))

A residual connection is a sum, and the backward of a sum gives the same gradient to both terms. `enter` is what the
sublayer sees of x, `leave` what comes out of the sum; a layer is enter, sublayer, leave, two or three times over, and
its backward the same in the opposite order. In pre-norm a gradient has a way past every sublayer that no norm rescales.
"""

from __future__ import annotations

from numpy import ndarray

from model.config import ModelConfig
from model.numpy_reference.attention import multi_head_attention, multi_head_attention_backward
from model.numpy_reference.feed_forward import feed_forward, feed_forward_backward
from model.numpy_reference.linear import Saved, Weights, part, under
from model.numpy_reference.normalization import norm, norm_backward
from model.numpy_reference.positions import Order

NO_ORDER = Order()


def enter(x: ndarray, name: str, weights: Weights, config: ModelConfig) -> tuple[ndarray, Saved]:
    """What the sublayer `name` sees: Norm(x) in pre-norm, x in post-norm. (B, T, d_model)."""
    if config.norm_position == "pre":
        return norm(x, part(weights, f"{name}_residual.norm"), config)
    return x, {}


def leave(
    x: ndarray, output: ndarray, name: str, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """The residual connection: x + output, normalised in post-norm. (B, T, d_model)."""
    if config.norm_position == "pre":
        return x + output, {}
    return norm(x + output, part(weights, f"{name}_residual.norm"), config)


def leave_backward(
    d_y: ndarray, saved: Saved, name: str, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Weights]:
    """dL/d(x + output), which is the gradient of x and of output alike."""
    if config.norm_position == "pre":
        return d_y, {}
    d_sum, gradients = norm_backward(d_y, saved, part(weights, f"{name}_residual.norm"), config)
    return d_sum, under(f"{name}_residual.norm", gradients)


def enter_backward(
    d_inner: ndarray, saved: Saved, name: str, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Weights]:
    """What the sublayer's input sends back to x; the residual connection's share comes on top of it."""
    if config.norm_position == "post":
        return d_inner, {}
    d_x, gradients = norm_backward(d_inner, saved, part(weights, f"{name}_residual.norm"), config)
    return d_x, under(f"{name}_residual.norm", gradients)


def self_attention(
    x: ndarray, weights: Weights, may_attend: ndarray, order: Order, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """x attends to itself, inside its residual connection: (B, T, d_model) -> (B, T, d_model)."""
    name = "self_attention"
    inner, entered = enter(x, name, weights, config)
    output, inside = multi_head_attention(inner, inner, part(weights, name), may_attend, order, config)
    x, left = leave(x, output, name, weights, config)
    return x, {"enter": entered, "attention": inside, "output": output, "leave": left}


def self_attention_backward(
    d_y: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Weights]:
    """x is asked and answers: dL/dx is the sum of both roles and of the residual connection."""
    name = "self_attention"
    d_sum, gradients = leave_backward(d_y, saved["leave"], name, weights, config)
    d_as_query, d_as_source, inside = multi_head_attention_backward(
        d_sum, saved["attention"], part(weights, name), config
    )
    d_x, entered = enter_backward(d_as_query + d_as_source, saved["enter"], name, weights, config)
    saved["d_output"] = d_sum
    return d_sum + d_x, gradients | under(name, inside) | entered


def cross_attention(
    x: ndarray, memory: ndarray, weights: Weights, may_attend: ndarray, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """x (B, T, d_model) attends to the memory (B, S, d_model), which every decoder layer shares and none normalises."""
    name = "cross_attention"
    inner, entered = enter(x, name, weights, config)
    output, inside = multi_head_attention(inner, memory, part(weights, name), may_attend, NO_ORDER, config)
    x, left = leave(x, output, name, weights, config)
    return x, {"enter": entered, "attention": inside, "output": output, "leave": left}


def cross_attention_backward(
    d_y: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, ndarray, Weights]:
    """dL/dx and dL/dmemory: the way by which the loss teaches the encoder."""
    name = "cross_attention"
    d_sum, gradients = leave_backward(d_y, saved["leave"], name, weights, config)
    d_inner, d_memory, inside = multi_head_attention_backward(d_sum, saved["attention"], part(weights, name), config)
    d_x, entered = enter_backward(d_inner, saved["enter"], name, weights, config)
    saved["d_output"] = d_sum
    return d_sum + d_x, d_memory, gradients | under(name, inside) | entered


def position_wise(x: ndarray, weights: Weights, config: ModelConfig) -> tuple[ndarray, Saved]:
    """The feed-forward layer inside its residual connection: (B, T, d_model) -> (B, T, d_model)."""
    name = "feed_forward"
    inner, entered = enter(x, name, weights, config)
    output, inside = feed_forward(inner, part(weights, name), config)
    x, left = leave(x, output, name, weights, config)
    return x, {"enter": entered, "feed_forward": inside, "output": output, "leave": left}


def position_wise_backward(
    d_y: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Weights]:
    """dL/dx through the layer and past it."""
    name = "feed_forward"
    d_sum, gradients = leave_backward(d_y, saved["leave"], name, weights, config)
    d_inner, inside = feed_forward_backward(d_sum, saved["feed_forward"], part(weights, name))
    d_x, entered = enter_backward(d_inner, saved["enter"], name, weights, config)
    saved["d_output"] = d_sum
    return d_sum + d_x, gradients | under(name, inside) | entered


def encoder_layer(
    x: ndarray, weights: Weights, may_attend: ndarray, order: Order, config: ModelConfig
) -> tuple[ndarray, Saved]:
    """x (B, S, d_model), may_attend (B, 1, 1, S) -> (B, S, d_model)."""
    x, attended = self_attention(x, weights, may_attend, order, config)
    x, fed = position_wise(x, weights, config)
    return x, {"self_attention": attended, "feed_forward": fed}


def encoder_layer_backward(
    d_x: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, Weights]:
    """The forward's two lines from the last to the first."""
    d_x, of_feed_forward = position_wise_backward(d_x, saved["feed_forward"], weights, config)
    d_x, of_attention = self_attention_backward(d_x, saved["self_attention"], weights, config)
    return d_x, of_feed_forward | of_attention


def decoder_layer(
    x: ndarray, memory: ndarray, weights: Weights, source_may_attend: ndarray, may_attend: ndarray, order: Order,
    config: ModelConfig,
) -> tuple[ndarray, Saved]:
    """x (B, T, d_model), memory (B, S, d_model), masks (B, 1, 1, S) and (T, T) -> (B, T, d_model)."""
    x, attended = self_attention(x, weights, may_attend, order, config)
    x, crossed = cross_attention(x, memory, weights, source_may_attend, config)
    x, fed = position_wise(x, weights, config)
    return x, {"self_attention": attended, "cross_attention": crossed, "feed_forward": fed}


def decoder_layer_backward(
    d_x: ndarray, saved: Saved, weights: Weights, config: ModelConfig
) -> tuple[ndarray, ndarray, Weights]:
    """dL/dx, dL/dmemory and the gradients."""
    d_x, of_feed_forward = position_wise_backward(d_x, saved["feed_forward"], weights, config)
    d_x, d_memory, of_cross = cross_attention_backward(d_x, saved["cross_attention"], weights, config)
    d_x, of_self = self_attention_backward(d_x, saved["self_attention"], weights, config)
    return d_x, d_memory, of_feed_forward | of_cross | of_self
