"""The source line that computes each kind of operation, found by its text so that a changed source is noticed."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model import attention, feed_forward, heads, layers, normalization, transformer
from training import losses

ROOT = Path(__file__).resolve().parents[2]
ATTENTION_MODULE = attention.MultiHeadAttention
LINES: dict[str, tuple[Any, str]] = {  # kind, or kind:variant or kind:step where one kind has several lines
    "embedding": (transformer.Transformer.embed, "x = self.embedding(ids)"),
    "embedding_sum": (transformer.Transformer.embed, "x = x + added.to(x.dtype)"),
    "embedding_sum:alone": (transformer.Transformer.embed, "return self.embedding_dropout("),
    "norm:layer": (normalization.LayerNorm.forward, "return F.layer_norm("),
    "norm:rms": (normalization.RMSNorm.forward, "return F.rms_norm("),
    "projection:queries": (ATTENTION_MODULE.forward, "queries = self.split(self.query(x))"),
    "projection:keys": (ATTENTION_MODULE.keys_and_values, "self.split(self.key(x)), self.split(self.value(x))"),
    "projection:values": (ATTENTION_MODULE.keys_and_values, "self.split(self.key(x)), self.split(self.value(x))"),
    "scores": (attention.written_out_attention, "scores = queries @ keys.transpose(-2, -1) * scale"),
    "weights": (attention.written_out_attention, "weights = scores.softmax(dim=-1)"),
    "heads": (attention.written_out_attention, "F.dropout(weights, dropout) @ values"),
    "concatenation": (ATTENTION_MODULE.forward, "return self.output(concatenated), weights"),
    "linear:gate": (feed_forward.FeedForward.forward, "self.gate(x)"),
    "linear:inner": (feed_forward.FeedForward.forward, "hidden = self.inner(x)"),
    "linear:output": (feed_forward.FeedForward.forward, "return self.outer(self.dropout(hidden))"),
    "activation:relu": (feed_forward.FeedForward.activate, "F.relu(hidden)"),
    "activation:gelu": (feed_forward.FeedForward.activate, "F.gelu(hidden)"),
    "activation:gelu_tanh": (feed_forward.FeedForward.activate, 'F.gelu(hidden, approximate="tanh")'),
    "activation:swish": (feed_forward.FeedForward.activate, "F.silu(hidden)"),
    "activation:geglu": (feed_forward.FeedForward.activate, 'F.gelu(gate, approximate="tanh") * hidden'),
    "activation:swiglu": (feed_forward.FeedForward.activate, "F.silu(gate) * hidden"),
    "residual:pre": (layers.Residual.forward, "return x + self.dropout(sublayer(self.norm(x)))"),
    "residual:post": (layers.Residual.forward, "return self.norm(x + self.dropout(sublayer(x)))"),
    "logits": (transformer.Transformer.logits, "logits = self.output(states)"),
    "linear:states": (heads.CopyAttention.scores, "self.query(states) @ self.key.weight"),
    "linear:queries": (heads.CopyAttention.scores, "self.query(states) @ self.key.weight"),
    "copy_scores": (heads.CopyAttention.scores, "queries @ memory.transpose(1, 2)"),
    "copy_gate": (heads.CopyHead.forward, "gate = self.gate(torch.cat((states, context), dim=-1))"),
    "mixture": (heads.mixture_log_probs, "mixture = generated.scatter_add(-1, index, weights)"),
    "log_softmax": (transformer.Transformer.log_probs, "return logits.log_softmax(dim=-1)"),
    "loss": (losses.sequence_loss_written_out, "of_target = log_probs.gather(-1, target.unsqueeze(-1))"),
}


@dataclass(frozen=True)
class CodeLine:
    """One line of the project's source."""

    file: str  # relative to the repository
    line: int
    text: str


def code_line(kind: str, name: str, variant: str) -> CodeLine:
    """The line of an operation of this kind, whose output is called `name`. Raises LookupError when it is not there."""
    step = name.rpartition(".")[2]
    for key in (f"{kind}:{step}", f"{kind}:{variant}", kind):
        if key in LINES:
            return find_line(*LINES[key])
    raise LookupError(f"no source line is known for {kind} ({name})")


def find_line(where: Any, text: str) -> CodeLine:
    """The first line of the function `where` that holds `text`. Raises LookupError."""
    lines, first = inspect.getsourcelines(where)
    for number, line in enumerate(lines, start=first):
        if text in line:
            file = Path(inspect.getsourcefile(where)).resolve().relative_to(ROOT).as_posix()
            return CodeLine(file, number, line.strip())
    raise LookupError(f"{where.__qualname__} has no line with {text!r}; mend teaching/walkthrough/code_lines.py")
