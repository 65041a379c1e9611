"""A tokenizer from the cache is the one that would be learned, or it is learned."""

import pytest
import sentencepiece

import data.tokenizers.learned
from data.tokenizers.learned import learned_tokenizer, thinned
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


@pytest.mark.parametrize(("lengths", "most", "left"), [
    ([3, 5, 7], 15, [3, 5, 7]), ([3, 5, 7], 14, [3, 5, 6]), ([10, 10, 10], 15, [5, 5, 5]), ([100, 1], 11, [10, 1]),
    ([0, 9, 9], 1, [0, 0, 0]), ([], 0, []), ([6, 100, 2, 50], 28, [6, 10, 2, 10]),
])  # fmt: skip
def test_the_longest_texts_are_thinned_and_the_others_stay(lengths, most, left):
    texts = [chr(97 + number) * length for number, length in enumerate(lengths)]
    assert [len(text) for text in thinned(texts, most)] == left
    assert all(thin == text for thin, text in zip(thinned(texts, most), texts, strict=True) if len(thin) == len(text))


def test_a_thinned_text_has_parts_of_its_beginning_middle_and_end():
    text = "".join(f"{number:9}\n" for number in range(10_000))
    (thin,) = thinned([text], 10_000)
    assert 9_000 <= len(thin) <= 10_100
    numbers = [int(word) for word in thin.split()]
    assert {number // 1000 for number in numbers} == {*range(10)}


def test_the_count_of_letters_decides_how_much_is_learned_from(learned, monkeypatch):
    monkeypatch.setattr(data.tokenizers.learned, "MOST_LETTERS", 600)
    few, many = ["return method ( x )"] * 20, ["return method ( x )" * 50] * 20
    assert learned_tokenizer(few, 400).model == train_tokenizer(few, 400).model
    assert learned_tokenizer(many, 400).model == train_tokenizer(thinned(many, 600), 400).model


def test_every_byte_has_a_piece_beyond_the_letters_at_which_their_share_rounds_to_one():
    """2^26 letters of ordinary ASCII: the bytes that never occur are required all the same."""
    line = "a_name_that_is_long_so_that_few_words_need_counting_" * 4 + " = x\n"
    tokenizer = train_tokenizer([line * 1000] * (2**26 // len(line) // 1000 + 1), 500)
    rare = "".join(map(chr, range(256))) + "▕ 漢字 \U0010ffff"
    assert tokenizer.decode(tokenizer.encode(rare)) == rare and tokenizer.unk_id not in tokenizer.encode(rare)
