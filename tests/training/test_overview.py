"""What training says before its first step, line by line."""

import pytest
import torch

from data.example import BadRecords
from model.config import preset
from model.fast import make_network
from training.corpus import Corpus
from training.overview import show_overview
from training.recipes import TrainingSettings


@pytest.mark.parametrize(
    ("kept", "words"), [(True, "freed blocks are kept"), (False, "only glibc can keep freed blocks")]
)
def test_one_aligned_line_says_what_became_of_the_allocators_settings(capsys, kept, words):
    config = preset("modern", vocab_size=20, d_model=8, n_heads=2, d_ff=8, n_encoder_layers=1, n_decoder_layers=1)
    corpora = {"training": Corpus([], [], BadRecords(), {})}
    show_overview(TrainingSettings(model=config), corpora, make_network(config, 0), torch.device("cpu"), kept)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("memory")] == [lines[-1]] and words in lines[-1]
    column = len("vocabulary") + 2
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)
