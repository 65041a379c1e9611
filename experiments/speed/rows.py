"""A row of what was measured: the values of every round, ours and the peers', and the ratio to the one that counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from experiments.record.measurement import Facts, shown_command
from experiments.record.records import Measured
from experiments.record.targets import TARGETS, is_met
from experiments.speed.turns import Turns, ratio_of


@dataclass
class Row:
    """One line of the table; `values` are those of ours, one a round."""

    name: str
    unit: str
    values: list[float]
    peers: dict[str, list[float]] = field(default_factory=dict)
    ratio: dict[str, float] | None = None
    against: str = ""  # the peer of the ratio
    more: dict[str, Any] = field(default_factory=dict)  # facts for the JSON alone

    @property
    def target(self) -> dict[str, Any]:
        """The target that experiments/record/targets.py sets for this row, and whether it is met."""
        line = Measured("speed", self.name, "", "", median(self.values), self.unit, ratio=self.ratio)
        for target in TARGETS:
            if target.suite == "speed" and target.row == self.name:
                return {"target": target.wanted, "met": is_met(target, line)}
        return {"target": "reported", "met": None}


def row_of_turns(name: str, ours: Turns, peers: Sequence[Turns], against: Turns, **more: Any) -> Row:
    """The row of a speed in tokens a second, against one of the peers."""
    return Row(
        name, "tokens/s", ours.speeds, {peer.job.shown: peer.speeds for peer in peers}, ratio_of(ours, against),
        against.job.shown,
        {
            **more, "differences": differences(peers), "libraries": libraries([ours, *peers]),
            "memory_mib": {one.job.shown: round(one.memory_mib) for one in (ours, *peers)},
        },
    )


def differences(peers: Sequence[Turns]) -> dict[str, str]:
    """Peer -> which part of the task it does in another way."""
    return {peer.job.shown: peer.about["difference"] for peer in peers if peer.about["difference"]}


def libraries(turns: Sequence[Turns]) -> dict[str, str]:
    """Implementation -> name and version of its library."""
    return {one.job.shown: one.about["library"] for one in turns}


def show(rows: Sequence[Row]) -> None:
    """Print all rows as one aligned table."""
    columns = ("what", "ours", "fastest or named peer", "ratio (least to greatest)", "target", "met")
    cells = [columns, *(cells_of(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def cells_of(row: Row) -> tuple[str, ...]:
    """A row as the cells of the printed table."""
    target = row.target
    peer = f"{row.against} {amount(median(row.peers[row.against]), row.unit)}" if row.against else ""
    ratio = f"{row.ratio['median']:.2f} ({row.ratio['min']:.2f} to {row.ratio['max']:.2f})" if row.ratio else ""
    met = "" if target["met"] is None else ("yes" if target["met"] else "NO")
    return row.name, amount(median(row.values), row.unit), peer, ratio, target["target"], met


def amount(value: float, unit: str) -> str:
    """A number with its unit."""
    if unit == "share":
        return f"{value:.1%}"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.2f} {unit}"


def as_json(rows: Sequence[Row], arguments: list[str], facts: Facts) -> dict[str, Any]:
    """{row: {ours, peers, ratio, target, met, ..}, "machine": what is known of it and of the versions}."""
    command = shown_command(arguments)
    return {
        row.name: {
            "ours": row.values, "peers": row.peers, "ratio": row.ratio, "against": row.against, "unit": row.unit,
            "value": median(row.values), **row.target, "command": command, **row.more,
        }
        for row in rows
    } | {"machine": facts}
