"""Compare a checkpoint on disk, as this project reads it, with the class of transformers that it was made for.

    python -m teaching.the_math.checkpoint FOLDER                    ten built-in texts
    python -m teaching.the_math.checkpoint FOLDER --texts FILE       your own, one a line

For each text: the same ids, the largest difference of the logits (the decoder reads the text itself, by teacher
forcing), of the loss, and the same greedy text. Needs `pip install -e '.[pretrained,bench]'`; nothing is downloaded.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import torch
import tyro

from data.batches import shift_right
from data.config import DataConfig
from evaluation.config import EvaluationConfig
from evaluation.predict import predict
from model.fast import make_network
from system.errors import UserError
from system.options import parse, run_and_report
from teaching.the_math.reference_check import error
from training.pretrained import read_network, read_tokenizer
from training.run.load import load_network

MAX_TOKENS = 512  # tokens of a text
TEXTS = (
    "return the sum of the even numbers in xs", "def solve(xs): return sum(x for x in xs if x % 2 == 0)",
    "if self . name is None : raise ValueError ( 'no name here' )", "count the words in text", "a",
    "call the function join_path with x and y as arguments, and 3.14", "x_1 += 2 ** 10  # comment !",
    "for i , j in enumerate ( values ) : print ( i )", "import os and sys", "open the file for reading, line by line",
)  # fmt: skip
LIMIT = 1e-3  # of the differences in float32, as a share of the largest number where that is above one


@dataclass(frozen=True)
class Settings:
    """The checkpoint and the texts to compare."""

    folder: Annotated[str, tyro.conf.Positional]  # the checkpoint
    texts: Path | None = None  # a file with one text a line
    max_new_tokens: int = 20  # of the greedy text


@dataclass(frozen=True)
class Row:
    """The comparison of one text."""

    text: str
    same_ids: bool
    logits: float  # largest difference, relative above one
    loss: float
    same_text: bool


@torch.no_grad()
def compare(folder: str, texts: list[str], max_new_tokens: int) -> list[Row]:
    """Compare both networks on each text. Raises UserError."""
    import transformers

    network, tokenizer = read_network(Path(folder)), read_tokenizer(Path(folder))
    model = make_network(network.config, tokenizer.pad_id).eval()
    load_network(model, Path(folder))
    peer = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").float().eval()
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    config, data = EvaluationConfig(max_new_tokens=max_new_tokens), DataConfig(max_source_length=MAX_TOKENS)
    written, _ = predict(model, tokenizer, texts, config, data)
    rows = []
    for text, ours in zip(texts, written, strict=True):
        ids = torch.tensor([tokenizer.frame(tokenizer.encode(text))[:MAX_TOKENS]])  # (1, S)
        mask = torch.ones_like(ids, dtype=torch.bool)
        decoder_input = shift_right(ids, tokenizer.decoder_start_id)  # (1, S), the text as its own target
        memory = model.encode(ids, mask)
        logits = model.logits(model.decode(decoder_input, memory, mask))  # (1, S, V)
        expected = peer(input_ids=ids, attention_mask=mask.long(), decoder_input_ids=decoder_input).logits
        losses = [-x.log_softmax(-1).gather(-1, ids[..., None]).mean() for x in (logits, expected)]
        outputs = peer.generate(
            ids, attention_mask=mask.long(), max_new_tokens=max_new_tokens, num_beams=1, do_sample=False,
            forced_bos_token_id=None, forced_eos_token_id=None, decoder_start_token_id=tokenizer.decoder_start_id,
        )  # fmt: skip
        their_text = theirs.decode(outputs[0], skip_special_tokens=True)
        rows.append(Row(
            text, ids[0].tolist() == theirs(text, truncation=True, max_length=MAX_TOKENS).input_ids,
            error(logits.numpy(), expected.numpy()), error(*(loss.numpy() for loss in losses)),
            ours.strip() == their_text.strip(),
        ))  # fmt: skip
    return rows


def main(arguments: list[str]) -> int:
    """Print the table; status 1 where anything differs by more than rounding."""
    settings = parse(Settings, arguments, None, __doc__.splitlines()[0], "python -m teaching.the_math.checkpoint")
    for package in ("transformers", "tokenizers"):
        if find_spec(package) is None:
            raise UserError(f"{package} is not installed (pip install -e '.[pretrained,bench]')")
    texts = list(TEXTS) if settings.texts is None else settings.texts.read_text(encoding="utf-8").splitlines()
    if not texts:
        raise UserError(f"{settings.texts} holds no text; write one a line")
    rows = compare(settings.folder, texts, settings.max_new_tokens)
    print(f"{'ids':<8}{'logits':>9}{'loss':>9}   {'greedy':<10}text")
    for row in rows:
        ids, greedy = ("same" if same else "DIFFER" for same in (row.same_ids, row.same_text))
        print(f"{ids:<8}{row.logits:>9.1e}{row.loss:>9.1e}   {greedy:<10}{row.text[:60]}")
    right = [row.same_ids and row.same_text and max(row.logits, row.loss) < LIMIT for row in rows]
    print(f"{sum(right)} of {len(right)} texts agree with transformers")
    return int(not all(right))


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
