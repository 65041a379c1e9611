"""What is traced is what the network computes, and the gradients are those of the loss."""

import pytest
import torch
from torch.testing import assert_close

from model.attention import MultiHeadAttention
from model.fast import plain_modules
from model.fused_attention import FusedAttention
from teaching.walkthrough.trace import Recorder, activations_of, parameter_norms, trace
from training.losses import sequence_loss_written_out

N_PADDING = 3
CHANGED = [  # one of each kind, with what the hook of the test has to change: (module, whether its input or output)
    ("encoder.0.self_attention.scores", "encoder.0.self_attention.see"),
    ("encoder.1.self_attention.weights", "encoder.1.self_attention.see"),
    ("encoder.0.feed_forward.hidden", "encoder.0.feed_forward.outer"),
    ("decoder.0.self_attention.keys", "decoder.0.self_attention.see"),
    ("decoder.1.cross_attention.values", "decoder.1.cross_attention.see"),
    ("decoder.0.cross_attention.stream", "decoder.0.cross_attention_residual"),
    ("decoder.1.feed_forward.inner", "decoder.1.feed_forward.inner"),
    ("logits", "output"),
]


def run_fused(model, seen):
    """Logits and log-probabilities of the same tokens with the fused form of attention."""
    assert all(isinstance(part, FusedAttention) for part in model.modules() if isinstance(part, MultiHeadAttention))
    source, mask = seen.source[None], torch.arange(len(seen.source))[None] < seen.n_source
    with torch.no_grad():
        memory = model.encode(source, mask)
        states = model.decode(seen.decoder_input[None], memory, mask)
        return model.logits(states)[0], model.log_probs(model.logits(states), states, memory, source, mask)[0]


def test_logits_equal_the_fused_runs_and_the_generated_ids_are_identical(story, generated):
    logits, log_probs = run_fused(story.model, story.trace)
    assert_close(story.trace.activations["logits"].value, logits, atol=2e-5, rtol=1e-5)
    assert_close(story.trace.activations["log_probs"].value, log_probs, atol=2e-5, rtol=1e-5)
    assert story.trace.fused_difference < 2e-5
    assert story.trace.activations["log_probs"].value.argmax(-1).tolist() == generated(story.model)[1]


def test_every_learned_step_has_a_gradient_of_its_own_shape(story):
    without = {name for name, seen in story.trace.activations.items() if seen.gradient is None}
    assert all(name.split(".")[-1] in ("positions", "cosine", "sine", "bias") for name in without)
    for seen in story.trace.activations.values():
        assert seen.gradient is None or seen.gradient.shape == seen.value.shape


@pytest.mark.parametrize("variant", ["modern, copy head", "vaswani2017"])
@pytest.mark.parametrize("name, module", CHANGED, ids=lambda value: value)
def test_gradients_are_what_moving_one_number_does_to_the_loss(make_model, generated, variant, name, module):
    model = make_model(variant).double()
    source, target = generated(model)
    seen = trace(model, source, 1, target, 3).activations[name]
    index = int(seen.gradient.flatten().abs().argmax())
    losses = [loss_when_moved(model, source, target, name, module, index, step) for step in (1e-5, -1e-5)]
    assert_close(seen.gradient.flatten()[index].item(), (losses[0] - losses[1]) / 2e-5, rtol=1e-4, atol=1e-9)


def loss_when_moved(model, source, target, name, module, index, step):
    """The loss with one cell of one step moved by `step`, by a hook of the test's own."""

    def moved(tensor):
        tensor = tensor.clone()
        tensor.view(-1)[index] += step
        return tensor

    def change_output(_, inputs, output):
        is_this = inputs[0] == name.split(".")[-1] if isinstance(inputs[0], str) else True
        return moved(output.contiguous()) if is_this else None

    where = model.get_submodule(module)
    before = name.endswith(".hidden")
    handle = where.register_forward_pre_hook(lambda _, inputs: (moved(inputs[0]),)) if before else (
        where.register_forward_hook(change_output))
    ids, wanted = torch.tensor([[*source, 0]]), torch.tensor([target])
    with torch.no_grad(), plain_modules(model):
        log_probs = model(ids, torch.arange(ids.shape[1])[None] < len(source), torch.tensor([[3, *target[:-1]]]))
        total, count = sequence_loss_written_out(log_probs, wanted, torch.ones_like(wanted, dtype=torch.bool))
    handle.remove()
    return float(total / count)


def test_the_loss_is_that_of_the_target_and_its_mean_is_what_went_back(tell):
    seen = tell("modern").trace
    chosen = seen.activations["log_probs"].value.gather(-1, seen.target[:, None])[:, 0]
    assert_close(seen.loss, -chosen)
    gradient = seen.activations["log_probs"].gradient
    assert_close(gradient.gather(-1, seen.target[:, None])[:, 0], torch.full_like(chosen, -1 / len(chosen)))


def test_the_model_is_left_as_it_was_found(tell):
    model = tell("t5, copy head").model
    assert all(isinstance(part, FusedAttention) for part in model.modules() if isinstance(part, MultiHeadAttention))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_padding_changes_nothing_and_nobody_reads_it(tell):
    plain, padded = tell("modern, copy head", n_padding=0).trace, tell("modern, copy head", n_padding=N_PADDING).trace
    assert_close(plain.activations["log_probs"].value, padded.activations["log_probs"].value)
    for name in ("encoder.0.self_attention.queries", "encoder.1.feed_forward.hidden", "encoder.final"):
        gradient = padded.activations[name].gradient
        assert (gradient[..., -N_PADDING:, :] == 0).all() and gradient.abs().sum() > 0


@pytest.mark.parametrize("variant", ["vaswani2017", "t5", "modern, copy head"])
def test_rows_of_a_prefix_are_the_first_rows_of_the_whole(make_model, generated, variant):
    # The page stores the last pass alone and reveals its rows piece by piece.
    model = make_model(variant)
    source, target = generated(model)
    whole = trace(model, source, 0, target, 3).activations
    part = trace(model, source, 0, target[:4], 3).activations
    for name, seen in part.items():
        if name.startswith("decoder") and seen.value.dim() == 2 or name in ("logits", "log_probs"):
            assert_close(seen.value, whole[name].value[:4], atol=2e-5, rtol=1e-4)


def test_masked_scores_and_weights_are_what_the_mask_says(tell):
    seen = tell("modern").trace.activations
    future = torch.ones_like(seen["decoder.0.self_attention.weights"].value, dtype=torch.bool).triu(1)
    for part in (seen["decoder.0.self_attention.weights"].value, seen["decoder.0.self_attention.scores"].gradient):
        assert (part[future] == 0).all()
    assert seen["decoder.0.self_attention.scores"].value[future].abs().max() < 1e3  # shown before the mask


def test_a_gradient_that_is_missing_is_not_passed_over(make_model):
    recorder = Recorder()
    with torch.enable_grad():
        recorder.keep("lost", torch.ones(1, 2, requires_grad=True) * 2)
    with pytest.raises(RuntimeError, match="no gradient reached lost"):
        activations_of(recorder)
    with pytest.raises(RuntimeError, match="no gradient reached the parameter"):
        parameter_norms(make_model("modern"))


def test_two_tensors_cannot_have_one_name():
    recorder = Recorder()
    recorder.keep("x", torch.ones(2))
    with pytest.raises(RuntimeError, match="two tensors are called x"):
        recorder.keep("x", torch.ones(2))


def test_a_model_in_training_mode_is_refused(make_model):
    with pytest.raises(ValueError, match="model.eval"):
        trace(make_model("modern").train(), [5, 1], 0, [1], 3)
