"""The language of a user's own code: said by him, by the name of his column, or guessed from the code."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import DataConfig
from data.corpora.language import guessed_language, language_named
from data.sources import open_source

DATA = Path(os.environ.get("CODEGEN_DATA", "../shared/data"))
CODES = {
    "sql": ["SELECT COUNT(*) FROM t;", "select name\nfrom t\norder by x", "-- all\nSELECT 1",
            "INSERT INTO t VALUES (1)", "WITH a AS (SELECT 1) SELECT * FROM a", "(SELECT 1) UNION (SELECT 2)",
            "UPDATE t SET x = 1", "CREATE TABLE t (x int)"],
    "bash": ["ls -l", "find . -name '*.py' | xargs rm", "for i in *; do echo $i; done", "cat",
             "PAGER= git log", "grep -v a"],
    "javascript": ["const x = 1;", "xs.map(x => x + 1)", "console.log(x)", "function f(a) { return a }", "a === b"],
    "java": ["System.out.println(x);", "public static int f() {}", "private int x = 1;", "a = new List<String>();"],
    "c#": ["Console.WriteLine(1);", "public string Name { get; set; }", "using System;\nclass A {}",
           "foreach (var x in xs) { }"],
    "c": ["#include <stdio.h>", "int x = 3;", 'printf("%d", x);', "for (int i = 0; i < n; i++) {}", "std::sort(a, b);"],
    "go": ["func f(x int) int { return x }", "x := 3", "fmt.Println(x)"],
    "rust": ["fn f(x: i32) -> i32 { x }", "let mut x = 3;", 'println!("{}", x);'],
    "php": ["$x = 1;", "<?php echo 1;", "$a->b($c);"],
    "html": ["<div>a</div>", "<br/>", "<!DOCTYPE html>\n<p>"],
    "json": ['{"a": 1}', "[1, 2]", "{}"],
    "r": ["x <- 3", "y <- c(1, 2)", "df %>% head"],
    "powershell": ["Get-Process", "Get-ChildItem -Path x"],
    "python": ["x + 1", "pass", "def f(x):\n    return x", "else :", "if x :", "return x", "import os",
               "[x for x in y]", "except ValueError :", "with open(f) as g:", "select = 1", "lambda x: x", "@ foo",
               "    x = 1\n    return x", "    def f(self):\n        pass\n"],
    "text": ["hello world", "Paris", "#001eef", "well-known", "^a+$", "2.5", "a { color: red }", "a: 1\nb: 2",
             "find the largest number", "sort the list by name", "Select the second item", "kill all processes",
             "Update your set of tools", "a.txt", "www.x.org", "date of birth", "Insert into the slot",
             "=SUM(A1)", "x + 1;", "arr.map { |x| x * 2 }", "(+ 1 2)", "yes"],
}  # fmt: skip


@pytest.mark.parametrize("language", CODES)
def test_a_language_is_known_by_its_code(language):
    assert guessed_language(CODES[language]) == language
    assert guessed_language([*CODES[language], "", "  "] * 40, "code") == language


def test_the_published_corpora_read_like_what_they_are():
    for path, language in (("nl2bash/all.cm", "bash"), ("django/all.code", "python")):
        if not (DATA / path).exists():
            pytest.skip(f"{path} is not here")
        assert guessed_language((DATA / path).read_text(encoding="utf-8").split("\n")) == language


@pytest.mark.parametrize("column", ["sql", "SQL", "py", "Python", "sh", "javascript"])
def test_the_name_of_a_column_says_it_and_one_letter_does_not(column):
    assert guessed_language(["???"], column) == language_named(column) != "text"
    assert guessed_language(["x + 1"], "c") == guessed_language(["x + 1"], "text") == "python"


@pytest.mark.parametrize(("given", "meant"), [
    ("Python", "python"), ("py", "python"), (".sh", "bash"), ("shell", "bash"), ("SQL", "sql"), ("Klingon ", "klingon"),
])
def test_a_language_has_one_name(given, meant):
    assert language_named(given) == meant


@given(st.lists(st.text(), max_size=5))
def test_any_text_gets_a_guess(codes):
    assert guessed_language(codes)


@pytest.mark.parametrize("code", [
    "(" * 100_000, "=" * 9_999, " " * 9_999 + "x", "a " * 4_999, "-- " * 3_000, "[" * 9_999, "a" * 9_999, "a-" * 4_999,
    "A=B " * 2_400, "/*" * 4_999,
])  # fmt: skip
def test_a_guess_takes_no_time(code):
    began = time.process_time()
    assert guessed_language([code] * 1000)
    assert time.process_time() - began < 10


def rows_in(path, codes):
    path.write_text("".join(json.dumps({"nl": "do it", "code": code}) + "\n" for code in codes), encoding="utf-8")
    return path


def test_files_are_in_the_language_that_is_said_else_in_that_of_their_training_code(tmp_path):
    rows_in(tmp_path / "train.jsonl", CODES["sql"])
    rows_in(tmp_path / "test.jsonl", CODES["python"])
    for said, meant in (("", "sql"), ("Python", "python"), ("sh", "bash")):
        source = open_source("files", DataConfig(path=str(tmp_path), language=said), seed=1)
        assert source.language == meant
        assert {example.language for part in source.splits().values() for example in part} == {meant}


def test_the_ending_of_parallel_text_says_it(tmp_path):
    (tmp_path / "pairs.nl").write_text("one\n")
    (tmp_path / "pairs.sql").write_text("x + 1\n")
    assert open_source("files", DataConfig(path=str(tmp_path / "pairs"), code="sql"), seed=1).language == "sql"
