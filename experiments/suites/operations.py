"""How many operations does the base master to 95% in five minutes of one core? (`--seeds 1` is enough to see it.)"""

from __future__ import annotations

from experiments.laboratory.suite import Suite
from experiments.suites.base import BASE

SUITE = Suite(
    name="operations",
    title="How many operations the base masters",
    base=BASE,
    factors={"data.generated_operations": (10, 40, 60)},
)
