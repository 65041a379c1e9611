"""The tokenizer files of published checkpoints: how each kind cuts text, and the id of each piece.

    tokenizer.json                      of the `tokenizers` library: any kind, frame included (T5, CodeT5, BART)
    vocab.json, merges.txt              byte-level BPE (Radford et al. 2019): BART, CodeT5
    spiece.model                        T5: sentencepiece's own ids, a hundred sentinels behind them, the last one first
    sentencepiece.bpe.model             PLBART: fairseq's ids, one behind sentencepiece's, languages and the mask last
    source.spm, target.spm, vocab.json  Marian: a model for each side cuts, one list of pieces gives the ids

Names of special tokens inside a text (`</s>`, `<mask>`) are text here: code may hold them. In that alone the ids differ
from those of transformers, which makes the special tokens of them. Pieces that somebody added: added_pieces.py beside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sentencepiece

from data.tokenizers.added_pieces import cut_out, in_parts
from data.tokenizers.library import blows_up, check_growth, guarded, import_tokenizers, load, silent
from system.errors import UserError
from system.from_disk import Table, checked, read_typed, refuse_in_its_place

BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")  # of any kind, where they are there
MEND = "fetch the checkpoint again"
N_SENTINELS, MOST_SENTINELS = 100, 10_000  # of T5, where its files say nothing else; a limit for what they say
SENTINEL = re.compile(r"<extra_id_([0-9]{1,6})>$")
BLANK = "▁"  # U+2581, sentencepiece's blank
PLBART_LANGUAGES = {  # by `language_codes` of tokenizer_config.json, in the order of their ids
    "base": ("java", "python", "en_XX"),
    "multi": ("java", "python", "en_XX", "javascript", "php", "ruby", "go"),
}

Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Pieces:
    """One tokenizer as functions and a table."""

    encode: Encode  # text -> ids, without special ones
    encode_target: Encode  # the same for targets
    decode: Callable[[list[int]], str]  # ids that are no special ones -> text
    table: dict[int, str]  # id -> piece, the special ones included
    prefix: tuple[int, ...]  # special ids before a text
    suffix: tuple[int, ...]  # and behind it
    target_suffix: tuple[int, ...]  # and behind a target
    languages: tuple[int, ...] = ()  # special ids that name a language
    added: Mapping[int, str] = field(default_factory=dict)  # id -> piece that was added and is no special one


def read_pieces(folder: Path) -> Pieces:
    """The tokenizer in a checkpoint's folder, whatever its kind. Raises UserError where there is none or half a one."""
    read = kinds()[own_files(folder)]
    pieces = read(folder)
    if (least := min([*pieces.table, *added_tokens(folder)])) < 0:
        raise UserError(f"{folder}: a piece has the id {least}; {MEND}")
    if read is read_tokenizers_json:  # whose library cuts added pieces out itself
        return pieces
    return with_added(pieces, plain_tokens(added_tokens(folder), folder), folder)


def kinds() -> dict[tuple[str, ...], Callable[[Path], Pieces]]:
    """The files that each kind consists of -> what reads them; the first kind whose files are all there is taken."""
    return {
        ("source.spm", "target.spm", "vocab.json"): read_marian,
        ("sentencepiece.bpe.model",): read_plbart,
        ("tokenizer.json",): read_tokenizers_json,
        ("vocab.json", "merges.txt"): read_byte_level,
        ("spiece.model",): read_t5,
    }


def own_files(folder: Path) -> tuple[str, ...]:
    """The files of the kind that a checkpoint's tokenizer is. Raises UserError where there is none or half a one."""
    for files in kinds():
        if all((folder / file).is_file() for file in files):
            return files
    known = "; ".join(" with ".join(files) for files in kinds())
    raise UserError(f"{folder} has no tokenizer, and a network without its own cannot be used; it needs {known}")


def files_read(folder: Path) -> tuple[str, ...]:
    """The names of all files that the tokenizer is made of: what a run folder keeps of it, and an export gives on."""
    return (*own_files(folder), *BESIDE)


