"""What must hold for the whole network, whatever its variants: equations (1), (2), (3) and (6)."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from model.config import PRESETS, preset
from model.fast import make_network
from model.positions import sinusoidal_positions
from model.transformer import Transformer


def run(model: Transformer, example) -> Tensor:
    return model(example.source, example.source_mask, example.decoder_input)


def test_probabilities_sum_to_one(model, example):
    log_probs = run(model, example)
    assert log_probs.shape == (4, 6, 19)
    assert_close(log_probs.exp().sum(-1), torch.ones(4, 6, dtype=torch.float64))


@torch.no_grad()
def test_padding_of_the_source_changes_nothing(model, example):
    expected = run(model, example)
    for filler in (0, 7):  # the ids behind the mask do not matter
        source = F.pad(example.source, (0, 5), value=0).masked_fill(~F.pad(example.source_mask, (0, 5)), filler)
        source_mask = F.pad(example.source_mask, (0, 5))
        assert_close(model(source, source_mask, example.decoder_input), expected)
    for row, length in enumerate(example.source_mask.sum(-1).tolist()):
        alone = model(
            example.source[row : row + 1, :length],
            example.source_mask[row : row + 1, :length],
            example.decoder_input[row : row + 1],
        )
        assert_close(alone[0], expected[row])


@torch.no_grad()
def test_future_tokens_cannot_change_the_past(model, example):
    """Padding of the target stands in the future of every real token, so it changes nothing either."""
    expected = run(model, example)
    for length in range(1, 6):
        changed = example.decoder_input.clone()
        changed[:, length:] = (changed[:, length:] + 5) % 19
        log_probs = model(example.source, example.source_mask, changed)
        assert_close(log_probs[:, :length], expected[:, :length])
        assert not torch.isclose(log_probs[:, length:], expected[:, length:]).all()
    padded = model(example.source, example.source_mask, F.pad(example.decoder_input, (0, 4), value=0))
    assert_close(padded[:, :6], expected)


@torch.no_grad()
def test_every_source_token_and_every_earlier_target_token_matters(model, example):
    expected = run(model, example)
    source = example.source.clone()
    source[0, 7] = source[0, 7] % 18 + 1
    assert not torch.isclose(model(source, example.source_mask, example.decoder_input)[0], expected[0]).all()
    decoder_input = example.decoder_input.clone()
    decoder_input[:, 0] = decoder_input[:, 0] % 18 + 1
    changed = model(example.source, example.source_mask, decoder_input)
    assert not torch.isclose(changed[:, 5], expected[:, 5]).all()


@pytest.mark.parametrize("name", PRESETS)
def test_order_matters_unless_there_are_no_positions(tiny, example, name):
    def memory_of_reversed(model: Transformer) -> tuple[Tensor, Tensor]:
        source, mask = example.source[:1], example.source_mask[:1]
        return model.encode(source, mask)[0], model.encode(source.flip(1), mask)[0].flip(0)

    assert not torch.isclose(*memory_of_reversed(tiny(name))).all()
    assert_close(*memory_of_reversed(tiny(name, positions="none")))


@pytest.mark.parametrize("name", PRESETS)
def test_the_decoder_sees_how_far_away_a_token_is_unless_there_are_no_positions(tiny, example, name):
    def last_states(model: Transformer) -> tuple[Tensor, Tensor]:
        source, mask = example.source[:1], example.source_mask[:1]
        near, far = torch.tensor([[3, 7, 7, 5, 7]]), torch.tensor([[3, 5, 7, 7, 7]])  # 5 one and three tokens ago
        return tuple(model.decode(ids, model.encode(source, mask), mask)[0, -1] for ids in (near, far))

    assert not torch.isclose(*last_states(tiny(name))).all()
    # With one layer and without positions, attention sees a set: what stands where is lost.
    assert_close(*last_states(tiny(name, positions="none", n_decoder_layers=1)))


def test_t5s_encoder_tells_distances_to_the_right_and_its_decoder_has_all_buckets_for_the_left(tiny):
    """Raffel et al. 2020, 2.1: the encoder's 8 buckets are halved between left and right, the decoder's are not."""
    model = tiny("t5", n_encoder_layers=1, n_decoder_layers=1)
    mask = torch.ones(1, 3, dtype=torch.bool)
    memories = [model.encode(torch.tensor([ids]), mask)[0, 0] for ids in ([5, 6, 7], [5, 7, 6])]
    assert not torch.isclose(*memories).all()
    # 2 and 3 tokens ago have a bucket each of 8, and one together of 4.
    read = torch.tensor([[3, 6, 7, 5, 4]]), torch.tensor([[3, 7, 6, 5, 4]])
    states = [model.decode(ids, model.encode(torch.tensor([[5, 6, 7]]), mask), mask)[0, -1] for ids in read]
    assert not torch.isclose(*states).all()


def test_embeddings_are_scaled_and_normalised_as_the_papers_have_it(tiny, example):
    """Vaswani et al. 2017, 3.4: sqrt(d_model) times the embedding, plus the sinusoids; BART normalises the sum."""
    model = tiny("vaswani2017")
    embedded = model.embed(example.source, model.encoder_positions, torch.arange(8), None)
    order = sinusoidal_positions(torch.arange(8), 16)
    assert_close(embedded, 4 * model.embedding(example.source) + order)
    bart = make_network(preset("bart", vocab_size=19, d_model=16, n_heads=2, d_ff=24), pad_id=0).double().eval()
    embedded = bart.embed(example.source, bart.encoder_positions, torch.arange(8), bart.encoder_embedding_norm)
    assert_close(embedded.mean(dim=-1), torch.zeros(4, 8).double())
    assert embedded.var(dim=-1, unbiased=False).allclose(torch.ones(4, 8).double(), atol=0.05)  # but for epsilon


def test_a_tied_t5_output_is_scaled_down_and_its_queries_start_small(tiny):
    """Raffel et al. 2020: no 1/sqrt(d_k) in the scores, so it stands in W^Q; d_model^-0.5 before a tied output."""
    states = torch.randn(2, 3, 16).double()
    model = tiny("t5")
    assert_close(model.logits(states), states @ model.embedding.weight.T / 4)
    torch.manual_seed(0)
    fresh = make_network(preset("t5", vocab_size=19), pad_id=0)
    attention = fresh.encoder[0].self_attention
    ratio = attention.key.weight.std() / attention.query.weight.std()
    assert ratio.item() == pytest.approx(math.sqrt(fresh.config.d_k), rel=0.05)


def test_heads_may_be_wider_or_narrower_than_their_share_of_the_width(tiny):
    """T5 v1.1 small: 6 heads of 64 in a width of 512 (Raffel et al. 2020's release notes)."""
    config = preset("t5_v1_1", d_model=512, n_heads=6, d_kv=64, n_encoder_layers=1, n_decoder_layers=1)
    attention = make_network(config, 0).encoder[0].self_attention
    assert attention.query.weight.shape == attention.value.weight.shape == (384, 512)
    assert attention.output.weight.shape == (512, 384) and config.d_k == 64
    assert tiny("modern", d_kv=6).encoder[0].self_attention.scale == pytest.approx(6**-0.5)


def test_a_post_norm_stack_may_end_with_one_norm_more(tiny, example):
    """torch.nn.Transformer's, on top of what Vaswani et al. 2017 have."""
    model = tiny("vaswani2017", final_norm=True)
    memory = model.encode(example.source, example.source_mask)
    expected, model.encoder_norm = model.encoder_norm, torch.nn.Identity()
    assert_close(memory, expected(model.encode(example.source, example.source_mask)))
    assert not any("decoder_norm" in name for name, _ in tiny("vaswani2017").named_parameters())


def test_the_bias_of_the_logits_is_added_and_not_trained(tiny):
    model, states = tiny("bart", logits_bias=True), torch.randn(2, 3, 16).double()
    model.logits_bias.normal_()
    assert_close(model.logits(states), states @ model.embedding.weight.T + model.logits_bias)
    assert "logits_bias" in model.state_dict() and "logits_bias" not in dict(model.named_parameters())


@pytest.mark.parametrize("learnt", [False, True])
def test_inputs_teach_the_padding_token_only_where_they_may(tiny, learnt):
    """T5's decoder starts with padding, so its embedding has to learn; the others' must not."""
    model = tiny("t5_v1_1", learn_padding=learnt)
    source, mask = torch.tensor([[4, 5]]), torch.ones(1, 2, dtype=torch.bool)
    model(source, mask, torch.tensor([[0, 7]]))[..., 3].sum().backward()
    assert model.embedding.weight.grad[7].any() and model.embedding.weight.grad[0].any() == learnt
    assert not make_network(preset("t5", vocab_size=19), pad_id=3).embedding.weight[3].any()


DROPOUT_PLACES = {  # preset -> embeddings and sublayers, attention weights, inside the feed-forward layer, whole stacks
    "vaswani2017": (0.1, 0.0, 0.0, 0.0),  # Vaswani et al. 2017, 5.4
    "bart": (0.1, 0.1, 0.0, 0.0),  # Lewis et al. 2020
    "t5": (0.1, 0.1, 0.1, 0.1),  # Raffel et al. 2020, 2.1
    "t5_v1_1": (0.1, 0.1, 0.1, 0.1),
    "modern": (0.1, 0.0, 0.0, 0.0),
}


@pytest.mark.parametrize("name", PRESETS)
def test_dropout_stands_where_the_papers_have_it(name):
    config = preset(name, vocab_size=19, d_model=16, n_heads=2, d_ff=24)
    places = config.dropout, config.dropout_attention, config.dropout_feed_forward, config.dropout_output
    assert places == DROPOUT_PLACES[name]
    model = make_network(config, pad_id=0)
    layers = [*model.encoder, *model.decoder]
    residuals = [part for layer in layers for part in layer.children() if hasattr(part, "pre")]
    assert {part.dropout.p for part in residuals} == {model.embedding_dropout.p} == {places[0]}
    assert {layer.self_attention.dropout for layer in layers} == {places[1]}
    assert {layer.feed_forward.dropout.p for layer in layers} == {places[2]}
    assert model.output_dropout.p == places[3]


def test_t5_drops_values_of_what_the_whole_stack_gives(tiny, example):
    model = tiny("t5", dropout=0.0, dropout_attention=0.0, dropout_feed_forward=0.0, dropout_output=0.5).train()
    memory = model.encode(example.source, example.source_mask)
    states = model.decode(example.decoder_input, memory, example.source_mask)
    assert 0.3 < (memory == 0).double().mean() < 0.7 and 0.3 < (states == 0).double().mean() < 0.7


def test_a_query_that_may_attend_to_nothing_gives_zeros_and_teaches_nothing(model, example):
    """Equation (4) inside every network: a source without a token adds nothing to the decoder but W^O's bias."""
    memory = torch.randn(4, 8, 16, dtype=torch.float64, requires_grad=True)
    source_mask = example.source_mask.clone()
    source_mask[2] = False
    attention, x = model.decoder[0].cross_attention, torch.randn(4, 6, 16, dtype=torch.float64)
    output, _ = attention(x, *attention.keys_and_values(memory), source_mask[:, None, None, :])
    bias = torch.zeros(16).double() if attention.output.bias is None else attention.output.bias
    assert_close(output[2], bias.expand(6, 16))
    output.square().sum().backward()
    assert not memory.grad[2].any() and memory.grad[[0, 1, 3]].any(dim=-1).any(dim=-1).all()


def test_a_source_without_a_single_token_gives_finite_numbers_and_gradients(model, example):
    source_mask = example.source_mask.clone()
    source_mask[2] = False
    log_probs = model(example.source, source_mask, example.decoder_input)
    log_probs.sum().backward()
    assert log_probs.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_the_readable_and_the_fast_forms_make_the_same_network(tiny, example):
    for name in PRESETS:
        results = []
        for speed in ("readable", "fast"):
            model = tiny(name, speed=speed)
            log_probs = run(model, example)
            loss = -log_probs[..., 5].mean()
            results.append((log_probs, torch.autograd.grad(loss, list(model.parameters()))))
        assert_close(results[0], results[1])


def test_the_log_probability_of_a_target_is_read_from_the_distribution(model, example):
    """The fast path of training, which never makes a (B, T, V) tensor, against the plain one."""
    target = example.decoder_input.roll(-1, dims=1)
    target_mask = torch.arange(6) < torch.tensor([6, 3, 1, 4])[:, None]
    fast, logits = model.target_log_probs(
        example.source, example.source_mask, example.decoder_input, target, target_mask
    )
    expected = run(model, example).gather(-1, target[..., None])[..., 0][target_mask]
    assert_close(fast, expected)
    assert logits.shape == (14, 19)


def test_tied_embeddings_are_one_matrix():
    tied, untied = (make_network(preset(name, vocab_size=50, d_model=16), pad_id=0) for name in ("t5", "t5_v1_1"))
    assert tied.output.weight is tied.embedding.weight
    assert untied.output.weight is not untied.embedding.weight
    assert len({id(p) for p in untied.parameters()}) == len({id(p) for p in tied.parameters()}) + 1 + 2 * 3
    # besides the output matrix, each of the 3 + 3 gated layers has one matrix more


@pytest.mark.parametrize("copy_head", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_training_starts_near_the_loss_of_guessing(name, copy_head):
    torch.manual_seed(0)
    config = preset(name, vocab_size=1000, d_model=64, d_ff=128, copy_head=copy_head)
    model = make_network(config, pad_id=0).eval()
    source, target = torch.randint(1, 1000, (2, 32, 12))
    mask = torch.ones(32, 12, dtype=torch.bool)
    log_probs = model(source, mask, F.pad(target[:, :-1], (1, 0), value=3))
    loss = -log_probs.gather(-1, target[..., None]).mean()
    assert abs(loss.item() - math.log(1000)) < 0.7


@pytest.mark.parametrize(("name", "copy_head"), [*((name, False) for name in PRESETS), ("modern", True)])
def test_a_batch_of_eight_is_learnt_by_heart(name, copy_head):
    torch.manual_seed(0)
    model = make_network(
        preset(name, vocab_size=40, d_model=32, n_heads=2, d_ff=64, n_encoder_layers=1, n_decoder_layers=1,
               max_length=16, dropout=0.0, dropout_attention=0.0, dropout_feed_forward=0.0, dropout_output=0.0,
               copy_head=copy_head),
        pad_id=0,
    )  # fmt: skip
    source, target = torch.randint(5, 40, (8, 6)), torch.randint(5, 40, (8, 8))
    source_mask = torch.arange(6) < torch.randint(2, 7, (8, 1))
    target_mask = torch.arange(8) < torch.randint(3, 9, (8, 1))
    decoder_input = F.pad(target[:, :-1], (1, 0), value=3)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3 if name == "t5" else 5e-3)
    for _ in range(2000):  # T5's small embeddings take four times the steps of the others
        log_probs, _ = model.target_log_probs(source, source_mask, decoder_input, target, target_mask)
        loss = -log_probs.mean()
        if loss.item() < 0.01:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"the loss is still {loss.item():.3f} nat a token")


