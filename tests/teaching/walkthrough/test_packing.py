import numpy as np
import pytest
import torch

from teaching.walkthrough.packing import pack, unpack


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e6])
def test_numbers_of_any_size_keep_three_digits(scale):
    torch.manual_seed(0)
    values = scale * torch.randn(3, 5, 7, dtype=torch.float64)
    assert np.allclose(unpack(pack(values)), values.numpy(), rtol=2**-11, atol=1e-7 * scale)
    assert pack(values)["limit"] == float(values.abs().max())


def test_zeros_and_empty_shapes_survive():
    assert (unpack(pack(torch.zeros(2, 3))) == np.zeros((2, 3))).all()
    assert unpack(pack(torch.zeros(0, 3))).shape == (0, 3)
