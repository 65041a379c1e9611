"""CSV and TSV as they come: rows are those of Python's csv module, and other ways of writing are read or named."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.config import DataConfig
from data.sources import open_source
from system.errors import UserError

PAIRS = [(f"add {n} to x", f"x + {n}") for n in range(1, 9)]
CELLS = st.text(st.one_of(st.sampled_from(',;\t"\n\r\\ '), st.characters(exclude_categories=["Cs"])), max_size=6)


def read(path, text, **data):
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    source = open_source("files", DataConfig(path=str(path), **data), seed=1)
    return [(example.nl, example.code) for example in source.splits()["train"]], source.bad


def refusal(path, text, **data):
    with pytest.raises(UserError) as error:
        read(path, text, **data)
    assert "\n" not in str(error.value) and path.name in str(error.value)
    return str(error.value)


def written(separator=",", header="nl,code", pairs=PAIRS, quote=""):
    rows = [tuple(header.split(",")), *pairs]
    return "".join(separator.join(f"{quote}{cell}{quote}" for cell in row) + "\n" for row in rows)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
@pytest.mark.parametrize(("ending", "separator"), [("csv", ","), ("tsv", "\t"), ("csv", ";")])
def test_rows_are_those_of_pythons_csv_module(tmp_path_factory, ending, separator, rows, quoting):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting)
    writer.writerows([["nl", "x", "code"], ["first", "", "row"], *rows])
    expected = list(csv.DictReader(io.StringIO(text.getvalue(), newline=""), delimiter=separator))
    pairs, bad = read(tmp_path_factory.getbasetemp() / f"any.{ending}", text.getvalue())
    assert pairs == [(row["nl"], row["code"]) for row in expected if row["nl"].strip() and row["code"].strip()]
    assert all(reason.startswith("empty") for reason in bad.counts)


def test_a_cell_may_be_of_any_length_and_its_lines_are_said(tmp_path):
    program = "\n".join(f"v{n} = {n}, {n}" for n in range(20_000))
    pairs, bad = read(tmp_path / "a.csv", written(pairs=[*PAIRS, ("long", program)], quote='"'))
    assert pairs[-1] == ("long", program) and not bad.counts
    assert len(bad.remarks) == 1 and "a.csv:10: one row goes on over 20,000 lines" in bad.remarks[0]


@pytest.mark.parametrize(("separator", "ending"), [(";", "csv"), ("\t", "csv"), ("|", "csv"), (",", "tsv")])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("before", ["", "\n", "# made by hand\n", "\r\n# made, by hand\n\n"])
def test_another_separator_and_lines_before_the_header_are_read_and_said(tmp_path, separator, ending, quote, before):
    pairs, bad = read(tmp_path / f"a.{ending}", before + written(separator, quote=quote))
    assert pairs == PAIRS and len(bad.remarks) == 1 + bool(before) and "a." in bad.remarks[0]
    assert not bad.counts


def test_a_spreadsheets_own_line_is_read(tmp_path):
    assert read(tmp_path / "a.csv", "sep=;\n" + written(";"))[0] == PAIRS


def test_other_lines_before_the_header_are_named(tmp_path):
    assert "the columns stand on line 3" in refusal(tmp_path / "a.csv", "My pairs,\nof May,\n" + written())
    assert "the columns stand on line 3" in refusal(tmp_path / "a.csv", "My pairs;\nof May;\n" + written(";"))
    assert "'#nl'" in refusal(tmp_path / "a.csv", written(header="#nl,code"))


@pytest.mark.parametrize("header", ["nl,code,code", "nl,nl,code", "code,x,nl,code"])
def test_a_column_that_stands_twice_is_refused(tmp_path, header):
    row = ["a"] * (header.count(",") + 1)
    assert "stands in the header twice" in refusal(tmp_path / "a.csv", written(header=header, pairs=[row]))
    assert len(read(tmp_path / "b.csv", written(header="x,x,nl,code", pairs=[row[:1] * 4]))[0]) == 1


def test_the_last_row_needs_its_line_end_where_others_have_one(tmp_path):
    pairs, bad = read(tmp_path / "a.csv", written().rstrip("\n"))
    assert pairs == PAIRS[:-1] and sum(bad.counts.values()) == 1 and "a.csv:9: without the line end" in bad.places[0]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_two_files_put_together(tmp_path, separator):
    path = tmp_path / ("a.csv" if separator == "," else "a.tsv")
    pairs, bad = read(path, written(separator) * 2)
    assert pairs == PAIRS * 2 and "the header again" in bad.places[0]
    turned = written(separator, "code,nl", [(code, nl) for nl, code in PAIRS])
    pairs, bad = read(path, written(separator) + turned)
    assert pairs == PAIRS and sum(bad.counts.values()) == 1 + len(PAIRS)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\n\ufeff", ""])
def test_two_files_put_together_whose_last_line_has_no_end(tmp_path, end):
    second = "\ufeff" + written().replace("\n", "\r\n")
    pairs, bad = read(tmp_path / "a.csv", written().rstrip("\n") + end + second)
    assert set(pairs) == set(PAIRS) and len(pairs) + sum(bad.counts.values()) >= 16 and "byte order" in str(bad.counts)


def test_nothing_behind_a_broken_cell_is_taken_and_the_lines_are_counted(tmp_path):
    spilled = '"print it","print(\\"a, b\\")\nresult = join(left, right)\nreturn result, 0"\n'
    pairs, bad = read(tmp_path / "a.csv", written(quote='"') + spilled + written(quote='"'))
    assert pairs == PAIRS and len(bad.counts) == 1 and sum(bad.counts.values()) == 3 + 9
    assert "a.csv:10: lost" in bad.places[0] and "(12 lines)" in bad.places[0] and '\\" is not CSV' in bad.places[0]
    pairs, bad = read(tmp_path / "a.csv", written() + 'open,"x\n' + written())
    assert pairs == PAIRS and "never closed" in bad.places[0] and sum(bad.counts.values()) == 10


@pytest.mark.parametrize("text", ["add, 3", "add\n3", ",add 3", "a\n\n3", "a,,3"])
def test_the_rows_beside_a_row_of_wrong_width_are_refused(tmp_path, text):
    pairs, bad = read(tmp_path / "a.csv", written().replace("add 3", text))
    assert not {pair for pair in pairs if pair not in PAIRS} and sum(bad.counts.values()) >= 3
    assert PAIRS[0] in pairs and PAIRS[-1] in pairs


@pytest.mark.parametrize("strict", [True, False])
def test_who_is_to_blame_is_said_where_the_first_bad_row_ends_it_all(tmp_path, strict):
    text = written().replace("x + 4", "x, 4")
    (tmp_path / "train.csv").write_text(text if strict else written())
    (tmp_path / "test.csv").write_text(text)
    source = open_source("files", DataConfig(path=str(tmp_path), strict=strict), seed=1)
    with pytest.raises(UserError, match=r"\.csv:4: beside a row .* \(see line 5\)"):
        list(source.splits()["train" if strict else "test"])


RAW = [('say "hi"', 'print("hi")'), ('5" disk', "x"), ("it", 'd["a"]'), ('"a" + x', "y")]


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_quotes_inside_a_cell_are_characters(tmp_path, ending):
    separator = "," if ending == "csv" else "\t"
    pairs, bad = read(tmp_path / f"a.{ending}", written(separator, pairs=[*PAIRS, *RAW[:3], *PAIRS]))
    assert pairs == [*PAIRS, *RAW[:3], *PAIRS] and not bad.counts


@pytest.mark.parametrize("raw", ['"a" + x', '"a', '"""sum"""', '"', 'a"', '"hello"'])
def test_quotes_that_do_not_hold_whole_cells_are_characters_in_tsv_and_that_is_said(tmp_path, raw):
    rows = [*PAIRS, ('"open', raw), *PAIRS]
    pairs, bad = read(tmp_path / "a.tsv", written("\t", pairs=rows))
    assert pairs == rows and not bad.counts and "--data.quoting csv" in bad.remarks[0]
    pairs, bad = read(tmp_path / "a.tsv", written("\t", pairs=rows), quoting="csv")
    assert pairs != rows and set(pairs) <= {*PAIRS, ("open", "hello")} and not bad.remarks


def test_quotes_hold_cells_together_in_tsv_and_a_damaged_one_is_none(tmp_path):
    rows = [("a\tb", "c\nd"), *PAIRS]
    assert read(tmp_path / "a.tsv", written("\t", pairs=rows, quote='"'))[0] == rows
    text = written("\t", pairs=rows, quote='"').replace('"add 5', "add 5").replace('7"\n', "7\n")
    pairs, bad = read(tmp_path / "a.tsv", text)
    assert set(pairs) < set(rows) and sum(bad.counts.values()) == len(rows) - len(pairs)


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_no_quotes_at_all(tmp_path, ending):
    separator = "," if ending == "csv" else "\t"
    rows = [*RAW, *PAIRS, ('"one', '"two"')]
    pairs, bad = read(tmp_path / f"a.{ending}", written(separator, pairs=rows), quoting="none")
    assert pairs == rows and not bad.counts


QUOTE_EDITS = [('""x""', '"x""'), ('""x""', '""x"""'), ('"f(""x"")"\n', '"f(""'), ("\tx + 6", "x + 6")]


