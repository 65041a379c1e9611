"""The copy head's mixture and the MLM head, against numbers worked by hand and formulas written out."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from model.config import ModelConfig
from model.decoding import greedy
from model.heads import CopyHead, MLMHead, Pointer, TagHead, chosen_log_probs, copied_log_probs, mixture_log_probs
from model.transformer import Transformer

CONFIG = ModelConfig(d_model=6, n_heads=1, vocab_size=9)


def hand_made_pointer(p_generate: float = 0.4) -> Pointer:
    """One step of one example that points at three source tokens with 1/2, 1/3 and 1/6."""
    scores = torch.tensor([[[math.log(3), math.log(2), math.log(1)]]], dtype=torch.float64)
    log = [torch.tensor([[math.log(p)]], dtype=torch.float64) for p in (p_generate, 1 - p_generate)]
    return Pointer(scores, *log)


def test_the_mixture_worked_by_hand():
    # The source is "7 2 7"; the vocabulary's softmax gives 0.1 to each of ten tokens.
    # P(7) = 0.4 * 0.1 + 0.6 * (1/2 + 1/6) = 0.44, P(2) = 0.04 + 0.6 / 3 = 0.24, the other eight 0.04.
    source = torch.tensor([[7, 2, 7]])
    mixture = mixture_log_probs(torch.zeros(1, 1, 10, dtype=torch.float64), hand_made_pointer(), source).exp()
    expected = torch.full((10,), 0.04, dtype=torch.float64)
    expected[7], expected[2] = 0.44, 0.24
    assert_close(mixture[0, 0], expected)


def test_copied_probability_worked_by_hand():
    source, pointer = torch.tensor([[7, 2, 7]]), hand_made_pointer()
    for token, probability in ((7, 2 / 3), (2, 1 / 3), (5, 0.0)):
        copied = copied_log_probs(pointer, source, torch.tensor([[token]]))
        assert copied.isfinite().all()
        assert copied.exp().item() == pytest.approx(probability)


def random_step() -> tuple[CopyHead, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    head = CopyHead(CONFIG).double()
    states, memory = torch.randn(2, 3, 6, dtype=torch.float64), torch.randn(2, 5, 6, dtype=torch.float64)
    source = torch.tensor([[4, 8, 4, 5, 2], [3, 8, 0, 0, 0]])
    return head, states, memory, source, source != 0


def test_the_copy_head_is_its_formula():
    head, states, memory, source, mask = random_step()
    logits = torch.randn(2, 3, 9, dtype=torch.float64)
    mixture = mixture_log_probs(logits, head(states, memory, mask), source).exp()
    for b in range(2):
        real = memory[b][mask[b]]
        for t in range(3):
            weights = ((head.query.weight @ states[b, t]) @ (head.key.weight @ real.T) / math.sqrt(6)).softmax(-1)
            gate = torch.cat([states[b, t], weights @ real]) @ head.gate.weight[0] + head.gate.bias[0]
            expected = gate.sigmoid() * logits[b, t].softmax(-1)
            for weight, token in zip(weights, source[b][mask[b]]):
                expected[token] += (1 - gate.sigmoid()) * weight
            assert_close(mixture[b, t], expected)


def test_the_mixture_sums_to_one_and_padding_is_never_copied():
    head, states, memory, source, mask = random_step()
    logits = torch.full((2, 3, 9), -100.0, dtype=torch.float64)
    logits[..., 1] = 100.0  # the vocabulary's softmax gives everything to token 1
    mixture = mixture_log_probs(logits, head(states, memory, mask), source).exp()
    assert_close(mixture.sum(-1), torch.ones(2, 3, dtype=torch.float64))
    assert (mixture[..., 0] < 1e-30).all()


def test_a_source_token_that_the_vocabulary_refuses_can_still_be_copied():
    head, states, memory, source, mask = random_step()
    logits = torch.zeros(2, 3, 9, dtype=torch.float64)
    logits[..., 8] = -1e4
    mixture = mixture_log_probs(logits, head(states, memory, mask), source).exp()
    assert (mixture[..., 8] > 0.01).all()


def test_what_stands_behind_padding_changes_nothing():
    head, states, memory, _, mask = random_step()
    before = head(states, memory, mask)
    after = head(states, memory.masked_fill(~mask[..., None], 1e3), mask)
    assert_close(after, before)


def test_the_copied_part_of_a_target_is_what_the_mixture_adds():
    head, states, memory, source, mask = random_step()
    logits, target = torch.randn(2, 3, 9, dtype=torch.float64), torch.tensor([[4, 1, 8], [8, 3, 5]])
    pointer = head(states, memory, mask)
    generated = logits.log_softmax(-1).gather(-1, target[..., None])[..., 0]
    copied = copied_log_probs(pointer, source, target)
    expected = mixture_log_probs(logits, pointer, source).gather(-1, target[..., None])[..., 0]
    assert_close(torch.logaddexp(pointer.log_generate + generated, pointer.log_copy + copied), expected)


def test_the_chosen_log_probability_is_that_of_each_rows_target():
    logits = torch.tensor([[0.0, 2.0, 1.0, 0.0], [3.0, 0.0, 0.0, 0.0]], dtype=torch.float64).log()  # of 3 and of 3
    logits[0, 1] += math.log(5)  # 10 of 11
    assert chosen_log_probs(logits, torch.tensor([1, 0])).exp().tolist() == pytest.approx([10 / 11, 1])
    assert chosen_log_probs(logits, torch.tensor([2, 0])).exp().tolist() == pytest.approx([1 / 11, 1])


@pytest.mark.parametrize("form", ["none", "mixture", "scores"])
def test_the_targets_alone_have_the_log_probabilities_of_the_whole_distribution(tiny, example, form):
    """Of real targets alone, with copying in each form, where two rows have different numbers of them."""
    choices = {} if form == "none" else {"copy_head": True, "copy_form": form}
    model = tiny("modern", **choices)
    inputs = example.source, example.source_mask, example.decoder_input
    target = example.decoder_input.roll(-1, dims=1)
    target[:, 0] = example.source[:, 0]  # something that can be copied
    target_mask = torch.arange(6) < torch.tensor([6, 2, 1, 4])[:, None]
    found, _ = model.target_log_probs(*inputs, target, target_mask)
    assert_close(found, model(*inputs).gather(-1, target[..., None])[..., 0][target_mask])


@pytest.mark.parametrize("speed", ["fast", "readable"])
@pytest.mark.parametrize("form", ["mixture", "scores"])
def test_from_a_source_without_a_token_nothing_is_copied(tiny, special, form, speed):
    """Whatever ids stand under the mask; the other sources of the batch are as they are alone."""
    model = tiny("modern", copy_head=True, copy_form=form, speed=speed)
    full, target = torch.randint(4, 19, (1, 4)), torch.tensor([[3, 5, 6]])
    mask, nothing = torch.ones(1, 4, dtype=torch.bool), torch.zeros(1, 4, dtype=torch.bool)
    of_nothing = [model(torch.full((1, 4), token), nothing, target) for token in (0, 7)]
    assert_close(of_nothing[0], of_nothing[1])
    of_no_positions = model(torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, 0, dtype=torch.bool), target)
    assert_close(of_no_positions, of_nothing[0])
    assert_close(of_nothing[0].exp().sum(-1), torch.ones(1, 3, dtype=torch.float64))

    both = torch.cat((full, full)), torch.cat((mask, nothing))
    together = model(*both, target.expand(2, -1))
    assert_close(together, torch.cat((model(full, mask, target), of_nothing[0])))
    assert_close(model.target_log_probs(*both, target.expand(2, -1), target.expand(2, -1), torch.ones(2, 3).bool())[0],
                 together.gather(-1, target.expand(2, -1)[..., None]).flatten())  # fmt: skip
    assert greedy(model, *both, special, 5)[1] == greedy(model, full[:, :0], mask[:, :0], special, 5)[0]


def test_a_source_without_a_token_leaves_gradients_finite(tiny):
    model = tiny("modern", copy_head=True).float()
    target = torch.tensor([[5, 6, 7]])
    mask = torch.zeros(1, 4, dtype=torch.bool)
    log_probs, _ = model.target_log_probs(torch.full((1, 4), 7), mask, target, target, torch.ones(1, 3).bool())
    log_probs.sum().backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())
    assert not model.copy_head.gate.weight.grad.any()


def test_the_pointer_has_two_matrices_and_no_biases():
    names = [name for name, _ in CopyHead(CONFIG).named_parameters()]
    assert names == ["query.weight", "key.weight", "gate.weight", "gate.bias"]


def test_a_new_network_generates_more_than_it_copies():
    """The gate starts at a bias of 1 and no weights: p_gen is sigmoid(1), whatever the states are."""
    torch.manual_seed(0)
    head = Transformer(replace(CONFIG, copy_head=True), pad_id=0).copy_head
    pointer = head(torch.randn(2, 3, 6), torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool))
    assert_close(pointer.log_generate.exp(), torch.full((2, 3), math.e / (1 + math.e)))
    assert_close(pointer.log_copy.exp(), torch.full((2, 3), 1 / (1 + math.e)))


def test_a_token_that_can_neither_be_copied_nor_generated_has_a_finite_loss():
    head, states, memory, source, mask = random_step()
    logits = torch.zeros(2, 3, 9).index_fill(-1, torch.tensor([7]), -1e4).requires_grad_()
    pointer = head.float()(states.float(), memory.float(), mask)
    log_prob = mixture_log_probs(logits, pointer, source)[..., 7]
    log_prob.sum().backward()
    assert log_prob.isfinite().all() and logits.grad.isfinite().all()


def test_the_mlm_head_is_its_formula():
    torch.manual_seed(0)
    head, embedding = MLMHead(CONFIG).double(), torch.randn(9, 6, dtype=torch.float64)
    nn.init.normal_(head.bias)
    states = torch.randn(4, 6, dtype=torch.float64)
    hidden = states @ head.dense.weight.T + head.dense.bias
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    hidden = hidden / (hidden.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    assert_close(head(states, embedding), hidden @ embedding.T + head.bias)


def test_the_tag_head_is_one_product_with_a_vector_for_each_state():
    torch.manual_seed(0)
    head, states = TagHead(CONFIG).double(), torch.randn(4, 6, dtype=torch.float64)
    weight, bias = head.output.weight[0].tolist(), head.output.bias.item()
    expected = [sum(w * h for w, h in zip(weight, state, strict=True)) + bias for state in states.tolist()]
    assert head(states).tolist() == pytest.approx(expected)
    assert head(states[:1]).shape == (1,)


def test_a_hook_sees_the_copy_heads_scores_before_padding_is_masked(tiny, example):
    model = tiny("modern", copy_head=True)
    memory = model.encode(example.source, example.source_mask)
    states = model.decode(example.decoder_input, memory, example.source_mask)
    seen = {}
    model.copy_head.see.register_forward_hook(lambda _, inputs, output: seen.setdefault(inputs[0], output))
    scores = model.copy_head(states, memory, example.source_mask).scores
    real = example.source_mask[:, None].expand_as(scores)
    assert list(seen) == ["queries", "scores"]
    torch.testing.assert_close(seen["scores"][real], scores[real])
    assert seen["scores"].abs().max() < 1e3
