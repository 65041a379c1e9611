"""Tiny networks of every preset, what they write for one description, and the trace of it."""

import pytest
import torch

from data.tokenizers.tokenizer import source_ids, train_tokenizer
from eval import Settings
from evaluation.config import EvaluationConfig
from evaluation.predict import ids_for_decoding
from model.config import PRESETS, preset
from model.decoding import greedy
from model.fast import make_network
from teaching.walkthrough.story import Story, alternatives
from teaching.walkthrough.trace import trace
from training.run.folder import write_config
from training.weights import save_weights

PROMPT = "add the sum of xs to the sum of ys"
SIZES = {"d_model": 16, "n_heads": 2, "d_ff": 24, "n_encoder_layers": 2, "n_decoder_layers": 2, "max_length": 64}
VARIANTS = {
    **{name: (name, {}) for name in PRESETS},
    "vaswani2017, copy head": ("vaswani2017", {"copy_head": True}),
    "t5, copy head": ("t5", {"copy_head": True}),
    "modern, copy head": ("modern", {"copy_head": True, "mlm_head": True}),
    "modern, ALiBi": ("modern", {"positions": "alibi"}),
    "BART's quirks": ("bart", {"position_offset": 2, "logits_bias": True, "feed_forward": "gelu_tanh"}),
    "Marian's quirks": ("vaswani2017", {"sinusoid_layout": "halves", "feed_forward": "swish", "logits_bias": True}),
    "T5's wide heads": ("t5_v1_1", {"d_kv": 6, "n_heads": 3}),
    "nn.Transformer's final norm": ("vaswani2017", {"final_norm": True}),
    "modern, no positions": ("modern", {"positions": "none"}),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small lose more to a second thread than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer([PROMPT, "return sum(xs) + sum(ys)", "def solve(xs, ys):"], 400)


@pytest.fixture(scope="session")
def make_model(tokenizer):
    """make_model(variant, **changes): random, with every parameter moved away from its tidy start."""

    def make(variant, **changes):
        name, own = VARIANTS[variant]
        torch.manual_seed(1)
        config = preset(name, vocab_size=tokenizer.vocab_size, **{**SIZES, **own, **changes})
        model = make_network(config, tokenizer.pad_id).eval()
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                tensor += 0.2 * torch.randn_like(tensor)
        return model

    return make


@pytest.fixture(scope="session")
def generated(tokenizer):
    """generated(model): the description's ids and what the fused form writes for it."""

    def generate(model, n_tokens=9):
        source = source_ids(PROMPT, tokenizer, 64)
        ids = torch.tensor([source])
        special = ids_for_decoding(tokenizer)
        return source, greedy(model, ids, torch.ones_like(ids, dtype=torch.bool), special, n_tokens)[0]

    return generate


@pytest.fixture(scope="session")
def tell(tokenizer, make_model, generated):
    """tell(variant, prompt=, n_padding=, **changes): the story of a tiny network."""

    def tell(variant, prompt=PROMPT, n_padding=2, **changes):
        model = make_model(variant, **changes)
        source, target = generated(model)
        seen = trace(model, source, n_padding, target, tokenizer.decoder_start_id)
        pieces = tokenizer.pieces(range(tokenizer.vocab_size))
        return Story("tiny", model, seen, pieces, prompt, tokenizer.decode(target), None, False, False, True,
                     alternatives(seen))

    return tell


@pytest.fixture(params=VARIANTS)
def story(request, tell):
    """A story of each preset and of what takes another path through the code."""
    return tell(request.param)


@pytest.fixture
def run_folder(tmp_path, tokenizer, make_model):
    """A run folder of a barely trained network, as train.py leaves it."""
    model = make_model("modern, copy head")
    folder = tmp_path / "run"
    folder.mkdir()
    settings = Settings(run=str(folder), model=model.config, evaluation=EvaluationConfig(max_new_tokens=12))
    write_config(folder, settings, tokenizer.special_ids())
    tokenizer.save(folder / "tokenizer.model")
    save_weights(folder / "model.safetensors", model)
    return folder
