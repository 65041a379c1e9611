"""`python eval.py` on a tiny trained run: prompts, scores again, and what is said of a damaged run."""

import errno
import io
import json
import os
import re
import shutil
import sys

import pytest

import eval as eval_program
import train
from data.tokenizers.tokenizer import train_tokenizer
from evaluation.predict import predict
from model.fast import FastTransformer, make_network
from model.transformer import Transformer
from system.options import run_and_report
from training.run.folder import read_config
from training.run.load import load_trained
from training.run.lock import only_writer
from training.weights import save_weights

TINY = """--device cpu --threads 1 --data.vocab_size 400 --data.batch_tokens 0 --data.batch_examples 4
    --model.d_model 16 --model.n_heads 2 --model.d_ff 32 --model.n_encoder_layers 1 --model.n_decoder_layers 1
    --training.steps 3
    --evaluation.max_new_tokens 6""".split()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run whose scoring failed: it is trained, and has no scores."""
    folder = tmp_path_factory.mktemp("eval")
    lines = [{"nl": f"add {i} to y", "code": f"y += {i}"} for i in range(40)]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "test.jsonl").write_text('{"nl": "cut in ha\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI_STEPS", raising=False)
        options = ["files", "--data.path", str(folder), "--run", str(folder / "run"), *TINY]
        assert run_and_report(train.main, options) == 2
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained run, to be spoilt."""
    shutil.copytree(trained / "run", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def data(tmp_path):
    """A folder with one test line."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "test.jsonl").write_text('{"nl": "add 3 to y", "code": "y += 3"}\n')
    return folder


def call(run, *options):
    return run_and_report(eval_program.main, ["--run", str(run), "--device", "cpu", *map(str, options)])


def refused(capsys, run, *options):
    assert call(run, *options) == 2
    said = re.sub(r"^memory  .*\n", "", capsys.readouterr().err)  # what scoring says first
    assert said.startswith("error: ") and said.count("\n") == 1
    return said


def test_scoring_that_failed_after_training_can_be_done_again(trained, run, data, tmp_path, capsys):
    assert "test.jsonl:1" in refused(capsys, run, "--trust")
    shutil.copy(trained / "train.jsonl", data)
    scores = tmp_path / "given" / "scores.json"
    assert call(run, "--data_path", data, "--json", scores) == 0
    assert json.loads((run / "scores.json").read_text())["test"]["exact_match"]["n"] == 1
    assert json.loads(scores.read_text())["test"]["exact_match"]["n"] == 1
    said = capsys.readouterr()
    assert str(run / "report.html") in said.out and said.err.count("memory  ") == 1


def test_a_strangers_run_reads_no_data_that_it_names(trained, run, data, tmp_path, capsys):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "test.jsonl").write_text('{"nl": "swordfish", "code": "x"}\n')
    shutil.copy(trained / "train.jsonl", secret)
    with_settings(run, "data", path=str(secret))
    said = refused(capsys, run)
    assert f"data.path={secret}" in said and "--data_path FOLDER" in said and "--trust" in said
    assert not (run / "predictions.jsonl").exists()
    assert call(run, "--prompt", "add 3 to y") == 0  # reads none
    shutil.copy(trained / "train.jsonl", data)
    assert call(run, "--data_path", data) == 0 and "swordfish" not in (run / "predictions.jsonl").read_text()
    assert call(run, "--trust") == 0 and "swordfish" in (run / "predictions.jsonl").read_text()
    assert call(run) == 0  # it is remembered


def test_links_in_a_strangers_run_are_not_followed(trained, run, data, tmp_path, capsys):
    shutil.copy(trained / "train.jsonl", data)
    mine = tmp_path / "bashrc"
    mine.write_text("# mine")
    partner = shutil.copytree(run, tmp_path / "partner")
    (partner / "model.txt").symlink_to(mine)
    assert "model.txt is a link to" in refused(capsys, run, "--data_path", data, "--ensemble", partner)
    (run / "predictions.jsonl.partial").symlink_to(mine)
    for words in (["--data_path", data], ["--prompt", "x"]):
        assert "predictions.jsonl.partial is a link to" in refused(capsys, run, *words)
    (run / "scores.json").symlink_to(mine)
    assert call(run, "--data_path", data, "--trust") == 0  # the last one is replaced
    assert mine.read_text() == "# mine" and not (run / "scores.json").is_symlink()


def test_consent_to_run_programs_is_this_command_lines_alone(trained, run, data, capsys):
    shutil.copy(trained / "train.jsonl", data)
    with_settings(run, "evaluation", run_untrusted=True)
    said = refused(capsys, run, "--data_path", data)
    assert "add --run_untrusted" in said and "or --no_run_untrusted" in said
    assert call(run, "--prompt", "add 3 to y") == 0  # runs nothing
    assert "run_untrusted" not in capsys.readouterr().err
    for words, on in ((["--run_untrusted"], True), (["--no_run_untrusted"], False)):
        assert call(run, "--data_path", data, *words) == 0
        assert json.loads((run / "scores.json").read_text())["evaluation"]["run_untrusted"] is on
        assert ("run_untrusted is on" in capsys.readouterr().err) is on
    assert call(trained / "run", "--data_path", data) == 0
    assert "run_untrusted is on" not in capsys.readouterr().err


def test_a_folder_in_use_and_a_read_only_one_are_refused_before_decoding(trained, run, data, capsys, monkeypatch):
    shutil.copy(trained / "train.jsonl", data)
    monkeypatch.setattr(eval_program, "evaluate_run", lambda *_: pytest.fail("it has decoded"))
    with only_writer(run):
        assert "another process writes in" in refused(capsys, run, "--data_path", data)
        assert call(run, "--prompt", "add 3 to y") == 0  # reading needs no lock

    def read_only(path, content):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("training.run.folder.write_synced", read_only)
    capsys.readouterr()
    assert "cannot be written (Read-only file system)" in refused(capsys, run, "--data_path", data)
    assert call(run, "--prompt", "add 3 to y") == 0


def test_a_prompt_gives_code_the_same_each_time(run, capsys):
    outputs = []
    for options in ((), (), ("--beam", 3), ("--samples", 3, "--seed", 1), ("--samples", 3, "--seed", 1)):
        assert call(run, "--prompt", "add 3 to y", *options) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] and outputs[3] == outputs[4]
    assert outputs[3].count("\n\n") >= 2


def stdin(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))


def test_standard_input_holds_one_description_a_line(run, monkeypatch, capsys):
    stdin(monkeypatch, "add 3 to y\r\n\nadd ü to y\n".encode())
    assert call(run, "--prompt", "-") == 0
    out = capsys.readouterr().out
    assert out.startswith("# add 3 to y\n") and "# add ü to y\n" in out


def test_many_lines_are_decoded_together_and_answered_as_each_alone(run, monkeypatch, capsys):
    lines = [f"add {i % 7} to y" + " and z" * (i % 5) for i in range(70)]
    groups = []
    monkeypatch.setattr(eval_program, "predict", lambda *given: groups.append(len(given[2])) or predict(*given))
    stdin(monkeypatch, "\n".join(lines).encode())
    assert call(run, "--prompt", "-", "--beam", 2) == 0
    together = capsys.readouterr().out
    assert groups == [32, 32, 5, 1]
    expected = {}
    for line in set(lines):
        assert call(run, "--prompt", line, "--beam", 2) == 0
        expected[line] = f"# {line}\n{capsys.readouterr().out}"
    assert together == "".join(expected[line] for line in lines)


def test_a_description_that_is_cut_is_named(run, monkeypatch, capsys):
    with_settings(run, "data", max_source_length=8)
    stdin(monkeypatch, b"x\n" + b"a b c d e f g h i j k\n")
    assert call(run, "--prompt", "-") == 0
    assert capsys.readouterr().err == "cut to 8 tokens: a b c d e f g h i j k\n"
    assert call(run, "--prompt", "a b c d e f g h i j k", "--samples", 1) == 0
    assert capsys.readouterr().err == "cut to 8 tokens: a b c d e f g h i j k\n"


def test_without_a_text_a_terminal_is_asked_again_and_again(run, monkeypatch, capsys):
    typed = iter(["add 3 to y", "", "\udcff", "  add 4 to y "])

    def answer(shown=""):
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    loads = []
    monkeypatch.setattr(eval_program, "load_trained", lambda *given: loads.append(1) or load_trained(*given))
    stdin(monkeypatch, b"")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    assert call(run, "--prompt") == 0
    said = capsys.readouterr()
    assert said.out.count("\n") >= 2 and "#" not in said.out and "not UTF-8" in said.err and len(loads) == 1


def test_without_a_text_lines_of_a_pipe_are_read(run, monkeypatch, capsys):
    for options in (["--prompt"], ["--prompt", "--beam", 2]):
        stdin(monkeypatch, b"add 3 to y\n")
        assert call(run, *options) == 0
        assert capsys.readouterr().out.startswith("# add 3 to y\n")


def test_what_cannot_be_read_from_standard_input_is_one_line(run, monkeypatch, capsys):
    stdin(monkeypatch, b"\n \n")
    assert "there was none" in refused(capsys, run, "--prompt", "-")
    stdin(monkeypatch, b"add \xff\n")
    assert "line 1 of standard input is not UTF-8 at byte 4" in refused(capsys, run, "--prompt", "-")
    for content in ("add 3 to y".encode("utf-16"), b"a\0d\0", b"\xff\xfe"):
        stdin(monkeypatch, content)
        assert "UTF-16" in refused(capsys, run, "--prompt", "-")


def test_a_spoilt_run_is_named_in_one_line(run, tmp_path, capsys):
    assert "nowhere" in refused(capsys, tmp_path / "nowhere")
    weights = run / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "model.safetensors is missing or damaged" in refused(capsys, run, "--prompt", "x")
    weights.unlink()
    assert "model.safetensors is missing or damaged" in refused(capsys, run, "--prompt", "x")
    weights.write_bytes(whole)
    (run / "tokenizer.model").write_bytes(b"")
    assert "tokenizer.model" in refused(capsys, run, "--prompt", "x")
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"version": 7}))
    assert "version 7" in refused(capsys, run, "--prompt", "x")
    (run / "config.json").write_text('{"version": 1, ')
    assert "config.json is not whole JSON" in refused(capsys, run, "--prompt", "x")


def test_a_blank_or_broken_prompt_is_refused(run, capsys):
    assert "the prompt is empty" in refused(capsys, run, "--prompt", " ")
    assert "UTF-8 cannot encode" in refused(capsys, run, "--prompt", "add \udcff")


def with_settings(run, name, **values):
    """The run with other settings in one part of its config.json."""
    config = json.loads((run / "config.json").read_text())
    config[name] |= values
    (run / "config.json").write_text(json.dumps(config))


def test_the_runs_own_switches_of_scoring_hold_until_they_are_turned_off(run, data, capsys):
    with_settings(run, "evaluation", beam=2, parsing_first=True, perturbed=True)
    for options, splits in (([], 4), (["--no_perturbed"], 1)):
        assert call(run, "--data_path", data, *options) == 0
        scores = json.loads((run / "scores.json").read_text())
        assert scores["evaluation"]["parsing_first"] and len(scores["by_length"]) == splits
    capsys.readouterr()
    assert "set beam to 2" in refused(capsys, run, "--data_path", data, "--beam", 1)
    assert "beam=0 must" in refused(capsys, run, "--data_path", data, "--beam", 0)
    assert "limit=-1 must" in refused(capsys, run, "--data_path", data, "--limit", -1)
    assert call(run, "--data_path", data, "--beam", 1, "--no_parsing_first", "--no_perturbed") == 0
    assert call(run, "--prompt", "add 3 to y") == 0


def test_a_partner_whose_learned_positions_end_too_early_is_refused(run, data, tmp_path, capsys):
    short = shutil.copytree(run, tmp_path / "short")
    with_settings(short, "model", positions="learned", max_length=4)
    model = make_network(read_config(short, eval_program.Settings)[0].model, 0)
    save_weights(short / "model.safetensors", model)
    with_settings(short, "data", max_source_length=4, max_target_length=4)
    assert "longer than the 4 learned positions of" in refused(capsys, run, "--data_path", data, "--ensemble", short)


def test_the_forms_that_decode_are_chosen_without_training_again(run, data, monkeypatch):
    made, written = [], {}
    monkeypatch.setattr("training.run.load.make_network", lambda *of: made.append(make_network(*of)) or made[-1])
    for speed, kind in (("readable", Transformer), ("fast", FastTransformer), (None, FastTransformer)):
        asked = [] if speed is None else ["--speed", speed]
        assert call(run, "--data_path", data, *asked) == 0
        assert type(made[-1]) is kind
        written[speed] = (run / "predictions.jsonl").read_text()
    assert written["readable"] == written["fast"] == written[None]
    assert call(run, "--data_path", data, "--beam", 2, "--speed", "readable", "--ensemble", run) == 0
    assert [type(network) for network in made[-2:]] == [Transformer, Transformer]


@pytest.fixture(scope="module")
def described(trained):
    """A run of the other direction: it describes code."""
    options = ["files", "--data.path", str(trained), "--data.reverse", "--run", str(trained / "reverse"), *TINY]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI_STEPS", raising=False)
        run_and_report(train.main, options)
    return trained / "reverse"


def test_hypotheses_are_chosen_by_a_reverse_model_and_by_parsing(run, described, data, tmp_path, capsys):
    given = ["--data_path", data, "--beam", 3, "--parsing_first", "--reverse", described, "--reverse_weight", 1,
             "--perturbed"]  # fmt: skip
    assert call(run, *given) == 0
    scores = json.loads((run / "scores.json").read_text())
    assert scores["evaluation"]["reverse"] == str(described) and scores["evaluation"]["parsing_first"]
    assert scores["test_typos"]["exact_match"]["n"] == 1
    assert scores["test"]["exact_match_oracle"]["value"] >= scores["test"]["exact_match"]["value"]
    capsys.readouterr()
    reverse = ["--data_path", data, "--beam", 3, "--reverse"]
    assert "writes code" in refused(capsys, run, *reverse, run)
    assert "writes descriptions" in refused(capsys, described, *reverse, described)
    assert "add --beam" in refused(capsys, run, "--data_path", data, "--reverse", described)
    assert "reads code" in refused(capsys, described, "--data_path", data, "--perturbed")
    other = shutil.copytree(described, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["data"]["prefix"] = "describe: "
    (other / "config.json").write_text(json.dumps(config))
    assert "reads texts behind 'describe: '" in refused(capsys, run, *reverse, other)


def test_networks_that_have_a_vocabulary_in_common_write_together(run, described, data, tmp_path, capsys):
    """A run beside itself says what it says alone; one of another kind is refused."""
    assert call(run, "--data_path", data, "--beam", 2) == 0
    alone = (run / "predictions.jsonl").read_text()
    assert call(run, "--data_path", data, "--beam", 2, "--ensemble", run) == 0
    assert (run / "predictions.jsonl").read_text() == alone
    assert json.loads((run / "scores.json").read_text())["evaluation"]["ensemble"] == [str(run)]
    capsys.readouterr()
    assert "cannot write together" in refused(capsys, run, "--prompt", "x", "--ensemble", described)
    other = tmp_path / "other"
    shutil.copytree(run, other)
    texts = (f"{text} {word}" for text in ("zebra", "quilt") for word in "abcdefgh")
    train_tokenizer(texts, 380).save(other / "tokenizer.model")
    assert "another vocabulary" in refused(capsys, run, "--prompt", "x", "--ensemble", other)
