"""Checkpoints from disk against transformers: the same loss, the same text. What is refused. Runs that begin there."""

import json
import pickle
import shutil

import pytest
import torch

import eval as eval_program
import train
from data.batches import collate
from data.config import DataConfig
from data.example import Example
from data.objectives.pairs import pairs
from evaluation.config import EvaluationConfig
from evaluation.predict import predict
from model.fast import make_network
from system.errors import UserError
from system.options import run_and_report
from teaching.walkthrough.page import write_page
from teaching.walkthrough.story import tell_story
from training import export
from training.batch_loss import batch_loss
from training.command_line import read_training_command
from training.pretrained import read_network, read_tokenizer, weights_hash
from training.run.load import load_network, load_tokenizer
from training.weights import read_tensors, restore_weights

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")

TINY = """--device cpu --threads 1 --data.batch_tokens 0 --data.batch_examples 4 --data.held_out 4
    --data.max_source_length 64 --data.max_target_length 64 --training.steps 3 --training.warmup_steps 1
    --training.learning_rate 1e-3 --evaluation.max_new_tokens 6 --evaluation.limit 2""".split()
N_NEW = 10
GREEDY, DATA = EvaluationConfig(max_new_tokens=N_NEW), DataConfig(max_source_length=128)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_cap(monkeypatch):
    monkeypatch.delenv("CI_STEPS", raising=False)


def read(folder):
    tokenizer = read_tokenizer(folder)
    model = make_network(read_network(folder).config, tokenizer.pad_id).eval()
    load_network(model, folder)
    return model, tokenizer


def read_theirs(folder):
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.clean_up_tokenization_spaces = False
    return model, tokenizer


@torch.no_grad()
def test_the_loss_of_ten_pairs_is_theirs(checkpoint, strings):
    model, tokenizer = read(checkpoint)
    examples = [Example(str(i), text, strings[(i + 3) % 10]) for i, text in enumerate(strings)]
    items = [pairs(example, tokenizer, None) for example in examples]
    loss, n = batch_loss(model, collate(items, [e.id for e in examples], tokenizer), 0.0)
    peer, theirs = read_theirs(checkpoint)
    source = theirs([example.nl for example in examples], padding=True, return_tensors="pt")
    target = theirs(text_target=[example.code for example in examples], padding=True, return_tensors="pt")
    labels = target.input_ids.masked_fill(target.attention_mask == 0, -100)
    expected = 0.0
    for row in range(len(examples)):  # one by one: PLBART's class looks for a target's last token behind no padding
        kept = labels[row] >= 0
        inputs = source.input_ids[row : row + 1], source.attention_mask[row : row + 1]
        expected += peer(*inputs, labels=labels[row : row + 1, kept]).loss.item() * int(kept.sum())
    assert n == int((labels >= 0).sum())
    assert loss.item() / n == pytest.approx(expected / n, rel=1e-5)


def test_the_greedy_text_of_ten_strings_is_theirs(checkpoint, strings):
    model, tokenizer = read(checkpoint)
    with torch.no_grad():  # something to read, and an end at times
        model.output.weight *= 3
    peer, theirs = read_theirs(checkpoint)
    with torch.no_grad():
        peer.lm_head.weight *= 3
    ours, _ = predict(model, tokenizer, strings, GREEDY, DATA)
    source = theirs(strings, padding=True, return_tensors="pt")
    outputs = peer.generate(
        source.input_ids, attention_mask=source.attention_mask, max_new_tokens=N_NEW, num_beams=1, do_sample=False,
        forced_eos_token_id=None, decoder_start_token_id=tokenizer.decoder_start_id,
    )  # fmt: skip
    assert ours == theirs.batch_decode(outputs, skip_special_tokens=True)
    assert len({*ours}) > 2 and any(ours)