@pytest.mark.parametrize("copy_head", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_gradients_of_equation_6_are_those_of_finite_differences(tiny, name, copy_head):
    model = tiny(name, vocab_size=6, d_model=4, d_ff=5, n_encoder_layers=1, n_decoder_layers=1, relative_buckets=4,
                 max_length=4, copy_head=copy_head)  # fmt: skip
    source, source_mask = torch.tensor([[2, 5, 4], [5, 1, 0]]), torch.tensor([[True] * 3, [True, True, False]])
    decoder_input, target = torch.tensor([[3, 5, 2], [3, 4, 4]]), torch.tensor([[5, 2, 1], [4, 4, 1]])
    target_mask = torch.tensor([[True] * 3, [True, True, False]])
    names, parameters = zip(*model.named_parameters())

    def loss(*values: Tensor) -> Tensor:
        weights = dict(zip(names, values))
        log_probs = torch.func.functional_call(model, weights, (source, source_mask, decoder_input))
        return -log_probs.gather(-1, target[..., None])[..., 0][target_mask].mean()

    assert torch.autograd.gradcheck(loss, parameters, fast_mode=True)


@torch.no_grad()
def test_cached_decoding_equals_full_decoding(model, example):
    memory = model.encode(example.source, example.source_mask)
    expected = model.decode(example.decoder_input, memory, example.source_mask)
    for steps in ([1] * 6, [3, 1, 2], [6]):
        cache = model.start_cache(memory, example.source_mask, 6)
        states = [
            model.decode(tokens, memory, example.source_mask, cache=cache)
            for tokens in example.decoder_input.split(steps, dim=1)
        ]
        assert_close(torch.cat(states, dim=1), expected)
        assert cache.length == 6


@torch.no_grad()
def test_cached_decoding_goes_on_with_other_rows(model, example):
    memory = model.encode(example.source, example.source_mask)
    cache = model.start_cache(memory, example.source_mask, 6)
    model.decode(example.decoder_input[:, :4], memory, example.source_mask, cache=cache)
    rows = torch.tensor([3, 1, 1])
    cache.reorder(rows)
    states = model.decode(example.decoder_input[rows, 4:], memory[rows], example.source_mask[rows], cache=cache)
    expected = model.decode(example.decoder_input[rows], memory[rows], example.source_mask[rows])[:, 4:]
    assert_close(states, expected)


def test_dropout_disturbs_training_and_nothing_else(model, example):
    assert run(model, example).equal(run(model, example))
    model.train()
    assert not run(model, example).equal(run(model, example))
