"""A finished run as it lies on disk, read once for the report and for the result lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from system.atomic_files import from_json, kind_of
from system.atomic_files import read_json as whole_json
from system.errors import UserError
from system.from_disk import Number, checked

Scores = dict[str, dict[str, Number | None] | Number | None]  # metric -> value, low, high, n
BESIDE = ("by_length", "gold_parses", "signatures", "evaluation")  # what scores.json holds beside splits and baselines


@dataclass
class LengthScore:
    """The types of the score of references of similar length."""

    value: Number
    low: Number | None = None
    high: Number | None = None
    n: int | None = None
    shortest: int = 0  # tokens
    longest: int = 0


@dataclass
class Beside:
    """The types of what scores.json holds beside splits and baselines."""

    by_length: dict[str, dict[str, list[LengthScore]]] = field(default_factory=dict)
    gold_parses: dict[str, Number] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)


@dataclass
class Prediction:
    """The types of what is used of a line of predictions.jsonl; older runs lack some."""

    split: str = ""
    id: str = ""
    nl: str | None = None
    reference: str = ""
    prediction: str | None = None
    exact: bool | None = None
    passed: bool | None = None
    status: str | None = None
    score: Number | None = None


@dataclass
class Metrics:
    """The types of what is used of a line of metrics.jsonl."""

    phase: str = ""
    step: Number = 0
    loss: Number | None = None
    held_out_loss: Number | None = None
    learning_rate: Number | None = None
    tokens_per_second: Number | None = None


@dataclass
class Environment:
    """The types of what is used of environment.json."""

    command: list[str] = field(default_factory=list)
    libraries: dict[str, str | None] = field(default_factory=dict)
    processor: str | None = None
    seed: int = 0
    threads: int | None = None
    cores: int | None = None
    parameters: Number | None = None
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    code_hash: str | None = None
    data_hash: str | None = None
    device: str | None = None


@dataclass
class Attention:
    """The types of a record of attention.json."""

    source: list[str]
    target: list[str]
    weights: list[list[Number]]
    copy: list[Number] | None = None


@dataclass(frozen=True)
class RunFolder:
    """The files of one run; a file that the run has not written is empty."""

    path: Path
    config: dict[str, Any] = field(default_factory=dict)  # under today's names: given by who knows them
    environment: dict[str, Any] = field(default_factory=dict)
    budget: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)  # split -> metric -> value, low, high, n
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> split -> metric -> value, ...
    beside: dict[str, Any] = field(default_factory=dict)  # by_length, gold_parses, ...: see read_run_folder
    metrics: list[dict[str, Any]] = field(default_factory=list)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    attention: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The folder's own name, however the path to it was written."""
        return self.path.resolve().name

    @property
    def facts(self) -> dict[str, Any]:
        """The facts written at the start (environment.json) and at the end (budget.json); the latter win."""
        return {**self.environment, **self.budget}

    @property
    def machine(self) -> str:
        """The machine's cores and processor in words, empty when the run has not recorded them."""
        cores, processor = self.environment.get("cores"), self.environment.get("processor")
        parts = [f"{cores} cores" if cores else "", processor or ""]
        return str(self.environment.get("machine") or ", ".join(part for part in parts if part))


def read_run_folder(run: Path, config: dict[str, Any]) -> RunFolder:
    """Read the run folder `run` beside its `config`. Raises UserError, one line, for a damaged file.

    Beside the splits scores.json may hold "baselines" {name: {split: {metric: score}}}, "by_length" {split: {metric:
    [score with "shortest" and "longest" tokens]}}, "gold_parses" {split: share}, "signatures" {metric: text} and
    "evaluation", the settings of the scoring, which eval.py may have changed.
    """
    scores = json_or(run / "scores.json", {})
    baselines = checked(scores.pop("baselines", {}), dict[str, dict[str, Scores]], run / "scores.json")
    beside = {name: scores.pop(name) for name in BESIDE if name in scores}
    checked(beside, Beside, run / "scores.json")
    checked(scores, dict[str, Scores], run / "scores.json")
    return RunFolder(
        path=run,
        config=config,
        environment=checked_table(run / "environment.json", Environment),
        budget=checked(json_or(run / "budget.json", {}), dict[str, Number | None], run / "budget.json"),
        scores=scores,
        baselines=baselines,
        beside=beside,
        metrics=checked_lines(run / "metrics.jsonl", Metrics),
        predictions=checked_lines(run / "predictions.jsonl", Prediction),
        attention=checked_list(run / "attention.json", Attention),
    )


def checked_lines(path: Path, kind: type) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file as they stand there; the fields of this class have its types. UserError."""
    records = numbered_json_lines(path)
    for number, record in records:
        checked(record, kind, f"{path}:{number}")
    return [record for _, record in records]


def checked_table(path: Path, kind: type) -> dict[str, Any]:
    """The same of a JSON object."""
    record = json_or(path, {})
    checked(record, kind, path)
    return record


def checked_list(path: Path, kind: type) -> list[dict[str, Any]]:
    """The same of a JSON list."""
    records = json_or(path, [])
    checked(records, list[kind], path)
    return records


def json_or(path: Path, default: Any) -> Any:
    """The content of a JSON file of the default's type, or `default` when there is no file. Raises UserError."""
    if not path.exists():
        return default
    content = whole_json(path)
    if not isinstance(content, type(default)):
        raise UserError(f"{path}: expected a JSON {type(default).__name__}, found {type(content).__name__}")
    return content


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, none when there is no file. Raises UserError naming file and line."""
    return [record for _, record in numbered_json_lines(path)]


def numbered_json_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a JSON-lines file, each with the number of its line. Raises UserError naming file and line."""
    if not path.exists():
        return []
    if not path.is_file():
        raise UserError(f"{path} is {kind_of(path)}, not a file; move it away")
    records = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = from_json(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}:{number}: damaged line ({error}); restore or delete this line") from None
        if not isinstance(record, dict):
            raise UserError(f"{path}:{number}: expected a JSON object, found {type(record).__name__}; mend this line")
        records.append((number, record))
    return records
