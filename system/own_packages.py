"""The check that `model`, `data` and the other packages are this repository's, for their names are common."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

OWN_PACKAGES = ("model", "system", "data", "training", "evaluation", "teaching", "experiments")


def refuse_foreign_packages() -> None:
    """Exit with one line naming both paths when Python finds another package of the same name first.

    It has to be called before anything else of the project is imported; it imports nothing itself.
    """
    root = Path(__file__).resolve().parent.parent
    for name in OWN_PACKAGES:
        spec = find_spec(name)
        places = [*(spec.submodule_search_locations or ()), spec.origin] if spec else []
        if places and Path(places[0]).resolve() != root / name:
            raise SystemExit(
                f"the package {name} of {root} is needed, but Python finds {places[0]} first; "
                f"run from {root} and take the other one off PYTHONPATH or uninstall it"
            )
