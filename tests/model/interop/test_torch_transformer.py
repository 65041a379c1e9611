"""torch.nn.Transformer as an oracle: the same states, losses, gradients and outputs from the same weights."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import preset
from model.decoding import SpecialIds, beam_search, greedy
from model.fast import make_network
from model.interop.hugging_face import ConversionError, fill, own_tensors
from model.interop.torch_transformer import from_torch, split_projections, to_torch
from model.transformer import Transformer

SPECIAL = SpecialIds(pad_id=0, end_id=1, decoder_start_id=3)
KINDS = {
    "post-norm": {}, "pre-norm": {"norm_first": True}, "GELU": {"activation": "gelu"},
    "no biases": {"bias": False}, "pre-norm, no biases": {"norm_first": True, "bias": False, "layer_norm_eps": 1e-3},
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:The PyTorch API of nested tensors")
WORST = {torch.float64: 1e-10, torch.float32: 1e-4}


def sinusoids(length: int, width: int) -> Tensor:
    """Vaswani et al. 2017, 3.5, number by number."""
    table = torch.empty(length, width, dtype=torch.float64)
    for position in range(length):
        for column in range(0, width, 2):
            angle = position / 10000 ** (column / width)
            table[position, column], table[position, column + 1] = math.sin(angle), math.cos(angle)
    return table


class Peer(nn.Module):
    """PyTorch's module between embeddings: the network of Vaswani et al. 2017 as one would build it with it."""

    def __init__(self, changes: dict[str, object], dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.embedding = nn.Embedding(19, 16, padding_idx=0, dtype=dtype)
        self.stacks = nn.Transformer(16, 2, 2, 3, 24, dropout=0.0, batch_first=True, dtype=dtype, **changes)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter += 0.25 * torch.randn_like(parameter)
        self.eval()

    def embed(self, ids: Tensor) -> Tensor:
        return 4 * self.embedding(ids) + sinusoids(ids.shape[1], 16).to(self.embedding.weight.dtype)

    def logits(self, source: Tensor, source_mask: Tensor, decoder_input: Tensor) -> Tensor:
        length = decoder_input.shape[1]
        states = self.stacks(
            self.embed(source), self.embed(decoder_input), src_key_padding_mask=~source_mask,
            memory_key_padding_mask=~source_mask, tgt_is_causal=True,
            tgt_mask=torch.ones(length, length, dtype=torch.bool).triu(1),  # True may not attend
        )  # fmt: skip
        return F.linear(states, self.embedding.weight)


def convert(peer: Peer) -> Transformer:
    config, special, weights = from_torch(
        peer.stacks, {"embedding.weight": peer.embedding.weight}, SPECIAL, scale_embeddings=True
    )
    model = make_network(config, special.pad_id).to(peer.embedding.weight.dtype).eval()
    fill(model, weights)
    return model


@pytest.fixture(params=KINDS)
def changes(request) -> dict[str, object]:
    return KINDS[request.param]


@pytest.fixture
def batch(example) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    target = example.decoder_input
    return example.source, example.source_mask, target, torch.arange(6) < torch.tensor([6, 2, 1, 4])[:, None]


def error(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a share of the largest number where that is above one."""
    return ((ours - theirs).abs().max() / max(1.0, theirs.abs().max().item())).item()


@pytest.mark.parametrize("dtype", WORST, ids=str)
def test_logits_loss_and_every_gradient_are_those_of_pytorch(changes, dtype, batch):
    peer = Peer(changes, dtype)
    model = convert(peer)
    source, source_mask, target, target_mask = batch
    decoder_input = F.pad(target[:, :-1], (1, 0), value=3)
    theirs = peer.logits(source, source_mask, decoder_input)[target_mask]
    states = model.decode(decoder_input, model.encode(source, source_mask), source_mask)
    ours = model.logits(states)[target_mask]
    losses = [F.cross_entropy(theirs, target[target_mask])]
    losses[0].backward()
    log_probs, _ = model.target_log_probs(source, source_mask, decoder_input, target, target_mask)
    losses.append(-log_probs.mean())
    losses[1].backward()
    gradients = {f"stacks.{name}": p.grad for name, p in peer.stacks.named_parameters()}
    own = {name: p.grad for name, p in model.named_parameters()}
    back, rest = to_torch(model.config, own)
    converted = {f"stacks.{name}": tensor for name, tensor in back.state_dict().items()}
    converted["embedding.weight"], gradients["embedding.weight"] = rest["embedding.weight"], peer.embedding.weight.grad
    worst = {
        "logits": error(ours, theirs), "loss": error(losses[1], losses[0]),
        "gradients": max(error(converted[name], gradient) for name, gradient in gradients.items()),
    }  # fmt: skip
    print(f"nn.Transformer {changes}, {dtype}: {worst}")  # pytest -s shows them
    assert converted.keys() == gradients.keys()
    assert all(gradient.abs().max() > 0 for gradient in gradients.values())
    assert max(worst.values()) <= WORST[dtype]


@torch.no_grad()
def their_greedy(peer: Peer, source: Tensor, source_mask: Tensor, n: int) -> list[list[int]]:
    outputs = []
    for row, mask in zip(source, source_mask):
        prefix = [3]
        while len(prefix) <= n and prefix[-1] != 1:
            logits = peer.logits(row[None], mask[None], torch.tensor([prefix]))
            prefix.append(int(logits[0, -1].argmax()))
        outputs.append([token for token in prefix[1:] if token != 1])
    return outputs


@torch.no_grad()
def their_beams(
    peer: Peer, source: Tensor, mask: Tensor, n: int, beam: int, length_penalty: float, early_stopping: bool
) -> list[list[int]]:
    """Beam search for one source over plain lists, by the rules in the docstring of model/decoding.py."""
    opened, finished = [(0.0, [])], []
    for step in range(1, n + 1):
        extensions = []
        for log_prob, ids in opened:
            logits = peer.logits(source[None], mask[None], torch.tensor([[3, *ids]]))
            extensions += [
                (log_prob + token_log_prob, [*ids, token])
                for token, token_log_prob in enumerate(logits[0, -1].log_softmax(-1).tolist())
            ]
        extensions = sorted(extensions, reverse=True)[: 2 * beam]
        ends = [ids[-1] == 1 or step == n for _, ids in extensions]
        finished += [(p / step**length_penalty, ids) for (p, ids), end in zip(extensions[:beam], ends) if end]
        finished = sorted(finished, reverse=True)[:beam]
        opened = [extension for extension, end in zip(extensions, ends) if not end][:beam]
        full = len(finished) == beam
        if not opened or full and (early_stopping or opened[0][0] / step**length_penalty <= finished[-1][0]):
            break
    return [[token for token in ids if token != 1] for _, ids in finished]


def peer_that_ends(changes: dict[str, object]) -> Peer:
    peer = Peer(changes, torch.float64)
    with torch.no_grad():
        peer.embedding.weight[1] *= -2
    return peer


def test_decoding_gives_their_tokens(changes, batch):
    peer, (source, source_mask, *_) = peer_that_ends(changes), batch
    model = convert(peer)
    assert greedy(model, source, source_mask, SPECIAL, 9) == their_greedy(peer, source, source_mask, 9)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_beam_search_gives_their_tokens(early_stopping, batch):
    source, source_mask, *_ = batch
    lengths = []
    for changes in (KINDS["post-norm"], KINDS["pre-norm"]):
        peer = peer_that_ends(changes)
        model = convert(peer)
        for length_penalty in (0.0, 1.0, 2.0):
            ours = beam_search(model, source, source_mask, SPECIAL, 9, 4, length_penalty, 4, early_stopping)
            for row in range(len(source)):
                theirs = their_beams(peer, source[row], source_mask[row], 9, 4, length_penalty, early_stopping)
                assert [hypothesis.ids for hypothesis in ours[row]] == theirs
                lengths += map(len, theirs)
    assert len({*lengths}) > 2, "the example should end at different steps"


@torch.no_grad()
def test_our_stacks_become_pytorchs_module(batch):
    source, source_mask, target, _ = batch
    for norm in ({"norm_position": "pre"}, {"final_norm": True}):
        config = preset("vaswani2017", vocab_size=19, d_model=16, n_heads=2, d_ff=24, scale_embeddings=True,
                        dropout_attention=0.1, dropout_feed_forward=0.1, **norm)  # fmt: skip
        model = make_network(config, 0).double().eval()
        for tensor in own_tensors(model).values():
            tensor += 0.3 * torch.randn_like(tensor)
        peer = Peer({}, torch.float64)
        peer.stacks, rest = to_torch(config, own_tensors(model))
        assert rest.keys() == {"embedding.weight"}
        peer.embedding.weight.copy_(rest["embedding.weight"])
        ours = model.logits(model.decode(target, model.encode(source, source_mask), source_mask))
        assert error(ours, peer.eval().logits(source, source_mask, target)) < 1e-10


def test_what_pytorchs_module_cannot_do_is_listed():
    model = make_network(preset("t5", vocab_size=19, d_model=16, n_heads=2, d_kv=4, feed_forward="swiglu"), 0)
    with pytest.raises(ConversionError) as refusal:
        to_torch(model.config, own_tensors(model))
    assert {*refusal.value.cannot_express} == {
        "norm=rms", "scale_attention=False", "dropout_output=0.1", "feed_forward=swiglu", "positions=t5_relative",
        "d_kv=4",
    }  # fmt: skip
    model = make_network(preset("vaswani2017", dropout=0.0, d_model=16, n_heads=2, vocab_size=19), 0)
    weights = {name: tensor for name, tensor in own_tensors(model).items() if name != "embedding.weight"}
    with pytest.raises(ConversionError) as refusal:
        to_torch(model.config, {**weights, "nothing.weight": torch.zeros(1)})
    assert refusal.value.cannot_express == ["final_norm=False"]
    assert (refusal.value.left_over, refusal.value.missing) == (["nothing.weight"], ["embedding.weight"])


def test_what_ours_cannot_do_and_what_is_left_over_is_listed():
    peer = Peer({"activation": F.silu}, torch.float32)
    embeddings = {"embedding.weight": peer.embedding.weight, "nothing.weight": peer.embedding.weight}
    with pytest.raises(ConversionError) as refusal:
        from_torch(peer.stacks, embeddings, SPECIAL, positions="learned", max_length=32)
    assert refusal.value.cannot_express == ["activation=silu"]
    assert refusal.value.left_over == ["nothing.weight"]
    assert refusal.value.missing == ["decoder_positions.learned.weight", "encoder_positions.learned.weight"]
    tables = {f"{stack}_positions.learned.weight": torch.zeros(31, 16) for stack in ("encoder", "decoder")}
    with pytest.raises(ConversionError, match=r"\(31, 16\), the configuration says \(32, 16\)"):
        from_torch(Peer({}, torch.float32).stacks, {"embedding.weight": peer.embedding.weight, **tables}, SPECIAL,
                   positions="learned", max_length=32)  # fmt: skip


def test_three_projections_stand_in_pytorchs_order():
    """PyTorch's own attention function, which takes W^Q, W^K and W^V stacked in this order."""
    attention = nn.MultiheadAttention(4, 1, bias=False, batch_first=True)
    parts = split_projections(attention.state_dict())
    queries, keys, values = torch.randn(3, 1, 5, 4)
    W_q, W_k, W_v = (parts[f"in_proj_weight.{name}"] for name in ("query", "key", "value"))
    weights = (queries @ W_q.T @ (keys @ W_k.T).transpose(1, 2) / 2).softmax(-1)
    expected = weights @ (values @ W_v.T) @ attention.out_proj.weight.T
    assert error(attention(queries, keys, values)[0], expected) < 1e-6


# Layers that differ from one another


def stacks(encoder=None, decoder=None, **both) -> nn.Transformer:
    """PyTorch's module with an encoder and a decoder of their own kinds."""
    common = {"d_model": 16, "nhead": 2, "dim_feedforward": 24, "dropout": 0.0, "batch_first": True, **both}
    layers = nn.TransformerEncoderLayer(**{**common, **(encoder or {})}), nn.TransformerDecoderLayer(
        **{**common, **(decoder or {})}
    )
    eps = {**common, **(encoder or {})}.get("layer_norm_eps", 1e-5)
    return nn.Transformer(
        16, 2, 2, 2, 24, 0.0, batch_first=True,
        custom_encoder=nn.TransformerEncoder(layers[0], 2, nn.LayerNorm(16, eps), enable_nested_tensor=False),
        custom_decoder=nn.TransformerDecoder(layers[1], 2, nn.LayerNorm(16, eps)),
    ).eval()  # fmt: skip


def changed(setting: str, value: object, **both) -> nn.Transformer:
    """PyTorch's module in which one setting, by its dotted name, is another one."""
    module = stacks(**both)
    *path, name = setting.split(".")
    part = module.get_submodule(".".join(path))
    setattr(part, name, value)
    return module


class OwnLayer(nn.TransformerEncoderLayer):
    def forward(self, src, **more):
        return 2 * super().forward(src, **more)


def with_own_layer() -> nn.Transformer:
    module = stacks()
    module.encoder.layers[1] = OwnLayer(16, 2, 24, 0.0, batch_first=True)
    return module


MIXED = {
    "decoder.layers.0.norm_first=True beside encoder.layers.0.norm_first=False": stacks(decoder={"norm_first": True}),
    "decoder.layers.0.norm_first=False beside encoder.layers.0.norm_first=True": stacks(encoder={"norm_first": True}),
    "encoder.layers.1.norm_first=True beside encoder.layers.0.norm_first=False":
        changed("encoder.layers.1.norm_first", True),
    "decoder.layers.0.self_attn.num_heads=4 beside encoder.layers.0.self_attn.num_heads=2":
        stacks(decoder={"nhead": 4}),
    "decoder.layers.1.multihead_attn.num_heads=8 beside encoder.layers.0.self_attn.num_heads=2":
        changed("decoder.layers.1.multihead_attn.num_heads", 8),
    "decoder.layers.0.activation=gelu beside encoder.layers.0.activation=relu": stacks(decoder={"activation": "gelu"}),
    "decoder.layers.1.activation=silu beside encoder.layers.0.activation=relu":
        changed("decoder.layers.1.activation", F.silu),
    "encoder.layers.1.activation_relu_or_gelu=2 beside activation=relu":
        changed("encoder.layers.1.activation_relu_or_gelu", 2),
    "decoder.layers.0.norm1.eps=0.01 beside encoder.layers.0.norm1.eps=1e-05": stacks(decoder={"layer_norm_eps": 1e-2}),
    "decoder.layers.1.norm3.eps=0.1 beside encoder.layers.0.norm1.eps=1e-05":
        changed("decoder.layers.1.norm3.eps", 0.1),
    "encoder.norm.eps=0.5 beside encoder.layers.0.norm1.eps=1e-05": changed("encoder.norm.eps", 0.5),
    "decoder.norm=LayerNorm beside encoder.norm=NoneType": changed("encoder.norm", None),
    "decoder.layers.0.linear1.out_features=32 beside encoder.layers.0.linear1.out_features=24":
        stacks(decoder={"dim_feedforward": 32}),
    "decoder.layers.0.bias=False beside encoder.layers.0.bias=True": stacks(decoder={"bias": False}),
    "decoder.layers.0.self_attn adds keys of its own (add_zero_attn, add_bias_kv)":
        changed("decoder.layers.0.self_attn.add_zero_attn", True),
    "encoder.layers.1 is a OwnLayer": with_own_layer(),
    "encoder.layers.0.norm2 is a RMSNorm": changed("encoder.layers.0.norm2", nn.RMSNorm(16)),
}  # fmt: skip


@pytest.mark.parametrize("expected", MIXED)
def test_layers_of_different_kinds_are_refused_by_layer_and_setting(expected):
    with pytest.raises(ConversionError) as refusal:
        from_torch(MIXED[expected], {"embedding.weight": torch.ones(19, 16)}, SPECIAL, positions="none")
    assert expected in refusal.value.cannot_express and "\n" not in str(refusal.value)


@torch.no_grad()
@pytest.mark.parametrize("both", [{}, {"norm_first": True}, {"activation": "gelu"}, {"layer_norm_eps": 1e-2}], ids=str)
@pytest.mark.parametrize("with_norms", [True, False])
def test_stacks_of_one_kind_are_read_with_and_without_their_last_norms(both, with_norms, batch):
    module = stacks(**both)
    for parameter in module.parameters():
        parameter += 0.3 * torch.randn_like(parameter)
    embedding = torch.randn(19, 16)
    if not with_norms:
        module.encoder.norm = module.decoder.norm = None
    if not with_norms and both.get("norm_first"):  # ours always has them
        with pytest.raises(ConversionError, match="encoder.norm=None behind norm_first=True"):
            from_torch(module, {"embedding.weight": embedding}, SPECIAL)
        return
    config, _, weights = from_torch(module, {"embedding.weight": embedding}, SPECIAL, positions="none",
                                    scale_embeddings=False)  # fmt: skip
    model = make_network(config, 0).eval()
    fill(model, weights)
    source, source_mask, target, _ = batch
    future = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
    theirs = module(embedding[source], embedding[target], tgt_mask=future, src_key_padding_mask=~source_mask,
                    memory_key_padding_mask=~source_mask)  # fmt: skip
    assert error(model.decode(target, model.encode(source, source_mask), source_mask), theirs) < 1e-4
