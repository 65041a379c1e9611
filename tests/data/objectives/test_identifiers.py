"""All occurrences of a name share one sentinel; tags tell names from the rest (Wang et al. 2021, CodeT5)."""

import ast
import json
import keyword
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.code.identifiers import find_identifiers
from data.example import IGNORE, Example
from data.objectives import example_generator
from data.objectives.identifiers import identifier_tagging, masked_identifier_prediction

CODE = '''def load(path, mode="open_file"):
    """Read count lines."""
    total = [line for line in open(path, mode) if line]  # count total
    return json.dumps(total, indent=4), path.name, 0xFF, 1e5
'''


def masked(example, tokenizer):
    return masked_identifier_prediction(example, tokenizer, example_generator(0, 0, example.id))


def tagged(example, tokenizer):
    return identifier_tagging(example, tokenizer, example_generator(0, 0, example.id))


def rebuilt(item, tokenizer):
    """The text of a source with each sentinel replaced by what the target says."""
    names, current = {}, None
    for token in item.target[:-1]:
        if token in tokenizer.sentinel_ids:
            current = names[token] = []
        else:
            current.append(token)
    return tokenizer.decode(part for token in item.source for part in names.get(token, [token]))


def names_by_ast(node):
    """Every name that Python's grammar knows: of functions, parameters, variables, attributes; not in f-strings."""
    fields = (getattr(node, field, None) for field in ("id", "attr", "arg", "name"))
    names = {name for name in fields if isinstance(name, str)}
    inner = [] if isinstance(node, ast.JoinedStr) else ast.iter_child_nodes(node)
    return {part for name in names for part in name.split(".")}.union(*map(names_by_ast, inner)) - {"*"}


def test_identifiers_are_what_the_grammar_calls_names():
    assert {name for *_, name in find_identifiers(CODE)} == names_by_ast(ast.parse(CODE))


@pytest.mark.parametrize("module", [json, random, keyword, ast])
def test_in_the_standard_library_too(module):
    with open(module.__file__, encoding="utf-8") as file:
        code = file.read()
    names = {name for *_, name in find_identifiers(code)}
    assert names_by_ast(ast.parse(code)) <= names and not any(map(keyword.iskeyword, names))


def test_each_place_is_that_of_its_name():
    assert all(CODE[start:end] == name for start, end, name in find_identifiers(CODE))
    assert len({start for start, *_ in find_identifiers(CODE)}) == len(find_identifiers(CODE))


@given(st.text(alphabet="ab_ \n\t()[]'\"#\\:=.é0", max_size=60))
def test_any_fragment_is_read_as_far_as_it_goes(code):
    assert all(code[start:end] == name for start, end, name in find_identifiers(code))


def test_a_fragment_that_breaks_off_keeps_what_stands_before():
    assert [name for *_, name in find_identifiers("total = load(path,\n")] == ["total", "load", "path"]
    assert [name for *_, name in find_identifiers("    count = 1\n  value = 2\nindex = 3")][:1] == ["count"]


def test_the_code_can_be_rebuilt_from_source_and_target(tokenizer):
    item = masked(Example("x", None, CODE), tokenizer)
    assert rebuilt(item, tokenizer) == CODE and item.kind == "seq2seq"


def test_one_name_has_one_sentinel_in_the_order_of_first_occurrence(tokenizer):
    item = masked(Example("x", None, CODE), tokenizer)
    first = list(dict.fromkeys(name for *_, name in find_identifiers(CODE)))
    sentinels = [token for token in item.target if token in tokenizer.sentinel_ids]
    assert sentinels == list(tokenizer.sentinel_ids[: len(first)])
    said = [tokenizer.decode(tokenizer.encode(name)) for name in first]
    assert tokenizer.decode(item.target) == " ".join(said)
    counts = [sum(token == sentinel for token in item.source) for sentinel in sentinels]
    assert counts == [sum(name == other for *_, other in find_identifiers(CODE)) for name in first]


def test_no_name_is_left_but_in_strings_and_comments(tokenizer):
    item = masked(Example("x", None, CODE), tokenizer)
    left = tokenizer.decode(item.source)
    assert "path" not in left and "dumps" not in left
    assert '"open_file"' in left and "# count total" in left and "return" in left


def test_with_more_names_than_sentinels_the_last_ones_stay(tokenizer):
    code = "\n".join(f"name_{n} = value" for n in range(130))
    item = masked(Example("x", None, code), tokenizer)
    assert rebuilt(item, tokenizer) == code
    assert {*item.source} & {*tokenizer.sentinel_ids} == {*tokenizer.sentinel_ids}
    assert tokenizer.decode(item.source).count("name") == 31  # 99 names and `value` have one


def test_a_described_function_is_read_behind_its_description(tokenizer):
    example = Example("x", "load the total", CODE)
    item = masked(example, tokenizer)
    front = [*tokenizer.encode("load the total"), tokenizer.end_id]
    assert item.source[: len(front)] == front
    labels = tagged(example, tokenizer).labels
    assert labels[: len(front)] == [IGNORE] * len(front) and IGNORE not in labels[len(front) : -1]


@pytest.mark.parametrize("example", [
    Example("x", None, "Some text about load.", "text"), Example("x", "list files", "ls -l", "bash"),
])
def test_other_languages_have_none(tokenizer, example):
    assert masked(example, tokenizer) is None and tagged(example, tokenizer) is None


def test_code_without_a_name_has_nothing_to_predict_and_tags_of_nothing(tokenizer):
    assert masked(Example("x", None, "return 1 + 2"), tokenizer) is None
    assert set(tagged(Example("x", None, "return 1 + 2"), tokenizer).labels[:-1]) == {0}


def test_tags_mark_the_pieces_of_names(tokenizer):
    item = tagged(Example("x", None, CODE), tokenizer)
    assert item.kind == "tag" and item.source == tokenizer.frame(tokenizer.encode(CODE))
    marked = [token for token, label in zip(item.source, item.labels, strict=True) if label == 1]
    names = [name for *_, name in find_identifiers(CODE)]
    assert tokenizer.decode(marked) == " ".join(names)
    assert item.labels[-1] == IGNORE
