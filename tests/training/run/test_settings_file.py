"""Settings survive the way to JSON and back, and a wrong file is refused with one line."""

import json
from dataclasses import dataclass, replace

import pytest

from data.config import DataConfig
from model.config import PRESETS, ModelConfig
from system.atomic_files import read_json
from system.errors import UserError
from training.config import InitConfig, LoopConfig, ObjectivesConfig
from training.recipes import TrainingSettings
from training.run.settings_file import from_dict, to_dict


@dataclass(frozen=True)
class Whole:
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    training: LoopConfig = LoopConfig()


EXAMPLES = [
    Whole(),
    Whole(model=PRESETS["t5"], data=DataConfig(packages=("numpy", "torch"), path="ä b")),
    Whole(training=LoopConfig(steps=7, learning_rate=1e-9, objectives=ObjectivesConfig(mlm=0.3))),
]


@pytest.mark.parametrize("settings", EXAMPLES)
def test_settings_come_back_from_a_file_as_they_were(settings, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(to_dict(settings)))
    assert from_dict(Whole, read_json(path), path) == settings


def test_a_name_that_is_a_word_of_pythons_stands_in_the_file_as_it_is_typed(tmp_path):
    settings = TrainingSettings(init=InitConfig(from_="a folder"))
    values = to_dict(settings)
    assert values["init"] == {"from": "a folder"}
    assert from_dict(TrainingSettings, values, tmp_path) == settings


def test_a_field_that_is_absent_has_its_default():
    assert from_dict(Whole, {"training": {"steps": 3}}, "config.json") == Whole(training=LoopConfig(steps=3))


def test_a_person_may_write_whole_numbers_for_floats():
    assert from_dict(Whole, {"training": {"epochs": 3}}, "config.json").training == replace(LoopConfig(), epochs=3.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"training": {"stepz": 3}}, "stepz"),
        ({"training": {"steps": "many"}}, "training.steps"),
        ({"training": {"schedule": "zigzag"}}, "training.schedule"),
        ({"model": {"d_model": 250, "n_heads": 8}}, "choose 248"),
        ({"model": {"preset": "t5\n"}}, "model.preset='t5\\n' is unknown"),
        ({"training": {"learning_rate": 10**400}}, "learning_rate=1000"),
        ({"model": {"norm_epsilon": -(10**400)}}, "model.norm_epsilon=-1000"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(values, words):
    with pytest.raises(UserError) as error:
        from_dict(Whole, values, "runs/x/config.json")
    assert "runs/x/config.json" in str(error.value) and words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, "", '{"a": ', "\ufeff{"])
def test_a_file_that_is_missing_or_cut_is_named_in_one_line(content, tmp_path):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="config.json") as error:
        read_json(path)
    assert "\n" not in str(error.value)
