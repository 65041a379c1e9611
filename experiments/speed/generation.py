"""Decoding of one T5 with random weights, the same weights in every library: greedy and beams, 48 new tokens each.

The end token is forbidden, so that everybody makes as many tokens. T5 it is because transformers, CTranslate2 and this
project all can read it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

VOCAB_SIZE = 4000
SOURCE_LENGTH = 32
NEW_TOKENS = 48
PAD_ID, END_ID, UNK_ID = 0, 1, 2
SENTENCES_A_BATCH = 32


@dataclass(frozen=True)
class Generator:
    """One library's decoding."""

    generate: Callable[[int, int], list[list[int]]]  # (batch, beams) -> the new tokens of each source
    model: nn.Module
    library: str  # name and version
    difference: str = ""


def sources() -> Tensor:
    """Random ids with an end token, the same in every process: (SENTENCES_A_BATCH, SOURCE_LENGTH)."""
    ids = torch.randint(10, VOCAB_SIZE, (SENTENCES_A_BATCH, SOURCE_LENGTH), generator=torch.Generator().manual_seed(1))
    ids[:, -1] = END_ID
    return ids


def random_t5() -> nn.Module:
    """The network: shape A's sizes, a smaller vocabulary, random weights, the same in every process."""
    import transformers

    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=VOCAB_SIZE, d_model=256, d_kv=64, d_ff=1024, num_layers=4, num_heads=4,
        decoder_start_token_id=PAD_ID, pad_token_id=PAD_ID, eos_token_id=END_ID,
    )
    return transformers.T5ForConditionalGeneration(config).eval()


def our_generator(speed: str = "fast") -> Generator:
    """This project's `greedy` and `beam_search`."""
    from dataclasses import replace

    from model.decoding import SpecialIds, beam_search, greedy
    from model.fast import make_network
    from model.interop.hugging_face import fill, from_hugging_face
    from system.device import keep_freed_memory

    keep_freed_memory()  # as eval.py does
    theirs = random_t5()
    values = theirs.config.to_dict() | {"architectures": ["T5ForConditionalGeneration"]}
    imported = from_hugging_face(values, theirs.state_dict())
    model = make_network(replace(imported.config, speed=speed), PAD_ID).eval()
    fill(model, imported.weights)
    special = SpecialIds(PAD_ID, END_ID, PAD_ID, never_ids=(END_ID,))
    ids = sources()

    def generate(batch: int, beams: int) -> list[list[int]]:
        source = ids[:batch]
        mask = torch.ones_like(source, dtype=torch.bool)
        if beams == 1:
            return greedy(model, source, mask, special, NEW_TOKENS)
        return [best[0].ids for best in beam_search(model, source, mask, special, NEW_TOKENS, beams)]

    return Generator(generate, model, "this project")


def hugging_face_generator() -> Generator:
    """transformers' `generate`."""
    model, ids = random_t5(), sources()

    def generate(batch: int, beams: int) -> list[list[int]]:
        source = ids[:batch]
        with torch.inference_mode():
            outputs = model.generate(
                input_ids=source, attention_mask=torch.ones_like(source), max_new_tokens=NEW_TOKENS,
                min_new_tokens=NEW_TOKENS, num_beams=beams, do_sample=False,
            )
        return outputs[:, 1:].tolist()

    return Generator(generate, model, f"transformers {version('transformers')}")


def ctranslate2_generator(compute_type: str = "float32") -> Generator:
    """CTranslate2, the C++ engine for inference, with weights that its own converter has read."""
    import ctranslate2

    model, ids = random_t5(), sources()
    words = [f"<{number}>" for number in range(VOCAB_SIZE)]  # CTranslate2 reads and writes tokens as text
    words[PAD_ID], words[END_ID], words[UNK_ID] = "<pad>", "</s>", "<unk>"
    with tempfile.TemporaryDirectory() as folder:
        convert(model, words, Path(folder) / "model")
        translator = ctranslate2.Translator(
            str(Path(folder) / "model"), device="cpu", compute_type=compute_type,
            intra_threads=torch.get_num_threads(), inter_threads=1,
        )
    rows = [[words[number] for number in row] for row in ids.tolist()]
    number_of = {word: number for number, word in enumerate(words)}

    def generate(batch: int, beams: int) -> list[list[int]]:
        results = translator.translate_batch(
            rows[:batch], beam_size=beams, max_decoding_length=NEW_TOKENS, min_decoding_length=NEW_TOKENS
        )
        return [[number_of[word] for word in result.hypotheses[0]] for result in results]

    difference = "" if compute_type == "float32" else "8 bits"
    return Generator(generate, model, f"ctranslate2 {version('ctranslate2')}", difference)


def convert(model: nn.Module, words: list[str], folder: Path) -> None:
    """Write the network in CTranslate2's format with its own converter for T5, and a vocabulary of `words`."""
    from ctranslate2.converters.transformers import T5Loader

    specification = T5Loader().get_model_spec(model)
    specification.register_source_vocabulary(words)
    specification.register_target_vocabulary(words)
    config: Any = specification.config
    config.add_source_bos = config.add_source_eos = False
    config.bos_token, config.eos_token, config.unk_token = words[PAD_ID], words[END_ID], words[UNK_ID]
    config.decoder_start_token = words[PAD_ID]
    specification.validate()
    specification.optimize()
    folder.mkdir()
    specification.save(str(folder))


GENERATORS: dict[str, Callable[[], Generator]] = {
    "ours": our_generator,
    "ours, readable": lambda: our_generator("readable"),
    "Hugging Face": hugging_face_generator,
    "CTranslate2": ctranslate2_generator,
    "CTranslate2, int8": lambda: ctranslate2_generator("int8"),
}
