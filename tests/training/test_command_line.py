"""What may be typed after `python train.py`, and what is said when it cannot be."""

import errno
import json
from dataclasses import replace

import pytest

import eval as eval_program
import train
from system.errors import UserError
from system.options import dotted_names, parse, run_and_report, unboxed
from training.command_line import read_training_command, with_language
from training.recipes import recipe
from training.run.folder import write_config
from training.run.old_settings import SETTING_CHANGES, newer_name


def read(*argv):
    return read_training_command(train.Settings, list(argv), "description")[0]


@pytest.fixture(autouse=True)
def no_cap(monkeypatch):
    monkeypatch.delenv("CI_STEPS", raising=False)


def test_nothing_means_the_quick_start():
    settings = read()
    assert settings.corpus == "generated" and settings.run == "runs/quickstart"
    assert settings.model == recipe("generated").model


def test_an_option_changes_its_own_setting_alone():
    changed = read("django", "--training.learning_rate", "0.5")
    plain = read("django")
    assert changed.training.learning_rate == 0.5
    assert changed.model == plain.model and changed.data == plain.data


def test_the_corpus_may_stand_behind_the_options():
    assert read("--seed", "3", "django") == read("django", "--seed", "3")


def test_a_networks_preset_keeps_the_recipes_sizes():
    small = recipe("generated").model
    for form in (["--model.preset", "t5"], ["--model.preset=t5"]):
        model = read(*form).model
        assert (model.preset, model.positions, model.scale_attention) == ("t5", "t5_relative", False)
        assert (model.d_model, model.d_ff, model.copy_head) == (small.d_model, small.d_ff, small.copy_head)
    assert read("--model.preset", "t5", "--model.d_model", "64").model.d_model == 64


def test_epochs_that_are_asked_for_are_not_overruled_by_the_recipes_steps():
    assert recipe("generated").training.steps
    loop = read("--training.epochs", "2").training
    assert (loop.steps, loop.epochs) == (0, 2)


IMPOSSIBLE = {
    "nosuch": "corpus 'nosuch' is unknown",
    "--data.nosuch 3": "--data.nosuch is not an option",
    "--data.vocabsize 3": "did you mean --data.vocab_size",
    "--init.form x": "did you mean --init.from?",
    "--init.from nowhere": "nowhere is no run and no checkpoint",
    "--model.d_model 250 --model.n_heads 8": "choose 248",
    "--training.steps abc": "--training.steps",
    "--training.schedule steep": "inverse_sqrt",
    "--preset nosuch": "preset 'nosuch' is unknown",
    "--model.preset nosuch": "model.preset=nosuch is unknown",
    "--seed -1": "seed=-1",
    "--threads -3": "threads=-3",
    "--training.evaluate_every 0 --training.patience 3": "patience=3 can never act",
    "--pretraining.patience 3": "patience=3 can never act",
    "--training.patience 3 --data.held_out 0": "patience=3 can never act",
    "--model.relative_buckets 3": "relative_buckets=3",
    "--model.relative_max_distance 16": "relative_max_distance=16",
    "--model.norm_epsilon -1": "norm_epsilon=-1.0",
    "--data.vocab_size 100": "at least 363",
    "--data.max_source_length 0": "at least 2",
    "--data.batch_tokens 100": "cannot hold one example",
    "--data.batch_tokens 0": "set one of them",
    "--training.learning_rate nan": "learning_rate=nan",
    "--training.ema_decay 1": "ema_decay=1.0",
    "--training.warmup_steps -1": "warmup_steps=-1",
    "--training.objectives.pairs 2": "share",
    "--training.objectives.pairs 0": "are all 0",
    "--evaluation.beam 0": "beam=0",
    "django --pretraining.steps 2 --pretraining.objectives.mlm 1": "add --model.mlm_head",
    "django --strategies.auxiliary.task tag": "add --model.tag_head",
    "nl2bash --model.tag_head --strategies.auxiliary.task tag": "which this run does not write",
    "nl2bash --strategies.tasks.names summary --model.tag_head --strategies.auxiliary.task tag": "does not write",
    "django --data.reverse --model.tag_head --strategies.auxiliary.task tag": "which this run does not write",
    "django --model.mlm_head --strategies.auxiliary.task mlm --strategies.layers.last 2": "more than the 3 layers",
    "--strategies.layers.last 1 --strategies.layers.unfreeze_every 9": "give one of them",
    "--strategies.layers.decay 2": "at most 1",
    "--strategies.teacher.temperature 0": "above 0",
    "--strategies.lora.rank 4 --strategies.layers.last 1": "leave out layers.last",
    "--strategies.average_checkpoints 3": "as many training.keep_checkpoints",
    "django --strategies.tasks.names django": "choose among summary, nl2bash",
    "django --strategies.tasks.names summary --strategies.tasks.temperature 0.5": "at least 1",
    "django --strategies.tasks.names summary summary": "names a task twice",
    "django --data.reverse --strategies.tasks.names summary": "is the summary",
    "django --data.reverse --strategies.perturb 0.5": "they are written",
    "django --data.reverse --evaluation.perturbed": "they are written",
    "--strategies.teacher.sequence_level": "give strategies.teacher.run a run folder",
    "--strategies.teacher.run x --strategies.teacher.weight 0": "is not asked",
    "--strategies.meta.kind reptile --strategies.adversary.kind fgm": "a loop of its own",
    "--strategies.meta.kind reptile --strategies.meta.inner_rate 0": "above 0",
    "--strategies.adversary.epsilon=-1": "at least 0",
    "--model.preset bart --model.max_length 100": "100 learned positions",
    "--resume --overwrite": "give one of them",
}


