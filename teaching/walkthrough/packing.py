"""Arrays as text inside a page: float16, each divided by its largest value, deflated, base64.

The low bytes of all numbers come first and the high bytes after them: signs and exponents repeat, so they compress.
Dividing by the largest value keeps small gradients, for float16 loses digits below 6e-5 and everything below 6e-8.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from torch import Tensor


def pack(tensor: Tensor) -> dict[str, Any]:
    """{"shape", "limit", "data"}: the numbers are float16(data) * limit, with limit the largest absolute value."""
    values = tensor.detach().cpu().double().numpy()
    limit = float(np.abs(values).max(initial=0.0))
    halves = (values / (limit or 1.0)).astype("<f2").reshape(-1)
    planes = halves.view(np.uint8).reshape(-1, 2).T.tobytes()
    return {
        "shape": list(values.shape), "limit": limit, "data": base64.b64encode(zlib.compress(planes, 9)).decode("ascii")
    }


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """Unpack an array, as the page's own decoder does."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8).reshape(2, -1)
    halves = np.ascontiguousarray(planes.T).view("<f2").reshape(packed["shape"])
    return halves.astype(np.float64) * packed["limit"]
