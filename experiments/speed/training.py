"""One optimiser step of shape A, ours and other libraries': forward, loss, backward, clipping, AdamW.

Everybody gets the same random ids, sizes, tied output, GELU, and dropout on embeddings, sublayer outputs and attention
weights. Where a library cannot have that, `difference` says what is not the same, and it does not count as a peer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.speed.shape import Shape, our_config

LEARNING_RATE = 1e-4
CLIP_NORM = 1.0
FIRST_ID = 5  # random ids begin behind everybody's padding, start and end
PEERS_PAD_ID = 1  # BART's own; our padding is 0, nn.Transformer is told with masks


@dataclass(frozen=True)
class Pairs:
    """A batch as every library can read it."""

    source: Tensor  # (B, S) long
    source_mask: Tensor  # (B, S) bool, True at real tokens
    decoder_input: Tensor  # (B, T) long
    labels: Tensor  # (B, T) long, -100 at padding


@dataclass(frozen=True)
class Trainer:
    """One library's network under its optimiser."""

    step: Callable[[Pairs], Any]  # one optimiser step
    model: nn.Module
    library: str  # name and version
    difference: str = ""  # what is not as in the shape


def random_pairs(shape: Shape) -> Pairs:
    """Random ids without padding, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    size = (shape.batch, shape.source_length + shape.target_length)
    ids = torch.randint(FIRST_ID, shape.vocab_size, size, generator=generator)
    source, target = ids[:, : shape.source_length].contiguous(), ids[:, shape.source_length :].contiguous()
    return Pairs(source, torch.ones_like(source, dtype=torch.bool), target.roll(1, dims=1), target)


def our_trainer(shape: Shape, speed: str = "fast", bf16: bool = False, without: str = "") -> Trainer:
    """This project's preset `bart` under the step of train.py's loop, `without` one of its fast forms."""
    import train
    from data.batches import Batch
    from model.fast import make_network
    from system.device import keep_freed_memory
    from training.config import LoopConfig
    from training.optimizer import make_optimizer
    from training.state import TrainingStep

    if without:
        WITHOUT[without]()
    if without != "kept memory":
        keep_freed_memory()  # as train.py does
    model = make_network(replace(our_config(shape), speed=speed), PEERS_PAD_ID).train()
    loop = LoopConfig(learning_rate=LEARNING_RATE, label_smoothing=0.0, clip_norm=CLIP_NORM, bf16=bf16)
    run = SimpleNamespace(model=model, device=torch.device("cpu"), ranks=None)
    phase = SimpleNamespace(
        loop=loop, optimizer=make_optimizer(model, loop), average=None, gradient=None
    )

    def step(pairs: Pairs) -> None:
        real = pairs.labels >= 0
        target = pairs.labels.clamp(min=0)
        batch = Batch(
            [], "seq2seq", pairs.source, pairs.source_mask, target, real, pairs.decoder_input, None, n_tokens=0
        )
        train.take_step(run, phase, TrainingStep.of([batch]), LEARNING_RATE)

    return Trainer(step, model, "this project")


def use_mkl() -> None:
    """Compute every matrix product with MKL and none with oneDNN."""
    import model.linear

    model.linear.has_wide_onednn = lambda: False


def use_torch_dropout() -> None:
    """Draw dropout masks with torch's own generator of Bernoulli numbers."""
    from model.dropout import FastDropout

    FastDropout.apply = F.dropout  # wherever it is called from, as experiments/speed/dropout_check.py has it


def use_plain_loss() -> None:
    """Compute all logits of the batch at once, with autograd's gradient."""
    import training.batch_loss
    from training.losses import sequence_loss

    def plain(model: nn.Module, batch: Any, memory: Tensor, smoothing: float) -> tuple[Tensor, int]:
        _, logits = model.target_log_probs(
            batch.source, batch.source_mask, batch.decoder_input, batch.target, batch.target_mask, memory
        )
        return sequence_loss(logits, batch.target[batch.target_mask], smoothing)

    training.batch_loss.fast_pair_loss = plain


WITHOUT: dict[str, Callable[[], None]] = {  # what a variant of ours does in its own process before anything else
    "oneDNN": use_mkl,
    "fast dropout": use_torch_dropout,
    "chunked loss": use_plain_loss,
    "kept memory": lambda: None,
}


