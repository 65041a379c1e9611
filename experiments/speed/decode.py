"""Rows of decoding: greedy and beam 4, batches of 32 and of one, against CTranslate2 and Hugging Face's `generate`."""

from __future__ import annotations

from typing import Any

from experiments.speed.rows import Row, row_of_turns
from experiments.speed.train import installed_peers
from experiments.speed.turns import Job, take_turns

DECODING_PACKAGES = {"Hugging Face": "transformers", "CTranslate2": "ctranslate2", "CTranslate2, int8": "ctranslate2"}
BATCHES, BEAMS = (32, 1), (1, 4)


def measure_decoding(settings: Any) -> list[Row]:
    """All four kinds against every peer that is there. transformers makes the weights, so without it there is none."""
    names = installed_peers(DECODING_PACKAGES)
    if "Hugging Face" not in names:
        return []

    jobs = [
        Job(name, "decode", {"first": {"batch": 32, "beams": 4, "repeats": 1}})
        for name in ("ours", "ours, readable", *names)
    ]
    requests = {
        f"{'greedy' if beams == 1 else f'beam {beams}'}, batch {batch}": {
            "batch": batch, "beams": beams, "repeats": settings.repeats if batch == 1 else 1
        }
        for batch in BATCHES
        for beams in BEAMS
    }

    found = take_turns(jobs, requests, settings.rounds, settings.threads, settings.gemm_size)
    rows = []
    for name, (ours, *peers) in found.items():
        for against in peers:
            if against.job.name in ("CTranslate2", "Hugging Face"):
                rows.append(row_of_turns(f"{name}, against {against.job.name}", ours, peers, against))
    return rows
