"""Pieces added to a checkpoint's tokenizer: texts that are cut out before its own pieces see the rest.

A sentencepiece model (T5, PLBART, Marian) cannot write the braces, line breaks or tabs that it never saw, and puts a
blank in front of whatever follows a piece that was cut out. Pieces are therefore added with the blanks beside them
(`{`, ` {`, `{ `, ` { `), and what stands between two of them is read on its own, so that `decode(encode(text))` is the
text. Runs of blanks stay one blank. In the files they are the "added tokens" of transformers, which cuts the leftmost,
and of those the longest, out as well and gives the same ids; in its texts a blank too many follows an added piece.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Encode = Callable[[str], list[int]]
Decode = Callable[[list[int]], str]


def cut_out(added: Mapping[int, str], encode: Encode) -> Encode:
    """The same encoding of the text between added pieces, which have ids of their own."""
    ids = {piece: index for index, piece in added.items()}
    longest_first = sorted({len(piece) for piece in ids}, reverse=True)
    starts = re.compile(f"[{re.escape(''.join({piece[0] for piece in ids}))}]")

    def encode_parts(text: str) -> list[int]:
        found, done, at = [], 0, 0  # what stands before `done` is in `found`
        while start := starts.search(text, at):
            at = start.start()
            piece = next((text[at : at + n] for n in longest_first if text[at : at + n] in ids), "")
            if piece:
                found += [*(encode(text[done:at]) if done < at else ()), ids[piece]]
                done = at + len(piece)
            at += max(1, len(piece))
        return [*found, *(encode(text[done:]) if done < len(text) else ())]

    return encode_parts


def in_parts(added: Mapping[int, str], decode: Decode) -> Decode:
    """The same decoding of the ids between added pieces, each part as if it stood alone."""

    def decode_parts(ids: list[int]) -> str:
        text, part = [], []
        for index in ids:
            if index in added:
                text += [decode(part), added[index]]
                part = []
            else:
                part.append(index)
        return "".join([*text, decode(part)])

    return decode_parts


def files_with(files: Mapping[str, bytes], pieces: Mapping[str, int]) -> dict[str, bytes]:
    """The tokenizer's files with these pieces (-> id) added, in the places where transformers looks for them.

    Those are tokenizer.json, where there is one, and the list in tokenizer_config.json, where there is one. A folder
    with neither gets added_tokens.json, unless a T5 is made of spiece.model: its class would look for pieces of such a
    file in the normalised text, where line breaks are blanks.
    """
    changed = {name: json.loads(files[name]) for name in CHANGED if name in files}
    config = changed.get("tokenizer_config.json", {})
    has_list = config.get("added_tokens_decoder") is not None
    if "tokenizer.json" in changed:
        tokens = [{"id": index, **added_token(piece)} for piece, index in pieces.items()]
        before = changed["tokenizer.json"].get("added_tokens") or ()
        changed["tokenizer.json"]["added_tokens"] = [*before, *tokens]
    elif "spiece.model" in files and not has_list:
        config = changed["tokenizer_config.json"] = with_list(config, changed)
        has_list = True
    elif not has_list:
        changed["added_tokens.json"] = {**changed.get("added_tokens.json", {}), **pieces}
    if has_list:
        config["added_tokens_decoder"] |= {str(index): added_token(piece) for piece, index in pieces.items()}
    written = {name: json.dumps(value, ensure_ascii=False).encode() for name, value in changed.items()}
    return {**files, **written}


CHANGED = ("tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json")


def with_list(config: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """tokenizer_config.json with a list of added tokens, beside which transformers reads no older file."""
    older = others.get("added_tokens.json", {})
    listed = {str(index): added_token(piece, special=True) for piece, index in older.items()}
    return {**others.get("special_tokens_map.json", {}), **config, "added_tokens_decoder": listed}


def added_token(piece: str, special: bool = False) -> dict[str, Any]:
    """A piece as the files of transformers and of the tokenizers library describe it."""
    plain = dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized"), False)
    return {"content": piece, **plain, "special": special}
