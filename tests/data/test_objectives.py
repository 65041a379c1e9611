"""Random choices about an example depend on the seed, the epoch and its id, and on nothing else."""

import hashlib
import os
import subprocess
import sys

import numpy
import pytest

from data.objectives import example_generator


def test_seed_epoch_and_id_decide_the_draws():
    draws = {
        (seed, epoch, name): tuple(example_generator(seed, epoch, name).integers(0, 2**40, 3).tolist())
        for seed in (0, 1) for epoch in (0, 1, 11) for name in ("a", "b", "1/a", "")
    }
    assert len(set(draws.values())) == len(draws)
    assert all(tuple(example_generator(*key).integers(0, 2**40, 3).tolist()) == draw for key, draw in draws.items())


def test_another_process_with_another_hash_seed_draws_the_same():
    program = "from data.objectives import example_generator; print(example_generator(3, 2, 'a/17').integers(2**60))"
    env = {**os.environ, "PYTHONHASHSEED": "99", "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
    assert int(done.stdout) == example_generator(3, 2, "a/17").integers(2**60)


def test_draws_of_many_examples_look_uniform():
    draws = [example_generator(0, 0, str(i)).random() for i in range(4000)]
    assert abs(sum(draws) / len(draws) - 0.5) < 0.02
    assert abs(sum(draw < 0.1 for draw in draws) / len(draws) - 0.1) < 0.02


@pytest.mark.parametrize("name", ["", "a/17", "é 漢字", "\ud800"])
def test_it_is_philox_with_the_hash_as_its_key(name):
    text = f"3/2/{name}".encode("utf-8", errors="surrogatepass")
    key = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
    expected, drawn = numpy.random.Generator(numpy.random.Philox(key=key)), example_generator(3, 2, name)
    for generator in (expected, drawn):
        generator.random(7)
    assert drawn.integers(0, 2**62, 50).tolist() == expected.integers(0, 2**62, 50).tolist()
    assert drawn.permutation(99).tolist() == expected.permutation(99).tolist()