def read_tokenizers_json(folder: Path) -> Pieces:
    """Read a file of the `tokenizers` library; the special tokens around a text are found by encoding one."""
    path = folder / "tokenizer.json"
    check_growth(path, read_table(path))
    backend, prefix, suffix = load(path)
    table = {index: piece for piece, index in backend.get_vocab(with_added_tokens=True).items()}
    pieces = backend_pieces(backend, table, prefix, suffix, path)
    added = {index: token.content for index, token in backend.get_added_tokens_decoder().items() if not token.special}
    added = plain_tokens(added, folder)
    if all(pieces.decode(pieces.encode(f"a{piece}a")) == f"a{piece}a" for piece in added.values()):
        return replace(pieces, added=added)
    return replace(pieces, added=added, decode=in_parts(added, pieces.decode))


def with_added(pieces: Pieces, added: dict[int, str], folder: Path) -> Pieces:
    """A tokenizer that cuts added pieces out of the text first. Raises UserError where an id has two pieces."""
    if not added:
        return pieces
    for index, piece in added.items():
        if pieces.table.get(index, piece) != piece:
            raise UserError(f"{folder}: id {index} is both {pieces.table[index]!r} and {piece!r}, which was added; "
                            "fetch the checkpoint again")  # fmt: skip
    return replace(
        pieces, encode=cut_out(added, pieces.encode), encode_target=cut_out(added, pieces.encode_target),
        decode=in_parts(added, pieces.decode), table=pieces.table | added, added=added,
    )  # fmt: skip


def read_byte_level(folder: Path) -> Pieces:
    """Read RoBERTa's kind: pieces of printable bytes; <s> before a text and </s> behind it."""
    tokenizers = import_tokenizers()
    files = [str(folder / name) for name in ("vocab.json", "merges.txt")]
    fault = f"{folder}: vocab.json and merges.txt do not fit together"
    for name in files:
        refuse_in_its_place(Path(name))
    with silent():
        vocabulary, merges = guarded(tokenizers.models.BPE.read_file, *files, fault=fault)
        names = {"continuing_subword_prefix": "", "end_of_word_suffix": ""}
        model = guarded(tokenizers.models.BPE, vocabulary, merges, fault=fault, **names)
    backend = tokenizers.Tokenizer(model)
    blank_first = bool(settings_of(folder).get("add_prefix_space", False))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=blank_first)
    backend.decoder = tokenizers.decoders.ByteLevel()
    table = {index: piece for piece, index in vocabulary.items()} | added_tokens(folder)
    begin, end = (index_of(table, special_names(folder)[name], folder) for name in ("cls_token", "sep_token"))
    return backend_pieces(backend, table, (begin,), (end,), folder)


def read_t5(folder: Path) -> Pieces:
    """Read T5's kind, and mT5's, whose tokenizer_config.json says that there are no sentinels (`extra_ids`)."""
    processor = read_processor(folder / "spiece.model")
    table = table_of(processor)
    n, n_sentinels = len(table), settings_of(folder).get("extra_ids", N_SENTINELS)
    if n_sentinels not in range(MOST_SENTINELS):
        raise UserError(f"{folder}: extra_ids={n_sentinels} is no number of sentinels; fetch the checkpoint again")
    table |= {n + n_sentinels - 1 - i: f"<extra_id_{i}>" for i in range(n_sentinels)}
    end = (index_of(table, special_names(folder)["eos_token"], folder),)

    def decode(ids: list[int]) -> str:
        return blanks("".join(processor.id_to_piece(i) for i in ids))

    return Pieces(processor.encode, processor.encode, decode, table, (), end, end)


