"""The match head finds the two texts, and says what its equation says."""

import math

import torch

from model.config import ModelConfig
from model.heads import MatchHead, two_texts

BEGIN, END, PAD = 3, 1, 0
SOURCE = torch.tensor([[BEGIN, 7, 8, END, 9, 7, 5, END], [BEGIN, 6, END, 6, END, PAD, PAD, PAD]])
MASK = SOURCE != PAD


def test_the_two_texts_are_what_stands_between_the_special_tokens():
    first, second = two_texts(SOURCE, MASK)
    assert [SOURCE[row][first[row]].tolist() for row in (0, 1)] == [[7, 8], [6]]
    assert [SOURCE[row][second[row]].tolist() for row in (0, 1)] == [[9, 7, 5], [6]]


def test_its_value_is_the_equation_written_with_loops():
    torch.manual_seed(0)
    d = 8
    head = MatchHead(ModelConfig(d_model=d, n_heads=2, match_head=True)).double()
    states, embedded = torch.randn(2, 8, d).double(), torch.randn(2, 8, d).double()
    got = head(states, embedded, SOURCE, MASK)

    def normalised(x):  # to mean 0 and variance 1
        return (x - x.mean()) / (x.var(unbiased=False) + 1e-5).sqrt()

    for row, (first, second) in enumerate((([1, 2], [4, 5, 6]), ([1], [3]))):
        both = [torch.cat((normalised(embedded[row, i]), normalised(states[row, i]))) for i in range(8)]
        z = [head.project.weight @ x for x in both]
        g = [math.log1p(math.exp((head.weigh.weight[0] @ x + head.weigh.bias[0]).item())) for x in both]
        found = [max((z[i] @ z[j] / (z[i].norm() * z[j].norm())).item() for j in second) for i in first]
        m = sum(g[i] * value for i, value in zip(first, found, strict=True)) / sum(g[i] for i in first)
        pooled = (head.pooler.weight @ states[row, 0] + head.pooler.bias).tanh()
        expected = (head.output.weight[0] @ pooled + head.output.bias[0]).item() + head.scale.item() * m
        assert math.isclose(got[row].item(), expected, rel_tol=1e-9)


def test_from_the_start_a_text_that_is_found_whole_counts_five_and_one_beside_nothing_minus_five():
    """Without the pooled output only a m is left, with a = 5; the cosine of nothing is the least there is, -1."""
    head, table = MatchHead(ModelConfig(d_model=8, n_heads=2, match_head=True)).double(), torch.randn(10, 8).double()
    torch.nn.init.zeros_(head.output.weight)
    torch.nn.init.zeros_(head.output.bias)
    source = torch.tensor([[BEGIN, 7, 8, END, 8, 7, END], [BEGIN, 7, 8, END, END, PAD, PAD]])
    embedded = table[source]
    torch.testing.assert_close(head(embedded, embedded, source, source != PAD), torch.tensor([5.0, -5.0]).double())


def test_what_stands_in_both_texts_counts_from_the_start():
    """Before any training, the same words on both sides make a match more probable."""
    torch.manual_seed(1)
    head = MatchHead(ModelConfig(d_model=64, n_heads=2, match_head=True))
    table, source = torch.randn(20, 64), torch.tensor([[BEGIN, 7, 8, END, 8, 7, END], [BEGIN, 7, 8, END, 9, 5, END]])
    with torch.no_grad():
        same, other = head(torch.zeros(2, 7, 64), table[source], source, source > 0).tolist()
    assert same > other + 1