def trainer(model: nn.Module, loss_of: Callable[[Pairs], Tensor], library: str, difference: str = "") -> Trainer:
    """The usual loop around a library's model."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)

    def step(pairs: Pairs) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(pairs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        loss.item()  # ours reads its loss too

    return Trainer(step, model, library, difference)


class TorchTransformer(nn.Module):
    """torch.nn.Transformer between an embedding with learned positions and a tied output, as its tutorials build it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        self.positions = nn.Embedding(1024, shape.d_model)
        self.dropout = nn.Dropout(shape.dropout)
        self.stacks = nn.Transformer(
            shape.d_model, shape.n_heads, shape.n_layers, shape.n_layers, shape.d_ff, shape.dropout, F.gelu,
            batch_first=True,
        )
        for layer in (*self.stacks.encoder.layers, *self.stacks.decoder.layers):
            layer.dropout.p = 0.0  # the one behind the activation, which shape A has not

    def embed(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, d_model)."""
        return self.dropout(self.embedding(ids) + self.positions.weight[: ids.shape[1]])

    def loss(self, pairs: Pairs) -> Tensor:
        """Mean cross-entropy over real target tokens."""
        causal = nn.Transformer.generate_square_subsequent_mask(pairs.decoder_input.shape[1])
        padding = None if bool(pairs.source_mask.all()) else ~pairs.source_mask
        states = self.stacks(
            self.embed(pairs.source), self.embed(pairs.decoder_input), tgt_mask=causal, tgt_is_causal=True,
            src_key_padding_mask=padding, memory_key_padding_mask=padding,
        )
        logits = F.linear(states, self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), pairs.labels.flatten())


def torch_trainer(shape: Shape) -> Trainer:
    """torch.nn.Transformer."""
    model = TorchTransformer(shape)
    return trainer(model, model.loss, f"torch {torch.__version__}")


def hugging_face_trainer(model: nn.Module, difference: str = "") -> Trainer:
    """A network of transformers' with the loss that it computes itself."""
    import transformers

    def loss_of(pairs: Pairs) -> Tensor:
        return model(
            input_ids=pairs.source, attention_mask=pairs.source_mask.long(), decoder_input_ids=pairs.decoder_input,
            labels=pairs.labels,
        ).loss

    return trainer(model, loss_of, f"transformers {transformers.__version__}", difference)


def bart_sizes(shape: Shape) -> dict[str, Any]:
    """The shape in the words of BartConfig and MarianConfig."""
    return {
        "vocab_size": shape.vocab_size, "d_model": shape.d_model, "encoder_layers": shape.n_layers,
        "decoder_layers": shape.n_layers, "encoder_attention_heads": shape.n_heads,
        "decoder_attention_heads": shape.n_heads, "encoder_ffn_dim": shape.d_ff, "decoder_ffn_dim": shape.d_ff,
        "dropout": shape.dropout, "attention_dropout": shape.dropout, "activation_function": "gelu",
        "pad_token_id": PEERS_PAD_ID,
    }


def bart_trainer(shape: Shape) -> Trainer:
    """Hugging Face's BART (Lewis et al. 2020)."""
    import transformers

    config = transformers.BartConfig(**bart_sizes(shape))
    return hugging_face_trainer(transformers.BartForConditionalGeneration(config))


def marian_trainer(shape: Shape) -> Trainer:
    """Hugging Face's Marian (Junczys-Dowmunt et al. 2018)."""
    import transformers

    special = {"decoder_start_token_id": PEERS_PAD_ID, "forced_eos_token_id": None}
    config = transformers.MarianConfig(**bart_sizes(shape), **special)
    return hugging_face_trainer(transformers.MarianMTModel(config))


def t5_trainer(shape: Shape) -> Trainer:
    """Hugging Face's T5 (Raffel et al. 2020)."""
    import transformers

    config = transformers.T5Config(
        vocab_size=shape.vocab_size, d_model=shape.d_model, d_kv=shape.d_model // shape.n_heads, d_ff=shape.d_ff,
        num_layers=shape.n_layers, num_heads=shape.n_heads, dropout_rate=shape.dropout, feed_forward_proj="gelu",
        pad_token_id=PEERS_PAD_ID, decoder_start_token_id=PEERS_PAD_ID,
    )
    difference = "dropout after the activation and on the stacks' outputs too, relative positions"
    return hugging_face_trainer(transformers.T5ForConditionalGeneration(config), difference)


