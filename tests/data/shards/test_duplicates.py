"""Copies and near copies go, the first stays, and what merely looks alike stays too."""

import hashlib

import numpy
import pytest

from data.shards import duplicates
from data.shards.duplicates import N_BANDS, N_VALUES, find_duplicates
from data.shards.signatures import Signer, bands, shingles, word_hash
from data.shards.store import ShardedExamples


def test_signatures_agree_as_often_as_texts_have_words_in_common():
    signer = Signer()
    words = [f"word{n}" for n in range(400)]
    whole = signer.sign(" ".join(words))
    for cut in (40, 120, 240):
        part = signer.sign(" ".join(words[cut:]))
        runs = {tuple(words[k : k + 5]) for k in range(396)}, {tuple(words[k : k + 5]) for k in range(cut, 396)}
        jaccard = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
        assert abs((whole == part).mean() - jaccard) < 0.12


def test_short_texts_have_no_signature_and_no_band_in_common():
    assert Signer().sign("one two three") is None
    assert bands(None, 17) == [17] * N_BANDS


def test_shingles_are_the_same_in_every_process():
    digest = hashlib.blake2b(b"alpha", digest_size=8).digest()
    assert word_hash("alpha") == int.from_bytes(digest, "little")
    assert len(shingles(["a", "b", "c", "d", "e", "a", "b", "c", "d", "e"])) == 5
    assert len(shingles(["a"] * 50)) == 1


def write_unit(place, keys, signatures):
    table = numpy.array(keys, "<u8").reshape(-1, 1 + N_BANDS).T
    place.with_suffix(".keys").write_bytes(numpy.ascontiguousarray(table).tobytes())
    place.with_suffix(".signatures").write_bytes(numpy.array(signatures, "<u4").tobytes())


@pytest.mark.parametrize("most", [2, 10, 10_000])
def test_however_little_memory_there_is_the_same_examples_stay(tmp_path, monkeypatch, most):
    """Against all pairs compared outright."""
    monkeypatch.setattr(duplicates, "MOST", most)
    draw = numpy.random.default_rng(0)
    n = 60
    exact = draw.integers(0, 2**63, n, dtype=numpy.uint64)
    exact[10] = exact[3]
    exact[40] = exact[3]
    signatures = draw.integers(0, 2**32, (n, N_VALUES), dtype=numpy.uint64).astype(numpy.uint32)
    for copy, of, changed in ((20, 5, 16), (50, 20, 16), (55, 30, 60)):  # alike 0.875, 0.875, 0.53
        signatures[copy] = signatures[of]
        signatures[copy, :changed] = draw.integers(0, 2**32, changed)
    keys = [[int(exact[k]), *bands(signatures[k], int(exact[k]))] for k in range(n)]
    for place, part in ((tmp_path / "a", slice(0, 25)), (tmp_path / "b", slice(25, n))):
        write_unit(place, keys[part], signatures[part])
    kept, counts = find_duplicates([tmp_path / "a", tmp_path / "b"], [25, 35])
    assert numpy.flatnonzero(~kept).tolist() == [10, 20, 40, 50]
    assert counts["exact duplicates"] == 2 and kept[55]


def test_copies_that_are_renamed_reformatted_or_nearly_the_same_come_once(folder, built, function):
    original = function(5)
    name = original.partition("(")[0].removeprefix("def ")  # it calls itself by it
    renamed = original.replace("_0", "_first").replace(name, "another_name")
    (folder / "a_copy.py").write_text(renamed, encoding="utf-8")
    long = "\n".join(f"    total += call_{k}(value, {k * 13}) * path_{k}" for k in range(40))
    one = f'def long_one(value):\n    """Sum up many calls."""\n    total = 0\n{long}\n    return total\n'
    two = one.replace("long_one", "long_two").replace("call_17(value, 221)", "call_17(value, 99)")
    (folder / "z_one.py").write_text(one, encoding="utf-8")
    (folder / "z_two.py").write_text(two, encoding="utf-8")
    place, card = built(folder)
    found = [*ShardedExamples(place), *ShardedExamples(place, held_out=True)]
    described = [example for example in found if example.nl is not None]
    assert sum("number 5." in example.nl for example in described) == 1
    assert [example.id for example in described if "long_" in example.id] == ["project/z_one.py:long_one"]
    assert card["left_out"]["exact duplicates"] >= 2 and card["left_out"]["near duplicates"] >= 2


def test_getters_that_differ_in_what_they_get_are_no_copies(tmp_path, built, module):
    (tmp_path / "getters").mkdir()
    getter = 'def get_{0}(self):\n    """Return the {0}."""\n    return self.{0}'
    code = "\n\n".join(getter.format(name) for name in "abcdefgh")
    (tmp_path / "getters" / "g.py").write_text(code + "\n\n" + module(3), encoding="utf-8")
    place, card = built(tmp_path / "getters")
    found = [*ShardedExamples(place), *ShardedExamples(place, held_out=True)]
    assert sum(":get_" in example.id for example in found) == 8 and card["left_out"]["near duplicates"] == 0
