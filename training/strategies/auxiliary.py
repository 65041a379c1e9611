"""Joint training (chapter 3.2, strategy 2): a task of the encoder's is learnt beside the pairs, in the same steps.

    L = L_pairs + weight L_auxiliary        both a mean over what they predict

The chapter calls this discriminative fine-tuning. `tag`: which tokens of the code are identifiers (Wang et al. 2021,
3.2); `mlm`: masked tokens of the description, as in pretraining (Devlin et al. 2019). The task's item is made of the
same example as the pair and travels in the same batch. A step costs one more pass of the encoder.
"""

from __future__ import annotations

from torch import Tensor

from data.batches import Batch
from model.transformer import Transformer
from training.batch_loss import batch_loss


def auxiliary_loss(model: Transformer, batch: Batch, n_predicted: int, weight: float) -> Tensor:
    """What is added to the sum of the pairs' loss over their `n_predicted` tokens; `batch.beside` holds the task."""
    total, n = batch_loss(model, batch.beside, 0.0)
    return weight * n_predicted / max(1, n) * total
