import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpora.held_out import duplicates
from data.example import Example
from evaluation.baselines import baseline_predictions, most_common_code, nearest_code, substitute_aligned_words
from evaluation.metrics import exact_matches

DJANGO = Path(os.environ.get("CODEGEN_DATA", "../shared/data")) / "django"
TEXTS = st.lists(st.text(alphabet="abcde .", max_size=12), min_size=1, max_size=8)


def examples(*pairs):
    return [Example(str(i), nl, code) for i, (nl, code) in enumerate(pairs)]


def cosine(one, other, documents):
    """The definition, word by word, without any index."""
    words = [Counter(text.replace(".", " . ").split()) for text in (one, other)]
    held = Counter(word for text in documents for word in set(text.replace(".", " . ").split()))
    idf = {word: math.log(len(documents) / n) for word, n in held.items()}
    vectors = [{word: math.sqrt(n) * idf[word] for word, n in count.items() if word in held} for count in words]
    product = sum(weight * vectors[1].get(word, 0) for word, weight in vectors[0].items())
    lengths = [math.sqrt(sum(weight**2 for weight in vector.values())) for vector in vectors]
    return product / (lengths[0] * lengths[1]) if all(lengths) else 0.0


def test_a_description_finds_itself():
    train = examples(("return the sum of xs", "a"), ("return the product of xs", "b"), ("sort the words", "c"))
    assert [found.code for found in nearest_code(train, [example.nl for example in train])] == ["a", "b", "c"]


def test_a_rare_word_tells_more_than_a_frequent_one_unless_all_count_alike():
    train = examples(("the sum of the", "a"), ("give the product", "b"), ("the of give", "c"), ("give of the", "d"))
    assert nearest_code(train, ["product of the numbers"])[0].code == "b"
    assert nearest_code(train, ["product of the numbers"], rare_words_first=False)[0].code == "a"


def test_among_equals_the_first_is_found():
    train = examples(("sort words", "a"), ("words sort", "b"), ("sort words", "c"), ("x", "d"))
    assert nearest_code(train, ["sort the words", "unheard", ""]) == [train[0], train[0], train[0]]


@settings(deadline=None)
@given(TEXTS, st.text(alphabet="abcde .", max_size=12))
def test_the_nearest_is_that_of_the_definition(texts, query):
    found = nearest_code(examples(*((text, "") for text in texts)), [query])[0]
    best = max(cosine(query, text, texts) for text in texts)
    assert math.isclose(cosine(query, found.nl, texts), best, abs_tol=1e-6)


def test_a_replaced_word_is_replaced_in_the_code():
    neighbour = Example("0", "call the function get_name with argument user.", "get_name ( user )")
    query = "call the function strip with argument value."
    assert substitute_aligned_words(query, neighbour) == "strip ( value )"


def test_strings_and_dotted_names_are_replaced_whole():
    code = "x = re . compile ( 'a b' , re . U )"
    neighbour = Example("0", "call re.compile with string 'a b' and re.U, substitute it for x.", code)
    query = "call os.path.join with string '%s, no' and name, substitute it for path."
    assert substitute_aligned_words(query, neighbour) == "path = os.path.join ( '%s, no' , name )"


def test_a_word_that_was_put_in_is_not_replaced_again():
    neighbour = Example("0", "put the x into the y of it", "y [ x ]")
    assert substitute_aligned_words("put the y into the z of it", neighbour) == "z [ y ]"


def test_a_part_of_a_name_is_not_a_word():
    neighbour = Example("0", "return x", "return x + max ( x )")
    assert substitute_aligned_words("return y", neighbour) == "return y + max ( y )"


@settings(deadline=None)
@given(st.text(alphabet="ab'. (", max_size=15), st.text(alphabet="ab'. (", max_size=15))
def test_the_same_description_leaves_the_code_alone(nl, code):
    assert substitute_aligned_words(nl, Example("0", nl, code)) == code


def test_the_most_common_code_is_counted():
    assert most_common_code(examples(("a", "x"), ("b", "y"), ("c", "y"), ("d", "x"), ("e", "z"))) == "x"


def test_every_baseline_predicts_for_every_query():
    train = examples(("return a", "return a"), ("break", "break"), ("break now", "break"))
    assert baseline_predictions(train, ["return b", "break"]) == {
        "most common code": ["break", "break"],
        "nearest description": ["return a", "break"],
        "nearest, words substituted": ["return b", "break"],
    }


def test_nothing_can_be_found_in_nothing():
    with pytest.raises(ValueError, match="no training examples"):
        nearest_code([], ["a"])
    with pytest.raises(ValueError, match="no training examples"):
        most_common_code([])


@pytest.mark.skipif(not DJANGO.exists(), reason="no published corpora here (set CODEGEN_DATA)")
def test_what_retrieval_reaches_on_django():
    columns = [(DJANGO / name).read_text(encoding="utf-8").split("\n")[:17000] for name in ("all.anno", "all.code")]
    pairs = examples(*((nl.strip(), code.strip()) for nl, code in zip(*columns, strict=True)))
    train, dev = pairs[:16000], pairs[16000:]
    known = duplicates(train, dev)
    new = np.array([example.id not in known for example in dev])
    predictions = baseline_predictions(train, [example.nl for example in dev])
    exact = {name: exact_matches(dev, codes) for name, codes in predictions.items()}
    assert len(known) == 192
    assert 0.20 < exact["nearest description"].mean() < 0.22
    assert 0.50 < exact["nearest, words substituted"].mean() < 0.54
    assert 0.38 < exact["nearest, words substituted"][new].mean() < 0.42
