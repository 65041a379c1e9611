"""The settings that a name stands for."""

import pytest

from data.sources import CORPUS_NAMES
from system.errors import UserError
from training.command_line import check_together
from training.recipes import recipe


@pytest.mark.parametrize("corpus", [name for name in CORPUS_NAMES if name != "mined"])
def test_every_corpus_has_settings_under_its_own_name(corpus):
    settings = recipe(corpus)
    assert settings.corpus == corpus
    assert settings.training.steps or settings.training.epochs


def test_runs_of_two_corpora_do_not_share_a_folder():
    folders = [recipe(name).run for name in CORPUS_NAMES if name != "mined"]
    assert len(set(folders)) == len(folders)


def test_the_example_of_chapter_3_3_is_the_chapters():
    settings = recipe("generated", "chapter-3.3")
    loop, data = settings.training, settings.data
    assert settings.corpus == "files"
    assert (data.nl, data.code) == ("natural_language_description", "code")
    assert data.truncate and (data.max_source_length, data.max_target_length) == (1024, 1024)
    assert (loop.epochs, data.batch_tokens, data.batch_examples) == (3, 0, 8)
    assert (loop.warmup_steps, loop.weight_decay, loop.schedule) == (500, 0.01, "linear")


def test_a_preset_takes_the_corpus_that_is_named():
    assert recipe("conala", "chapter-3.3").corpus == "conala"


@pytest.mark.parametrize(("corpus", "preset"), [("djago", ""), ("mined", ""), ("generated", "chapter-4")])
def test_an_unknown_name_gets_one_line_with_the_choices(corpus, preset):
    with pytest.raises(UserError, match="choose one of .*django") as error:
        recipe(corpus, preset)
    assert "\n" not in str(error.value)


def test_no_recipe_contradicts_itself():
    import train

    for name in CORPUS_NAMES:
        if name != "mined":
            start = recipe(name)
            check_together(train.Settings(**{field: getattr(start, field) for field in start.__dataclass_fields__}))
