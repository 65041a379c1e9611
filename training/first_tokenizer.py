"""Step 2 of chapter 3.1: the tokenizer that a new run begins with, given or learned."""

from __future__ import annotations

from pathlib import Path

from data.example import evenly
from data.objectives.table import OBJECTIVES
from data.tokenizers.learned import learned_tokenizer
from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.tokenizer import Tokenizer
from system.errors import UserError
from training.corpus import Corpus
from training.lossy_text import with_missing_pieces
from training.pretrained import read_tokenizer
from training.recipes import TrainingSettings
from training.run.load import is_own_run, load_tokenizer

# What an objective may need of a tokenizer that a checkpoint brings: whether it has that, and what to call it.
NEEDS = {
    "mask": (lambda tokenizer: tokenizer.mask_id is not None, "a mask"),
    "sentinels": (lambda tokenizer: len(tokenizer.sentinel_ids) > 1, "sentinels"),
    "beginning": (lambda tokenizer: tokenizer.begin_id is not None, "a token that begins a text"),
    "words": (lambda tokenizer: False, "words as this project's own tokenizer has them"),
}
TOKENIZER_EXAMPLES = 20_000  # of each phase: more do not change the pieces, and take time


def first_tokenizer(settings: TrainingSettings, corpora: dict[str, Corpus]) -> Tokenizer:
    """The tokenizer of a new run: that of the folder that it begins from, its teacher's, or one learned. UserError."""
    given = settings.init.from_ or settings.strategies.teacher.run
    folder = Path(given)
    if not given:
        return tokenizer_of_corpora(corpora, settings.data.vocab_size)
    tokenizer = load_tokenizer(folder) if is_own_run(folder) else read_tokenizer(folder)
    if isinstance(tokenizer, PretrainedTokenizer):
        check_objectives(settings, tokenizer)
        if settings.data.add_pieces:
            return with_missing_pieces(tokenizer, corpora)
    return tokenizer


def check_objectives(settings: TrainingSettings, tokenizer: PretrainedTokenizer) -> None:
    """Refuse objectives that need special tokens which this tokenizer has not. Raises UserError."""
    needs = {name: row.needs for name, row in OBJECTIVES.items() if row.needs} | {"whole_words": "words"}
    phases = {"pretraining": settings.pretrains, "training": settings.fine_tunes}
    wanted = {
        f"{phase}.objectives.{objective}": objective
        for phase, runs in phases.items() for objective in needs
        if runs and getattr(getattr(settings, phase).objectives, objective)
    }  # fmt: skip
    if settings.strategies.auxiliary.task != "none":
        wanted["strategies.auxiliary.task"] = settings.strategies.auxiliary.task
    for setting, objective in wanted.items():
        has, what = NEEDS[needs[objective]]
        if not has(tokenizer):
            raise UserError(f"{setting} needs {what}, which the checkpoint's tokenizer has not; leave it out")


def tokenizer_of_corpora(corpora: dict[str, Corpus], vocab_size: int) -> Tokenizer:
    """A tokenizer that is learned on training lines alone, and on what is mined, whether it is trained on or not."""
    texts = (
        text
        for corpus in corpora.values()
        for examples in (corpus.train, corpus.monolingual if "pretraining" not in corpora else ())
        for example in evenly(examples, TOKENIZER_EXAMPLES)
        for text in (example.nl, example.code)
        if text
    )
    return learned_tokenizer(texts, vocab_size)
