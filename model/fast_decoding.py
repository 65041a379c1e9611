"""A fast step of decoding: what `Transformer.decode` does with a cache, in few operations.

The same numbers to rounding as `DecodingState` of model/decoding.py, which steps through the readable modules. What
differs:

- the decoder's matrices are fused and packed (model/packed_weights.py);
- the K beams of a source share one cache. A step writes its K keys into the next K slots and nothing is ever copied
  from beam to beam: a mask says which slots hold a beam's own prefix, and reordering the beams reorders the mask;
- the keys and values of the source stand there once for all K beams; for one short source they are multiplied into the
  matrices around them, so that reading the source is two products and a softmax (`AbsorbedSource`);
- a finished source leaves the batch only when a quarter of it has finished: moving the others costs about a step.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model.attention import MultiHeadAttention
from model.packed_weights import LayerWeights, decoder_weights, scaled_query, times
from model.positions import rotate
from model.transformer import Transformer

KEPT_WHILE = 3 / 4  # finished sources stay in the batch while more than this share is open
FEW_ROWS = 8  # up to here one kernel for attention is faster than three that share the work between cores


class SlotCache:
    """The keys and values of one layer: those of the source, and K new ones per step in the next K slots."""

    def __init__(self, cross_keys: Tensor, cross_values: Tensor, n_slots: int) -> None:
        self.cross_keys, self.cross_values = cross_keys.contiguous(), cross_values.contiguous()  # (b, h, S, d_k) both
        b, h, _, d_k = cross_keys.shape
        self.keys, self.values = cross_keys.new_empty(b, h, n_slots, d_k), cross_keys.new_empty(b, h, n_slots, d_k)

    def write(self, slot: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values (b, K, h, d_k) from `slot` on; return all so far, two of (b, h, slot + K, d_k)."""
        end = slot + keys.shape[1]
        self.keys[:, :, slot:end] = keys.transpose(1, 2)
        self.values[:, :, slot:end] = values.transpose(1, 2)
        return self.keys[:, :, :end], self.values[:, :, :end]

    def keep(self, sources: Tensor) -> None:
        """Make source i what source `sources[i]` was."""
        self.cross_keys, self.cross_values, self.keys, self.values = (
            part.index_select(0, sources) for part in (self.cross_keys, self.cross_values, self.keys, self.values)
        )


class AbsorbedSource:
    """The cross-attention to one source, whose keys and values are multiplied into W^Q and W^O.

    In head i of equation (5) the scores are x W_i^Q K_i^T = x A_i, and the output is the sum of weights_i V_i W_i^O =
    weights_i B_i. A (d_model, h*S) and B (h*S, d_model) serve all tokens; for a short source they are small.
    """

    def __init__(self, attention: MultiHeadAttention, keys: Tensor, values: Tensor) -> None:
        _, h, self.length, d_k = keys.shape  # (1, h, S, d_k)
        query, bias = scaled_query(attention)
        by_head = query.view(h, d_k, -1)  # (h, d_k, d_model)
        self.into_scores = (keys[0] @ by_head).flatten(0, 1).t().contiguous()  # A
        self.score_bias = None if bias is None else (keys[0] @ bias.view(h, d_k, 1)).flatten()  # (h*S)
        output = attention.output.weight.view(-1, h, d_k).permute(1, 2, 0)  # (h, d_k, d_model)
        self.into_output = (values[0] @ output).flatten(0, 1)  # B
        self.output_bias = attention.output.bias
        self.n_heads = h

    def __call__(self, x: Tensor, source_bias: Tensor | None) -> Tensor:
        """Attend to the source: (K, d_model) -> (K, d_model); source_bias (1, 1, 1, S)."""
        scores = times(x, self.into_scores, self.score_bias).view(len(x), self.n_heads, self.length)  # (K, h, S)
        if source_bias is not None:
            scores = scores + source_bias[0]
        return times(scores.softmax(dim=-1).flatten(1), self.into_output, self.output_bias)


