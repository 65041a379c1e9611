"""The heads besides the vocabulary's softmax: those on the encoder, and the copy head on the decoder."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import HookPoint
from model.config import ModelConfig
from model.normalization import make_norm


class EncoderHead(nn.Module):
    """A head of the encoder's, which a pretraining objective teaches; ENCODER_HEADS names all of them.

    For each of the N labelled positions of a batch it gives the logit of a yes, or one logit a class.
    """

    def of_labelled(
        self, states: Tensor, labelled: Tensor, source: Tensor, source_mask: Tensor, embedding: nn.Module
    ) -> Tensor:
        """states (B, S, d_model), labelled, source and source_mask (B, S) -> logits (N) or (N, classes)."""
        return self(states[labelled])

    @staticmethod
    def products(config: ModelConfig, source_length: int, labels: int) -> int:
        """Multiplications for one source of so many tokens and labels; here of one linear function of the states."""
        return labels * config.d_model


class MLMHead(EncoderHead):
    """The head that predicts masked source tokens (Devlin et al. 2019): logits = E Norm(GELU(W h)) + b, embedding E."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.d_model, config.d_model)
        self.norm = make_norm(config)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, states: Tensor, embedding: Tensor) -> Tensor:
        """states (N, d_model), embedding (V, d_model) -> logits (N, V)."""
        hidden = F.gelu(self.dense(states)).to(states.dtype)  # (N, d_model); autocast's products are bfloat16
        return F.linear(self.norm(hidden), embedding, self.bias)

    def of_labelled(
        self, states: Tensor, labelled: Tensor, source: Tensor, source_mask: Tensor, embedding: nn.Module
    ) -> Tensor:
        """As in EncoderHead."""
        return self(states[labelled], embedding.weight)

    @staticmethod
    def products(config: ModelConfig, source_length: int, labels: int) -> int:
        """As in EncoderHead."""
        return labels * config.d_model * (config.d_model + config.vocab_size)


