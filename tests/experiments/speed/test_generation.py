"""Every library decodes the same tokens from the same weights: they do the same work."""

import importlib.util

import pytest

from experiments.speed.generation import GENERATORS, NEW_TOKENS

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason='pip install -e ".[bench]"'
)


@pytest.fixture(scope="module")
def ours():
    return GENERATORS["ours"]()


@needs_transformers
@pytest.mark.parametrize("name", ["ours, readable", "Hugging Face", "CTranslate2"])
def test_the_same_tokens_as_the_others(ours, name):
    if name == "CTranslate2" and importlib.util.find_spec("ctranslate2") is None:
        pytest.skip('ctranslate2 is not installed (pip install -e ".[bench]")')
    theirs = GENERATORS[name]()
    for batch, beams in ((2, 1), (1, 4)):
        tokens = ours.generate(batch, beams)
        assert tokens == theirs.generate(batch, beams)
        assert [len(row) for row in tokens] == batch * [NEW_TOKENS]