def x_trainer(shape: Shape) -> Trainer:
    """x-transformers' encoder-decoder."""
    from importlib.metadata import version

    from x_transformers import XTransformer

    sides = {
        f"{side}_{name}": value
        for side in ("enc", "dec")
        for name, value in {
            "num_tokens": shape.vocab_size, "depth": shape.n_layers, "heads": shape.n_heads, "max_seq_len": 1024,
            "attn_dim_head": shape.d_model // shape.n_heads, "ff_mult": shape.d_ff // shape.d_model,
            "emb_dropout": shape.dropout, "attn_dropout": shape.dropout, "ff_dropout": shape.dropout,
        }.items()
    }
    model = XTransformer(dim=shape.d_model, tie_token_emb=True, ignore_index=-100, pad_value=PEERS_PAD_ID, **sides)

    def loss_of(pairs: Pairs) -> Tensor:
        # It shifts the target itself: with the start token in front it predicts as many tokens as the others.
        target = torch.cat((pairs.decoder_input[:, :1], pairs.labels), dim=1)
        return model(pairs.source, target, mask=pairs.source_mask)

    difference = "output not tied, dropout after the activation, none on sublayer outputs"
    return trainer(model, loss_of, f"x-transformers {version('x-transformers')}", difference)


def joey_trainer(shape: Shape) -> Trainer:
    """Joey NMT's Transformer (Kreutzer, Bastings and Riezler 2019) under the loss of its own forward pass."""
    from importlib.metadata import version

    from joeynmt.model import build_model
    from joeynmt.vocabulary import Vocabulary

    special = SimpleNamespace(
        unk_token="<unk>", unk_id=0, pad_token="<pad>", pad_id=PEERS_PAD_ID, bos_token="<s>", bos_id=2,
        eos_token="</s>", eos_id=3, sep_token=None, lang_tags=[],
    )  # fmt: skip
    vocabulary = Vocabulary([str(number) for number in range(shape.vocab_size - 4)], special)
    side = {
        "type": "transformer", "num_layers": shape.n_layers, "num_heads": shape.n_heads, "hidden_size": shape.d_model,
        "ff_size": shape.d_ff, "dropout": shape.dropout, "activation": "gelu", "layer_norm": "post",
        "embeddings": {"embedding_dim": shape.d_model, "scale": True, "dropout": shape.dropout},
    }  # fmt: skip
    sizes = {"encoder": side, "decoder": side, "tied_embeddings": True, "tied_softmax": True}
    model = build_model(sizes, vocabulary, vocabulary)
    model.loss_function = ("crossentropy", 0.0)

    def loss_of(pairs: Pairs) -> Tensor:
        real = pairs.labels >= 0  # (B, T)
        target = pairs.labels.masked_fill(~real, PEERS_PAD_ID)
        summed = model(
            return_type="loss", src=pairs.source, trg_input=pairs.decoder_input, trg=target,
            src_mask=pairs.source_mask[:, None], src_length=pairs.source_mask.sum(dim=1), trg_mask=real[:, None],
        )[0]
        return summed / real.sum()

    difference = "dropout after the activation too, sinusoids instead of learned positions"
    return trainer(model, loss_of, f"joeynmt {version('joeynmt')}", difference)


TRAINERS: dict[str, Callable[[Shape], Trainer]] = {
    "ours": our_trainer,
    "ours, readable": lambda shape: our_trainer(shape, "readable"),
    "ours, bf16": lambda shape: our_trainer(shape, bf16=True),
    **{f"ours without {form}": partial(our_trainer, without=form) for form in WITHOUT},
    "nn.Transformer": torch_trainer,
    "BART": bart_trainer,
    "Marian": marian_trainer,
    "T5": t5_trainer,
    "x-transformers": x_trainer,
    "Joey NMT": joey_trainer,
}
