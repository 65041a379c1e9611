"""From a trained model and its test splits to decoded code, scores and baselines in the run folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from data.config import DataConfig
from data.corpora.held_out import data_hash, duplicates
from data.example import Example
from data.objectives import example_generator
from data.perturb import PERTURBATIONS, perturb
from data.splits import Splits, read_splits
from data.splits import reverse as turned
from data.tokenizers.tokenizer import Tokenizer
from evaluation.attention import attention_maps
from evaluation.baselines import baseline_predictions
from evaluation.config import EvaluationConfig
from evaluation.finished_run import json_or
from evaluation.metrics import (
    Score,
    exact_matches,
    gold_parses,
    length_groups,
    line_score,
    mean_score,
    score_predictions,
    signatures,
)
from evaluation.n_best import Reverse, choose, oracle
from evaluation.predict import predict_candidates
from evaluation.programs.run import Outcome, run_programs
from model.ensemble import Ensemble
from model.transformer import Transformer
from system.atomic_files import write_atomically
from system.errors import UserError

EXAMPLES_SHOWN = 5  # descriptions whose code is printed at the end


@dataclass(frozen=True)
class Scored:
    """One split, decoded and scored."""

    split: str
    references: list[Example]
    predictions: list[str]
    outcomes: list[Outcome] | None
    scores: dict[str, Score]
    known: set[str] = frozenset()  # ids of the examples whose pair stands in the training part too


def evaluate_run(
    run: Path, model: Transformer | Ensemble, tokenizer: Tokenizer, corpus: str, data: DataConfig,
    config: EvaluationConfig, seed: int, reverse: Reverse | None = None,
) -> list[Scored]:
    """Decode and score every split but the training lines; write scores, predictions and attention maps.

    A corpus without any other split is scored on what training held out of it. Raises UserError.
    """
    model.eval()
    if config.run_untrusted:
        print("run_untrusted is on: programs that the network writes, and tests that came with the corpus, run on this "
              "machine with your rights; there is no sandbox", file=sys.stderr)  # fmt: skip
    splits = read_splits(corpus, data, seed)
    networks, partners = (model.networks, model.runs) if isinstance(model, Ensemble) else ([model], [])
    check_held_out([run, *map(Path, partners)], reverse, splits, data.path or corpus)

    results = [
        evaluate_split(
            split, references, duplicates(splits.published, references), model, tokenizer, data, config, reverse
        )
        for split, references in first_lines(splits, config.limit).items()
    ]

    scores: dict[str, Any] = {scored.split: scored.scores for scored in results}
    scores["baselines"] = baselines(splits, results, config)
    if config.perturbed:
        results += [
            evaluate_perturbed(scored, kind, model, tokenizer, data, config, reverse)
            for scored in list(results) for kind in PERTURBATIONS
        ]  # fmt: skip
        scores |= {scored.split: scored.scores for scored in results}

    scores["by_length"] = {scored.split: scores_by_length(scored) for scored in results}
    scores["gold_parses"] = {
        scored.split: gold_parses(scored.references) for scored in results if "parses" in scored.scores
    }
    scores["signatures"] = signatures()
    ensemble = {"ensemble": partners} if partners else {}
    scores["evaluation"] = asdict(config) | ensemble | ({"reverse": reverse.run} if reverse is not None else {})

    write_atomically(run / "scores.json", json.dumps(scores, indent=1))
    lines = [json.dumps(line) for scored in results for line in prediction_lines(scored)]
    write_atomically(run / "predictions.jsonl", "".join(line + "\n" for line in lines))

    if results and networks[0].config.cross_attention:
        first = results[0]
        maps = attention_maps(networks[0], tokenizer, first.references[:3], first.predictions[:3], data)
        write_atomically(run / "attention.json", json.dumps(maps))
    return results


def check_held_out(writers: Iterable[Path], reverse: Reverse | None, splits: Splits, where: str) -> None:
    """Refuse to score what training held out with a network that was trained on other lines of `where`.

    It may have learnt what is scored: another file, or another seed, holds out other lines. Raises UserError.
    """
    if splits.tests.get("held_out") is not splits.held_out:  # a split of the corpus's own is the same for all runs
        return
    runs = dict.fromkeys(writers, data_hash(splits.train))
    if reverse is not None:
        runs[Path(reverse.run)] = data_hash(map(turned, splits.train))
    for run, lines in runs.items():
        if json_or(run / "environment.json", {}).get("data_hash") not in (None, lines):
            raise UserError(
                f"{where} is not what {run} was trained on, or its seed held out other lines, which are learnt then; "
                "give the same file, or a folder with a test file"
            )


def first_lines(splits: Splits, limit: int) -> dict[str, list[Example]]:
    """Split name -> its first `limit` examples (0: all). An empty split is left out, and that is said."""
    tests = {name: list(islice(examples, limit or None)) for name, examples in splits.tests.items()}
    for name in [name for name, references in tests.items() if not references]:
        print(f"{name}: nothing to score, this split has no lines")
        del tests[name]
    return tests


def evaluate_split(
    split: str, references: list[Example], known: set[str], model: Transformer | Ensemble, tokenizer: Tokenizer,
    data: DataConfig, config: EvaluationConfig, reverse: Reverse | None = None,
) -> Scored:
    """Decode one split and score it; no example is skipped, and sources that are too long are cut.

    `known`: ids of the examples whose pair stands in the training part too.
    """
    descriptions = [example.nl or "" for example in references]
    n_best = config.beam if config.parsing_first or reverse is not None else 1
    candidates, n_cut = predict_candidates(
        model, tokenizer, descriptions, config, data, f"decoding {split}", n_best
    )
    predictions = choose(candidates, references, config, reverse)
    if n_cut:
        print(f"{split}: {n_cut} descriptions were cut to {data.max_source_length} tokens")

    outcomes = run_tests(references, predictions, config)
    n_refused = sum(outcome.status == "refused" for outcome in outcomes or ())
    if n_refused:
        print(
            f"{split}: {n_refused} of {len(references)} programs were not run and count as failed: they or their tests "
            "leave the generated grammar, and there is no sandbox yet (eval.py --run_untrusted runs them all the same)"
        )

    scores = score_predictions(references, predictions, known, outcomes)
    if n_best > 1:
        scores["exact_match_oracle"] = mean_score(oracle(candidates, references))
    new = [outcome.passed for example, outcome in zip(references, outcomes or ()) if is_new(example)]
    if new:
        scores["tests_passed_new_programs"] = mean_score(new)
    return Scored(split, references, predictions, outcomes, scores, known)


def evaluate_perturbed(
    clean: Scored, kind: str, model: Transformer | Ensemble, tokenizer: Tokenizer, data: DataConfig,
    config: EvaluationConfig, reverse: Reverse | None = None,
) -> Scored:
    """Score a split with perturbed descriptions; `robustness` is the share of what was right before that still is.

    The change of an example depends on nothing but its id and the kind, so all runs see the same.
    """
    changed = [
        perturb(example, kind, example_generator(0, 0, f"{kind}/{example.id}")) for example in clean.references
    ]
    scored = evaluate_split(f"{clean.split}_{kind}", changed, clean.known, model, tokenizer, data, config, reverse)
    before, after = (exact_matches(one.references, one.predictions) for one in (clean, scored))
    if before.any():
        scored.scores["robustness"] = mean_score(after[before])
    return scored


def is_generated(example: Example) -> bool:
    """Whether an example is a generated task, whose tests may be run."""
    return "ops" in example.meta


def is_new(example: Example) -> bool:
    """Whether a generated task is marked as new: its program, names and constants aside, is not in training."""
    return bool(example.meta.get("normalised_is_new"))


def run_tests(
    references: Sequence[Example], predictions: Sequence[str], config: EvaluationConfig
) -> list[Outcome] | None:
    """The tests' outcome for each prediction, or None where the examples have no tests.

    Tests that came with a corpus (MBPP) are programs of strangers too: without `run_untrusted` none of them runs.
    """
    if not references or not all(example.tests for example in references):
        return None
    if not config.run_untrusted and not all(is_generated(example) for example in references):
        return [Outcome(False, "refused", "its tests came with the corpus") for _ in references]
    jobs = [(code, example.tests) for code, example in zip(predictions, references, strict=True)]
    return run_programs(jobs, config.time_limit, config.memory_limit, config.run_untrusted)


def baselines(
    splits: Splits, results: list[Scored], config: EvaluationConfig
) -> dict[str, dict[str, dict[str, Score]]]:
    """The scores of the baselines (evaluation/baselines.py): name -> split -> metric -> score.

    They see the examples that the model was trained on, and no others.
    """
    table: dict[str, dict[str, dict[str, Score]]] = {}
    if not splits.train or not results:
        return table
    queries = [example.nl or "" for scored in results for example in scored.references]
    for name, codes in baseline_predictions(splits.train, queries).items():
        rest = iter(codes)
        table[name] = {}
        for scored in results:
            predictions = list(islice(rest, len(scored.references)))
            table[name][scored.split] = short_scores(scored, predictions, config)
    return table


def short_scores(scored: Scored, predictions: list[str], config: EvaluationConfig) -> dict[str, Score]:
    """Exact match with and without duplicates, and the share that passes its tests where there are tests."""
    exact = exact_matches(scored.references, predictions)
    new = [index for index, example in enumerate(scored.references) if example.id not in scored.known]
    scores = {"exact_match": mean_score(exact)}
    if new:
        scores["exact_match_without_duplicates"] = mean_score(exact[new])
    outcomes = run_tests(scored.references, predictions, config)
    if outcomes is not None:
        scores["tests_passed"] = mean_score([outcome.passed for outcome in outcomes])
    return scores


def scores_by_length(scored: Scored) -> dict[str, list[dict[str, Any]]]:
    """Every metric by the reference's length in tokens: metric -> one score per group, from short to long."""
    table: dict[str, list[dict[str, Any]]] = {}
    for group in length_groups(scored.references):
        references = [scored.references[index] for index in group.rows]
        predictions = [scored.predictions[index] for index in group.rows]
        outcomes = scored.outcomes and [scored.outcomes[index] for index in group.rows]
        for metric, score in score_predictions(references, predictions, scored.known, outcomes).items():
            table.setdefault(metric, []).append({"shortest": group.shortest, "longest": group.longest, **score})
    return table


def prediction_lines(scored: Scored) -> list[dict[str, Any]]:
    """The lines of predictions.jsonl for one split."""
    exact = exact_matches(scored.references, scored.predictions)
    outcomes = scored.outcomes or [None] * len(exact)
    return [
        {
            "split": scored.split,
            "id": example.id,
            "nl": example.nl,
            "reference": example.code,
            "prediction": prediction,
            "passed": None if outcome is None else outcome.passed,
            "status": "not run" if outcome is None else outcome.status,
            "exact": bool(same),
            "score": line_score(example.code, prediction),
        }
        for example, prediction, outcome, same in zip(
            scored.references, scored.predictions, outcomes, exact, strict=True
        )
    ]
