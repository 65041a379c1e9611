"""Early stopping keeps the weights that were best on the held-out pairs, not the last ones."""

import json

# Far too large a learning rate: the held-out loss rises soon.
DIVERGING = """--training.epochs 0 --training.evaluate_every 1 --training.schedule constant --training.warmup_steps 0
    --training.learning_rate 3 --training.ema_decay 0""".split()


def held_out_losses(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["held_out_loss"] for line in lines]


def test_the_best_weights_are_kept_and_not_the_last(run, tmp_path):
    run(tmp_path / "long", [*DIVERGING, "--training.steps", "7", "--training.patience", "100"])
    losses = held_out_losses(tmp_path / "long")
    best = losses.index(min(losses)) + 1
    assert best < len(losses)
    run(tmp_path / "short", [*DIVERGING, "--training.steps", str(best)])
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("long", "short")]
    assert weights[0] == weights[1]


def test_without_patience_the_last_weights_stay(run, tmp_path):
    run(tmp_path / "a", [*DIVERGING, "--training.steps", "7"])
    run(tmp_path / "b", [*DIVERGING, "--training.steps", "7", "--training.patience", "100"])
    assert (tmp_path / "a" / "model.safetensors").read_bytes() != (tmp_path / "b" / "model.safetensors").read_bytes()