def read_plbart(folder: Path) -> Pieces:
    """Read PLBART's kind: source and target end with their language's code where tokenizer_config.json names one."""
    processor = read_processor(folder / "sentencepiece.bpe.model")
    settings = settings_of(folder)
    languages = PLBART_LANGUAGES.get(settings.get("language_codes", "base"))
    if languages is None:
        raise UserError(f"{folder}: language_codes={settings['language_codes']} is unknown; known are base and multi")
    table = {i + 1: processor.id_to_piece(i) for i in range(3, processor.vocab_size())}
    table |= {0: "<s>", 1: "<pad>", 2: "</s>", 3: "<unk>"}
    codes = {name: processor.vocab_size() + 1 + i for i, name in enumerate(languages)}
    table |= {index: f"__{name}__" for name, index in codes.items()}
    if settings.get("language_codes", "base") == "base":
        table[len(table)] = "<mask>"

    def encode(text: str) -> list[int]:
        return [i + 1 if i else 3 for i in processor.encode(text)]

    def decode(ids: list[int]) -> str:
        return blanks("".join(table[i] for i in ids))

    def suffix(language: str | None) -> tuple[int, ...]:
        name = (language or "").strip("_")
        if language and name not in codes:
            raise UserError(f"{folder}: language {language} is unknown; known are {', '.join(codes)}")
        return (2, codes[name]) if language else (2,)

    default = "en_XX" if settings.get("language_codes") == "multi" else None
    ends = suffix(settings.get("src_lang") or default), suffix(settings.get("tgt_lang"))
    return Pieces(encode, encode, decode, table, (), *ends, languages=tuple(codes.values()))


def read_marian(folder: Path) -> Pieces:
    """Read Marian's kind: a piece that is not in vocab.json is unknown, whichever side's model cut it."""
    source, target = (read_processor(folder / name) for name in ("source.spm", "target.spm"))
    vocabulary = read_typed(folder / "vocab.json", dict[str, int], MEND)
    if settings_of(folder).get("separate_vocabs"):
        raise UserError(f"{folder} has a vocabulary for each side; the network here has one embedding for both")
    table = {index: piece for piece, index in vocabulary.items()}
    unknown = index_of(table, special_names(folder)["unk_token"], folder)
    end = (index_of(table, special_names(folder)["eos_token"], folder),)

    def encoder(processor: sentencepiece.SentencePieceProcessor) -> Encode:
        def encode(text: str) -> list[int]:
            code, text = language_code(text, vocabulary)
            return [vocabulary.get(piece, unknown) for piece in (*code, *processor.encode(text, out_type=str))]

        return encode

    def decode(ids: list[int]) -> str:
        return blanks(source.decode_pieces([table[i] for i in ids]))

    return Pieces(encoder(source), encoder(target), decode, table, (), end, end)


def language_code(text: str, vocabulary: Mapping[str, int]) -> tuple[list[str], str]:
    """A target language's code at the start of a text for a network of many (">>fr<< text"), and the rest.

    Other code between >> and << is text like any other; transformers makes one unknown piece of it.
    """
    code = text[: text.find("<<") + 2] if text.startswith(">>") and "<<" in text else ""
    return ([code], text[len(code) :]) if code and code in vocabulary else ([], text)


def backend_pieces(
    backend: Any, table: dict[int, str], prefix: tuple[int, ...], suffix: tuple[int, ...], path: Path
) -> Pieces:
    """The functions of a tokenizer of the `tokenizers` library, which was read from `path`."""
    fault = f"{path}: the tokenizers library breaks off at a text"

    def encode(text: str) -> list[int]:
        return guarded(backend.encode, text, add_special_tokens=False, fault=fault).ids

    def decode(ids: list[int]) -> str:
        return guarded(backend.decode, ids, skip_special_tokens=False, fault=fault)

    return Pieces(encode, encode, decode, table, prefix, suffix, suffix)


def blanks(joined: str) -> str:
    """Joined sentencepiece pieces as text."""
    return joined.replace(BLANK, " ").strip()


def read_processor(path: Path) -> sentencepiece.SentencePieceProcessor:
    """Read a sentencepiece model. Raises UserError where the file is none."""
    refuse_in_its_place(path)
    try:
        content = path.read_bytes()
        if not content:  # the library takes it for a model that is still to come
            raise RuntimeError
        processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        if blows_up(processor.encode):
            raise UserError(f"{path}: its normaliser blows texts up; fetch the checkpoint again")
        return processor
    except RuntimeError as error:
        raise UserError(f"{path} is no sentencepiece model; fetch the checkpoint again") from error


