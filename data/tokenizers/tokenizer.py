"""The tokenizer: sentencepiece pieces (Kudo and Richardson 2018) on segments cut so that words can be copied.

A copy head can point at a word of the description only if the word has the same pieces in the code. Usual
subword tokenizers join a word with the blank before it, so `x` in `f ( x )` and in `'x'` are different pieces. Here
text is cut into segments first, and each segment is encoded on its own:

    word         `pickle`      one or more word characters; its last piece carries the end-of-word marker
    quote        ` '`          one quotation mark, with the blank before it
    punctuation  ` . `         other characters, with one blank on either side
    white space  `\\n    `      everything else

The single blank between two words is not encoded: decoding puts it back between a finished word and the next one.
Segments are then written with GPT-2's printable characters for the 256 bytes (Radford et al. 2019), all of them in
the vocabulary, so every text has pieces, nothing is unknown and nothing is lost.
"""

from __future__ import annotations

import io
import random
import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import sentencepiece

from system.errors import UserError

N_SENTINELS = 100
SPECIAL_NAMES = ("<pad>", "</s>", "<unk>", "<s>", "<mask>", *(f"<extra_{i}>" for i in range(N_SENTINELS)))
WORD_END = "▕"  # U+2595, not among the printable characters of the bytes
# The search steps over a blank between two words, as nothing may match there.
SEGMENT = re.compile(r"""\w+ | [ ]?['"] | [ ]?[^\w\s'"]+[ ]? | (?!(?<=\w)[ ]\w)\s+""", re.VERBOSE)
WORD_START = re.compile(r"\w")
BETWEEN_WORDS = re.compile(WORD_END + r"(?=\w)")
MAX_PIECE = 16  # characters of the longest piece: common words and an indentation of three levels fit
MAX_TRAINING_SEGMENT = 256  # longer ones (encoded images, tables) teach no pieces and cost time
LINES_PER_SEGMENT = 100  # lines of the training file over which a frequent segment is spread
SEED_PIECES = 50_000  # candidates that the vocabulary is pruned from; sentencepiece's million is slower and no better
MAX_CACHED_SEGMENTS = 200_000


def printable_bytes() -> dict[int, str]:
    """GPT-2's table from bytes to printable characters: printable Latin-1 stays, the others move above U+0100."""
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    moved = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {byte: chr(256 + i) for i, byte in enumerate(moved)}


BYTE_TO_CHAR = printable_bytes()
CHAR_TO_BYTE = {char: byte for byte, char in BYTE_TO_CHAR.items()}
TO_LATIN = {ord(char): chr(byte) for char, byte in CHAR_TO_BYTE.items()}  # for str.translate


def segments(text: str) -> list[str]:
    """Cut `text` into words, quotes, punctuation and white space; the blank between two words is left out."""
    return SEGMENT.findall(text)


def to_printable(segment: str) -> str:
    """Write a segment with one printable character a byte, a word with its end-of-word marker."""
    try:
        mapped = segment.encode("utf-8").decode("latin-1").translate(BYTE_TO_CHAR)
    except UnicodeEncodeError as error:
        raise UserError(f"text holds {segment[error.start]!r}, which UTF-8 cannot encode; remove it") from error
    return mapped + WORD_END if WORD_START.match(segment) else mapped


def from_latin(latin: str) -> str:
    """The text of bytes that are given as Latin-1 characters with end-of-word markers between them.

    Bytes that are no UTF-8 (an untrained model writes them) become U+FFFD.
    """
    if latin.replace(WORD_END, "").isascii():  # nearly all code: no need to go through it part by part
        return BETWEEN_WORDS.sub(" ", latin).replace(WORD_END, "")
    first, *rest = (part.encode("latin-1").decode("utf-8", errors="replace") for part in latin.split(WORD_END))
    return first + "".join(" " + part if WORD_START.match(part) else part for part in rest)


