"""A tokenizer from the cache is the one that would be learned, or it is learned."""

import pytest
import sentencepiece

import data.tokenizers.learned
from data.tokenizers.learned import learned_tokenizer
from data.tokenizers.tokenizer import train_tokenizer
from system.errors import UserError

TEXTS = ["call the method with an argument x", "return method ( x )", "é 漢字\n\tif x is None :"] * 5
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def learned(monkeypatch):
    """The vocabulary's size of every tokenizer that is learned."""
    sizes = []

    def learn(texts, vocab_size):
        sizes.append(vocab_size)
        return train_tokenizer(texts, vocab_size)

    monkeypatch.setattr(data.tokenizers.learned, "train_tokenizer", learn)
    return sizes


def test_the_remembered_tokenizer_has_the_bytes_of_the_learned_one(learned):
    model = train_tokenizer(TEXTS, 400).model
    assert [learned_tokenizer(texts, 400).model for texts in (TEXTS, iter(TEXTS), tuple(TEXTS))] == [model] * 3
    assert learned == [400]


@pytest.mark.parametrize(("texts", "vocab_size"), [
    ([*TEXTS, "more"], 400), ([*TEXTS[:-1], TEXTS[-1] + " "], 400), (["".join(TEXTS)], 400), (TEXTS, 401),
])  # fmt: skip
def test_other_texts_and_another_size_are_learned_for_themselves(learned, texts, vocab_size):
    learned_tokenizer(TEXTS, 400)
    assert learned_tokenizer(texts, vocab_size).model == train_tokenizer(texts, vocab_size).model
    assert learned == [400, vocab_size]


def test_another_sentencepiece_or_a_changed_source_learns_anew(learned, tmp_path, monkeypatch):
    learned_tokenizer(TEXTS, 400)
    with monkeypatch.context() as patch:
        patch.setattr(sentencepiece, "__version__", "99.0")
        learned_tokenizer(TEXTS, 400)
    assert len(learned) == 2
    changed = tmp_path / "tokenizer.py"
    changed.write_text(data.tokenizers.learned.LEARNER.read_text() + "\n")
    monkeypatch.setattr(data.tokenizers.learned, "LEARNER", changed)
    learned_tokenizer(TEXTS, 400)
    assert len(learned) == 3


def test_a_damaged_tokenizer_is_learned_again(learned, cache, capsys):
    model = learned_tokenizer(TEXTS, 400).model
    (file,) = cache.rglob("*.json.gz")
    file.write_bytes(file.read_bytes()[:-5])
    assert learned_tokenizer(TEXTS, 400).model == model and len(learned) == 2
    assert "made again" in capsys.readouterr().err


@pytest.mark.parametrize(("texts", "vocab_size"), [(TEXTS, 300), ([], 400), (["a \udc80 b"], 400)])
def test_what_cannot_be_learned_is_refused_every_time(cache, texts, vocab_size):
    for _ in range(2):
        with pytest.raises(UserError):
            learned_tokenizer(texts, vocab_size)
    assert not cache.exists()