def test_padding_that_marian_forbids_is_never_written(make_checkpoint, strings):
    folder = make_checkpoint("marian")
    model, tokenizer = read(folder)
    assert tokenizer.never_ids == (tokenizer.pad_id,)
    allowed, _ = predict(model, tokenizer, strings, GREEDY, DATA)
    beams, _ = predict(model, tokenizer, strings, EvaluationConfig(max_new_tokens=N_NEW, beam=3), DATA)
    peer, theirs = read_theirs(folder)
    source = theirs(strings, padding=True, return_tensors="pt")
    outputs = peer.generate(**source, max_new_tokens=N_NEW, num_beams=3, forced_eos_token_id=None)
    assert beams == theirs.batch_decode(outputs, skip_special_tokens=True)
    tokenizer.never_ids = ()
    free, _ = predict(model, tokenizer, strings, GREEDY, DATA)
    assert all(allowed) and all(beams) and not any(free)  # nothing but padding


def test_weights_in_parts_and_in_half_precision_are_read(make_checkpoint, tmp_path):
    folder = make_checkpoint("bart")
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
    expected = read_network(folder).weights
    model.save_pretrained(tmp_path / "parts", max_shard_size="20KB")
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    found = read_network(tmp_path / "parts").weights
    assert found.keys() == expected.keys() and all(found[name].equal(expected[name]) for name in expected)
    model.half().save_pretrained(tmp_path / "half")
    halved = make_network(read_network(tmp_path / "half").config, 1)
    load_network(halved, tmp_path / "half")
    assert halved.embedding.weight.dtype == torch.float32
    assert torch.allclose(halved.embedding.weight, expected["embedding.weight"], atol=1e-2)


# What is refused


class Unsafe:
    def __reduce__(self):
        return print, ("code from a pickle was run",)


def spoilt(folder, tmp_path, **changes):
    """A copy of a checkpoint in which some settings are changed; None takes a file away."""
    shutil.copytree(folder, tmp_path / "spoilt")
    values = json.loads((tmp_path / "spoilt" / "config.json").read_text())
    (tmp_path / "spoilt" / "config.json").write_text(json.dumps({**values, **changes}))
    return tmp_path / "spoilt"


