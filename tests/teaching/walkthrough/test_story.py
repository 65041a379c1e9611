"""From a run folder to its story: the code is that of eval.py, the loss that of the code it is said to be of."""

import pytest
import torch

import eval as eval_program
from model.heads import copied_log_probs
from system.errors import UserError
from teaching.walkthrough.story import load_run, tell_story

PROMPT = "add the sum of xs"


def test_the_code_is_what_eval_writes_for_the_same_prompt(run_folder, capsys):
    assert eval_program.main(["--run", str(run_folder), "--prompt", PROMPT, "--device", "cpu"]) == 0
    assert capsys.readouterr().out == tell_story(run_folder, PROMPT).code + "\n"


def test_without_a_reference_the_loss_is_of_the_generated_pieces(run_folder):
    story = tell_story(run_folder, PROMPT)
    assert story.reference is None and story.same_ids
    assert story.trace.target.tolist() == story.trace.activations["log_probs"].value.argmax(-1).tolist()
    assert len(story.trace.target) == 12 and not story.ended  # a network that has learned nothing goes on to the end


def test_with_a_reference_the_loss_is_of_its_pieces(run_folder, tokenizer):
    story = tell_story(run_folder, PROMPT, reference="return sum(xs)")
    assert story.trace.target.tolist() == [*tokenizer.encode("return sum(xs)"), tokenizer.end_id]
    assert story.same_ids is None and story.code != "return sum(xs)"
    assert float(story.trace.loss.mean()) > float(tell_story(run_folder, PROMPT).trace.loss.mean())


def test_fewer_pieces_can_be_asked_for(run_folder):
    assert len(tell_story(run_folder, PROMPT, max_new_tokens=3).trace.target) == 3


def test_alternatives_are_the_most_probable_pieces_and_their_parts_sum_up(run_folder):
    story = tell_story(run_folder, PROMPT)
    probs = story.trace.activations["log_probs"].value.exp()
    for step, row in enumerate(story.alternatives):
        assert row[0][1] == pytest.approx(float(probs[step].max()))
        for token, probability, generated, copied in row:
            assert probability == pytest.approx(float(probs[step, token]))
            assert probability == pytest.approx(generated + copied, abs=1e-6)


def test_the_copied_part_is_what_the_copy_head_gives(run_folder):
    story = tell_story(run_folder, PROMPT, n_padding=0)
    model, trace = story.model, story.trace
    with torch.no_grad():
        mask = torch.ones_like(trace.source[None], dtype=torch.bool)
        memory = model.encode(trace.source[None], mask)
        pointer = model.copy_head(model.decode(trace.decoder_input[None], memory, mask), memory, mask)
        top = torch.tensor([[row[0][0] for row in story.alternatives]])
        copied = (pointer.log_copy + copied_log_probs(pointer, trace.source[None], top)).exp()[0]
    assert [row[0][3] for row in story.alternatives] == pytest.approx(copied.tolist(), abs=1e-5)


def test_what_learned_positions_have_no_room_for_is_refused(run_folder, make_model, monkeypatch):
    model = make_model("bart", max_length=8)
    _, tokenizer, settings = load_run(run_folder)
    monkeypatch.setattr("teaching.walkthrough.story.load_run", lambda run: (model, tokenizer, settings))
    with pytest.raises(UserError, match="8 learned positions"):
        tell_story(run_folder, "add the sum of xs to the sum of ys and of xs")


def test_a_network_of_absurd_numbers_is_refused_in_one_line(run_folder, make_model, monkeypatch):
    model = make_model("modern")
    with torch.no_grad():
        model.embedding.weight.fill_(3e38)
    _, tokenizer, settings = load_run(run_folder)
    monkeypatch.setattr("teaching.walkthrough.story.load_run", lambda run: (model, tokenizer, settings))
    with pytest.raises(UserError, match="probabilities are NaN"):
        tell_story(run_folder, PROMPT)
