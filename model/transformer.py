"""The encoder-decoder Transformer, equations (1), (2) and (3) of chapter 4.1.

    H_enc   = Encoder(X)                                   (1)   encode
    H_dec_t = Decoder(y_1, .., y_{t-1}, H_enc)             (2)   decode
    P(y_t | y_1, .., y_{t-1}, X) = softmax(W_o H_dec_t)    (3)   logits, log_probs

B examples, source length S, target length T, width d_model, vocabulary V. Masks are boolean, True means real token.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from model.attention import HookPoint, KeyValueCache, causal_mask
from model.config import ModelConfig
from model.heads import ENCODER_HEADS, CopyHead, chosen_log_probs, make_copy_head
from model.layers import DecoderLayer, EncoderLayer
from model.normalization import make_norm
from model.positions import Positions


class Transformer(nn.Module):
    """The whole network. The embedding of the padding token, `pad_id`, starts at zero and gets no gradient as an input.

    (With `learn_padding` it gets one as the other tokens do.)
    """

    def __init__(self, config: ModelConfig, pad_id: int) -> None:
        super().__init__()
        self.config, self.pad_id = config, pad_id
        padding_idx = None if config.learn_padding else pad_id
        self.embedding = nn.Embedding(config.vocab_size, config.d_model, padding_idx=padding_idx)
        self.embedding_dropout = nn.Dropout(config.dropout)
        self.output_dropout = nn.Dropout(config.dropout_output)

        self.encoder_positions = Positions(config, bidirectional=True)
        self.decoder_positions = Positions(config, bidirectional=False)
        if config.norm_embeddings:
            self.encoder_embedding_norm, self.decoder_embedding_norm = make_norm(config), make_norm(config)

        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config, i) for i in range(config.n_decoder_layers))
        self.encoder_norm = make_norm(config) if config.has_final_norm else nn.Identity()
        self.decoder_norm = make_norm(config) if config.has_final_norm else nn.Identity()

        self.output = nn.Linear(config.d_model, config.vocab_size, bias=False)  # W_o
        self.register_buffer("logits_bias", torch.zeros(config.vocab_size) if config.logits_bias else None)
        self.see = HookPoint()  # shown the logits
        self.copy_head = make_copy_head(config)
        for kind, head in ENCODER_HEADS.items():  # mlm_head, tag_head, match_head
            setattr(self, f"{kind}_head", head(config) if getattr(config, f"{kind}_head") else None)

        self.initialise()
        if config.tie_embeddings:
            self.output.weight = self.embedding.weight

    def initialise(self) -> None:
        """Draw initial weights: Glorot's uniform for matrices, zero biases, embeddings for a loss near log V."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.5 / math.sqrt(self.config.d_model))
        if self.config.scale_initial_queries:
            with torch.no_grad():
                for layer in (*self.encoder, *self.decoder):
                    for name, module in layer.named_children():
                        if name.endswith("attention"):
                            module.query.weight /= math.sqrt(self.config.d_k)
        with torch.no_grad():
            self.embedding.weight[self.pad_id] = 0
            if isinstance(self.copy_head, CopyHead):
                self.copy_head.start_by_generating()

    def repack(self) -> None:
        """Let go of copies of the weights. This network keeps none; a fast one does (model/fast.py)."""

    def embed(self, ids: Tensor, positions: Positions, at: Tensor, norm: nn.Module | None) -> Tensor:
        """Embed token ids (B, T) at the positions `at` (T): (B, T, d_model)."""
        x = self.embedding(ids)  # (B, T, d_model)
        if self.config.scale_embeddings:
            x = x * math.sqrt(self.config.d_model)
        added = positions.embed(at)  # (T, d_model)
        if added is not None:
            x = x + added.to(x.dtype)
        return self.embedding_dropout(x if norm is None else norm(x))

    def encode(self, source: Tensor, source_mask: Tensor) -> Tensor:
        """Equation (1): source (B, S), source_mask (B, S) -> memory H_enc (B, S, d_model)."""
        positions = torch.arange(source.shape[1], device=source.device)
        x = self.embed(source, self.encoder_positions, positions, getattr(self, "encoder_embedding_norm", None))
        order = self.encoder_positions.order(positions, positions)
        for layer in self.encoder:
            x = layer(x, source_mask[:, None, None, :], order)
        return self.output_dropout(self.encoder_norm(x))

    def decode(
        self, decoder_input: Tensor, memory: Tensor | None, source_mask: Tensor, cache: KeyValueCache | None = None
    ) -> Tensor:
        """Equation (2): decoder_input (B, T), memory (B, S, d_model) -> states H_dec (B, T, d_model).

        With a cache, `decoder_input` holds the new tokens alone, the cache's mask and memory serve, and the cache
        advances by T.
        """
        first = 0 if cache is None else cache.length
        queries_at = torch.arange(first, first + decoder_input.shape[1], device=decoder_input.device)
        keys_at = torch.arange(first + decoder_input.shape[1], device=decoder_input.device)
        x = self.embed(decoder_input, self.decoder_positions, queries_at, getattr(self, "decoder_embedding_norm", None))
        order = self.decoder_positions.order(queries_at, keys_at)
        if cache is None and not self.config.causal:  # step by step there are no later tokens to be seen
            may_attend = self.real_tokens(decoder_input)
        else:
            plain = cache is None and order.bias is None
            may_attend = None if plain else causal_mask(queries_at, keys_at)
        source_may_attend = (source_mask if cache is None else cache.source_mask)[:, None, None, :]
        for layer in self.decoder:
            x = layer(x, memory, source_may_attend, order, may_attend, cache)
        if cache is not None:
            cache.length += decoder_input.shape[1]
        return self.output_dropout(self.decoder_norm(x))

    def real_tokens(self, decoder_input: Tensor) -> Tensor:
        """The mask of a decoder without a causal one: (B, T) -> (B, 1, 1, T). The start token may have padding's id."""
        is_real = decoder_input != self.pad_id
        is_real[:, 0] = True
        return is_real[:, None, None, :]

    def start_cache(self, memory: Tensor, source_mask: Tensor, max_length: int) -> KeyValueCache:
        """An empty cache with room for `max_length` target tokens, and cross-attention's keys and values in it."""
        cross = [
            layer.cross_attention.keys_and_values(memory) for layer in self.decoder if layer.has_cross_attention
        ]
        own = [
            memory.new_empty(2, len(memory), self.config.n_heads, max_length, self.config.d_k) for _ in self.decoder
        ]
        return KeyValueCache(cross, own, source_mask)

    def logits(self, states: Tensor) -> Tensor:
        """The logits W_o H_dec of equation (3), before the softmax: (..., d_model) -> (..., V)."""
        if self.config.scale_output:
            states = states / math.sqrt(self.config.d_model)
        logits = self.output(states)
        return self.see("logits", logits if self.logits_bias is None else logits + self.logits_bias)

    def log_probs(
        self, logits: Tensor, states: Tensor, memory: Tensor, source: Tensor, source_mask: Tensor
    ) -> Tensor:
        """Equation (3): logits (B, T, V) -> log-probabilities (B, T, V), copying included."""
        logits = logits.to(states.dtype)  # autocast's products are bfloat16
        if self.copy_head is None:
            return logits.log_softmax(dim=-1)
        return self.copy_head.log_probs(logits, states, memory, source, source_mask)

    def forward(self, source: Tensor, source_mask: Tensor, decoder_input: Tensor) -> Tensor:
        """Equations (1) to (3): source (B, S), decoder_input (B, T) -> log-probabilities (B, T, V)."""
        memory = self.encode(source, source_mask)
        states = self.decode(decoder_input, memory, source_mask)
        return self.log_probs(self.logits(states), states, memory, source, source_mask)

    def target_log_probs(
        self, source: Tensor, source_mask: Tensor, decoder_input: Tensor, target: Tensor, target_mask: Tensor,
        memory: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The log-probabilities log P(y_t | y_<t, X) of the N real target tokens, without making a (B, T, V) tensor.

        Returns the log-probabilities (N) and the vocabulary's logits (N, V), which label smoothing needs; copy scores
        that are added to logits are in them. `memory` (B, S, d_model) is given where the source has been encoded.
        """
        memory = self.encode(source, source_mask) if memory is None else memory
        states = self.decode(decoder_input, memory, source_mask)  # (B, T, d_model)
        logits = self.logits(states[target_mask]).to(states.dtype)  # (N, V); autocast's products are bfloat16
        if self.copy_head is None:
            return chosen_log_probs(logits, target[target_mask]), logits
        return self.copy_head.target_log_probs(logits, states, memory, source, source_mask, target, target_mask)
