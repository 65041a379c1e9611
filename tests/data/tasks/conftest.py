import pytest

from data.tasks.tasks import PROGRAM_SIZES, generate


@pytest.fixture(scope="package")
def drawn():
    """A few hundred tasks of every split."""
    return {split: list(generate(split, 600 if split == "train" else 300, seed=5)) for split in PROGRAM_SIZES}
