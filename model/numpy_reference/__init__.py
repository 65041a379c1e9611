"""The same network in NumPy alone, forward and backward: every number of chapter 4.1 without autograd.

The files have the names of those in `model/`, and the functions follow the same equations. Reading order: softmax,
linear, attention, positions, normalization, feed_forward, layers, transformer, losses, heads, optimizer,
training_step, decoding. Conventions:

    weights      a dictionary of arrays under the names that the PyTorch network has, such as
                 `encoder.0.self_attention.query.weight`; a piece is given its own part, names without the prefix
    forward      `y, saved = piece(x, weights, ...)`; `saved` is a dictionary of the values that the backward needs
    backward     `d_x, gradients, d_saved = piece_backward(d_y, saved, weights, ...)`; `d_y` stands for dL/dy, an array
                 of the shape of y, and `gradients` has the names of `weights`
    d_saved      gradients of the values in `saved`, under the same names; small pieces, whose values on the way nobody
                 asks for, leave it out

There is no dropout here: it multiplies by random zeros, forward and backward alike, and adds no mathematics. Shapes as
everywhere: batch B, source length S, target length T, heads h, key width d_k, vocabulary V; masks are boolean and True
means *may attend* or *real token*. Arrays keep the precision of the weights.
"""
