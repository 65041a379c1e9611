"""Several networks that write one text together: the log P of the next token is the mean over the networks.

    log P(y_t | y_1, .., y_{t-1}, X) = 1/M sum over m of log P_m(y_t | y_1, .., y_{t-1}, X) + constant

Networks that were begun from other random numbers err in other places, so where one is wrong the others outvote it
(Sutskever et al. 2014, 3.6). A token costs what all of them cost.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.transformer import Transformer


class Ensemble(nn.Module):
    """Networks with one vocabulary, which decoding takes in place of a single one. `runs`: their folders."""

    def __init__(self, networks: Sequence[Transformer], runs: Sequence[str] = ()) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.runs = list(runs)

    def repack(self) -> None:
        """As in `FastTransformer`, of every network."""
        for network in self.networks:
            network.repack()


class EnsembleState:
    """The decoding state of each network (`DecodingState` of model/decoding.py), stepped and reordered together."""

    def __init__(self, states: Sequence) -> None:
        self.states = states
        self.memory = states[0].memory

    def log_probs(self, token: Tensor) -> Tensor:
        """The mean log-probabilities over the networks after one more `token` (b*K,): (b*K, V)."""
        mean = torch.stack([state.log_probs(token) for state in self.states]).mean(dim=0)
        return mean.log_softmax(dim=-1)

    def reorder(self, parents: Tensor) -> None:
        """Let beam i of each source continue the prefix of beam parents[i]: parents (b, K)."""
        for state in self.states:
            state.reorder(parents)

    def keep(self, groups: Tensor) -> None:
        """Make source i what source `groups[i]` was, and drop the other sources, which are finished."""
        for state in self.states:
            state.keep(groups)
