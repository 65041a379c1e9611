"""Two runs of a seed differ in their dropout alone, a finished run is not made again, and the page says the same."""

import json

import pytest
import torch

import train
from experiments.record.lines import read_lines, read_suite
from experiments.record.measurement import ROOT
from experiments.results.pages import measurement_page
from experiments.speed import dropout_check
from experiments.speed.dropout_check import main, masks_from
from model import dropout
from model.config import preset
from model.dropout import FastDropout
from model.fast import make_network
from system.errors import UserError
from training.run.code_hash import code_hash, imported_files

TINY = """--data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4 --data.generated_train 60
    --data.held_out 8 --data.generated_test 1 --model.d_model 16 --model.n_heads 2 --model.d_ff 32
    --model.n_encoder_layers 1 --model.n_decoder_layers 1""".split()
ASKED = "--seeds", "2", "--steps", "3", "--threads", "1"


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """The recipe in small, and the threads as they were."""
    threads = torch.get_num_threads()
    monkeypatch.delenv("CI_STEPS", raising=False)
    monkeypatch.setattr(dropout_check, "DROPOUT_OPTIONS", [*dropout_check.DROPOUT_OPTIONS, *TINY])
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def seen(monkeypatch):
    """What every run begins with and sees: (its kind, its weights, the ids of its batches)."""
    runs, one_run, take_step = [], dropout_check.facts_after, train.take_step

    def note_run(settings, kind, *rest):
        runs.append((kind, [], []))
        return one_run(settings, kind, *rest)

    def note_step(run, phase, step, rate):
        _, weights, ids = runs[-1]
        if not weights:
            weights += [weight.detach().clone() for weight in run.model.parameters()]
        ids += [name for batch in step.batches for name in batch.ids]
        return take_step(run, phase, step, rate)

    monkeypatch.setattr(dropout_check, "facts_after", note_run)
    monkeypatch.setattr(train, "take_step", note_step)
    return runs


def losses(folder):
    return {
        (line.seed, line.row): line.scores["held_out"]["held_out_loss"]["value"]
        for line in read_suite(folder, "dropout")
    }


def every_place_drops():
    torch.manual_seed(0)
    config = preset(
        "modern", vocab_size=20, d_model=8, n_heads=2, d_ff=8, n_encoder_layers=1, n_decoder_layers=1,
        dropout=0.5, dropout_attention=0.5, dropout_feed_forward=0.5,
    )
    ids, mask = torch.randint(1, 20, (2, 5)), torch.ones(2, 5, dtype=torch.bool)
    return make_network(config, 0).train()(ids, mask, ids)


def test_inside_no_mask_is_drawn_by_the_fast_way_and_afterwards_all_are_again(monkeypatch):
    drawn, keep_mask = [], dropout.keep_mask
    monkeypatch.setattr(dropout, "keep_mask", lambda *rest: drawn.append(1) or keep_mask(*rest))
    every_place_drops()
    # Embeddings, 2 + 3 sublayers' outputs, 3 attentions, 2 feed-forward layers.
    assert len(drawn) == 2 + 5 + 3 + 2
    with masks_from("fast"):
        every_place_drops()
    assert len(drawn) == 24
    with pytest.raises(KeyError), masks_from("torch"):
        every_place_drops()
        raise KeyError
    assert len(drawn) == 24
    every_place_drops()
    assert len(drawn) == 36


def test_torchs_masks_inside_are_those_of_torchs_dropout():
    x = torch.randn(1000)
    torch.manual_seed(3)
    expected = torch.nn.functional.dropout(x, 0.3)
    torch.manual_seed(3)
    with masks_from("torch"):
        assert torch.equal(FastDropout.apply(x, 0.3), expected)


def test_the_runs_of_a_seed_begin_with_the_same_weights_and_see_the_same_batches(tmp_path, seen):
    assert main([*ASKED], tmp_path) == 0
    assert [kind for kind, _, _ in seen] == ["torch", "fast", "torch", "fast"]
    for (_, weights, ids), (_, others, other_ids) in (seen[:2], seen[2:]):
        assert ids == other_ids and len(ids) == 12
        assert all(torch.equal(one, other) for one, other in zip(weights, others, strict=True))
    assert seen[0][2] != seen[2][2]
    found = losses(tmp_path)
    assert len(set(found.values())) == 4


