"""A suite of tiny runs in a file of its own, as a user writes one."""

from pathlib import Path

import pytest

TINY = '''
from experiments.laboratory.suite import Suite

SUITE = Suite(
    name="tiny",
    title="Tiny runs",
    base={
        "corpus": "generated", "model.d_model": 16, "model.n_heads": 2, "model.d_ff": 16,
        "model.n_encoder_layers": 1, "model.n_decoder_layers": 1, "model.copy_head": False, "model.mlm_head": False,
        "data.vocab_size": 400, "data.batch_tokens": 512, "data.held_out": 20, "data.generated_train": 300,
        "data.generated_test": 4, "data.generated_operations": 10, "pretraining.steps": 0, "training.steps": 30,
        "training.checkpoint_every": 10, "training.evaluate_every": 0, "evaluation.max_new_tokens": 4,
    },
    rows={"wide": {"model.d_ff": 32}},
)
'''


@pytest.fixture
def tiny_suite(tmp_path) -> Path:
    """The file of the suite."""
    file = tmp_path / "tiny.py"
    file.write_text(TINY)
    return file
