"""A checkpoint's own tokenizer behind the contract of ours (tokenizer.py beside it), as step 1 of chapter 3.1 needs it.

The ids of padding, end and start are those of the network's config.json, because the network was trained with them;
the tokenizer's files (data/tokenizers/piece_files.py) say the rest. Not every family has a mask or sentinels, and only
byte-level ones are lossless: sentencepiece makes one blank of any white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from data.tokenizers.piece_files import files_read, read_pieces, settings_of, special_names
from data.tokenizers.tokenizer import Tokenizer
from system.atomic_files import write_atomically
from system.errors import UserError

SETTINGS = ("config.json", "generation_config.json")  # the network's: with them a run can go back to its family
SENTINEL = re.compile(r"<extra_id_(\d+)>$")
READABLE = str.maketrans({"▁": "␣", "Ġ": "␣", "Ċ": "↵", "ĉ": "⇥"})  # of sentencepiece and of byte-level BPE


class PretrainedTokenizer(Tokenizer):
    """A tokenizer with the ids of the checkpoint's own class."""

    file_name = "tokenizer"

    def __init__(
        self, folder: Path, vocab_size: int, pad_id: int, end_id: int, decoder_start_id: int,
        never_ids: Iterable[int] = (),
    ) -> None:
        """`folder`: a checkpoint, or what `save` wrote; the numbers: its network's, of whose V ids it may know fewer.

        Raises UserError where the tokenizer is missing, damaged, or another network's.
        """
        self.pieces_of = read_pieces(folder)
        self.table = self.pieces_of.table
        self.prefix, self.suffix = self.pieces_of.prefix, self.pieces_of.suffix
        self.target_suffix = self.pieces_of.target_suffix
        self.n_ids = vocab_size
        self.pad_id, self.end_id, self.decoder_start_id = pad_id, end_id, decoder_start_id
        self.never_ids = tuple(never_ids)

        names = (*files_read(folder), *SETTINGS)
        self.files = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}

        by_piece = {piece: index for index, piece in self.table.items()}
        names = special_names(folder)
        self.unk_id, self.begin_id, self.mask_id = (
            by_piece.get(names[name]) for name in ("unk_token", "bos_token", "mask_token")
        )

        numbered = {int(found[1]): index for piece, index in by_piece.items() if (found := SENTINEL.match(piece))}
        self.sentinel_ids = tuple(numbered[number] for number in sorted(numbered))
        self.special = {by_piece[name] for name in {*names.values(), *listed_tokens(folder)} if name in by_piece}
        self.special |= {*self.sentinel_ids, *self.pieces_of.languages, *self.prefix, *self.suffix, pad_id, end_id}

        self.first_piece_id = min(index for index in self.table if index not in self.special)
        self.check(folder, by_piece.get(names["pad_token"]))

    def check(self, folder: Path, pad_id: int | None) -> None:
        """Refuse a tokenizer whose files and whose network's config.json cannot belong together. Raises UserError."""
        mistake = ""
        if max(self.table) >= self.n_ids:
            mistake = f"the tokenizer has {max(self.table) + 1} ids, the network only {self.n_ids}"
        elif self.end_id not in self.suffix:
            mistake = f"config.json says that {self.end_id} ends a text, the tokenizer ends it with {self.suffix}"
        elif self.pad_id != pad_id:
            mistake = f"config.json says that {self.pad_id} is padding, the tokenizer has {pad_id}"
        if mistake:
            raise UserError(f"{folder}: {mistake}; they are not of the same checkpoint")

    @property
    def vocab_size(self) -> int:
        """Number of ids that the network has."""
        return self.n_ids

    def encode(self, text: str) -> list[int]:
        """Ids of a source, without special ids. Raises UserError on surrogates."""
        return self.without_special(self.pieces_of.encode(readable_by_all(text)))

    def encode_words(self, text: str) -> list[tuple[int, int, list[int]]]:
        """Not available, as these tokenizers cut across words. Raises UserError (check_objectives refuses earlier)."""
        raise UserError("words and their places are known of this project's own tokenizer alone; leave --init.from out")

    def encode_target(self, text: str) -> list[int]:
        """Ids of a target, without special ids. Raises UserError on surrogates."""
        return self.without_special(self.pieces_of.encode_target(readable_by_all(text)))

    def without_special(self, ids: list[int]) -> list[int]:
        """The ids without special ones, so that no text ends itself: `</s>` is a plain piece in T5's tokenizer.json."""
        return [self.unk_id if i in self.special else i for i in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of the ids. Special ids, and those that only the network knows, are dropped."""
        return self.pieces_of.decode([i for i in ids if i in self.table and i not in self.special])

    def readable(self, i: int) -> str:
        """One id as `pieces` shows it."""
        return self.table.get(i, f"<{i}>").translate(READABLE)

    def save(self, path: Path) -> None:
        """Write the checkpoint's tokenizer files, and its settings, into the folder `path`."""
        path.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            write_atomically(path / name, content)


def listed_tokens(folder: Path) -> list[str]:
    """Further special tokens that the files list, under the names of different versions."""
    settings = settings_of(folder)
    lists = (settings.get(name, ()) for name in ("additional_special_tokens", "extra_special_tokens"))
    listed = [token["content"] if isinstance(token, dict) else token for tokens in lists for token in tokens]
    added = settings.get("added_tokens_decoder", {}).values()
    return listed + [token["content"] for token in added if token.get("special")]


def readable_by_all(text: str) -> str:
    """Check that every kind of tokenizer can read a text. Raises UserError where UTF-8 cannot encode it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"text holds {text[error.start]!r}, which UTF-8 cannot encode; remove it") from error
    return text
