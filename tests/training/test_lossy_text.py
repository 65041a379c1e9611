"""Runs whose checkpoint's tokenizer cannot write their code: what is said of it, and pieces that are added."""

import json
import shutil

import pytest
import torch

import eval as eval_program
import train
from data.batches import pad
from evaluation.predict import ids_for_decoding
from model.config import ModelConfig
from model.decoding import greedy
from system.errors import UserError
from system.options import run_and_report
from training import export
from training.pretrained import read_network, read_tokenizer
from training.run.load import load_tokenizer, load_trained, with_new_rows
from training.run.settings_file import from_dict
from training.weights import read_tensors

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")

TINY = """--device cpu --threads 1 --data.batch_tokens 0 --data.batch_examples 4 --data.held_out 4
    --data.max_source_length 64 --data.max_target_length 64 --training.steps 4 --training.warmup_steps 1
    --training.learning_rate 1e-3 --training.checkpoint_every 2 --evaluation.max_new_tokens 6
    --evaluation.limit 2""".split()


PAIRS_ALONE = ("--training.objectives.denoise", "0", "--training.objectives.rename", "0")

pytestmark = pytest.mark.usefixtures("training_alone")


def write_pairs(path):
    code = "{'%s': 1}\n\treturn x if y { z }"
    path.write_text("".join(json.dumps({"nl": f"a dict {i}", "code": code % i}) + "\n" for i in range(30)))
    return path


def run(folder, checkpoint, *options):
    """The exit status of `python train.py files --init.from CHECKPOINT` on code with braces, line breaks and tabs."""
    data = ["files", "--data.path", write_pairs(folder.parent / "pairs.jsonl"), "--init.from", checkpoint]
    return run_and_report(train.main, [*map(str, [*data, "--run", folder]), *TINY, *options])


def test_what_a_tokenizer_cannot_write_is_said_before_training_with_the_mend(make_checkpoint, tmp_path, capsys):
    assert run(tmp_path / "run", make_checkpoint("plbart")) == 0
    said = capsys.readouterr().err
    start = "training: 27 of 27 codes do not come back from the tokenizer as they were: it cannot write '{' (54)"
    assert start in said and "'}' (54), tabs (27), line breaks (27), " in said
    assert said.index(start) < said.index("held-out loss")
    assert "--data.add_pieces makes pieces of them; runs of blanks stay one blank" in said


def test_nothing_is_said_of_tokenizers_that_lose_nothing(make_checkpoint, tmp_path, capsys):
    assert run(tmp_path / "run", make_checkpoint("codet5")) == 0
    assert "come back" not in capsys.readouterr().err
    assert run(tmp_path / "added", make_checkpoint("codet5"), "--data.add_pieces") == 0
    assert "tokenizer: no character was missing, none was added" in capsys.readouterr().err


def test_pieces_are_not_added_where_they_could_not_be_learned(make_checkpoint, tmp_path, capsys):
    for options, expected in (
        (("--strategies.lora.rank", "2"), "strategies.lora.rank=2 leaves the embedding as it is"),
        (("--strategies.layers.last", "1"), "strategies.layers.last=1 leaves the embedding as it is"),
    ):
        assert run(tmp_path / "run", make_checkpoint("t5"), "--data.add_pieces", *options) == 2
        assert expected in capsys.readouterr().err
    assert run_and_report(train.main, ["generated", "--run", str(tmp_path / "run"), "--data.add_pieces"]) == 2
    assert "give --init.from" in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.fixture(scope="module", params=["t5", "plbart with languages", "marian"])
def added(request, make_checkpoint, tmp_path_factory):
    """(checkpoint, a finished run with added pieces)."""
    folder = tmp_path_factory.mktemp("added") / "run"
    assert run(folder, make_checkpoint(request.param), "--data.add_pieces") == 0
    return make_checkpoint(request.param), folder


def test_code_comes_back_and_the_old_ids_are_what_they_were(added, capsys):
    before, after = read_tokenizer(added[0]), load_tokenizer(added[1])
    code = "{'7': 1}\n\treturn x if y { z }"
    assert after.decode(after.encode_target(code)) == code != before.decode(before.encode_target(code))
    assert all(after.table[index] == piece for index, piece in before.table.items())
    values = json.loads((added[1] / "config.json").read_text())
    assert values["model"]["vocab_size"] == after.vocab_size >= max(after.table) + 1
    assert values["special_ids"] == before.special_ids()


def test_rows_of_added_pieces_are_small_and_different_and_the_seeds_own(added):
    before, tokenizer = read_network(added[0]), load_tokenizer(added[1])
    new = sorted(tokenizer.table.keys() - read_tokenizer(added[0]).table.keys())
    rows = {seed: with_new_rows(before.weights, new, seed) for seed in (0, 0, 1)}
    for name in ("embedding.weight", *(["output.weight"] if "output.weight" in before.weights else [])):
        old, grown = before.weights[name], rows[0][name]
        size = old.square().mean().sqrt()
        assert grown[new].norm(dim=1).min() > 0 and 0.05 * size < grown[new].square().mean().sqrt() < 0.2 * size
        assert torch.pdist(grown[new]).min() > 0.01 * size
        kept = [index for index in range(len(old)) if index not in new]
        assert grown[kept].equal(old[kept]) and not grown[new].equal(rows[1][name][new])
        assert grown.equal(with_new_rows(before.weights, new, 0)[name])
    if "logits_bias" in before.weights:
        assert not rows[0]["logits_bias"][new].any() and len(rows[0]["logits_bias"]) == tokenizer.vocab_size


