"""From a run folder and one description to the walkthrough's content: the code, the trace, the pieces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from data.tokenizers.tokenizer import Tokenizer, source_ids
from eval import Settings
from evaluation.predict import ids_for_decoding, reporting
from model.decoding import greedy
from model.heads import CopyScores
from model.transformer import Transformer
from system.errors import UserError
from teaching.walkthrough.trace import Trace, trace
from training.run.folder import read_config
from training.run.load import load_trained

N_ALTERNATIVES = 10  # of each step


@dataclass(frozen=True)
class Story:
    """One description, what the network wrote for it, and every step between."""

    run: str  # name of the run folder
    model: Transformer
    trace: Trace
    pieces: list[str]  # the vocabulary, readable
    prompt: str
    code: str  # generated greedily by the fused form
    reference: str | None  # code whose loss is taken instead of the generated code's
    ended: bool  # whether the generated code came to its end token
    cut: bool  # whether the description was longer than the network reads
    same_ids: bool | None  # whether the traced pass prefers the very ids that were generated; None with a reference
    alternatives: list[list[list[float]]]  # of each step: [id, P, generated part, copied part], most probable first


def load_run(run: Path) -> tuple[Transformer, Tokenizer, Settings]:
    """The trained network on the CPU. Raises UserError."""
    settings, _ = read_config(run, Settings)
    model, tokenizer = load_trained(run, settings.model)
    if isinstance(model.copy_head, CopyScores):
        raise UserError(f"{run} adds copy scores to its logits; the walkthrough shows copying as a mixture only")
    return model, tokenizer, settings


def tell_story(
    run: Path, prompt: str, reference: str | None = None, n_padding: int = 2, max_new_tokens: int = 0
) -> Story:
    """Generate code for the prompt, then trace the pass that scores it, or the reference. Raises UserError."""
    model, tokenizer, settings = load_run(run)
    longest = settings.data.max_source_length
    source, special = source_ids(prompt, tokenizer, longest), ids_for_decoding(tokenizer)
    check_lengths(model, len(source) + n_padding, "the description, its padding included,")

    limit = max_new_tokens or settings.evaluation.max_new_tokens
    ids = torch.tensor([source])
    generated = reporting(greedy)(model, ids, torch.ones_like(ids, dtype=torch.bool), special, limit)[0]
    ended = len(generated) < limit
    whole = [*generated, tokenizer.end_id] if ended else generated
    target = whole if reference is None else tokenizer.frame(tokenizer.encode_target(reference), target=True)
    check_lengths(model, len(target), "the code")

    seen = trace(model, source, n_padding, target, tokenizer.decoder_start_id)
    choices = seen.activations["log_probs"].value.clone()  # (T, V)
    choices[:, list(special.never_ids)] = -torch.inf

    return Story(
        run.resolve().name, model, seen, tokenizer.pieces(range(tokenizer.vocab_size)), prompt,
        tokenizer.decode(generated), reference, ended, len(tokenizer.encode(prompt)) >= longest,
        choices.argmax(dim=-1).tolist() == whole if reference is None else None, alternatives(seen),
    )


def check_lengths(model: Transformer, length: int, what: str) -> None:
    """Refuse a length that learned positions have no room for. Raises UserError."""
    if model.config.positions == "learned" and length > model.config.max_length:
        raise UserError(f"{what} has {length} tokens, the network has {model.config.max_length} learned positions")


def alternatives(seen: Trace) -> list[list[list[float]]]:
    """The most probable tokens of each step, with the generated and the copied part of their probability."""
    log_probs, logits = seen.activations["log_probs"].value, seen.activations["logits"].value  # (T, V)
    generated = logits.softmax(dim=-1)  # (T, V)
    if "copy.gate" in seen.activations:
        gate = seen.activations["copy.gate"].value  # (T, 1)
        generated = generated * gate.sigmoid()
    probs, ids = log_probs.exp().topk(min(N_ALTERNATIVES, log_probs.shape[-1]), dim=-1)  # (T, n)
    parts = generated.gather(-1, ids)
    return [
        [[int(i), float(p), float(g), max(0.0, float(p - g))] for i, p, g in zip(*row, strict=True)]
        for row in zip(ids, probs, parts, strict=True)
    ]
