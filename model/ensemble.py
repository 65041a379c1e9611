"""Several networks that write one text together: log P of the next token is the mean over them.

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
    """Networks that have the same vocabulary; it decodes wherever one of them does. `runs`: their folders."""

    def __init__(self, networks: Sequence[Transformer], runs: Sequence[str] = ()) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.runs = list(runs)


class EnsembleState:
    """The decoding state of each network (`DecodingState` of model/decoding.py), stepped and reordered together."""

    def __init__(self, states: Sequence) -> None:
        self.states = states
        self.memory = states[0].memory

    def log_probs(self, token: Tensor) -> Tensor:
        """The mean over the networks after one more `token` (b*K,), as log-probabilities: (b*K, V)."""
        mean = torch.stack([state.log_probs(token) for state in self.states]).mean(dim=0)
        return mean.log_softmax(dim=-1)

    def reorder(self, parents: Tensor) -> None:
        """Beam i of each source goes on from what beam parents[i] was: parents (b, K)."""
        for state in self.states:
            state.reorder(parents)

    def keep(self, groups: Tensor) -> None:
        """Source i becomes what source `groups[i]` was; the others are finished."""
        for state in self.states:
            state.keep(groups)
