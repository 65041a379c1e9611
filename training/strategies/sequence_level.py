"""Knowledge distillation, sequence by sequence (chapter 3.2, strategy 6; Kim and Rush 2016, 3.2).

    L = - log P_student(y' | x),     y' = the likeliest output of the teacher's beam search

The student is trained on what its teacher writes instead of what people wrote: one mode of the teacher's distribution,
which is easier to learn than all of it. It costs one pass of decoding over the training lines before the first step;
what was written stays in the run folder, so a run that goes on, be it in the middle of it, does not write it again.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from data.batches import pad
from data.config import DataConfig
from data.example import Example
from data.tokenizers.tokenizer import Tokenizer, source_ids
from model.decoding import SpecialIds, beam_search
from model.transformer import Transformer
from system.atomic_files import write_json
from system.errors import UserError
from system.from_disk import read_typed
from training.corpus import Corpus
from training.recipes import TrainingSettings

TARGETS_FILE = "taught.json"  # in the run folder: id of a training example -> what the teacher writes
BEAM_WIDTH = 5  # as in the paper
DESCRIPTIONS_AT_ONCE = 64  # descriptions decoded together


def with_teacher_targets(
    corpus: Corpus, teacher: Transformer, tokenizer: Tokenizer, settings: TrainingSettings, run: Path
) -> Corpus:
    """The corpus, each training description with the code that the teacher writes for it.

    Held-out pairs stay as people wrote them. Raises UserError.
    """
    path = run / TARGETS_FILE
    codes, ids = read_typed(path, dict[str, str]) if path.exists() else {}, {example.id for example in corpus.train}
    if codes.keys() - ids:
        raise UserError(f"{path} was written for other training lines; delete it, or begin another --run")
    if codes.keys() < ids:  # else nothing need be encoded
        for part in teacher_targets(corpus.train, teacher, tokenizer, settings.data, codes):
            codes |= part
            write_json(path, codes)
    train = [replace(example, code=codes[example.id]) for example in corpus.train]
    return replace(corpus, train=train)


def teacher_targets(
    examples: Sequence[Example], teacher: Transformer, tokenizer: Tokenizer, data: DataConfig, known: Container[str]
) -> Iterator[dict[str, str]]:
    """Yield the teacher's code by the examples' ids, part by part, of the parts that are not all known yet.

    Descriptions of similar length are decoded together, the same ones whatever is known.
    """
    special = SpecialIds(tokenizer.pad_id, tokenizer.end_id, tokenizer.decoder_start_id, tokenizer.never_ids)
    sources = [source_ids(example.nl or "", tokenizer, data.max_source_length) for example in examples]
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    device = teacher.embedding.weight.device
    with tqdm(total=len(sources), desc="the teacher writes", unit=" lines", leave=False, disable=None) as bar:
        for first in range(0, len(order), DESCRIPTIONS_AT_ONCE):
            rows = order[first : first + DESCRIPTIONS_AT_ONCE]
            if any(examples[row].id not in known for row in rows):
                source, mask = (part.to(device) for part in pad([sources[row] for row in rows], tokenizer.pad_id))
                found = beam_search(teacher, source, mask, special, data.max_target_length, BEAM_WIDTH)
                yield {examples[row].id: tokenizer.decode(best[0].ids) for row, best in zip(rows, found, strict=True)}
            bar.update(len(rows))