IMPOSSIBLE |= {  # what older code took
    "--strategies.lora_rank 4": "--strategies.lora_rank is called --strategies.lora.rank today",
    "--strategies.layer-decay=0.8": "is called --strategies.layers.decay today",
    "--strategies.adversary fgm": "--strategies.adversary is called --strategies.adversary.kind today",
    "--strategies.adversary=fgm": "--strategies.adversary is called --strategies.adversary.kind today",
    "--strategies.teacher RUN": "is called --strategies.teacher.run today",
    "--strategies.tasks summary django": "is called --strategies.tasks.names today",
    "--strategies.temperature 3": "is called --strategies.teacher.temperature today",
    "--strategies.no_sequence_level": "is called --strategies.teacher.no_sequence_level today",
    "--resume --strategies.epsilon 1": "is called --strategies.adversary.epsilon today",
}


@pytest.mark.parametrize("words", IMPOSSIBLE)
def test_what_cannot_be_is_refused_in_one_line(words):
    with pytest.raises(UserError) as error:
        read(*words.split())
    text = str(error.value)
    assert IMPOSSIBLE[words] in text
    assert "\n" not in text and "│" not in text and "╭" not in text


def test_tags_are_learnt_where_any_task_is_python():
    settings = read(*"nl2bash --strategies.tasks.names django --model.tag_head --strategies.auxiliary.task tag".split())
    assert settings.strategies.auxiliary.task == "tag"


NOT_DECODED = {
    "--samples -1": "samples=-1",
    "--temperature 0": "temperature=0",
    "--top_p 2": "top_p=2",
    "--prompt=": "the prompt is empty",
    "--samples 5": "give --prompt",
    "--no_parsing": "--no_parsing is not an option",
    "--prompt x --temperature 0.8": "add --samples N",
    "--prompt x --samples 2 --beam 4": "--samples draws instead",
    "--prompt x --beam 4 --parsing_first": "parsing_first is for scoring a run",
    "--prompt x --beam 4 --reverse runs/reverse": "reverse is for scoring a run",
    "--prompt x --beam 4 --reverse_weight 0.3": "reverse_weight is for scoring a run",
    "--prompt x --perturbed": "perturbed is for scoring a run",
    "--prompt x --limit 3": "limit is for scoring a run",
    "--prompt x --json scores.json": "json is for scoring a run",
    "--beam 4 --reverse_weight 0.3": "add --reverse RUN",
}


@pytest.mark.parametrize("words", NOT_DECODED)
def test_what_cannot_be_decoded_is_refused_in_one_line(words):
    with pytest.raises(UserError) as error:
        parse(eval_program.Options, words.split(), eval_program.Options(), "description")
    assert NOT_DECODED[words] in str(error.value) and "\n" not in str(error.value)


UTF8_BOX = (
    "╭─ Value error ─╮\n│ Error parsing data: path is │\n│ not there. │\n"
    "│ ─────── │\n│ For full helptext │\n╰───╯\n"
)
ASCII_BOX = (
    " Value error \n ------- \n  Error parsing data: path is\n  not there.\n"
    "  -------\n  For full helptext\n   \n"
)


@pytest.mark.parametrize("box", [UTF8_BOX, ASCII_BOX])
def test_a_box_is_unpacked_however_it_is_drawn(box):
    assert unboxed(box) == "data: path is not there; --help lists the options"


@pytest.mark.parametrize(("said", "plain"), [
    ("Options: the prompt is empty", "the prompt is empty"), ("data: data.path is odd", "data.path is odd"),
    ("--seed: invalid literal for int() with base 10: 'x'", "--seed: 'x' is no whole number"),
    ("--top_p: could not convert string to float: 'x'", "--top_p: 'x' is no number"),
])  # fmt: skip
def test_what_is_wrong_with_a_value_is_said_plainly(said, plain):
    assert unboxed(UTF8_BOX.replace("data: path is", said)) == f"{plain} not there; --help lists the options"


