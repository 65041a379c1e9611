"""A decoder that writes in any order: XLNet's two streams (Yang et al. 2019, 2.3; chapter 2.1, the third family).

To predict the token at position i a network must know i, and must not know the token; to help in predicting others, the
same token must be known. So every position goes through the decoder twice, with the same weights:

    content    reads the token y_{i-1} at position i, as in plain decoding; sees contents no later in the order
    query      reads a mask at position i, predicts y_i; sees contents earlier in the order

No one sees a query. Both streams are one sequence of twice the length under one mask, so that the layers of
model/layers.py serve as they are. With the order of reading, a query sees what a plain decoder's state sees.

T5's relative bias tells a decoder's later positions apart by nothing (its buckets are for earlier ones); sinusoids,
learned and rotary positions tell all.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model.transformer import Transformer


def two_stream_states(
    model: Transformer, decoder_input: Tensor, ranks: Tensor, memory: Tensor, source_mask: Tensor
) -> Tensor:
    """The states of the query stream, from which `model.logits` predicts the target: (B, T, d_model).

    decoder_input (B, 2T): the target shifted right by one start token, then T masks. ranks (B, T) of the target's
    tokens in the order: 0 for those that are given, negative for padding. memory (B, S, d_model).
    """
    length = ranks.shape[1]
    at = torch.arange(length, device=ranks.device).repeat(2)  # (2T)
    x = model.embed(decoder_input, model.decoder_positions, at, getattr(model, "decoder_embedding_norm", None))
    order = model.decoder_positions.order(at, at)
    may_attend = two_stream_mask(ranks)[:, None]  # (B, 1, 2T, 2T)
    source_may_attend = source_mask[:, None, None, :]
    for layer in model.decoder:
        x = layer(x, memory, source_may_attend, order, may_attend, None)
    return model.output_dropout(model.decoder_norm(x[:, length:]))


def two_stream_mask(ranks: Tensor) -> Tensor:
    """The mask of both streams: ranks (B, T) -> (B, 2T, 2T), the content stream first, then the query stream."""
    padding, last = ranks < 0, torch.iinfo(ranks.dtype).max
    ranks = ranks.masked_fill(padding, last)
    contents = F.pad(ranks[:, :-1], (1, 0))  # (B, T), the start token is given
    contents = contents.masked_fill(padding, last)  # nor is the end token read, where there is room for it
    until = torch.cat((contents, ranks - 1), dim=1)  # (B, 2T), the last rank that each row may see
    may_attend = contents[:, None, :] <= until[:, :, None]  # (B, 2T, T)
    return F.pad(may_attend, (0, ranks.shape[1]))