class FastDecodingState:
    """The decoding state of K rows for each of b sources, one row a beam (K = 1 where there are no beams)."""

    def __init__(
        self, model: Transformer, source: Tensor, source_mask: Tensor, max_new_tokens: int, beam: int,
        never_ids: tuple[int, ...],
    ) -> None:
        self.model, self.source, self.source_mask, self.beam = model, source, source_mask, beam
        self.never_ids, self.step = list(never_ids), 0
        self.pre_norm = model.config.norm_position == "pre"
        self.open: Tensor | None = None  # the held sources that are not finished, where they are not all

        self.memory = model.encode(source, source_mask)  # (b, S, d_model)
        self.weights = decoder_weights(model, one_row=len(source) * beam == 1)
        # A source without a token is read as zeros, as in equation (4)'s other forms.
        readable = source_mask.any(dim=1)[:, None, None, None].to(self.memory.dtype)  # (b, 1, 1, 1)
        cross = [layer.cross_attention.keys_and_values(self.memory) for layer in model.decoder]
        self.caches = [SlotCache(keys, values * readable, max_new_tokens * beam) for keys, values in cross]

        short = len(source) == 1 and source.shape[1] * model.config.n_heads <= model.config.d_model
        self.absorbed = [
            AbsorbedSource(layer.cross_attention, cache.cross_keys, cache.cross_values) if short else None
            for layer, cache in zip(model.decoder, self.caches, strict=True)
        ]

        self.source_bias = None  # (b, 1, 1, S), where a source is padded
        if not source_mask.all():
            self.source_bias = mask_as_bias(source_mask[:, None, None, :], self.memory.dtype)
        # Slot i of a step is beam i's, and a beam sees its own until beams are reordered.
        own = torch.eye(beam, dtype=torch.bool, device=source.device).repeat(len(source), 1, max_new_tokens)
        self.slot_bias = None if beam == 1 else mask_as_bias(own, self.memory.dtype)  # (b, K, slots)

        # A table of learned positions may be shorter: `embed` refuses the step that would leave it.
        n_positions = max_new_tokens if model.decoder_positions.learned is None else model.config.max_length
        positions = torch.arange(n_positions, device=source.device)
        self.position_rows = model.decoder_positions.embed(positions)  # (max, d_model), or None
        self.order = model.decoder_positions.order(positions, positions)

    def log_probs(self, token: Tensor) -> Tensor:
        """Equation (3) after one more `token` (b*K,) in each row, -inf where a token is never chosen: (b*K, V)."""
        if self.open is not None:  # what the finished sources decode is never looked at
            held = token.new_zeros(len(self.source), self.beam)
            token = held.index_copy_(0, self.open, token.view(len(self.open), self.beam)).flatten()
        x, bias = self.embed(token), self.self_bias()  # (R, d_model)
        for layer, cache, absorbed in zip(self.weights.layers, self.caches, self.absorbed, strict=True):
            x = self.decoder_layer(layer, cache, absorbed, x, bias)
        self.step += 1
        states = self.weights.norm(x).view(len(self.source), self.beam, x.shape[-1])  # (b, K, d_model)
        log_probs = self.distribution(states)  # (b, K, V)
        if self.open is not None:
            log_probs = log_probs.index_select(0, self.open)
        if self.never_ids:
            log_probs[..., self.never_ids] = -torch.inf
        return log_probs.flatten(0, 1)

    def embed(self, token: Tensor) -> Tensor:
        """`Transformer.embed` of the newest tokens: ids (R,) -> (R, d_model). Raises ValueError when too long."""
        model = self.model
        x = F.embedding(token, model.embedding.weight)
        if model.config.scale_embeddings:
            x = x * model.config.d_model**0.5
        if self.position_rows is not None:
            if self.step == len(self.position_rows):
                model.decoder_positions.embed(torch.tensor([self.step]))  # raises
            x = x + self.position_rows[self.step].to(x.dtype)
        return model.decoder_embedding_norm(x) if model.config.norm_embeddings else x

    def decoder_layer(
        self, layer: LayerWeights, cache: SlotCache, absorbed: AbsorbedSource | None, x: Tensor, bias: Tensor | None
    ) -> Tensor:
        """`DecoderLayer` for the newest tokens: (R, d_model) -> (R, d_model)."""
        b, h, _, d_k = cache.keys.shape

        def attend_to_self(x: Tensor) -> Tensor:
            queries, keys, values = layer.qkv(x).view(b, self.beam, 3, h, d_k).unbind(2)  # (b, K, h, d_k) each
            if self.order.rotary is not None:
                rotary = self.order.rotary[0][self.step], self.order.rotary[1][self.step]  # (d_k/2) both
                queries, keys = rotate(queries, rotary), rotate(keys, rotary)
            return layer.output(attend(queries, *cache.write(self.step * self.beam, keys, values), bias))

        def attend_to_source(x: Tensor) -> Tensor:
            if absorbed is not None:
                return absorbed(x, self.source_bias)
            queries = layer.cross_query(x).view(b, self.beam, h, d_k)
            return layer.cross_output(attend(queries, cache.cross_keys, cache.cross_values, self.source_bias))

        def feed_forward(x: Tensor) -> Tensor:
            hidden, gate = layer.inner(x), None  # (R, d_ff), (R, 2 * d_ff) with a gate
            if layer.layer.feed_forward.gate is not None:
                gate, hidden = hidden.chunk(2, dim=-1)
            return layer.outer(layer.layer.feed_forward.activate(hidden, gate))

        for norm, sublayer in zip(layer.norms, (attend_to_self, attend_to_source, feed_forward), strict=True):
            x = x + sublayer(norm(x)) if self.pre_norm else norm(x + sublayer(x))
        return x

    def self_bias(self) -> Tensor | None:
        """The bias of self-attention's scores, or None: positions, and which beam sees which slot.

        Its shape is (b or 1, h or 1, K or 1, slots).
        """
        bias = self.order.bias  # (1, h, max, max)
        if bias is not None:
            bias = bias[:, :, self.step, None, : self.step + 1].to(self.memory.dtype)  # (1, h, 1, step + 1)
            bias = bias.repeat_interleave(self.beam, dim=-1) if self.beam > 1 else bias  # (1, h, 1, slots)
        if self.slot_bias is None:
            return bias
        seen = self.slot_bias[:, None, :, : (self.step + 1) * self.beam]  # (b, 1, K, slots)
        return seen if bias is None else seen + bias

    def distribution(self, states: Tensor) -> Tensor:
        """Equation (3), with a source's beams in place of positions: (b, K, d_model) -> log-probabilities (b, K, V)."""
        model = self.model
        scaled = states / model.config.d_model**0.5 if model.config.scale_output else states
        logits = self.weights.output(scaled.flatten(0, 1)).unflatten(0, states.shape[:2])  # (b, K, V)
        if model.logits_bias is not None:
            logits = logits + model.logits_bias
        return model.log_probs(logits, states, self.memory, self.source, self.source_mask)

    def reorder(self, parents: Tensor) -> None:
        """Let beam i of each source continue the prefix of beam parents[i]: parents (b, K)."""
        if self.slot_bias is None:
            return
        if self.open is not None:
            held = parents.new_zeros(len(self.source), self.beam)
            parents = held.index_copy_(0, self.open, parents)
        seen = self.slot_bias[:, :, : self.step * self.beam]  # (b, K, slots)
        seen.copy_(seen.gather(1, parents[:, :, None].expand_as(seen)))

    def keep(self, sources: Tensor) -> None:
        """Make source i what source `sources[i]` was, and drop the other sources, which are finished."""
        self.open = sources if self.open is None else self.open[sources]
        if len(self.open) > KEPT_WHILE * len(self.source):
            return
        for cache in self.caches:
            cache.keep(self.open)
        for name in ("source", "source_mask", "memory", "slot_bias", "source_bias"):
            if getattr(self, name) is not None:
                setattr(self, name, getattr(self, name)[self.open])
        self.open = None


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Equation (4) for scaled queries: (b, K, h, d_k), (b, h, n, d_k), bias (b, h, K, n) -> (b*K, h*d_k)."""
    b, beam, h, d_k = queries.shape
    if b * beam <= FEW_ROWS:
        heads = F.scaled_dot_product_attention(queries.transpose(1, 2), keys, values, bias, scale=1.0)  # (b, h, K, d_k)
        return heads.transpose(1, 2).reshape(b * beam, h * d_k)
    keys, values = keys.flatten(0, 1), values.flatten(0, 1)  # (b*h, n, d_k), never a copy
    scores = torch.bmm(queries.transpose(1, 2).reshape(b * h, beam, d_k), keys.transpose(1, 2))  # (b*h, K, n)
    if bias is not None:
        scores.view(b, h, beam, keys.shape[1]).add_(bias)
    heads = torch.bmm(scores.softmax(dim=-1), values)  # (b*h, K, d_k)
    return heads.view(b, h, beam, d_k).transpose(1, 2).reshape(b * beam, h * d_k)


def mask_as_bias(may_attend: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask as a bias of scores: 0 where it is True, else the lowest number there is."""
    zeros = torch.zeros(may_attend.shape, dtype=dtype, device=may_attend.device)
    return zeros.masked_fill_(~may_attend, torch.finfo(dtype).min)
