"""Solutions with a slip in their text, as students write it, are told the slip's name."""

import pytest

from teaching.exercises.catalogue import EXERCISES
from teaching.exercises.pages import all_pages

SOLUTIONS = {page.name: page.solution for page in all_pages()}
SLIPS = [
    ("embed", "np.sqrt(d_model) * table[ids]", "table[ids]", "no scale"),
    ("sinusoids", "np.stack([np.sin(angles), np.cos(angles)], axis=-1)", "np.hstack([np.sin(angles), np.cos(angles)])",
     "all sines first, then all cosines"),
    ("self_attention_mask", "& not_after", "& not_after & is_real[:, :, None]", "padded queries masked as well"),
    ("self_attention_mask", "<= positions[:, None]", ">= positions[:, None]",
     "the upper triangle, which shows the future"),
    ("softmax", "scores - scores.max(axis=-1, keepdims=True)", "scores", "no maximum subtracted"),
    ("softmax", "scores.max(axis=-1, keepdims=True)", "scores.max()", "one maximum for the whole array"),
    ("attention", "np.where(may_attend, scores, -np.inf)", "scores * may_attend", "masked scores filled with 0"),
    ("attention", "np.where(may_attend, scores, -np.inf)", "np.where(may_attend, -1e9, scores)", "the mask inverted"),
    ("attention", "softmax(masked)", "softmax(scores) * may_attend", "weights set to 0 after softmax"),
    ("split_heads", "x.reshape(batch, length, n_heads, d_model // n_heads)",
     "x.reshape(batch, n_heads, length, -1).swapaxes(1, 2)", "a reshape without the transpose"),
    ("multi_head_attention", "heads.swapaxes(1, 2).reshape(x.shape)", "heads.reshape(x.shape)",
     "heads joined without transposing back"),
    ("multi_head_attention", '.T + weights["b_', ' + weights["b_', "W in place of its transpose"),
    ("layer_norm", "np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)",
     "np.std(x, axis=-1, ddof=1, keepdims=True) + EPSILON", "the unbiased variance, divided by n - 1"),
    ("layer_norm", "axis=-1", "axis=1", "statistics over the tokens in place of the components"),
    ("gated_feed_forward", "gate / (1 + np.exp(-gate)) * inner", "inner / (1 + np.exp(-inner)) * gate",
     "the activation on W_1 x, not on the gate"),
    ("residual", "return x + sublayer(norm(x))", "x = norm(x)\n        return x + sublayer(x)",
     "the normalised x carried past the sublayer in pre-norm"),
    ("encode_decode", "return memory, decoder.norm(y)", "return memory, y", "no norm at the end of the decoder"),
    ("encode_decode", "memory = encoder.norm(x)", "memory = x", "no norm at the end of the encoder"),
    ("teacher_forcing", "<= lengths", "< lengths", "the end token not counted"),
    ("teacher_forcing", "return decoder_input, labels", "return labels, labels", "decoder_input and labels the same"),
    ("cross_entropy", "each[is_real].mean()", "np.mean([row[real].mean() for row, real in zip(each, is_real)])",
     "the mean of the sentences' means"),
    ("cross_entropy", "each[is_real].mean()", "each.mean()", "padding counted"),
    ("cross_entropy", "-(q * log_probs)", "(q * log_probs)", "the sign turned"),
    ("cross_entropy_backward", " / is_real.sum()", "", "no division by the number of real tokens"),
    ("cross_entropy_backward", "(probs - q) * is_real[..., None]", "(probs - q)", "a gradient at padding"),
    ("linear_backward", "d_y @ weight", "d_y @ weight.T", "W transposed in dL/dx"),
    ("linear_backward", "d_rows.T @ x_rows", "x_rows.T @ d_rows", "dL/dW transposed"),
    ("layer_norm_backward", "direct + through_mean + through_variance", "direct",
     "mean and variance taken as constants"),
    ("layer_norm_backward", "direct + through_mean + through_variance", "direct + through_variance",
     "the path through the mean left out"),
    ("softmax_backward", "weights * (d_weights - expected)", "weights * d_weights",
     "p g without the sum that is subtracted"),
    ("attention_backward", "scale * d_scores", "d_scores", "the scale forgotten on the way back"),
    ("attention_backward", "scale * d_scores @ keys", "d_scores @ keys", "the scale forgotten on the way back"),
    ("embedding_backward", "np.add.at(d_table, ids, np.sqrt(d_model) * d_x)", "d_table[ids] += np.sqrt(d_model) * d_x",
     "assignment in place of adding (d_table[ids] += .. assigns as well)"),
    ("tied_gradient", "    np.add.at(d_table, ids, d_x)", "    d_table[ids] += d_x",
     "assignment in place of adding (d_table[ids] += .. assigns as well)"),
    ("adamw_step", "    mean = ", "    gradient = gradient + decay * weight\n    mean = ",
     "decay added to the gradient (L2 in Adam, not AdamW)"),
    ("adamw_step", "np.sqrt(square / (1 - BETA2**step)) + EPSILON", "np.sqrt(square / (1 - BETA2**step) + EPSILON)",
     "epsilon inside of the root"),
    ("greedy", "if ended.all():", "if ended.any():", "a loop that stops when the first sentence ends"),
    ("greedy", "next_log_probs(prefix)", "next_log_probs(prefix[:, -1:])",
     "the last token alone given, not the whole prefix"),
    ("beam_step", "candidates / new_lengths[:, None] ** alpha", "candidates", "no length penalty"),
    ("nucleus", "np.cumsum(ordered, axis=-1) - ordered", "np.cumsum(ordered, axis=-1)",
     "the token that crosses top_p cut off"),
    ("nucleus", " / kept.sum(axis=-1, keepdims=True)", "", "no division by what is left"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "right", "slip", "called"), SLIPS)
def test_a_slip_in_the_text_is_wrong_and_called_by_its_name(name, right, slip, called, tmp_path, grade_file):
    assert right in SOLUTIONS[name]
    path = tmp_path / "answer.py"
    path.write_text(SOLUTIONS[name].replace(right, slip), encoding="utf-8")
    verdict = grade_file(EXERCISES[name], path)
    print(verdict.line)
    assert verdict.status == "wrong"
    assert [name for name, _ in verdict.mistakes] == ([called] if called else [])
