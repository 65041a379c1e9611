"""What a suite's pretraining reads, counted in another way."""

import json
import subprocess
import sys

import pytest

from experiments.laboratory.suite import load_suite
from experiments.record.measurement import ROOT
from experiments.speed import reading
from training.corpus import read_corpora
from training.first_tokenizer import first_tokenizer

SUITE = """
from experiments.laboratory.suite import Suite

WEIGHTS = {{f"pretraining.objectives.{{name}}": 0.0 for name in ("pairs", "mlm", "span")}}
SUITE = Suite(
    name="reads", title="What is read",
    base={{
        "corpus": "generated", "model.d_model": 16, "model.n_heads": 2, "model.d_ff": 16, "model.n_encoder_layers": 1,
        "model.n_decoder_layers": 1, "data.vocab_size": 400, "data.batch_tokens": 512, "data.generated_train": 100,
        "data.generated_test": 1, "data.generated_operations": 10, "data.shards": "{corpus}", "pretraining.steps": 0,
        "training.steps": 4,
    }},
    rows={{
        "causal": {{**WEIGHTS, "pretraining.steps": 3, "pretraining.objectives.causal": 1.0}},
        "the same again": {{**WEIGHTS, "pretraining.steps": 3, "pretraining.objectives.causal": 1.0}},
    }},
)
"""


@pytest.fixture
def suite(tmp_path):
    corpus, file = tmp_path / "corpus", tmp_path / "reads.py"
    build = ["data", "build", "model/numpy_reference", "--out", str(corpus), "--vocab_size", "400", "--workers", "1"]
    subprocess.run([sys.executable, "-m", *build], cwd=ROOT, check=True, capture_output=True)
    file.write_text(SUITE.format(corpus=corpus))
    return file


def test_text_is_counted_as_it_was_before_it_was_corrupted(suite, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("CI_STEPS", raising=False)
    assert reading.main([str(suite), "--json", str(tmp_path / "row.json")]) == 0
    assert "causal" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "row.json").read_text())
    assert row["row"] == "reading, largest share of a step" and row["value"] > 0
    assert list(row["rows"]) == ["causal"], "rows that pretrain alike are measured once"
    (settings,) = reading.pretrainings(load_suite(str(suite))).values()
    corpora = read_corpora(settings)
    tokenizer = first_tokenizer(settings, corpora)
    lengths = [len(tokenizer.encode(e.code if e.nl is None else e.nl)) for e in corpora["pretraining"].train]
    fitting = [length for length in lengths if length + 1 <= settings.data.max_target_length]
    n_batches = sum(fitting) / row["rows"]["causal"]["text_a_step"]
    assert n_batches == pytest.approx(round(n_batches), abs=1e-6)
    padded = sum(length + 2 for length in fitting) / settings.data.batch_tokens  # an end token, and an empty source's
    assert padded <= n_batches <= 1.5 * padded + 1
