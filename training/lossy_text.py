"""What a run's tokenizer cannot write of the texts that are trained on: said before the first step, and mended.

The mend is `--data.add_pieces`: the characters become pieces of the tokenizer, and the network gets rows for them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from data.example import evenly
from data.tokenizers.pretrained import PretrainedTokenizer
from data.tokenizers.round_trip import in_words, losses, missing_characters, with_blanks
from data.tokenizers.tokenizer import Tokenizer
from system.terminal import shown
from training.corpus import Corpus
from training.recipes import TrainingSettings

EXAMPLES = 10_000  # of each phase that are encoded and decoded again: a second of a checkpoint's tokenizer
EXAMPLES_OF_OURS = 500  # which loses nothing, and of which this would be found out soon
ADDED_SHOWN = 20  # pieces


def with_missing_pieces(tokenizer: PretrainedTokenizer, corpora: Mapping[str, Corpus]) -> PretrainedTokenizer:
    """The tokenizer with all characters of the texts that are trained on. Raises UserError."""
    characters = missing_characters(tokenizer, training_texts(corpora))
    if not characters:
        return tokenizer
    enough = tokenizer.with_pieces(characters)
    beside = with_blanks(enough, characters, training_texts(corpora))
    return enough.with_pieces(beside) if beside else enough


def training_texts(corpora: Mapping[str, Corpus]) -> Iterable[str]:
    """Every description and every code that is trained on."""
    for corpus in corpora.values():
        for example in corpus.train:
            yield from (text for text in (example.nl, example.code) if text)


def show_lossy_text(settings: TrainingSettings, tokenizer: Tokenizer, corpora: Mapping[str, Corpus]) -> None:
    """Print on stderr how many texts do not come back from the tokenizer as they were, what is lost, and the mend."""
    foreign = isinstance(tokenizer, PretrainedTokenizer)
    missing = False
    for phase, corpus in corpora.items():
        examples = [*evenly(corpus.train, EXAMPLES if foreign else EXAMPLES_OF_OURS)]
        looked_at = f"{len(corpus.train):,}" if len(examples) == len(corpus.train) else (
            f"{len(examples):,} (spread evenly over {len(corpus.train):,})"
        )  # fmt: skip
        written, read = ("descriptions", "codes") if settings.data.reverse else ("codes", "descriptions")
        texts = {written: (example.code for example in examples), read: (e.nl for e in examples if e.nl)}
        for name, some in texts.items():
            found = losses(tokenizer, some, target=name == written)
            missing |= bool(found.characters)
            if found.n_changed:
                say(f"{phase}: {found.n_changed:,} of {looked_at} {name} do not come back from the tokenizer as they "
                    f"were: {'; '.join(found.kinds)}")  # fmt: skip
    if foreign and settings.data.add_pieces:
        say(f"tokenizer: {added_in_words(tokenizer)}")
    elif missing:
        say("tokenizer: such characters can never be written; --data.add_pieces makes pieces of them; runs of blanks "
            "stay one blank")  # fmt: skip


def added_in_words(tokenizer: PretrainedTokenizer) -> str:
    """The pieces that were added to a checkpoint's tokenizer, the first of them by name."""
    pieces = [*tokenizer.pieces_of.added.values()]
    first = ", ".join(in_words(piece) for piece in pieces[:ADDED_SHOWN])
    more = f" and {len(pieces) - ADDED_SHOWN:,} more" if len(pieces) > ADDED_SHOWN else ""
    return f"{len(pieces):,} pieces were added: {first}{more}" if pieces else "no character was missing, none was added"


def say(line: str) -> None:
    """Print a line beside the bars."""
    print(shown(line), file=sys.stderr, flush=True)
