"""Figures and machines in words."""

import pytest

from experiments.record.cells import machine_in_words


@pytest.mark.parametrize(("recorded", "said"), [
    ("2 cores, AMD EPYC", "2 cores of an AMD EPYC, vector width not recorded"),
    ("2 cores, AMD EPYC, AVX2", "2 cores of an AMD EPYC, 256-bit vectors"),
    ("2 cores, Intel(R) Xeon(R) Processor, AVX512", "2 cores of an Intel Xeon, 512-bit vectors"),
    ("2 cores, Toy", "2 cores, Toy"),
    ("not recorded", "not recorded"),
])  # fmt: skip
def test_a_machine_is_named_by_cores_family_and_vector_width(recorded, said):
    assert machine_in_words(recorded) == said