class SegmentIds(dict[str, list[int]]):
    """Segment -> its ids: encoded when it is first asked for, kept for the next time."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor) -> None:
        super().__init__()
        self.processor = processor

    def __missing__(self, segment: str) -> list[int]:
        if len(self) >= MAX_CACHED_SEGMENTS:
            self.clear()
        ids = self[segment] = self.processor.encode(to_printable(segment))
        return ids


class Tokenizer:
    """A tokenizer between text and token ids, made by `train_tokenizer` or `Tokenizer.load`."""

    file_name = "tokenizer.model"  # in a run folder
    pad_id = 0
    end_id = 1
    unk_id = 2
    begin_id = 3
    mask_id = 4
    sentinel_ids = tuple(range(5, 5 + N_SENTINELS))
    decoder_start_id = begin_id
    never_ids: tuple[int, ...] = ()  # ids that decoding must not choose
    first_piece_id = len(SPECIAL_NAMES)  # ids from here on stand for text
    prefix: tuple[int, ...] = ()  # what the network reads before a text
    suffix: tuple[int, ...] = (end_id,)  # and behind it
    target_suffix = suffix  # the same behind a target

    def __init__(self, model: bytes) -> None:
        """`model`: the bytes of a sentencepiece model with our special pieces. Raises UserError for any other."""
        if not model:
            raise UserError("an empty file is no sentencepiece model; train the tokenizer again")
        try:
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            self.table = [self.processor.id_to_piece(i) for i in range(self.processor.vocab_size())]
        except RuntimeError as error:
            raise UserError("not a sentencepiece model; train the tokenizer again") from error
        if tuple(self.table[: len(SPECIAL_NAMES)]) != SPECIAL_NAMES or not {WORD_END, *CHAR_TO_BYTE} <= {*self.table}:
            raise UserError("a sentencepiece model of another tokenizer; train the tokenizer again")
        self.model = model
        self.cache = SegmentIds(self.processor)
        self.latin = [*[""] * self.first_piece_id, *(p.translate(TO_LATIN) for p in self.table[self.first_piece_id :])]

    @property
    def vocab_size(self) -> int:
        """Number of ids, the special ones included."""
        return len(self.table)

    def encode(self, text: str) -> list[int]:
        """Ids of the text, without special ids; `decode` gives the same text back. Raises UserError on surrogates."""
        return list(chain.from_iterable(map(self.cache.__getitem__, segments(text))))

    def encode_words(self, text: str) -> list[tuple[int, int, list[int]]]:
        """The ids of the text segment by segment, as (start, end, ids); places count characters."""
        return [(found.start(), found.end(), self.cache[found[0]]) for found in SEGMENT.finditer(text)]

    def encode_target(self, text: str) -> list[int]:
        """The ids of a target, here as of a source; a translation model's tokenizer cuts both differently."""
        return self.encode(text)

    def frame(self, ids: list[int], target: bool = False) -> list[int]:
        """The ids of a text with the special ids around it, as the network reads a source or writes a target."""
        return [*self.prefix, *ids, *(self.target_suffix if target else self.suffix)]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of the ids. Special ids are dropped wherever they stand; any sequence of ids has a text."""
        return from_latin("".join(map(self.latin.__getitem__, ids)))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """One readable string an id, for pictures: `▕` ends a word, `␣` is a blank, `↵` a line break."""
        return [self.readable(i) for i in ids]

    def readable(self, i: int) -> str:
        """One id as `pieces` shows it."""
        if i < self.first_piece_id:
            return self.table[i]
        parts = (from_latin(part) for part in self.latin[i].split(WORD_END))
        return WORD_END.join(parts).replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")

    def special_ids(self) -> dict[str, Any]:
        """The special ids by name, for config.json."""
        names = ("pad_id", "end_id", "unk_id", "begin_id", "decoder_start_id", "mask_id")
        lists = {name: list(getattr(self, name)) for name in ("sentinel_ids", "never_ids")}
        return {name: getattr(self, name) for name in names} | lists

    def save(self, path: Path) -> None:
        """Write sentencepiece's own model file."""
        Path(path).write_bytes(self.model)

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read what `save` wrote. Raises UserError where the file is missing or damaged."""
        path = Path(path)
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no file; give a tokenizer.model")
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise UserError(f"{path}: cannot read the tokenizer ({error.strerror})") from error
        except UserError as error:
            raise UserError(f"{path}: {error}") from error


def source_ids(description: str, tokenizer: Tokenizer, max_source_length: int) -> list[int]:
    """The encoder's input for a description, cut to the longest source."""
    room = max_source_length - len(tokenizer.frame([]))
    return tokenizer.frame(tokenizer.encode(description)[:room])


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn at most `vocab_size` pieces by the unigram model (Kudo 2018); the same texts give the same pieces.

    Raises UserError where `vocab_size` has no room for the special ids and one piece a byte.
    """
    check_vocab_size(vocab_size)
    counts = Counter(segment for text in texts for segment in segments(text))
    if not counts:
        raise UserError("there is no text to train the tokenizer on; check data.path and the split")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(training_lines(counts)), input_format="tsv", model_writer=model,
        model_type="unigram", vocab_size=vocab_size, hard_vocab_limit=False,
        normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
        split_by_unicode_script=False, split_by_number=False, character_coverage=1.0,
        max_sentencepiece_length=MAX_PIECE, seed_sentencepiece_size=max(SEED_PIECES, 10 * vocab_size),
        num_threads=1, minloglevel=2,
        pad_id=Tokenizer.pad_id, eos_id=Tokenizer.end_id, unk_id=Tokenizer.unk_id, bos_id=Tokenizer.begin_id,
        control_symbols=list(SPECIAL_NAMES[Tokenizer.mask_id:]),
    )
    return Tokenizer(model.getvalue())


def check_vocab_size(vocab_size: int) -> None:
    """Raise UserError where the special ids and one piece a byte have no room."""
    smallest = len(SPECIAL_NAMES) + len(CHAR_TO_BYTE) + len(WORD_END) + 1
    if vocab_size < smallest:
        raise UserError(
            f"data.vocab_size={vocab_size} has no room for {len(SPECIAL_NAMES)} special ids and one piece a byte; "
            f"choose at least {smallest}"
        )


def training_lines(counts: Counter[str]) -> list[str]:
    """Sentencepiece's input with counts: segment, tab, count. The order of the texts does not matter.

    Frequent segments are spread over many lines in a mixed order, because candidates for pieces are substrings that
    recur with different neighbours, whatever their counts: one line for each word would leave most words cut.
    Every byte and the marker stand there, for only characters that occur become pieces. Sentencepiece leaves the rarest
    out once the others are 100% in float32: below 2^25 characters in all one is enough to count, then more are needed.
    """
    written = {to_printable(segment): count for segment, count in sorted(counts.items())}
    written = {mapped: count for mapped, count in written.items() if len(mapped) <= MAX_TRAINING_SEGMENT}
    once = [*CHAR_TO_BYTE, WORD_END]
    rarest = max(1, (len(once) + sum(len(mapped) * count for mapped, count in written.items())) >> 24)
    lines = [f"{char}\t{rarest}" for char in once]
    for mapped, count in written.items():
        n_lines = min(count, LINES_PER_SEGMENT)
        lines += [f"{mapped}\t{count // n_lines + (i < count % n_lines)}" for i in range(n_lines)]
    random.Random(0).shuffle(lines)
    return lines
