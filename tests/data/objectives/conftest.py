"""A tokenizer and examples that the tests of the objectives share."""

import random

import pytest

from data.example import Example
from data.tokenizers.tokenizer import train_tokenizer

WORDS = "alpha beta gamma delta load save open_file read_line count total value name index key path node".split()


@pytest.fixture(scope="session")
def tokenizer():
    """Knows the words above, and has several hundred pieces to draw at random."""
    lines = [" ".join(random.Random(i).choices(WORDS, k=12)) for i in range(60)]
    return train_tokenizer([*lines, *(line.replace(" ", " . ") for line in lines)], 500)


@pytest.fixture(scope="session")
def long_examples(tokenizer):
    """Unlabelled texts of 128 to 300 tokens, 100,000 tokens in all."""
    examples, tokens = [], 0
    while tokens < 100_000:
        draw = random.Random(len(examples))
        code = " ".join(draw.choices(WORDS, k=draw.randint(128, 300)))
        tokens += len(tokenizer.encode(code))
        examples.append(Example(f"long/{len(examples)}", None, code))
    return examples


@pytest.fixture(scope="session")
def short_examples():
    """Pairs of 1 to 12 words a side."""
    return [
        Example(
            f"short/{i}",
            " ".join(random.Random(i).choices(WORDS, k=i % 12 + 1)),
            " . ".join(random.Random(-i).choices(WORDS, k=i % 5 + 1)),
        )
        for i in range(300)
    ]