def test_every_setting_that_was_renamed_is_known_under_its_new_name_alone():
    known = {*dotted_names(train.Settings())}
    for change in SETTING_CHANGES:
        assert newer_name(change.old) in known and (change.old not in known or change.old == change.new)


def test_help_says_the_bounds_behind_the_comment(capsys):
    with pytest.raises(SystemExit):
        read("--help")
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "the largest (freelb) (at least 0; default: 0.5)" in text
    assert "over that of the layer above (Howard and Ruder 2018: 1 / 2.6) (above 0 and at most 1; default: 1.0)" in text
    assert "the schedule's peak (above 0; default:" in text


def test_help_is_no_error(capsys):
    with pytest.raises(SystemExit) as leaving:
        read("--help")
    assert not leaving.value.code
    assert "--training.learning_rate" in capsys.readouterr().out


def test_a_run_that_goes_on_has_the_settings_it_was_started_with(tmp_path):
    begun = read("django", "--run", str(tmp_path), "--seed", "5")
    write_config(tmp_path, begun, {})
    settings, resume, overwrite = read_training_command(
        train.Settings, ["--run", str(tmp_path), "--seed", "5", "--resume"], "description"
    )
    assert settings == begun and resume and not overwrite
    with pytest.raises(UserError, match="begun with seed=5, which --resume cannot make 6"):
        read("--run", str(tmp_path), "--seed", "6", "--resume")


def test_a_run_may_go_on_in_another_place(tmp_path):
    write_config(tmp_path, read("django", "--run", str(tmp_path), "--threads", "1"), {})
    settings = read("--run", str(tmp_path), "--resume", "--threads", "3", "--data.path", "elsewhere", "--device", "cpu")
    assert (settings.corpus, settings.threads, settings.data.path, settings.device) == ("django", 3, "elsewhere", "cpu")


def test_a_run_folder_of_another_version_is_named(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"version": 99}))
    with pytest.raises(UserError, match="version 99"):
        read("--run", str(tmp_path), "--resume")


def test_the_cap_shortens_steps_data_and_scoring_and_lengthens_nothing(monkeypatch):
    monkeypatch.setenv("CI_STEPS", "5")
    settings = read("--training.steps", "3", "--data.generated_train", "50")
    assert (settings.pretraining.steps, settings.training.steps) == (5, 3)
    assert (settings.data.generated_train, settings.data.generated_test, settings.data.mined_limit) == (50, 5, 500)
    assert settings.evaluation.limit == 5
    assert (read("django").training.steps, read("django").pretraining.steps) == (5, 0)
    few = read("--data.mined_limit", "5", "--evaluation.limit", "3", "--evaluation.max_new_tokens", "2")
    assert (few.data.mined_limit, few.evaluation.limit, few.evaluation.max_new_tokens) == (5, 3, 2)
    monkeypatch.setenv("CI_STEPS", "many")
    with pytest.raises(UserError, match="CI_STEPS=many"):
        read()


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (UserError("two\nlines"), 2, "error: two lines\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "error: No space left on device: standard output or a"),
        (OSError(errno.ENOSPC, "No space left on device", "scores.json"), 2, "error: scores.json: No space left"),
        (MemoryError(), 2, "error: not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_no_traceback(raised, status, said, capsys):
    def main(argv):
        raise raised

    assert run_and_report(main, []) == status
    assert said in capsys.readouterr().err


def test_a_fault_of_the_program_is_not_hidden():
    with pytest.raises(RuntimeError):
        run_and_report(lambda argv: (_ for _ in ()).throw(RuntimeError("shapes differ")), [])


def test_the_language_of_own_files_is_guessed_before_anything_is_refused_for_it(tmp_path):
    tag = "--model.tag_head --strategies.auxiliary.task tag".split()
    for code, language in (("x + 1", "python"), ("SELECT 1", "sql")):
        (tmp_path / "pairs.jsonl").write_text(json.dumps({"nl": "do it", "code": code}) + "\n")
        plain = read("files", "--data.path", str(tmp_path / "pairs.jsonl"))
        assert with_language(plain).data.language == language
        tagged = read("files", "--data.path", str(tmp_path / "pairs.jsonl"), *tag)
        if language == "python":
            assert with_language(tagged) == replace(tagged, data=replace(tagged.data, language="python"))
        else:
            with pytest.raises(UserError, match="which this run does not write"):
                with_language(tagged)
    assert with_language(read("django")) == read("django"), "published corpora know their own"
