"""Tiny networks of every preset, in float64 and with every parameter moved away from its tidy start."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from model.config import PRESETS, preset
from model.decoding import SpecialIds, beam_search, greedy
from model.fast import make_network
from model.transformer import Transformer

VARIANTS = {
    **{name: (name, {}) for name in PRESETS},
    "modern, ALiBi": ("modern", {"positions": "alibi"}),
    "modern, no positions": ("modern", {"positions": "none"}),
    "modern, copy head": ("modern", {"copy_head": True}),
    "modern, narrow heads": ("modern", {"d_kv": 6}),
    "bart, offset, bias of the logits": ("bart", {"position_offset": 2, "logits_bias": True}),
    "vaswani2017, norms at the end, sines first": (
        "vaswani2017", {"final_norm": True, "sinusoid_layout": "halves", "feed_forward": "swish"},
    ),
    "modern, readable": ("modern", {"speed": "readable"}),
    "t5, readable, copy head": ("t5", {"speed": "readable", "copy_head": True}),
}
TINY = {"vocab_size": 19, "d_model": 16, "n_heads": 2, "d_ff": 24, "n_encoder_layers": 2, "n_decoder_layers": 2,
        "max_length": 32, "relative_buckets": 8, "relative_max_distance": 12}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small lose more to a second thread than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["oneDNN's layout", "rows as they are"])
def laid_out(request, monkeypatch) -> bool:
    """A torch with oneDNN, which lays weights out, and one without, whatever this one is."""
    has_it = request.param == "oneDNN's layout"
    if has_it and not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN")
    monkeypatch.setattr("model.packed_weights.has_onednn", lambda: has_it)
    return has_it


def make_tiny(name: str, **changes: object) -> Transformer:
    torch.manual_seed(1)
    model = make_network(preset(name, **{**TINY, **changes}), pad_id=0).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases, gains, the gate and the padding's embedding among them
            parameter += 0.3 * torch.randn_like(parameter)
    return model


@pytest.fixture(params=VARIANTS)
def model(request) -> Transformer:
    """A tiny network of each preset and of the variants that take another path through the code."""
    name, changes = VARIANTS[request.param]
    return make_tiny(name, **changes)


@pytest.fixture
def tiny():
    """The maker of tiny networks: `tiny(preset, **changes)`."""
    return make_tiny


@pytest.fixture
def special() -> SpecialIds:
    return SpecialIds(pad_id=0, end_id=1, decoder_start_id=3)


@dataclass
class Example:
    source: Tensor  # (4, 8)
    source_mask: Tensor  # (4, 8), lengths 8, 5, 2, 1
    decoder_input: Tensor  # (4, 6)

    @property
    def real_sources(self) -> list[Tensor]:
        """The sources without their padding."""
        return [source[mask] for source, mask in zip(self.source, self.source_mask, strict=True)]


@pytest.fixture
def example() -> Example:
    """Sources of different lengths, padded with 0, and decoder inputs."""
    generator = torch.Generator().manual_seed(2)
    source = torch.randint(1, 19, (4, 8), generator=generator)
    source_mask = torch.arange(8) < torch.tensor([8, 5, 2, 1])[:, None]
    decoder_input = torch.randint(1, 19, (4, 6), generator=generator)
    return Example(source.masked_fill(~source_mask, 0), source_mask, decoder_input)


@pytest.fixture
def decoding(tiny, example, special):
    """A fast network, its sources, and what it decodes."""
    model = tiny("modern").float()

    def outputs(model: Transformer) -> list:
        inputs = example.source, example.source_mask, special, 6
        (one,) = greedy(model, example.source[:1], example.source_mask[:1], special, 6)  # a step of one row
        searched = [[h.ids for h in hypotheses] for hypotheses in beam_search(model, *inputs, beam=3, n_best=3)]
        return [greedy(model, *inputs), one, searched]

    def fresh(model: Transformer) -> Transformer:
        """A network that has never decoded, with the same weights."""
        other = make_network(model.config, model.pad_id).eval()
        other.load_state_dict(model.state_dict())
        return other

    return SimpleNamespace(model=model, example=example, outputs=outputs, fresh=fresh)