def read_table(path: Path) -> dict[str, Any]:
    """Read a JSON file of names and values. Raises UserError where it is anything else."""
    return read_typed(path, Table, MEND)


def table_of(processor: sentencepiece.SentencePieceProcessor) -> dict[int, str]:
    """The pieces of a sentencepiece model by id."""
    return {i: processor.id_to_piece(i) for i in range(processor.vocab_size())}


def settings_of(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json with special_tokens_map.json put over it; both may be missing."""
    found: dict[str, Any] = {}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).is_file():
            said = {key: value for key, value in read_table(folder / name).items() if value is not None}
            checked(said, TokenizerSettings, folder / name, MEND)
            found |= said
    return found


@dataclass
class Token:
    """A special token where it is more than its name."""

    content: str


@dataclass
class TokenizerSettings:
    """The types of what is used of tokenizer_config.json and special_tokens_map.json; all may be missing."""

    pad_token: str | Token = ""
    eos_token: str | Token = ""
    unk_token: str | Token = ""
    bos_token: str | Token = ""
    mask_token: str | Token = ""
    cls_token: str | Token = ""
    sep_token: str | Token = ""
    additional_special_tokens: list[str | Token] = field(default_factory=list)
    extra_special_tokens: list[str | Token] | dict[str, str | Token] = field(default_factory=list)
    added_tokens_decoder: dict[str, Token] = field(default_factory=dict)
    language_codes: str = ""
    src_lang: str = ""
    tgt_lang: str = ""
    extra_ids: int = 0


def special_names(folder: Path) -> dict[str, str]:
    """The names of the special tokens, which all families here share unless their files say otherwise."""
    usual = {
        "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "bos_token": "<s>", "mask_token": "<mask>",
        "cls_token": "<s>", "sep_token": "</s>",
    }  # fmt: skip
    said = {name: value for name, value in settings_of(folder).items() if name in usual}
    return usual | {name: value["content"] if isinstance(value, dict) else value for name, value in said.items()}


def added_tokens(folder: Path) -> dict[int, str]:
    """The pieces added to a vocabulary by id: those of added_tokens.json, and of newer files' own list."""
    path = folder / "added_tokens.json"
    older = {index: piece for piece, index in read_typed(path, dict[str, int], MEND).items()} if path.is_file() else {}
    newer = settings_of(folder).get("added_tokens_decoder", {})
    if odd := next((index for index in newer if not (index.isascii() and index.isdigit())), None):
        raise UserError(f"{folder}/tokenizer_config.json: {odd!r} in added_tokens_decoder is no id; {MEND}")
    return older | {int(index): token["content"] for index, token in newer.items()}


def listed_tokens(folder: Path) -> list[str]:
    """Further special tokens that the files list, under the names of different versions."""
    settings = settings_of(folder)
    lists = (settings.get(name, ()) for name in ("additional_special_tokens", "extra_special_tokens"))
    lists = (tokens.values() if isinstance(tokens, dict) else tokens for tokens in lists)  # newer ones have names
    listed = [token["content"] if isinstance(token, dict) else token for tokens in lists for token in tokens]
    added = settings.get("added_tokens_decoder", {}).values()
    return listed + [token["content"] for token in added if token.get("special")]


def plain_tokens(added: Mapping[int, str], folder: Path) -> dict[int, str]:
    """Those of the added pieces that are text like any other: no special tokens, and not the empty one."""
    special = {*special_names(folder).values(), *listed_tokens(folder), ""}
    return {index: piece for index, piece in added.items() if piece not in special and not SENTINEL.match(piece)}


def index_of(table: dict[int, str], piece: str, folder: Path) -> int:
    """The id of a special token that has to be there. Raises UserError."""
    for index, other in table.items():
        if other == piece:
            return index
    raise UserError(f"{folder}: the tokenizer has no {json.dumps(piece)}; fetch the checkpoint again")
