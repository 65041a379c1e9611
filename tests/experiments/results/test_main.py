"""Result lines are kept once, and the pages follow from the lines alone."""

import copy
import json
from dataclasses import replace

import pytest

from evaluation.metrics import unpack_bits
from experiments.record.lines import append_line, command_of, measurement_lines, read_suites, run_line
from experiments.record.measurement import ROOT
from experiments.record.records import record_of, stored_line
from experiments.record.targets import in_target_words
from experiments.results.__main__ import main, targets_page, with_table
from experiments.results.front import front_table
from experiments.results.pages import index, results_pages
from experiments.results.readme import effect_rows, readme_table
from experiments.results.suites_page import claims_page, math_table
from system.errors import UserError

SPEED = {
    "row": "training, shape A", "ours": [4100.0, 4000.0, 4200.0], "peers": {"BART": [3300.0]}, "against": "BART",
    "value": 4100.0, "unit": "tokens/s", "target": "at least 1.2", "met": True,
    "ratio": {"median": 1.24, "min": 1.2, "max": 1.31, "rounds": 5}, "machine": "2 cores", "command": "bench | tee x",
}

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def score(value, n=4):
    return {"value": value, "low": value - 0.125, "high": value + 0.125, "n": n}


@pytest.fixture
def run(tmp_path):
    """A finished run of four test lines."""
    folder = tmp_path / "runs" / "django"
    folder.mkdir(parents=True)
    put(folder, "config.json", {
        "version": 1, "run": str(folder), "seed": 1, "threads": 2, "data": {"path": "/data/django", "vocab_size": 9}
    })
    put(folder, "environment.json", {
        "command": ["train.py", "django", "--data.path", "/data/django", "--system.cache=/home/x"],
        "seed": 1, "threads": 2, "code_hash": "c0de", "data_hash": "da7a",
        "cores": 2, "processor": "Toy", "libraries": {"torch": "2.13.0"},
    })
    put(folder, "budget.json", {
        "steps": 10, "tokens": 1000, "training_flops": 2e9, "seconds": 90.0, "peak_memory_mib": 512.0
    })
    put(folder, "scores.json", {
        "dev": {"exact_match": score(0.5), "exact_match_without_duplicates": score(0.25, 3)},
        "baselines": {"nearest_code": {"dev": {"exact_match": score(0.125)}}},
    })
    metrics = [{"held_out_loss": 1.5, "step": 5}, {"held_out_loss": 0.75, "step": 10}, {"loss": 0.5, "step": 10}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in metrics))
    records = [{"split": "dev", "id": str(n), "exact": n % 2 == 0, "passed": None} for n in range(4)]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def put(folder, name, content):
    (folder / name).write_text(json.dumps(content))


def results_page(suites):
    """All pages of results, one after the other."""
    return "".join(page.text for page in results_pages(suites))


def change(folder, name, **values):
    put(folder, name, json.loads((folder / name).read_text()) | values)


def test_a_line_holds_what_a_figure_needs_and_no_path_of_this_machine(run):
    line = run_line(run, "django")
    for name in ("config", "config_hash", "code_hash", "data_hash", "seed", "budget", "threads", "machine", "versions",
                 "wall_seconds", "scores", "baselines"):
        assert getattr(line, name)
    assert list(unpack_bits(line.bits["dev"]["exact"])) == [True, False, True, False]
    assert line.held_out_loss == 0.75
    assert line.command == "python train.py django --data.path PATH --system.cache=PATH"
    assert str(run.parent) not in json.dumps(stored_line(line)) and "/data/" not in json.dumps(stored_line(line))
    assert command_of({"command": ["x.py", "/runs/1", "/runs/2", "/runs/3", "--k", 5]}) == "python x.py PATH... --k 5"


def test_seed_threads_and_places_do_not_change_the_configuration_hash_but_settings_do(run):
    first = run_line(run, "django").config_hash
    change(run, "config.json", run="elsewhere", seed=2, threads=1, data={"path": "/other", "vocab_size": 9})
    assert run_line(run, "django").config_hash == first
    change(run, "config.json", data={"path": "/other", "vocab_size": 10})
    assert run_line(run, "django").config_hash != first