def refused(capsys, folder, tmp_path, *options):
    """The one line that `python train.py files --init.from FOLDER` says."""
    write_pairs(tmp_path / "pairs.jsonl")
    options = ["files", "--data.path", tmp_path / "pairs.jsonl", "--run", tmp_path / "run", "--init.from", folder,
               *TINY, *options]  # fmt: skip
    capsys.readouterr()  # what transformers said when this test was the first to make the checkpoint
    assert run_and_report(train.main, [*map(str, options)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and not said.out
    assert not (tmp_path / "run").exists()
    return said.err


def write_pairs(path):
    path.write_text("".join(json.dumps({"nl": f"add {i} to x", "code": f"x += {i}"}) + "\n" for i in range(40)))
    return path


def test_folders_that_are_no_checkpoint_are_refused(make_checkpoint, tmp_path, capsys):
    folder = make_checkpoint("bart")
    assert "it does not exist; download it first" in refused(capsys, tmp_path / "nowhere", tmp_path)
    bare = spoilt(folder, tmp_path)
    for name in ("vocab.json", "merges.txt"):
        (bare / name).unlink()
    assert "a network without its own cannot be used" in refused(capsys, bare, tmp_path)
    (bare / "model.safetensors").unlink()
    assert "has no weights; it needs model.safetensors or pytorch_model.bin" in refused(capsys, bare, tmp_path)


def test_other_architectures_and_sizes_are_refused(make_checkpoint, tmp_path, capsys):
    folder = spoilt(make_checkpoint("bart"), tmp_path, model_type="gpt2")
    assert "model_type=gpt2; known are t5, mt5, bart, plbart, marian" in refused(capsys, folder, tmp_path)
    shutil.rmtree(folder)
    folder = spoilt(make_checkpoint("bart"), tmp_path, encoder_layers=2, decoder_ffn_dim=31)
    line = refused(capsys, folder, tmp_path)
    assert "decoder_ffn_dim=31 beside encoder_ffn_dim=32" in line and "weights missing: model.encoder.layers.1" in line


def test_files_that_hold_code_or_are_cut_are_refused_and_nothing_runs(make_checkpoint, tmp_path, capsys):
    folder = spoilt(make_checkpoint("codet5"), tmp_path)
    weights = folder / "pytorch_model.bin"
    whole = weights.read_bytes()
    torch.save({"shared.weight": Unsafe()}, weights)
    assert "it could run code" in refused(capsys, folder, tmp_path)
    weights.write_bytes(pickle.dumps(Unsafe(), protocol=2))
    assert "it could run code" in refused(capsys, folder, tmp_path)
    weights.write_bytes(whole[: len(whole) // 2])
    assert "pytorch_model.bin is missing or damaged" in refused(capsys, folder, tmp_path)
    torch.save([torch.zeros(1)], weights)
    assert "it is no pytorch_model.bin" in refused(capsys, folder, tmp_path)
    (folder / "model.safetensors").write_bytes(whole[:100])
    assert "model.safetensors is missing or damaged" in refused(capsys, folder, tmp_path)


def as_in_a_hubs_cache(folder, tmp_path):
    """The checkpoint as the hub's client keeps it: names in snapshots/, links to the contents in blobs/."""
    snapshot, blobs = tmp_path / "snapshots" / "0123abcd", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        shutil.copy(path, blobs / f"{number:040x}")
        (snapshot / path.name).symlink_to(f"../../blobs/{number:040x}")
    return snapshot


def test_links_of_a_hubs_cache_are_read_and_no_others(make_checkpoint, tmp_path, capsys):
    snapshot = as_in_a_hubs_cache(make_checkpoint("t5"), tmp_path)
    assert read_tokenizer(snapshot).vocab_size == read_tokenizer(make_checkpoint("t5")).vocab_size
    assert weights_hash(snapshot) == weights_hash(make_checkpoint("t5"))
    secret = tmp_path / "secret"
    secret.write_text("swordfish")
    for target in (secret, "../../blobs", "../../blobs/nothing", "../../blobs/../secret", "/dev/zero"):
        (snapshot / "merges.txt").symlink_to(target)
        if target != "../../blobs":  # no file is read there
            assert "merges.txt is a link to" in refused(capsys, snapshot, tmp_path)
        (snapshot / "merges.txt").unlink()
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(make_checkpoint("t5") / "model.safetensors")
    assert "model.safetensors is a link to" in refused(capsys, snapshot, tmp_path)


@pytest.mark.parametrize("option", ["--model.d_model=32", "--model.preset=t5", "--model.no_biases",
                                    "--data.vocab_size=900"])  # fmt: skip
def test_what_is_the_checkpoints_own_cannot_be_chosen(make_checkpoint, tmp_path, capsys, option):
    line = refused(capsys, make_checkpoint("bart"), tmp_path, option)
    assert f"{option.partition('=')[0]} is the checkpoint's own" in line


def test_texts_longer_than_its_learned_positions_are_refused(make_checkpoint, tmp_path, capsys):
    line = refused(capsys, make_checkpoint("bart"), tmp_path, "--data.max_source_length", "200")
    assert "data.max_source_length=200 is longer than the 128 learned positions; lower it\n" in line


def test_objectives_without_their_special_tokens_are_refused(make_checkpoint, tmp_path, capsys):
    options = ["--training.objectives.denoise", "0.5"]
    assert "denoise needs a mask, which" in refused(capsys, make_checkpoint("marian"), tmp_path, *options)
    options = ["--model.mlm_head", "--strategies.auxiliary.task", "mlm"]
    assert "strategies.auxiliary.task needs a mask, which" in refused(capsys, make_checkpoint("t5"), tmp_path, *options)
    options = ["--training.objectives.span", "0.5"]
    assert "span needs sentinels, which" in refused(capsys, make_checkpoint("bart"), tmp_path, *options)


# Runs that begin there


def test_a_recipe_becomes_fine_tuning_and_options_still_change_it(make_checkpoint):
    def settings(*options):
        command = ["django", "--init.from", str(make_checkpoint("codet5")), *options]
        return read_training_command(train.Settings, command, "")[0]

    plain = settings()
    assert plain.model == read_network(make_checkpoint("codet5")).config and plain.corpus == "django"
    assert not plain.model.copy_head and plain.training.learning_rate == 5e-5 and plain.training.epochs == 3
    assert plain.training.objectives.pairs == 1 and not plain.training.objectives.denoise
    changed = settings("--model.dropout", "0.2", "--model.copy_head", "--training.steps", "7")
    assert (changed.model.dropout, changed.model.copy_head, changed.training.steps) == (0.2, True, 7)
    assert changed.model.d_model == plain.model.d_model


@pytest.fixture(scope="module", params=["codet5", "t5", "plbart with languages", "marian"])
def begun(request, make_checkpoint, tmp_path_factory):
    """A finished run that began from a checkpoint, which is gone since; one of each kind of tokenizer files."""
    checkpoint, folder = make_checkpoint(request.param), tmp_path_factory.mktemp("begun") / request.param
    folder.mkdir()
    shutil.copytree(checkpoint, folder / "checkpoint")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI_STEPS", raising=False)
        options = ["--data.path", write_pairs(folder / "pairs.jsonl"), "--init.from", folder / "checkpoint"]
        assert run_and_report(train.main, ["files", *map(str, options), "--run", str(folder / "run"), *TINY]) == 0
    shutil.rmtree(folder / "checkpoint")
    return folder / "run"


def test_the_walkthrough_shows_a_run_that_began_from_a_checkpoint(begun):
    story = tell_story(begun, "add 3 to x", max_new_tokens=8)
    assert story.same_ids and story.trace.fused_difference < 1e-4
    page, left_out = write_page(story, 5)
    assert "add 3 to x" in page and not left_out


def test_a_run_learns_from_where_the_checkpoint_stood(begun, make_checkpoint):
    checkpoint = make_checkpoint(begun.parent.name)
    lines = [json.loads(line) for line in (begun / "metrics.jsonl").read_text().splitlines()]
    model, tokenizer = read(checkpoint)
    trained = make_network(model.config, tokenizer.pad_id)
    values = json.loads((begun / "config.json").read_text())
    assert values["init"] == {"from": str(begun.parent / "checkpoint")}
    assert values["special_ids"] == tokenizer.special_ids()
    assert load_tokenizer(begun).special_ids() == tokenizer.special_ids()
    path = begun / "model.safetensors"
    restore_weights(read_tensors(path), trained, path)
    moved = (trained.embedding.weight - model.embedding.weight).abs().max()
    assert 0 < moved < 0.01  # three steps of 1e-3
    assert lines[-1]["step"] == 3
    environment = json.loads((begun / "environment.json").read_text())
    assert environment["init_sha256"] == weights_hash(checkpoint)


def test_eval_reads_the_run_without_the_checkpoint(begun, capsys):
    command = ["--run", str(begun), "--device", "cpu"]
    assert run_and_report(eval_program.main, [*command, "--prompt", "add 3 to x"]) == 0
    assert run_and_report(eval_program.main, [*command, "--limit", "2", "--beam", "2"]) == 0
    assert json.loads((begun / "scores.json").read_text())["held_out"]["exact_match"]["n"] == 2


def test_a_run_that_began_from_nothing_cannot_go_on_from_a_checkpoint(make_checkpoint, tmp_path, capsys):
    options = """--model.d_model 16 --model.n_heads 2 --model.d_ff 32 --data.vocab_size 400""".split()
    data = ["files", "--data.path", str(write_pairs(tmp_path / "pairs.jsonl"))]
    assert run_and_report(train.main, [*data, "--run", str(tmp_path / "run"), *TINY, *options]) == 0
    capsys.readouterr()
    command = ["--run", str(tmp_path / "run"), "--resume", "--init.from", str(make_checkpoint("bart"))]
    assert run_and_report(train.main, command) == 2
    assert "was begun with init.from=, which --resume cannot make" in capsys.readouterr().err


def test_what_generation_config_says_alone_is_read(make_checkpoint, tmp_path):
    folder = spoilt(make_checkpoint("marian"), tmp_path, decoder_start_token_id=None, bad_words_ids=None)
    generation = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**generation, "decoder_start_token_id": 5}))
    tokenizer = read_tokenizer(folder)
    assert tokenizer.decoder_start_id == 5 and tokenizer.never_ids == (tokenizer.pad_id,)


@torch.no_grad()
def test_a_run_goes_back_into_a_folder_that_transformers_reads(begun, tmp_path, strings):
    assert run_and_report(export.main, ["--run", str(begun), "--to", str(tmp_path / "back")]) == 0
    peer, theirs = read_theirs(tmp_path / "back")
    model, tokenizer = read(tmp_path / "back")
    source = theirs(strings[0], return_tensors="pt").input_ids
    target = theirs(text_target=strings[1], return_tensors="pt").input_ids
    assert source[0].tolist() == tokenizer.frame(tokenizer.encode(strings[0]))
    logits = model.logits(model.decode(target, model.encode(source, source >= 0), source >= 0))
    assert torch.allclose(logits, peer(source, decoder_input_ids=target).logits, atol=1e-4)


@pytest.mark.parametrize("kind", ["codet5", "marian"])
def test_a_run_that_was_cut_off_goes_on_with_the_same_bits(make_checkpoint, tmp_path, monkeypatch, capsys, kind):
    shutil.copytree(make_checkpoint(kind), tmp_path / "checkpoint")
    data = ["files", "--data.path", str(write_pairs(tmp_path / "pairs.jsonl"))]
    options = [*data, "--init.from", str(tmp_path / "checkpoint"), *TINY, "--training.steps", "6",
               "--training.checkpoint_every", "2"]  # fmt: skip
    monkeypatch.setattr(train, "evaluate_run", lambda *_: [])
    monkeypatch.setattr(train, "show_results", lambda *_: None)
    assert run_and_report(train.main, [*options, "--run", str(tmp_path / "whole")]) == 0
    take_step = train.take_step

    for cut in (1, 4):  # before the first checkpoint and behind it
        def step(run, *rest, cut=cut):
            if run.position.step == cut:
                raise UserError("cut off")
            return take_step(run, *rest)

        run = tmp_path / f"cut{cut}"
        monkeypatch.setattr(train, "take_step", step)
        assert run_and_report(train.main, [*options, "--run", str(run)]) == 2
        monkeypatch.setattr(train, "take_step", take_step)
        if cut == 1:
            moved = tmp_path / "checkpoint" / ("pytorch_model.bin" if kind == "codet5" else "model.safetensors")
            whole = moved.read_bytes()
            moved.write_bytes(whole + b" ")
            assert run_and_report(train.main, ["--run", str(run), "--resume"]) == 2
            assert "are not those that" in capsys.readouterr().err
            moved.write_bytes(whole)
        if cut == 4:
            shutil.rmtree(tmp_path / "checkpoint")  # it is not needed any more
        assert run_and_report(train.main, ["--run", str(run), "--resume"]) == 0
        assert (run / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def test_a_run_without_a_checkpoint_goes_out_only_where_a_family_can_say_it(tmp_path, capsys):
    options = """--model.preset bart --model.position_offset 2 --model.d_model 16 --model.n_heads 2 --model.d_ff 32
        --model.no_copy_head --model.no_mlm_head --data.vocab_size 400""".split()
    data = ["--data.path", str(write_pairs(tmp_path / "pairs.jsonl"))]
    assert run_and_report(train.main, ["files", *data, "--run", str(tmp_path / "run"), *TINY, *options]) == 0
    command = ["--run", str(tmp_path / "run"), "--to", str(tmp_path / "out")]
    capsys.readouterr()
    assert run_and_report(export.main, command) == 2
    assert "say what it should become: --kind" in capsys.readouterr().err
    assert run_and_report(export.main, [*command, "--kind", "marian"]) == 2
    assert "cannot become marian: cannot be expressed: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run_and_report(export.main, [*command, "--kind", "bart"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"config.json", "generation_config.json", "model.safetensors"}
    transformers.BartForConditionalGeneration.from_pretrained(tmp_path / "out")
    assert run_and_report(export.main, [*command, "--kind", "bart"]) == 2
    assert "not there yet or is empty" in capsys.readouterr().err