@pytest.mark.parametrize("edit", QUOTE_EDITS)
def test_one_edit_of_a_quoted_table_with_tabs_leaves_the_quotes_of_other_rows_what_they_are(tmp_path, edit):
    rows = [("say", '"print(""a, b"")"'), *PAIRS, ("call", '"f(""x"")"')]
    pairs, bad = read(tmp_path / "a.tsv", written("\t", pairs=rows).replace(*edit))
    assert pairs[:4] == [("say", 'print("a, b")'), *PAIRS[:3]] and bad.counts
    assert set(pairs) <= {*pairs[:1], *PAIRS, ("call", 'f("x")')}


@pytest.mark.parametrize("edit", [("\tx + 4", "x + 4"), ("x + 4", "x\t+ 4"), ("add 4", "add\n4"), ("x + 8\n", "x")])
def test_one_edit_of_a_table_with_tabs_whose_quotes_are_characters_leaves_them_so(tmp_path, edit):
    rows = [("doc", '"""Sum."""'), ("join", '"a" + x'), ("both", '"a", "b"'), ('"open', "x"), *PAIRS]
    pairs, bad = read(tmp_path / "a.tsv", written("\t", pairs=rows).replace(*edit))
    assert pairs[:6] == rows[:6] and set(pairs) < set(rows) and bad.counts


