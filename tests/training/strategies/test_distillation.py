"""The soft loss has Hinton's gradient; the whole loss is the pairs' at weight 0 and the teacher's at weight 1."""

import json
from dataclasses import replace

import pytest
import torch

from data.batches import collate
from data.config import DataConfig
from data.example import Example
from data.objectives.pairs import pairs
from system.errors import UserError
from training.batch_loss import batch_loss
from training.flops import forward_flops
from training.strategies.distillation import Teacher, distillation_loss, load_teacher, soft_loss, token_log_probs


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_gradient_is_the_difference_of_probabilities_over_the_temperature(temperature):
    torch.manual_seed(0)
    student, teacher = torch.randn(5, 7, dtype=torch.float64, requires_grad=True), torch.randn(5, 7).double()
    (soft_loss(student, teacher, temperature) / temperature**2).backward()
    p_s, p_t = (student / temperature).softmax(-1), (teacher / temperature).softmax(-1)
    torch.testing.assert_close(student.grad, (p_s - p_t) / temperature)


def test_one_position_by_hand():
    """p_t = (3/4, 1/4), p_s = (1/2, 1/2), T = 1: KL = 3/4 log(3/2) + 1/4 log(1/2)."""
    teacher, student = torch.tensor([[0.75, 0.25]]).log(), torch.tensor([[0.5, 0.5]]).log()
    expected = 0.75 * torch.tensor(1.5).log() + 0.25 * torch.tensor(0.5).log()
    torch.testing.assert_close(soft_loss(student, teacher, 1.0), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("copying", [False, True])
def test_without_the_teachers_part_it_is_the_loss_of_the_pairs(make_model, batch, copying, smoothing):
    student, teacher = make_model(copy_head=copying), make_model(seed=1)
    plain, _ = batch_loss(student, batch, smoothing)
    torch.testing.assert_close(distillation_loss(student, Teacher(teacher), batch, smoothing, 0.0, 2.0), plain)


@pytest.mark.parametrize("copying", [False, True])
def test_with_narrow_products_it_is_still_the_loss_of_the_pairs(make_model, batch, copying):
    """And probabilities that were added up in float32 have the sum 1."""
    student, teacher = make_model(copy_head=copying), make_model(seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        plain, _ = batch_loss(student, batch, 0.1)
        loss = distillation_loss(student, Teacher(teacher), batch, 0.1, 0.0, 2.0)
        sums = token_log_probs(student, batch)[0].exp().sum(-1)
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("copying", [False, True])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(make_model, batch, copying):
    student = make_model(copy_head=copying)
    loss = distillation_loss(student, Teacher(make_model(copy_head=copying)), batch, 0.0, 1.0, 2.0)
    loss.backward()
    gradients = [p.grad.abs().max().item() for p in student.parameters() if p.grad is not None]
    assert abs(loss.item()) < 1e-3 and max(gradients) < 1e-3


def test_the_students_probabilities_come_nearer_to_the_teachers(make_model, batch):
    student, teacher = make_model(copy_head=True), make_model(seed=1)  # the two need not be built alike
    wanted = token_log_probs(teacher, batch)[0].detach()

    def distance():
        return soft_loss(token_log_probs(student, batch)[0], wanted, 1.0).item()

    before, optimizer = distance(), torch.optim.Adam(student.parameters(), 0.01)
    for _ in range(20):
        optimizer.zero_grad()
        distillation_loss(student, Teacher(teacher), batch, 0.0, 1.0, 1.0).backward()
        optimizer.step()
    assert distance() < 0.5 * before
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.mark.parametrize("copying", [False, True])
@pytest.mark.parametrize("kept", [2**20, 0])
def test_a_teacher_says_what_its_network_says_and_is_asked_once_while_there_is_room(make_model, batch, copying, kept):
    network = make_model(seed=1, copy_head=copying)
    teacher = Teacher(network, kept)
    expected = token_log_probs(network, batch)[0].detach()
    torch.testing.assert_close(teacher.log_probs(batch), expected)
    lengths = zip(batch.source_mask.sum(1).tolist(), batch.target_mask.sum(1).tolist(), strict=True)
    once = sum(forward_flops(network.config, *pair) for pair in lengths)
    assert teacher.flops == once
    first = teacher.log_probs(batch)
    assert teacher.flops == (once if kept else 2 * once)
    assert torch.equal(first, teacher.log_probs(batch))


def test_what_a_teacher_says_of_a_pair_does_not_depend_on_the_batch_around_it(make_model, tokenizer):
    network = make_model(seed=1, copy_head=True)
    short, long = Example("a", "add 1", "total += 1"), Example("b", "add 1 to the total", "total = total + 1 + 1")
    items = [pairs(example, tokenizer, None) for example in (short, long)]
    alone, together = (collate(items[:n], ["a", "b"][:n], tokenizer) for n in (1, 2))
    n = len(items[0].target)
    assert together.target_mask.shape[1] > n, "the short pair is padded"
    assert torch.equal(Teacher(network).log_probs(alone), Teacher(network).log_probs(together)[:n])


def test_a_teacher_is_loaded_from_its_run_and_must_have_the_vocabulary(run, tmp_path):
    from data.tokenizers.tokenizer import Tokenizer, train_tokenizer
    from training.weights import read_tensors

    run(tmp_path / "teacher", ["--training.steps", "2"])
    tokenizer = Tokenizer.load(tmp_path / "teacher" / "tokenizer.model")
    folder, device, data = str(tmp_path / "teacher"), torch.device("cpu"), DataConfig()
    teacher = load_teacher(folder, tokenizer, data, device)
    weights = read_tensors(tmp_path / "teacher" / "model.safetensors")
    assert torch.equal(teacher.embedding.weight, weights["embedding.weight"])
    assert not teacher.training and not any(p.requires_grad for p in teacher.parameters())
    with pytest.raises(UserError, match="another vocabulary"):
        load_teacher(folder, train_tokenizer(["something else"], 400), data, device)
    with pytest.raises(UserError, match=r"data.prefix '' instead of 'files: '"):
        load_teacher(folder, tokenizer, replace(data, prefix="files: "), device)
    config = json.loads((tmp_path / "teacher" / "config.json").read_text())
    config["model"] |= {"positions": "learned", "max_length": 8}
    (tmp_path / "teacher" / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="8 learned positions of strategies.teacher"):
        load_teacher(folder, tokenizer, data, device)
