"""docs/the_math.md keeps what it promises: its checks hold, its links lead somewhere, its tables are the programs'."""

import re
from pathlib import Path

import pytest
import torch

PAGE = (Path(__file__).parent.parent / "docs" / "the_math.md").read_text(encoding="utf-8")
MISCONCEPTIONS = PAGE[PAGE.index("## 22 ") :]
CODE = [re.sub(r"(?m)^ {3,4}", "", code) for code in re.findall(r"```python\n(.*?)```", MISCONCEPTIONS, re.DOTALL)]


@pytest.fixture(scope="module")
def namespace():
    """What the set-up block defines; the checks go on from there, one after the other, as a reader would type them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    names: dict[str, object] = {}
    exec(CODE[0], names)
    yield names
    torch.set_num_threads(before)


@pytest.mark.parametrize("number", range(1, len(CODE)))
def test_every_misconception_is_refuted_by_its_check(number, namespace):
    assert "assert " in CODE[number]
    exec(CODE[number], namespace)


def test_every_misconception_has_a_check():
    listed = re.findall(r"(?m)^(\d+)\. \*\"", MISCONCEPTIONS)
    assert [int(number) for number in listed] == list(range(1, len(CODE)))
    assert len(listed) >= 24


def test_the_contents_lead_to_the_sections():
    headings = re.findall(r"(?m)^##? (.+)$", PAGE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]+)\)", PAGE)
    assert len(links) > 20 and set(links) <= anchors


def test_every_equation_of_the_chapter_is_derived_forward_and_backward():
    forward, backward = PAGE[: PAGE.index("# Backward")], PAGE[PAGE.index("# Backward") :]
    for part in (forward, backward):
        assert all(f"({number})" in part or f"equation ({number})" in part for number in (3, 4))
    assert all(f"equation ({number})" in forward for number in range(1, 7))
    for section in re.split(r"(?m)^## ", PAGE)[3:20]:
        assert re.search(r"`[\w/]+\.py: \w+`", section), section.splitlines()[0]