def test_a_header_that_swallows_rows_is_refused(tmp_path):
    assert "a.csv:1: lost" in refusal(tmp_path / "a.csv", '"' + written())
    assert "over several lines" in refusal(tmp_path / "a.csv", 'nl,code,"x\na,b,"\nc,d\ne,f\n')
    assert read(tmp_path / "b.csv", 'nl,code,"x\ny"\na,b,c\n')[0] == [("a", "b")]


def test_a_few_inch_marks_are_no_damage(tmp_path):
    rows = [*PAIRS, *[(f'{n}"', "x") for n in range(3)], *PAIRS]
    assert read(tmp_path / "a.csv", written(pairs=rows))[0] == rows


def test_a_quote_whose_beginning_was_lost_takes_the_rows_that_may_be_its_lines(tmp_path):
    quoted = ('"f"', '"def f():\nx, y\nreturn 1"')
    text = written(pairs=[*PAIRS, quoted, *PAIRS]).replace('"def', "def")
    pairs, bad = read(tmp_path / "a.csv", text)
    assert set(pairs) <= set(PAIRS) and pairs[-7:] == PAIRS[1:]
    assert sum(bad.counts.values()) == 8 + 3 + 8 - len(pairs)


@pytest.mark.parametrize(("text", "said"), [
    ('nl,code\none, "1"\n', True), ('nl,code\n "one",1\n', True), ('nl;code\none; "f(x)"\n', True),
    ('nl,code\n"one, ""a""","1"\n', False), ('nl,code\none, 1\n', False), ('nl,code\nsay "hi", "oh"x\n', False),
])
def test_a_blank_before_a_quote_is_said(tmp_path, text, said):
    _, bad = read(tmp_path / "a.csv", text)
    assert any("a blank stands before some quotes" in remark for remark in bad.remarks) == said
    if said:
        assert not any("a blank" in remark for remark in read(tmp_path / "a.csv", text, quoting="none")[1].remarks)


@pytest.mark.parametrize("row", ['one"f(a, b)"', 'one"f(""a"", b)"', '"one"f(a, b)"'])
def test_a_separator_lost_before_a_quoted_cell_makes_no_pair_of_its_halves(tmp_path, row):
    pairs, bad = read(tmp_path / "a.csv", written(pairs=[*PAIRS, ("two", '"1, 2"')]).replace("add 3 to x,x + 3", row))
    assert pairs and set(pairs) < {*PAIRS, ("two", "1, 2")} and sum(bad.counts.values()) >= len(PAIRS) + 1 - len(pairs)


def test_in_a_file_of_many_odd_quotes_one_more_holds_no_rows_together(tmp_path):
    rows = [('5"', "a"), ("b", 'c"'), ('d" e', "f"), ("g", 'h"'), *PAIRS]
    assert read(tmp_path / "a.tsv", written("\t", pairs=rows))[0] == rows
    rows[1] = ('"b', 'c"')
    assert read(tmp_path / "a.tsv", written("\t", pairs=rows))[0] == rows


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_line_end_before_a_quote_makes_no_pair_of_the_rows_that_it_then_holds_together(tmp_path, ending):
    rows = [("one", 'f("a"'), ("two", "x"), ('the "', "y"), *PAIRS]
    text = written("," if ending == "csv" else "\t", pairs=rows)
    pairs, bad = read(tmp_path / f"a.{ending}", text.replace('"a"', '"a\n"'))
    assert set(pairs) < set(rows) and bad.counts
