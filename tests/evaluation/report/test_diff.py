"""The diff loses nothing, invents nothing, and is safe inside a page."""

import re

from hypothesis import given
from hypothesis import strategies as st

from evaluation.report.diff import Piece, diff, escape, marked

TEXT = st.text(alphabet="ab_1 \n\t()<>&\"'é", max_size=40)


def without_tags(page: str) -> str:
    return re.sub(r"</?(?:del|ins)>", "", page)


@given(TEXT, TEXT)
def test_the_pieces_spell_both_programs(reference, prediction):
    pieces = diff(reference, prediction)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == reference
    assert "".join(piece.text for piece in pieces if piece.kind != "missing") == prediction


@given(TEXT)
def test_equal_programs_have_no_marks(text):
    assert marked(diff(text, text), "missing") == marked(diff(text, text), "added") == escape(text)


@given(TEXT, TEXT)
def test_marks_neither_lose_nor_change_visible_text(reference, prediction):
    pieces = diff(reference, prediction)
    for kind, text in (("missing", reference), ("added", prediction)):
        page = marked(pieces, kind)
        assert re.sub(r"[\s·→↵]", "", without_tags(page)) == re.sub(r"\s", "", escape(text))
        assert "<del></del>" not in page and "<ins></ins>" not in page


def test_whole_tokens_are_compared():
    pieces = diff("total = count(xs)", "total = counted(xs)")
    assert Piece("count", "missing") in pieces
    assert Piece("counted", "added") in pieces


def test_missing_is_del_and_added_is_ins():
    pieces = diff("return a + 1", "return b + 1")
    assert marked(pieces, "missing") == "return <del>a</del> + 1"
    assert marked(pieces, "added") == "return <ins>b</ins> + 1"


def test_a_blank_between_two_changes_belongs_to_them():
    assert marked(diff("x = not ready", "x = yes sir"), "missing") == "x = <del>not ready</del>"


def test_a_lost_blank_or_line_end_can_be_seen():
    assert marked(diff("a b", "ab"), "missing").count("<del>") == 1
    assert "<del>·</del>" in marked(diff("f( x)", "f(x)"), "missing")
    assert "↵" in marked(diff("a\n)", "a)"), "missing")


def test_indentation_stays_outside_the_marks():
    assert marked(diff("if a:\n    b\n    c", "if a:"), "missing") == "if a:\n    <del>b</del>\n    <del>c</del>"


def test_markup_in_programs_is_text():
    pieces = diff("<script>alert(1)</script>", "<b>")
    for kind in ("missing", "added"):
        assert "<script" not in marked(pieces, kind) and "<b>" not in marked(pieces, kind)


def test_control_characters_and_lone_surrogates_are_drawn():
    text = escape("a\0b\x1b\ud800\"'")
    assert text == "a␀b␛\ufffd&quot;&#x27;"
    text.encode("utf-8")