def test_a_run_that_was_scored_with_other_settings_has_those_in_its_line(run):
    change(run, "config.json", evaluation={"beam": 1, "limit": 0})
    assert run_line(run, "django").config["evaluation"] == {"beam": 1, "limit": 0}
    change(run, "scores.json", evaluation={"beam": 4, "limit": 0})
    line = run_line(run, "django")
    assert line.config["evaluation"] == {"beam": 4, "limit": 0} and "evaluation" not in line.beside


def test_scores_of_the_first_lines_alone_are_refused(run):
    change(run, "scores.json", evaluation={"beam": 1, "limit": 4})
    with pytest.raises(UserError, match="only the first 4 lines of each split were scored"):
        run_line(run, "django")


def test_a_run_whose_line_exists_is_not_added_again(run, tmp_path):
    folder = tmp_path / "results"
    assert append_line(folder, stored_line(run_line(run, "django")))
    change(run, "budget.json", seconds=91.0)
    before = (folder / "django.jsonl").read_bytes()
    assert not append_line(folder, stored_line(run_line(run, "django", row="another name")))
    assert (folder / "django.jsonl").read_bytes() == before
    for name, value in (("seed", 2), ("threads", 1), ("code_hash", "other"), ("data_hash", "other")):
        change(run, "environment.json", **{name: value})
        assert append_line(folder, stored_line(run_line(run, "django")))
    assert append_line(folder, stored_line(run_line(run, "other_suite")))


@pytest.mark.parametrize("name", ["scores.json", "budget.json", "config.json"])
def test_an_unfinished_run_is_refused(run, name):
    (run / name).unlink()
    with pytest.raises(UserError, match="scores|budget|holds no run"):
        run_line(run, "django")


def test_a_run_without_a_code_hash_is_refused(run):
    change(run, "environment.json", code_hash=None)
    with pytest.raises(UserError, match="no code_hash"):
        run_line(run, "django")


def test_scores_that_leave_examples_out_are_refused(run):
    with open(run / "predictions.jsonl", "a") as file:
        file.write('{"split": "dev", "id": "4"}\n')
    with pytest.raises(UserError, match="counts 4 examples in dev, predictions.jsonl has 5"):
        run_line(run, "django")


def test_a_damaged_line_is_named_and_nothing_is_written(run, tmp_path, capsys):
    results = tmp_path / "docs" / "results"
    append_line(results, stored_line(run_line(run, "django")))
    with open(results / "django.jsonl", "a") as file:
        file.write('{"suite": "djan')
    before = (results / "django.jsonl").read_bytes()
    assert main([], tmp_path) == 2
    assert main(["add", str(run)], tmp_path) == 2
    for line in capsys.readouterr().err.splitlines():
        assert "django.jsonl:5: damaged line" in line  # after three shared lines and the run's
    assert (results / "django.jsonl").read_bytes() == before and not (tmp_path / "docs" / "results.md").exists()


def test_a_line_of_another_suite_is_named(run, tmp_path):
    append_line(tmp_path, stored_line(run_line(run, "django")))
    (tmp_path / "django.jsonl").rename(tmp_path / "speed.jsonl")
    with pytest.raises(UserError, match=r"speed\.jsonl:4: belongs to the suite django"):
        read_suites(tmp_path)


