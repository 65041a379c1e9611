"""Files of weights that strangers made: what is no plain table of finite numbers is refused in one line."""

import io
import os
import pickle
import zipfile

import pytest
import safetensors.torch
import torch

from system.errors import UserError
from training.pretrained import read_weights

WEIGHT = {"shared.weight": torch.arange(6.0).view(2, 3)}


class Call:
    """What runs a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def saved(value, **settings):
    content = io.BytesIO()
    torch.save(value, content, **settings)
    return content.getvalue()


def packed(content):
    """A torch file as a compressed zip, whose entries may be far larger than the file."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in whole.infolist():
            archive.writestr(entry.filename, whole.read(entry))
    return out.getvalue()


SPARSE = torch.sparse_coo_tensor([[0], [0]], [1.0], (10**6, 10**5), check_invariants=False)
OTHERS = {
    "a call": (saved({"x": Call(os.system, "true")}), "it could run code"),
    "a call in the old format": (saved({"x": Call(os.system, "true")}, _use_new_zipfile_serialization=False), "code"),
    "a plain pickle": (pickle.dumps(Call(os.system, "true")), "pytorch_model.bin"),
    "numbers for names": (saved({1: torch.zeros(2)}), "more than names and tensors"),
    "a list": (saved([torch.zeros(2)]), "more than names and tensors"),
    "no tensors": (saved({"x": [1, 2]}), "more than names and tensors"),
    "text": (b"hello", "is missing or damaged"), "nothing": (b"", "is missing or damaged"),
    "cut": (saved(WEIGHT)[:300], "is missing or damaged"), "a compressed zip": (packed(saved(WEIGHT)), "compressed"),
    "whole numbers": (saved({"w": torch.zeros(3, dtype=torch.int8)}), "w is int8; fetch"),
    "complex numbers": (saved({"w": torch.zeros(3, dtype=torch.complex64)}), "w is complex64; fetch"),
    "eight bits": (saved({"w": torch.zeros(3).to(torch.float8_e4m3fn)}), "w is float8_e4m3fn; fetch"),
    "sparse": (saved({"w": SPARSE}), "w is float32, sparse; fetch"),
    "NaN": (saved({"w": torch.tensor([1.0, float("nan")])}), "w holds numbers that are NaN or infinite"),
    "infinite": (saved({"w": torch.tensor([1.0, float("-inf")])}), "w holds numbers that are NaN or infinite"),
    "without numbers": (saved({"w": torch.zeros(3, 3, device="meta")}), ""),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(("content", "said"), OTHERS.values(), ids=OTHERS)
def test_what_is_no_table_of_finite_numbers_is_refused(tmp_path, content, said):
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(UserError) as error:
        read_weights(tmp_path)
    assert said in str(error.value) and "pytorch_model.bin" in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("new", [True, False])
def test_weights_of_all_precisions_are_read_from_both_formats_of_torch(tmp_path, dtype, new):
    weight = {"shared.weight": WEIGHT["shared.weight"].to(dtype)}
    (tmp_path / "pytorch_model.bin").write_bytes(saved(weight, _use_new_zipfile_serialization=new))
    assert read_weights(tmp_path)["shared.weight"].equal(weight["shared.weight"])


@pytest.mark.parametrize("value", [torch.zeros(3, dtype=torch.int64), torch.tensor([float("inf")])])
def test_safetensors_are_looked_at_too(tmp_path, value):
    safetensors.torch.save_file({"w": value}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="model.safetensors: w "):
        read_weights(tmp_path)
