"""What older code has written down is read under today's names, and a hash of it stays what it was."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import train
from system.errors import UserError
from training.run.folder import CONFIG_FILE, read_config, write_config
from training.run.old_settings import (
    SCHEMA,
    SETTING_CHANGES,
    UNCHANGED,
    Change,
    differing,
    first_name,
    flat,
    in_first_names,
    nested,
    read_old,
)
from training.run.settings_file import to_dict

CHANGES = (
    Change(0, "strategies.rank", "strategies.lora.rank"),
    Change(0, "training.clip", "training.clip", default=5.0),
    Change(1, "strategies.lora.rank", "strategies.low_rank.rank"),
)


def test_a_name_that_changed_twice_is_read_from_either_time():
    for schema, name in enumerate(("strategies.rank", "strategies.lora.rank", "strategies.low_rank.rank")):
        assert read_old({name: 8}, schema, CHANGES)["strategies.low_rank.rank"] == 8


def test_what_was_not_said_is_as_it_was_then():
    assert read_old({}, 0, CHANGES) == {"training.clip": 5.0}
    assert read_old({"training.clip": 2.0}, 0, CHANGES) == {"training.clip": 2.0}
    assert read_old({}, 1, CHANGES) == {}


def test_first_names_are_those_of_the_first_schema_and_reading_takes_them_back():
    today = {"strategies.low_rank.rank": 8, "training.clip": 1.0, "model.d_model": 64}
    first = in_first_names(today, CHANGES)
    assert first == {"strategies.rank": 8, "training.clip": 1.0, "model.d_model": 64}
    assert read_old(first, 0, CHANGES) == today
    assert first_name("strategies.low_rank.rank", CHANGES) == "strategies.rank"
    assert first_name("model.d_model", CHANGES) == "model.d_model"


def test_what_tells_a_run_apart_is_not_touched_by_names_new_settings_and_other_defaults():
    then = differing({"strategies.rank": 8, "training.clip": 5.0}, {"strategies.rank": 0, "training.clip": 5.0}, ())
    defaults = {"strategies.low_rank.rank": 0, "training.clip": 1.0, "data.new": False}
    today = {"strategies.low_rank.rank": 8, "training.clip": 5.0, "data.new": False}
    assert differing(today, defaults, CHANGES) == then == {"strategies.rank": 8}
    assert differing({**today, "training.clip": 1.0}, defaults, CHANGES) == {"strategies.rank": 8, "training.clip": 1.0}


def test_a_default_that_means_the_same_today_sets_no_run_apart_and_is_put_into_none():
    changes = (Change(1, "data.language", "data.language", default="python", same=True),)
    for value in ("python", ""):
        assert differing({"data.language": value}, {"data.language": ""}, changes) == {}
    assert differing({"data.language": "sql"}, {"data.language": ""}, changes) == {"data.language": "sql"}
    assert read_old({}, 1, changes) == {} and read_old({"data.language": "sql"}, 0, changes) == {"data.language": "sql"}


def test_a_default_that_is_another_one_today_has_its_row():
    """first_defaults.json has every setting with the default that it came with; a new setting gets its line there."""
    first = json.loads(Path(__file__).with_name("first_defaults.json").read_text(encoding="utf-8"))
    today = flat(to_dict(train.Settings()))
    assert first.keys() == today.keys()
    changed = {name for name, value in first.items() if json.dumps(value) != json.dumps(today[name])}
    assert changed == {change.new for change in SETTING_CHANGES if change.default is not UNCHANGED}
    assert max(change.until for change in SETTING_CHANGES) < SCHEMA


def test_nested_settings_and_dotted_names_are_two_ways_to_write_one_thing():
    settings = to_dict(train.Settings())
    assert nested(flat(settings)) == settings
    assert flat({"a": {"b": {"c": 1}, "d": {}}, "e": [2]}) == {"a.b.c": 1, "a.d": {}, "e": [2]}


def test_settings_that_are_written_today_are_read_as_they_are(tmp_path):
    settings = replace(train.Settings(), seed=7)
    write_config(tmp_path, settings, {"pad_id": 0})
    assert read_config(tmp_path, train.Settings) == (settings, {"pad_id": 0})


def test_the_first_layout_is_read_with_the_names_that_it_had(tmp_path):
    values = {"version": 1, "special_ids": {"pad_id": 0}, **to_dict(train.Settings())}
    del values["model"]["speed"]
    values["model"]["attention"] = "written_out"
    values["training"]["objectives"] |= {"denoise": 1.0, "denoise_epochs": 6, "rename_epochs": 0}
    (tmp_path / CONFIG_FILE).write_text(json.dumps(values))
    settings, _ = read_config(tmp_path, train.Settings)
    assert settings.model.speed == "readable"
    assert settings.training.objectives.schedule == ("denoise:1-6",)


@pytest.mark.parametrize("schema", [99, -1, None, "0"])
def test_settings_of_later_code_are_refused_with_what_to_do(tmp_path, schema):
    write_config(tmp_path, train.Settings(), {})
    values = json.loads((tmp_path / CONFIG_FILE).read_text())
    (tmp_path / CONFIG_FILE).write_text(json.dumps(values | {"schema": schema}))
    with pytest.raises(UserError, match=f"settings of schema {schema}.* train again into another --run"):
        read_config(tmp_path, train.Settings)
