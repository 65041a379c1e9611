"""Joint training (chapter 3.2, strategy 2): a task of the encoder's is learnt beside the pairs, in the same steps.

    L = L_pairs + weight L_auxiliary        both a mean over what they predict

The chapter calls this discriminative fine-tuning. `tag`: which tokens of the code are identifiers (Wang et al. 2021,
3.2); `mlm`: masked tokens of the description, as in pretraining (Devlin et al. 2019). The task's item is made of the
same example as the pair and travels in the same batch. A step costs one more pass of the encoder.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from data.batches import Batch
from model.transformer import Transformer
from training.batch_loss import batch_loss, n_predicted


def with_auxiliary(pairs: Callable[[Batch], Tensor], model: Transformer, weight: float) -> Callable[[Batch], Tensor]:
    """The sum of a batch's loss and of that of its `auxiliary` batch; `pairs` gives the loss without it."""

    def loss(batch: Batch) -> Tensor:
        total = pairs(batch)
        if batch.auxiliary is None:
            return total
        auxiliary, n = batch_loss(model, batch.auxiliary, 0.0)
        return total + weight * n_predicted(batch) / max(1, n) * auxiliary

    return loss