class TagHead(EncoderHead):
    """The probability that a token is part of an identifier: sigmoid(w . h + b) (Wang et al. 2021, 3.2)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.output = nn.Linear(config.d_model, 1)

    def forward(self, states: Tensor) -> Tensor:
        """states (N, d_model) -> logits (N)."""
        return self.output(states).squeeze(-1)


class MatchHead(EncoderHead):
    """The probability that two texts belong together.

        P = sigmoid(w . tanh(W h_1 + b) + a m + c)
        m = sum_i g_i max_j cos(z_i, z_j) / sum_i g_i,     z = W_z [e; h],  g = softplus(w_g . [e; h] + b_g)

    over tokens i of the first text and j of the second, with their embeddings e and states h. The first term is BERT's
    (Devlin et al. 2019, 3.1): tanh(W h_1 + b) is its pooled output, and its softmax over two classes is the same. The
    second asks how much of the first text is found in the second, token by token (late interaction: Khattab and
    Zaharia 2020, 3.3): from labels alone a small encoder hardly learns to compare words.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.pooler = nn.Linear(config.d_model, config.d_model)
        self.output = nn.Linear(config.d_model, 1)
        self.project = nn.Linear(2 * config.d_model, config.d_model, bias=False)  # W_z
        self.weigh = nn.Linear(2 * config.d_model, 1)
        self.scale = nn.Parameter(torch.tensor(5.0))  # a: a cosine of 1 would hardly move the sigmoid

    def forward(self, states: Tensor, embedded: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """states and embedded (B, S, d_model), source and source_mask (B, S) -> logits (B)."""
        first, second = two_texts(source, source_mask)  # (B, S) both
        both = torch.cat([F.layer_norm(x, x.shape[-1:]) for x in (embedded, states)], dim=-1)  # (B, S, 2 d_model)
        z = F.normalize(self.project(both), dim=-1)  # (B, S, d_model)
        cosines = (z @ z.transpose(1, 2)).masked_fill(~second[:, None], -1.0)  # (B, S, S)
        found = cosines.amax(dim=-1)  # (B, S)
        weights = F.softplus(self.weigh(both)).squeeze(-1) * first  # (B, S)
        share = (weights * found).sum(dim=1) / weights.sum(dim=1).clamp_min(1e-6)  # (B), m
        pooled = self.output(self.pooler(states[:, 0]).tanh()).squeeze(-1)  # (B)
        return pooled + self.scale * share

    def of_labelled(
        self, states: Tensor, labelled: Tensor, source: Tensor, source_mask: Tensor, embedding: nn.Module
    ) -> Tensor:
        """As in EncoderHead; a source has one label, so N is B."""
        return self(states, embedding(source), source, source_mask)

    @staticmethod
    def products(config: ModelConfig, source_length: int, labels: int) -> int:
        """As in EncoderHead: the pooled state, and every token's projection, weight and cosines."""
        S, d = source_length, config.d_model
        return d * (d + 1) + S * (2 * d * d + 2 * d + S * d)


# Kind of an objective's items -> its head, which is `<kind>_head` in Transformer and has a switch in ModelConfig.
ENCODER_HEADS = {"mlm": MLMHead, "tag": TagHead, "match": MatchHead}


def two_texts(source: Tensor, source_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Masks (B, S) of the first and of the second text in <begin> first <end> second <end>: (B, S) -> two of (B, S)."""
    last = source_mask.sum(dim=1, keepdim=True) - 1  # (B, 1)
    is_end = source == source.gather(1, last)  # (B, S)
    before = is_end.cumsum(dim=1) == 0  # (B, S)
    first = before.clone()
    first[:, 0] = False
    return first, source_mask & ~before & ~is_end


ALWAYS = 1e4  # a gate whose sigmoid is 1 in every precision


class CopyAttention(nn.Module):
    """The scores of copying source position j at t: (W_q H_dec_t) . (W_k H_enc_j) / sqrt(d_model)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.query = nn.Linear(config.d_model, config.d_model, bias=False)  # W_q
        self.key = nn.Linear(config.d_model, config.d_model, bias=False)  # W_k
        self.see = HookPoint()

    def scores(self, states: Tensor, memory: Tensor, source_mask: Tensor) -> Tensor:
        """states (B, T, d_model), memory (B, S, d_model) -> (B, T, S); padding has the lowest number."""
        # (W_q h) . (W_k m) = (W_k^T W_q h) . m: the same scores, and a step of decoding need not project the memory.
        queries = self.see("queries", self.query(states) @ self.key.weight)  # (B, T, d_model)
        scores = self.see("scores", queries @ memory.transpose(1, 2) / math.sqrt(memory.shape[-1]))  # (B, T, S)
        return scores.masked_fill(~source_mask[:, None], torch.finfo(scores.dtype).min)


class Pointer(NamedTuple):
    """The copy head's scores of the source positions, and the shares of generating and copying."""

    scores: Tensor  # (B, T, S), before the softmax over source positions; padding has the lowest number
    log_generate: Tensor  # (B, T), log of p_gen, the share of the vocabulary's softmax
    log_copy: Tensor  # (B, T), log of 1 - p_gen


class CopyHead(CopyAttention):
    """The pointer-generator (See, Liu and Manning 2017, equations 8 and 9).

        P(y_t) = p_gen softmax(W_o H_dec_t)_y + (1 - p_gen) sum over j with x_j = y of a_tj

    where a_t is the softmax of the scores over the source positions j, and p_gen is the sigmoid of a linear function of
    the decoder's state and of the copied context sum_j a_tj H_enc_j. The paper points with the cross-attention itself;
    here the head has its own, as a Transformer has many.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.gate = nn.Linear(2 * config.d_model, 1)

    def start_by_generating(self) -> None:
        """Set the gate to p_gen = 0.73 at the start: at one half the untrained head would copy wrong tokens."""
        self.gate.weight.zero_()
        self.gate.bias.fill_(1.0)

    def forward(self, states: Tensor, memory: Tensor, source_mask: Tensor) -> Pointer:
        """Point into the source: states (B, T, d_model), memory (B, S, d_model), source_mask (B, S)."""
        scores = self.scores(states, memory, source_mask)  # (B, T, S)
        context = scores.softmax(dim=-1) @ memory  # (B, T, d_model)
        gate = self.gate(torch.cat((states, context), dim=-1)).squeeze(-1)  # (B, T)
        gate = gate.where(source_mask.any(dim=1, keepdim=True), ALWAYS)  # where nothing is, nothing is copied
        # Logarithms are taken of these and subtracted: under autocast, in the states' float32 instead of bfloat16.
        scores, gate = scores.to(states.dtype), gate.to(states.dtype)
        return Pointer(scores, F.logsigmoid(gate), F.logsigmoid(-gate))

    def log_probs(self, logits: Tensor, states: Tensor, memory: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """Equation (3) with copying mixed in: logits (B, T, V), source (B, S) -> (B, T, V)."""
        return mixture_log_probs(logits, self(states, memory, source_mask), source)

    def target_log_probs(
        self, logits: Tensor, states: Tensor, memory: Tensor, source: Tensor, source_mask: Tensor, target: Tensor,
        target_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """As in `Transformer`: logits (N, V) -> the log-probabilities of the target (N), and the same logits."""
        pointer = self(states, memory, source_mask)
        copied = copied_log_probs(pointer, source, target)  # (B, T)
        generated = pointer.log_generate[target_mask] + chosen_log_probs(logits, target[target_mask])  # (N)
        return torch.logaddexp(generated, (pointer.log_copy + copied)[target_mask]), logits


class CopyScores(CopyAttention):
    """Copying without a gate: the scores are added to the logits (Norouzi, Tang and Cao 2021).

    P(y_t) = softmax(W_o H_dec_t + sum over j with x_j = y of scores_tj)
    """

    def log_probs(self, logits: Tensor, states: Tensor, memory: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """Equation (3) with copying: logits (B, T, V), source (B, S) -> (B, T, V)."""
        scores = self.scores(states, memory, source_mask).to(states.dtype)  # (B, T, S)
        return with_copy_scores(logits, scores, source, source_mask).log_softmax(dim=-1)

    def target_log_probs(
        self, logits: Tensor, states: Tensor, memory: Tensor, source: Tensor, source_mask: Tensor, target: Tensor,
        target_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """As in `Transformer`: logits (N, V) -> the log-probabilities of the target (N), and the logits with scores."""
        scores = self.scores(states, memory, source_mask).to(states.dtype)  # (B, T, S)
        rows = target_mask.nonzero()[:, 0]  # (N), the pair of each target token
        logits = with_copy_scores(logits, scores[target_mask], source[rows], source_mask[rows])
        return chosen_log_probs(logits, target[target_mask]), logits


def make_copy_head(config: ModelConfig) -> CopyHead | CopyScores | None:
    """The copy head in the configured form, or None where the network has none and writes tokens by logits alone."""
    if not config.copy_head:
        return None
    return CopyScores(config) if config.copy_form == "scores" else CopyHead(config)


def chosen_log_probs(logits: Tensor, targets: Tensor) -> Tensor:
    """The log-probabilities log softmax(logits) of the targets: (N, V), (N) -> (N)."""
    return logits.gather(-1, targets[:, None]).squeeze(-1) - logits.logsumexp(dim=-1)


def copied_log_probs(pointer: Pointer, source: Tensor, target: Tensor) -> Tensor:
    """The log-probability of each target token under copying alone: log of the sum of a_tj over j with x_j = y_t.

    source (B, S), target (B, T) -> (B, T). Where the token is not in the source: the lowest number there is.
    """
    lowest = torch.finfo(pointer.scores.dtype).min
    match = source[:, None, :] == target[:, :, None]  # (B, T, S)
    matched = pointer.scores.masked_fill(~match, lowest).logsumexp(dim=-1)  # (B, T)
    log_prob = matched - pointer.scores.logsumexp(dim=-1)
    return log_prob.masked_fill(~match.any(dim=-1), lowest)


def with_copy_scores(logits: Tensor, scores: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
    """Add the score of each source token to the logit of that token: (..., V), (..., S), (..., S) -> (..., V).

    A token that stands in the source several times gets the sum, one that does not stand there nothing.
    """
    rows = source_mask.shape[0], *[1] * (scores.dim() - 2), source_mask.shape[-1]
    scores = scores.masked_fill(~source_mask.view(rows), 0.0).to(logits.dtype)
    return logits.scatter_add(-1, source.view(rows).expand_as(scores), scores)


def mixture_log_probs(logits: Tensor, pointer: Pointer, source: Tensor) -> Tensor:
    """The log-probabilities of the whole mixture: logits (B, T, V), source (B, S) -> (B, T, V)."""
    weights = pointer.scores.softmax(dim=-1) * pointer.log_copy.exp()[..., None]  # (B, T, S)
    generated = logits.softmax(dim=-1) * pointer.log_generate.exp()[..., None]  # (B, T, V)
    index = source[:, None, :].expand_as(weights)  # (B, T, S)
    mixture = generated.scatter_add(-1, index, weights)
    return mixture.clamp_min(torch.finfo(mixture.dtype).tiny).log()
