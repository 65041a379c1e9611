"""A task beside the pairs: of the same examples, in the same batch, with a fixed weight."""

import pytest
import torch

from data.batches import collate
from data.example import IGNORE
from training.batch_loss import batch_loss, n_predicted
from training.config import ObjectivesConfig
from training.mixture import Mixture
from training.strategies.auxiliary import with_auxiliary
from training.strategies.config import AuxiliaryConfig, StrategiesConfig


def batch_with(tokenizer, examples, task):
    strategies = StrategiesConfig(auxiliary=AuxiliaryConfig(task))
    mixture = Mixture(ObjectivesConfig(), tokenizer, 0, examples, strategies=strategies)
    made = [pair for example in examples for pair in mixture.items(example, 0)]
    return collate([item for item, _ in made], [example.id for _, example in made], tokenizer)


@pytest.mark.parametrize("task", ["tag", "mlm"])
def test_the_loss_is_a_weighted_sum_of_two_means(make_model, tokenizer, examples, task):
    model, batch = make_model(tag_head=True, mlm_head=True), batch_with(tokenizer, examples, task)
    pairs, n = batch_loss(model, batch, 0.1)
    auxiliary, k = batch_loss(model, batch.auxiliary, 0.0)
    total = with_auxiliary(lambda batch: batch_loss(model, batch, 0.1)[0], model, 0.7)(batch)
    assert n == n_predicted(batch) != k
    torch.testing.assert_close(total / n, pairs / n + 0.7 * auxiliary / k)


def test_the_gradient_reaches_the_tasks_head_and_the_encoder_and_no_further(make_model, tokenizer, examples):
    model, batch = make_model(tag_head=True), batch_with(tokenizer, examples, "tag")
    batch_loss(model, batch.auxiliary, 0.0)[0].backward()
    learn = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert learn == {"embedding", "encoder", "encoder_norm", "tag_head"}


def test_the_task_is_about_the_pairs_own_examples(tokenizer, examples):
    batch = batch_with(tokenizer, examples, "tag")
    assert batch.ids == batch.auxiliary.ids == [example.id for example in examples]
    for row, example in enumerate(examples):
        labels, ids = batch.auxiliary.labels[row], batch.auxiliary.source[row]
        assert tokenizer.decode(ids[labels != IGNORE].tolist()) == example.code
        assert tokenizer.decode(ids[labels == 1].tolist()) == "total"
