"""A run that goes back to transformers: `generate()` of the folder writes what the run writes."""

import json
import shutil

import pytest
import torch

import train
from data.batches import pad
from evaluation.predict import ids_for_decoding
from model.decoding import beam_search, greedy
from system.options import run_and_report
from training import export
from training.run.folder import read_config
from training.run.load import load_trained

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")

TINY = """--device cpu --threads 1 --data.batch_tokens 0 --data.batch_examples 4 --data.held_out 4
    --data.max_source_length 64 --data.max_target_length 64 --training.steps 1 --training.warmup_steps 1
    --evaluation.max_new_tokens 7 --model.dropout 0.3 --model.dropout_output 0.2""".split()
# As facebook/bart-large-cnn says of its summaries, and what would hurt most.
OF_SUMMARIES = {
    "num_beams": 4, "early_stopping": True, "no_repeat_ngram_size": 1, "min_length": 56, "length_penalty": 2.0,
    "forced_bos_token_id": 0, "forced_eos_token_id": 2, "repetition_penalty": 5.0, "suppress_tokens": [7, 8],
    "task_specific_params": {"summarization": {"min_length": 56}}, "prefix": " ",
}  # fmt: skip
SOURCES = ["add 3 to x", "return the sum of the even numbers in xs", "for i in range(10): print(x)", "a"]

pytestmark = pytest.mark.usefixtures("training_alone")


def begun(make_checkpoint, folder, kind, *options, **said):
    """A run of one step that began from a checkpoint with these settings of generation, in both of its files."""
    shutil.copytree(make_checkpoint(kind), folder / "checkpoint")
    for name in ("config.json", "generation_config.json"):
        path = folder / "checkpoint" / name
        path.write_text(json.dumps(json.loads(path.read_text()) | said))
    pairs = folder / "pairs.jsonl"
    pairs.write_text("".join(json.dumps({"nl": f"add {i} to x", "code": f"x += {i}"}) + "\n" for i in range(20)))
    command = ["files", "--data.path", pairs, "--init.from", folder / "checkpoint", "--run", folder / "run"]
    assert run_and_report(train.main, [*map(str, command), *TINY, *options]) == 0
    return folder / "run"


def exported(run, folder):
    assert run_and_report(export.main, ["--run", str(run), "--to", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("kind", ["bart", "marian", "plbart with languages", "t5"])
@pytest.mark.parametrize("beam", [1, 3])
def test_transformers_writes_what_the_run_writes(make_checkpoint, tmp_path, capsys, kind, beam):
    said = {**OF_SUMMARIES, "forced_eos_token_id": None} if kind == "t5" else OF_SUMMARIES
    options = ["--evaluation.beam", str(beam), "--evaluation.length_penalty", "0.5"]
    run = begun(make_checkpoint, tmp_path, kind, *options, **said)
    settings, _ = read_config(run, train.Settings)
    model, tokenizer = load_trained(run, settings.model)
    source, mask = pad([tokenizer.frame(tokenizer.encode(text)) for text in SOURCES], tokenizer.pad_id)
    special = ids_for_decoding(tokenizer)
    if beam == 1:
        ours = greedy(model, source, mask, special, 7)
    else:
        ours = [best[0].ids for best in beam_search(model, source, mask, special, 7, beam, 0.5)]
    capsys.readouterr()
    peer = transformers.AutoModelForSeq2SeqLM.from_pretrained(exported(run, tmp_path / "out")).eval()
    with torch.no_grad():
        written = [row[1:] for row in peer.generate(source, attention_mask=mask.long()).tolist()]
    ends = (tokenizer.end_id, tokenizer.pad_id)
    assert [row[: next((i for i, token in enumerate(row) if token in ends), len(row))] for row in written] == ours
    told = capsys.readouterr().out
    assert "left behind: settings of generation" in told and "no_repeat_ngram_size=1" in told and "prefix= " in told
    values = json.loads((tmp_path / "out" / "config.json").read_text())
    assert not {*OF_SUMMARIES} & {name for name, value in values.items() if value is not None}


def test_dropout_of_the_run_goes_out_as_far_as_the_family_names_it(make_checkpoint, tmp_path, capsys):
    run = begun(make_checkpoint, tmp_path, "bart")
    capsys.readouterr()
    values = json.loads((exported(run, tmp_path / "out") / "config.json").read_text())
    assert values["dropout"] == 0.3
    told = capsys.readouterr().out
    assert "left behind: dropout_output=0.2, which bart has no setting for; dropout changes training alone" in told


def test_what_cannot_leave_is_said_before_training(make_checkpoint, tmp_path, capsys):
    run = begun(make_checkpoint, tmp_path, "codet5", "--model.copy_head")
    said = capsys.readouterr().err
    line = "training.export cannot make a t5 checkpoint of this run: none has copy_head=True"
    assert line in said and said.index(line) < said.index("trained;")
    command = ["--run", str(run), "--to", str(tmp_path / "out")]
    assert run_and_report(export.main, command) == 2
    assert "the run cannot become t5: cannot be expressed: copy_head=True" in capsys.readouterr().err


def test_a_run_that_can_leave_says_nothing_and_what_its_texts_need_is_told_on_the_way_out(
    make_checkpoint, tmp_path, capsys
):  # fmt: skip
    run = begun(make_checkpoint, tmp_path, "codet5", "--data.prefix", "django: ", "--data.slots")
    assert "warning" not in capsys.readouterr().err
    exported(run, tmp_path / "out")
    told = capsys.readouterr().out
    assert "give transformers descriptions with 'django: ' in front" in told and "left behind: data.slots" in told