def test_pages_follow_from_the_lines_byte_for_byte(run, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n{BEGIN}\nold\n{END}\nafter\n")
    assert main(["add", str(run), "--row", "django, copy head"], tmp_path) == 0
    assert main([], tmp_path) == 0
    first = readme.read_bytes(), (tmp_path / "docs" / "results.md").read_bytes()
    assert main(["pages"], tmp_path) == 0
    assert (readme.read_bytes(), (tmp_path / "docs" / "results.md").read_bytes()) == first
    text = readme.read_text()
    assert text.startswith(f"# Title\n{BEGIN}\n") and text.endswith(f"{END}\nafter\n") and "old" not in text


def test_the_committed_pages_are_those_of_the_committed_lines():
    suites = read_suites(ROOT / "docs" / "results")
    docs = ROOT / "docs"
    pages = results_pages(suites)
    assert (docs / "results.md").read_text(encoding="utf-8") == index(pages)
    assert {page.name: page.text for page in pages} == {
        path.stem: path.read_text(encoding="utf-8") for path in (docs / "results").glob("*.md")
    }
    assert (docs / "targets.md").read_text(encoding="utf-8") == targets_page(suites)
    assert (docs / "claims.md").read_text(encoding="utf-8") == claims_page(suites)
    math = docs / "the_math.md"
    assert math.read_text(encoding="utf-8") == with_table(math, math_table(suites), "pieces")
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README.md here")
    assert readme.read_text(encoding="utf-8") == with_table(readme, front_table(suites))


@pytest.mark.parametrize("text", ["no markers", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{BEGIN}{END}"])
def test_a_readme_without_its_markers_is_left_alone(tmp_path, capsys, text):
    (tmp_path / "README.md").write_text(text)
    assert main([], tmp_path) == 2
    assert (tmp_path / "README.md").read_text() == text
    assert "README.md" in capsys.readouterr().err


def test_what_was_not_run_says_so():
    table = readme_table({})
    rows = table.splitlines()[2:13]
    assert all("| not run |" in row for row in rows)
    assert "Not run." in results_page({})


def test_the_score_without_duplicates_comes_first_and_baselines_stand_beside(run):
    line = run_line(run, "django", "django, copy head", "python train.py django")
    row = next(row for row in readme_table({"django": [line]}).splitlines() if "with the copy head" in row)
    assert "1.5 min of training" in row
    assert row.index("without duplicates 25.0% (12.5 to 37.5)") < row.index("all lines 50.0% (37.5 to 62.5)")
    assert "[nearest code 12.5%]" in row and "**not met**" in row and "`python train.py django`" in row
    page = results_page({"django": [line]})
    assert "25.0% (12.5 to 37.5), n 3" in page and "baseline: nearest code" in page


def test_one_run_each_is_not_enough_for_a_verdict(run):
    lines = [run_line(run, "django_1000", row) for row in ("pretrained", "not pretrained")]
    assert "**not enough runs**" in results_page({"django_1000": lines})
    seeds = [replace(line, seed=seed) for line in lines for seed in range(5)]
    assert "**not enough runs**" not in results_page({"django_1000": seeds})


def test_effects_of_suites_stand_in_the_table_of_targets_with_interval_and_seeds():
    rows = effect_rows(read_suites(ROOT / "docs" / "results"))
    said = (
        "+10.3 points (+9.4 to +11.2 over 5 seeds; +9.7 against all 10 seeds of the base); **undecided**, "
        "**its base has 3.8% where a look-up has 28.0%**, **out of regime** ("
    )
    assert any(said in row[2] for row in rows)  # a committed campaign
    assert all(row[2] == "not run" for row in effect_rows({}))
    assert "| not run |" in readme_table({}, effect_rows({})).splitlines()[-3]


@pytest.mark.parametrize("value, ends, said", [
    (2.4, (-2.2, 6.6), "undecided"), (2.4, (0.2, 6.6), "met"), (2.4, (0.1, 6.6), "met"), (-1.0, (-2.2, 6.6), "not met"),
    (-1.0, (-2.0, -0.5), "not met"), (2.4, (), "met"),
])  # fmt: skip
def test_a_target_is_met_where_the_whole_interval_lies_on_its_right_side(value, ends, said):
    assert in_target_words(value, ends, at_least=0.1) == said
    assert in_target_words(-value, [-end for end in ends], None, at_most=-0.1) == said
    assert in_target_words(value, ends, None) == ""


def test_the_page_says_undecided_whatever_a_line_said_when_it_was_made():
    row = {"suite": "checks", "row": "matching, network above bag of words", "command": "x", "machine": "2 cores",
           "value": 2.4, "unit": "points", "low": -2.2, "high": 6.6, "functions": 137, "met": True}  # fmt: skip
    shown = [results_page({"checks": [record_of(row | {"target": target})]}) for target in ("above 0", "above -9")]
    assert "| above 0 | undecided |" in shown[0]
    assert "| above -9 | yes |" in shown[1], "the verdict on an earlier target stays"
    assert "(-2.2 to 6.6 over 137 functions); **undecided**" in readme_table({"checks": [record_of(row)]})


def test_the_interval_of_a_figure_says_nothing_of_the_minutes_it_took():
    line = {"suite": "benchmarks", "row": "django, dev, strict", "command": "x", "machine": "2 cores", "value": 75.4,
            "unit": "%", "low": 72.7, "high": 178.0, "minutes": 86.9, "parameters": 14e6}  # fmt: skip
    assert "86.9 minutes of two cores; met" in readme_table({"benchmarks": [record_of(line)]})


def test_bf16_stands_beside_float32_seed_by_seed(run):
    line = replace(run_line(run, "bf16", "float32"), scores={"in_distribution": {"exact_match": score(0.5)}})
    scores = {"in_distribution": {"exact_match": score(0.25)}}
    bf16 = replace(line, row="bf16", held_out_loss=0.9, scores=scores)
    page = results_page({"bf16": [line, bf16, replace(line, seed=2), replace(line, code_hash="older"), line, bf16]})
    assert "| 1 | 0.7500 | 0.9000 | +20.00% |" in page and "| 1 | 50.0000 | 25.0000 | -50.00% |" in page
    assert "| 2 |" not in page.partition("How these runs")[0]  # a seed that has one of the two only


def test_further_seeds_do_not_change_which_run_is_shown_but_newer_code_does(run):
    line = run_line(run, "django", "django, copy head")
    better = copy.deepcopy(line)
    better.scores["dev"]["exact_match"]["value"] = 0.75
    assert "50.0%" in readme_table({"django": [line, replace(better, seed=2)]})
    assert "75.0%" in readme_table({"django": [line, replace(better, code_hash="newer")]})


def test_measurements_are_kept_and_a_bar_in_a_command_does_not_break_the_table(tmp_path):
    file = tmp_path / "speed.json"
    file.write_text(json.dumps([SPEED]))
    for _ in range(2):
        assert main(["measured", str(file)], tmp_path) == 0
    suites = read_suites(tmp_path / "docs" / "results")
    assert len(suites["speed"]) == 1
    row = next(row for row in readme_table(suites).splitlines() if "fastest peer" in row)
    assert "1.24 (1.20 to 1.31 in 5 rounds); met" in row and "bench \\| tee x" in row
    assert "4,100" in results_page(suites)


def test_a_measurement_stands_there_once_for_each_machine_with_its_own_verdict():
    slower = SPEED["ratio"] | {"median": 1.1}
    lines = [
        record_of({"suite": "speed", **SPEED, **changes})
        for changes in ({"ratio": slower}, {}, {"machine": "1 core", "ratio": slower})
    ]
    row = next(row for row in readme_table({"speed": lines}).splitlines() if "fastest peer" in row)
    first = "2 cores: 1.24 (1.20 to 1.31 in 5 rounds), met"
    second = "1 core: 1.10 (1.20 to 1.31 in 5 rounds), **not met**"
    assert f"| {first}; {second} | 2 cores; 1 core |" in row


def test_a_measurement_that_lacks_a_field_is_refused(tmp_path):
    file = tmp_path / "speed.json"
    file.write_text(json.dumps({name: value for name, value in SPEED.items() if name != "ratio"}))
    with pytest.raises(UserError, match="row 1 has no ratio"):
        measurement_lines(file, "speed")
    with pytest.raises(UserError, match="holds runs"):
        measurement_lines(file, "django")


def test_a_suite_cannot_be_written_outside_its_folder(run, tmp_path):
    with pytest.raises(UserError, match="suite's name"):
        append_line(tmp_path, stored_line(run_line(run, "../escape")))


def test_a_line_that_lacks_a_field_is_named():
    with pytest.raises(UserError, match="suite speed, row 'training, shape A': its line has no machine"):
        record_of({"suite": "speed", **{k: v for k, v in SPEED.items() if k != "machine"}})
