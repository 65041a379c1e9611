"""The command: a page, or text, or one line that says what is wrong."""

import pytest

from system.options import run_and_report
from teaching.walkthrough.__main__ import main

PROMPT = "add the sum of xs"


def call(*options):
    return run_and_report(main, [str(option) for option in options])


def test_the_page_lands_in_the_run_folder(run_folder, capsys):
    assert call("--run", run_folder, "--prompt", PROMPT) == 0
    page = run_folder / "walkthrough.html"
    said = capsys.readouterr().out
    assert said.startswith(f"{page}: ") and "pieces" in said and "MB" in said
    assert page.read_text().startswith("<!doctype html>")


def test_the_page_can_be_put_elsewhere(run_folder, tmp_path, capsys):
    assert call("--run", run_folder, "--prompt", PROMPT, "--page", tmp_path / "lesson.html") == 0
    assert (tmp_path / "lesson.html").exists() and not (run_folder / "walkthrough.html").exists()


def test_a_small_page_says_that_something_is_left_out(run_folder, capsys):
    assert call("--run", run_folder, "--prompt", PROMPT, "--megabytes", 0.3) == 0
    assert "arrays found no room in 0.3 MB" in capsys.readouterr().out


def test_text_shows_every_section_and_writes_nothing(run_folder, capsys):
    before = sorted(run_folder.iterdir())
    assert call("--run", run_folder, "--prompt", PROMPT, "--text", "--code", "return sum(xs)") == 0
    said = capsys.readouterr().out
    for title in ("Pieces and ids", "Encoder layer 2: self-attention", "Decoder layer 1: cross-attention",
                  "Distribution over the vocabulary", "Gradients that flow back to the parameters"):
        assert f"\n{title}\n" in said
    assert "pieces of the reference code" in said and "model/attention.py:" in said
    assert sorted(run_folder.iterdir()) == before


@pytest.mark.parametrize("options, mend", [
    ([], "--prompt"),
    (["--prompt", "  "], "--prompt"),
    (["--prompt", PROMPT, "--code", ""], "--code"),
    (["--prompt", PROMPT, "--padding", -1], "--padding -1 must be at least 0"),
    (["--prompt", PROMPT, "--megabytes", 0], "must be above 0"),
    (["--prompt", PROMPT, "--text", "--page", "x.html"], "leave one of them out"),
    (["--prompt", PROMPT, "--run", "nowhere"], "nowhere"),
    (["--prompt", PROMPT, "--pagee", "x"], "--page"),
    (["--prompt", PROMPT, "--page", "no/such/folder/x.html"], "x.html"),
], ids=str)
def test_a_mistake_is_one_line_that_says_the_mend(run_folder, capsys, options, mend):
    if "--run" not in options:
        options = ["--run", run_folder, *options]
    assert call(*options) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and mend in said