def test_eval_and_ensembles_write_with_added_pieces(added, capsys):
    command = ["--run", str(added[1]), "--device", "cpu"]
    assert run_and_report(eval_program.main, [*command, "--prompt", "a dict {3}"]) == 0
    assert run_and_report(eval_program.main, [*command, "--limit", "2", "--ensemble", str(added[1])]) == 0


@pytest.mark.parametrize("added", ["t5"], indirect=True)
def test_a_run_begins_from_one_with_added_pieces_and_may_add_more(added, tmp_path, capsys):
    assert run(tmp_path / "next", added[1], *PAIRS_ALONE) == 0
    before, after = (read_tensors(folder / "model.safetensors") for folder in (added[1], tmp_path / "next"))
    moved = (before["embedding.weight"] - after["embedding.weight"]).abs().max()
    assert 0 < moved < 0.02 and len(before["embedding.weight"]) == len(after["embedding.weight"])
    said = capsys.readouterr().err
    assert "come back" not in said
    pairs = tmp_path / "other.jsonl"
    pairs.write_text("".join(json.dumps({"nl": f"a {i}", "code": f"{{§: {i}}}"}) + "\n" for i in range(20)))
    command = ["files", "--data.path", str(pairs), "--init.from", str(added[1]), "--run", str(tmp_path / "more"), *TINY]
    assert run_and_report(train.main, [*command, "--data.add_pieces", *PAIRS_ALONE]) == 0
    tokenizer = load_tokenizer(tmp_path / "more")
    assert tokenizer.decode(tokenizer.encode_target("{§\n}")) == "{§\n}"
    assert run_and_report(eval_program.main, ["--run", str(tmp_path / "next"), "--ensemble", str(tmp_path / "more"),
                                              "--prompt", "a", "--device", "cpu"]) == 2  # fmt: skip
    assert "has another vocabulary" in capsys.readouterr().err


@pytest.mark.parametrize("added", ["marian"], indirect=True)
def test_a_run_with_added_pieces_goes_on_with_the_same_bits(added, make_checkpoint, tmp_path, monkeypatch):
    take_step = train.take_step
    for cut in (1, 3):  # before the first checkpoint and behind it
        def step(run, *rest, cut=cut):
            if run.position.step == cut:
                raise UserError("cut off")
            return take_step(run, *rest)

        monkeypatch.setattr(train, "take_step", step)
        assert run(tmp_path / f"cut{cut}", added[0], "--data.add_pieces") == 2
        monkeypatch.setattr(train, "take_step", take_step)
        assert run_and_report(train.main, ["--run", str(tmp_path / f"cut{cut}"), "--resume"]) == 0
        weights = [(folder / "model.safetensors").read_bytes() for folder in (tmp_path / f"cut{cut}", added[1])]
        assert weights[0] == weights[1]


def theirs_of(folder):
    peer = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
    return peer, transformers.AutoTokenizer.from_pretrained(folder)


def texts_of_run(folder, sources, n_new):
    """What a run writes for sources, as ids."""
    values = json.loads((folder / "config.json").read_text())
    model, tokenizer = load_trained(folder, from_dict(ModelConfig, values["model"], folder))
    rows = [tokenizer.frame(tokenizer.encode(text)) for text in sources]
    source, mask = pad(rows, tokenizer.pad_id)
    return greedy(model, source, mask, ids_for_decoding(tokenizer), n_new), source, mask, tokenizer


def test_an_exported_run_with_added_pieces_is_the_same_network_in_transformers(added, tmp_path, capsys):
    assert run_and_report(export.main, ["--run", str(added[1]), "--to", str(tmp_path / "out")]) == 0
    peer, theirs = theirs_of(tmp_path / "out")
    sources = ["a dict {3}", "{ a } dict\n7", "plain"]
    ours, source, mask, tokenizer = texts_of_run(added[1], sources, 6)
    assert [row[bits.bool()].tolist() for row, bits in zip(*theirs(sources, padding=True, return_tensors="pt").values())
            ] == [row[bits].tolist() for row, bits in zip(source, mask)]  # fmt: skip
    with torch.no_grad():
        written = peer.generate(source, attention_mask=mask.long())  # by the folder's own settings
    rows = [row[1:] for row in written.tolist()]
    stops = (tokenizer.end_id, tokenizer.pad_id)
    rows = [row[: next((i for i, token in enumerate(row) if token in stops), len(row))] for row in rows]
    assert rows == ours
    shutil.copytree(tmp_path / "out", tmp_path / "again")
    assert run(tmp_path / "run", tmp_path / "again") == 0  # and it begins another run here
    assert "come back" not in capsys.readouterr().err
