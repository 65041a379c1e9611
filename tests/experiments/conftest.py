"""What the tests of recorded lines share."""

from typing import Any

import pytest


@pytest.fixture
def run_line_fields() -> dict[str, Any]:
    """Every field that a run's line must have; a test puts its own on top."""
    return {
        "suite": "toy", "row": "base", "command": "x", "seed": 1, "threads": 1, "machine": "2 cores", "versions": {},
        "config": {}, "config_hash": "c", "code_hash": "c", "data_hash": "d", "budget": {}, "scores": {},
    }  # fmt: skip
