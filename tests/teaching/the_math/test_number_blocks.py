import numpy as np
import pytest

from teaching.the_math.number_blocks import Matrix, block, fill, read, show

TWO_HEADS = Matrix(np.arange(12).reshape(2, 3, 2) / 7 - 0.5, ("show", "x 1", "."), "keys: a b")
HALVES = Matrix(np.array([[0.5, -1.0], [0.0, 2.0], [-0.0, 1.0]]), ("show", "x 1", "."))
OTHER = Matrix(np.array([[1 / 3]]), ("mean",))
ALL = {"enc.S": TWO_HEADS, "W": HALVES, "L": OTHER}


def test_what_was_written_is_read_back_to_half_a_digit():
    page = "# Page\n<!-- numbers: enc.S, W, L -->\n<!-- end of numbers -->\ntext\n"
    filled = fill(page, ALL)
    found = read(filled)
    assert list(found) == ["enc.S", "W", "L"]
    for name, shown in ALL.items():
        assert found[name].shape == shown.values.shape
        np.testing.assert_allclose(found[name], shown.values, atol=0.5e-4)
    assert fill(filled, ALL) == filled and filled.endswith("text\n")


def test_matrices_with_the_same_rows_stand_side_by_side():
    lines = block(ALL).splitlines()
    assert "enc.S" in lines[0] and "‖ W" in lines[0] and len({line.index("‖") for line in lines[:4]}) == 1
    assert lines[4] == "" and lines[5].strip() == "L"


def test_zero_has_no_sign():
    assert "-0.0" not in block({"W": HALVES})


def test_blocks_of_another_program_are_left_alone():
    page = "<!-- numbers: other -->\nkept\n<!-- end of numbers -->"
    assert fill(page, ALL) == page


def test_a_block_whose_title_was_edited_is_noticed():
    page = fill("<!-- numbers: L -->\n<!-- end of numbers -->", ALL).replace(" L\n", " M\n")
    with pytest.raises(ValueError, match="stand where"):
        read(page)


def test_show_writes_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- numbers: L -->\n<!-- end of numbers -->\n", encoding="utf-8")
    show([], ALL, write=True, page=page)
    assert "mean    0.3333" in page.read_text(encoding="utf-8")
