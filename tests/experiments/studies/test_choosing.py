"""Ways of choosing among hypotheses: each asks for its own, and none is better than the oracle."""

import json
import shutil

import pytest

import train
from data.example import Example
from evaluation.config import EvaluationConfig
from evaluation.n_best import Reverse
from evaluation.predict import Candidate
from experiments.record.lines import measurement_lines
from experiments.record.records import record_of
from experiments.results.pages import measurement_page
from experiments.studies import choosing
from system.atomic_files import write_json
from system.options import run_and_report

TINY = """--device cpu --threads 1 --data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4
    --model.d_model 16 --model.n_heads 2 --model.d_ff 32 --model.n_encoder_layers 1 --model.n_decoder_layers 1
    --training.steps 3
    --evaluation.max_new_tokens 6""".split()


def test_each_way_takes_the_hypothesis_it_should(monkeypatch):
    """The likeliest does not parse, the next one does, the reverse model likes the third, the fourth is right."""
    written = ["x +=", "x += 2", "x -= 1", "x += 1"]
    candidates = [Candidate(code, -0.1 * rank) for rank, code in enumerate(written)]
    monkeypatch.setattr(choosing, "predict", lambda *given: (["x +="], 0))
    monkeypatch.setattr(choosing, "predict_candidates", lambda *given, n_best: ([candidates[:n_best]], 0))
    monkeypatch.setattr("evaluation.n_best.backward_scores", lambda *given: [0.0, 0.0, 10.0, 0.0])
    config = choosing.RunSettings(evaluation=EvaluationConfig())

    def right(code):
        found = choosing.ways(
            None, None, [Example("e:1", "add one", code)], Reverse("", None, None, 8), config, choosing.Settings(beam=4)
        )
        return [way for way, bits in found if bits[0]]

    assert right("x +=") == ["greedy", "beam 4", "oracle"]
    assert right("x += 2") == ["what parses first", "oracle"]
    assert right("x -= 1") == ["reverse model", "both", "oracle"]
    assert right("x += 1") == ["oracle"]


LINES = [json.dumps({"nl": f"add {i} to y", "code": f"y += {i}"}) for i in range(40)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that writes code and one that describes it, beside their lines."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "train.jsonl").write_text("\n".join(LINES))
    (folder / "test.jsonl").write_text("\n".join(LINES[:3]))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI_STEPS", raising=False)
        for name, more in (("writer", []), ("reverse", ["--data.reverse"])):
            options = ["files", "--data.path", str(folder), "--run", str(folder / name), *more, *TINY]
            assert run_and_report(train.main, options) == 0
    return folder


@pytest.fixture
def runs(trained, monkeypatch):
    """The runs, with test lines whatever another test did to them."""
    monkeypatch.delenv("CI_STEPS", raising=False)
    (trained / "test.jsonl").write_text("\n".join(LINES[:3]))
    return trained


def test_rows_tell_every_way_of_one_network_and_of_all(runs, capsys):
    given = ["--run", runs / "writer", "--ensemble", runs / "writer", "--reverse", runs / "reverse", "--beam", 3,
             "--json", runs / "rows.json"]  # fmt: skip
    assert run_and_report(choosing.main, [*map(str, given)]) == 0
    rows = json.loads((runs / "rows.json").read_text())
    ways = ["greedy", "beam 3", "what parses first", "reverse model", "both", "oracle"]
    assert [row["row"] for row in rows] == [f"{who}, {way}" for who in ("one network", "2 networks") for way in ways]
    values = [row["value"] for row in rows]
    assert values[5] >= max(values[:5]) and values[:6] == values[6:]  # beside itself a network says what it says alone
    lines = [record_of(line) for line in measurement_lines(runs / "rows.json", "choosing")]
    page = measurement_page({"choosing": lines}, "choosing").text
    assert f"| one network, oracle | {values[5]:.1f} % (" in page
    assert "3 lines of test" in capsys.readouterr().out
    assert run_and_report(choosing.main, [*map(str, given[:4]), "--reverse", str(runs / "writer")]) == 2
    assert "writes code" in capsys.readouterr().err


def test_a_partner_that_has_learnt_what_is_scored_is_refused(runs, capsys):
    (runs / "test.jsonl").unlink()  # then what training held out is scored
    options = ["--run", str(runs / "writer"), "--reverse", str(runs / "reverse"), "--beam", "2"]
    assert run_and_report(choosing.main, [*options, "--ensemble", str(runs / "writer")]) == 0
    partner = shutil.copytree(runs / "writer", runs / "partner")
    write_json(partner / "environment.json", {"data_hash": "of another seed's lines"})
    assert run_and_report(choosing.main, [*options, "--ensemble", str(partner)]) == 2
    assert f"not what {partner} was trained on" in capsys.readouterr().err


def test_a_beam_of_one_is_refused(capsys):
    assert run_and_report(choosing.main, ["--beam", "1"]) == 2
    assert "beam=1 leaves nothing to choose from" in capsys.readouterr().err