def test_without_dropout_both_runs_of_a_seed_are_the_same_to_the_bit(tmp_path, monkeypatch):
    off = [word for name in ("", "_attention", "_feed_forward") for word in (f"--model.dropout{name}", "0")]
    monkeypatch.setattr(dropout_check, "DROPOUT_OPTIONS", [*dropout_check.DROPOUT_OPTIONS, *off])
    main([*ASKED], tmp_path)
    found = losses(tmp_path)
    assert found[0, "torch"] == found[0, "fast"] != found[1, "fast"] == found[1, "torch"]


@pytest.mark.slow
def test_a_run_whose_line_is_there_is_not_made_again(tmp_path, seen, capsys):
    main(["--seeds", "1", *ASKED[2:]], tmp_path)
    main([*ASKED], tmp_path)
    assert [kind for kind, _, _ in seen] == ["torch", "fast", "torch", "fast"]
    table, found = capsys.readouterr().out.splitlines()[-5:], losses(tmp_path)
    main([*ASKED], tmp_path)
    assert len(seen) == 4 and capsys.readouterr().out.splitlines() == table
    file = tmp_path / "dropout.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:2] + lines[3:]))
    main([*ASKED], tmp_path)
    assert [kind for kind, _, _ in seen[4:]] == ["torch"] and losses(tmp_path) == found
    main([*ASKED, "--steps", "2"], tmp_path)
    assert len(seen) == 9


@pytest.mark.slow
def test_the_second_seed_alone_is_the_second_of_two(tmp_path):
    main([*ASKED], tmp_path / "both")
    main([*ASKED, "--first", "1", "--seeds", "1"], tmp_path / "alone")
    both = losses(tmp_path / "both")
    assert losses(tmp_path / "alone") == {key: loss for key, loss in both.items() if key[0] == 1}


def test_a_line_says_what_it_was_made_of_and_no_path(tmp_path):
    main([*ASKED, "--seeds", "1"], tmp_path)
    torchs, fast = read_lines(tmp_path, "dropout")
    for name in ("config", "config_hash", "code_hash", "data_hash", "budget", "threads", "machine", "versions",
                 "wall_seconds", "command", "pieces"):
        assert torchs[name]
    assert torchs["budget"]["steps"] == 3 and torchs["budget"]["tokens"] == fast["budget"]["tokens"] > 0
    assert torchs["scores"]["held_out"]["held_out_loss"]["n"] <= 8
    assert {name for name in torchs["config"] if torchs["config"][name] != fast["config"][name]} == {"dropout_masks"}
    assert torchs["code_hash"] == code_hash(ROOT, imported_files(ROOT))  # nothing was imported after it was taken
    assert str(tmp_path) not in json.dumps(torchs)


def test_the_page_shows_the_table_and_the_verdict_of_the_command(tmp_path, capsys):
    main([*ASKED, "--json", str(tmp_path / "comparison.json")], tmp_path)
    said = capsys.readouterr().out.splitlines()
    page = measurement_page({"dropout": read_suite(tmp_path, "dropout")}, "dropout").text
    comparison = json.loads((tmp_path / "comparison.json").read_text())[0]
    assert said[-1] == comparison["verdict"] == "not enough runs for a verdict: 2 of at least 5 seeds"
    assert f"**{said[-1]}**" in page
    for row in said[-4:-1]:
        assert "| " + " | ".join(row.split(maxsplit=3)) + " |" in page
    assert [pair["seed"] for pair in comparison["pairs"]] == [0, 1]


def test_a_trial_leaves_no_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CI_STEPS", "1")
    assert main(["--seeds", "1", "--threads", "1"], tmp_path) == 0
    assert "not results" in capsys.readouterr().out and not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--seeds", "--steps"])
def test_an_impossible_number_is_refused(tmp_path, option):
    with pytest.raises(UserError, match=f"{option} 0 must be at least 1"):
        main([option, "0"], tmp_path)
