"""Put the recorded lines into their short form, once, and check that nothing is lost but what no page shows.

    python -m experiments.migrate_lines docs/results
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from data.atomic_files import write_atomically
from experiments.compact_lines import DIGITS, SCORE, Line, compact, defaults, expand, fill
from experiments.result_lines import NOT_RECORDED, SHOWN_BESIDE, as_text


def main(folder: Path) -> int:
    """Every file of the folder; each line's text is kept where it is a measurement."""
    for path in sorted(folder.glob("*.jsonl")):
        text, shared, n = "", {}, 0
        for written in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(written)
            if "config" not in line:
                text += written + "\n"
                continue
            short, parts = compact(shown(line))
            text += as_text([part for key, part in parts.items() if key not in shared] + [short])
            shared |= parts
            check(line, expand(json.loads(as_text([short])), json.loads(json.dumps(shared))), path)
            n += 1
        if n:
            print(f"{path.name}: {n} runs, {len(shared)} shared lines, {path.stat().st_size:,} -> {len(text):,} bytes")
            write_atomically(path, text)
    return 0


def shown(line: Line) -> Line:
    """The line without what no page shows of it."""
    line = {**line, "config": {name: value for name, value in line["config"].items() if name != NOT_RECORDED}}
    if "beside" in line:
        line["beside"] = {name: value for name, value in line["beside"].items() if name in SHOWN_BESIDE}
    return line


def check(before: Line, after: Line, path: Path) -> None:
    """Refuse what is not the same, later settings at their defaults and the digits of interval ends apart."""
    before = shown(before)
    before["config"] = fill(defaults(), before["config"])
    if "pretraining" in before:
        rooms = {room: fill(defaults()[room], of) for room, of in before["pretraining"]["config"].items()}
        before["pretraining"] = {**before["pretraining"], "config": rooms}
    for name in ("scores", "baselines"):
        if name in before:
            before[name] = rounded(before[name])
    one, other = (json.dumps(line, sort_keys=True) for line in (before, after))
    assert one == other, f"{path}: {before['row']}, seed {before['seed']}\n{one}\n{other}"


def rounded(scores):
    """Scores with the ends of their intervals to so many digits."""
    if isinstance(scores, dict) and {*scores} == {*SCORE}:
        return scores | {end: float(f"{scores[end]:.{DIGITS}g}") for end in ("low", "high")}
    return {name: rounded(value) for name, value in scores.items()} if isinstance(scores, dict) else scores


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
