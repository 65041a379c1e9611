"""Use and score a trained run: a run folder and test lines -> decoded code, scores, a report (chapter 3.1, step 5).

    python eval.py --run runs/quickstart                                  score again, write report.html
    python eval.py --run runs/quickstart --beam 4                         the same with beam search
    python eval.py --run runs/quickstart --speed readable                 the same by the forms that show every step
    python eval.py --run runs/quickstart --prompt "return the sum of the even numbers in xs"
    python eval.py --run runs/quickstart --prompt "sort words by length" --samples 5 --temperature 0.8
    python eval.py --run runs/quickstart --prompt - < descriptions.txt    one description a line
    python eval.py --run runs/quickstart --prompt                         asks for one after the other
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from system.own_packages import refuse_foreign_packages

refuse_foreign_packages()

import torch

from data.config import DataConfig
from data.tokenizers.tokenizer import Tokenizer
from evaluation.config import EvaluationConfig
from evaluation.evaluate import evaluate_run
from evaluation.n_best import Reverse
from evaluation.predict import is_cut, predict, sample_programs
from evaluation.prompts import descriptions, is_typed, with_prompt_text
from evaluation.summary import show_results, write_scores_json
from model.decoding import Sampling
from model.ensemble import Ensemble
from model.transformer import Transformer
from system.device import find_device, keep_freed_memory, set_threads
from system.errors import UserError
from system.options import parse, run_and_report
from training.overview import memory_in_words
from training.recipes import TrainingSettings
from training.run.folder import check_writable, ran_untrusted, read_config, read_config_values
from training.run.load import check_positions, differing_text_setting, load_trained, same_vocabulary
from training.run.lock import check_free, only_writer
from training.run.own import adopt, check_consent, check_places

CHOICES = ("beam", "length_penalty", "reverse_weight", "limit")  # also settings of a run
SWITCHES = ("parsing_first", "perturbed")  # these too
OF_SCORING = ("reverse", "reverse_weight", "parsing_first", "perturbed", "run_untrusted", "limit", "data_path", "json")


@dataclass(frozen=True)
class Options:
    """Options of eval.py; an option that is not given is as in the run's own settings."""

    run: str = "runs/quickstart"  # the run folder
    prompt: str | None = None  # a description to write code for; - or none: reads one a line, or asks
    beam: int | None = None  # hypotheses kept by beam search; 1: greedy
    length_penalty: float | None = None  # alpha of beam search: log-probability / length^alpha
    parsing_first: bool = False  # of the beam's hypotheses one that parses goes before one that does not
    ensemble: tuple[str, ...] = ()  # folders of runs that write together with this one: their log-probabilities' mean
    reverse: str = ""  # folder of a run of code -> description (--data.reverse) that helps to choose among hypotheses
    reverse_weight: float | None = None  # of what it says: log P(description | code) for each token
    perturbed: bool = False  # score every split again with typos, with synonyms and with words left out
    samples: int = 0  # draw so many programs for a prompt instead of searching for the best
    temperature: float = 1.0  # of the draws: below 1 is more careful, above 1 bolder
    top_k: int = 0  # draw among the k most probable tokens only; 0: all
    top_p: float = 1.0  # draw among the fewest tokens that reach this probability (nucleus); 1: all
    seed: int = 0  # of the draws
    limit: int | None = None  # score only the first so many lines of each split
    data_path: str = ""  # folder of the corpus, when it is not where it was at training
    run_untrusted: bool = False  # run programs outside the generated grammar too: there is no sandbox yet
    trust: bool = False  # the run is your own, though copied or moved here: remember that, and read the data it names
    speed: Literal["fast", "readable"] | None = None  # forms of the network that decode; none: those it learned with
    device: str = "auto"  # auto, cpu, cuda or mps
    threads: int = 0  # CPU threads; 0: torch's choice
    json: str = ""  # file that gets the scores

    def __post_init__(self) -> None:
        if self.samples < 0:
            raise ValueError(f"samples={self.samples} must be at least 0 (0 searches instead of drawing)")
        if self.prompt is not None and not self.prompt.strip():
            raise ValueError("the prompt is empty; describe what the code should do")
        sampling = Sampling(self.temperature, self.top_k, self.top_p)
        if self.samples and self.prompt is None:
            raise ValueError("samples are drawn for a prompt; give --prompt, or leave --samples out to score the run")
        if sampling != Sampling() and not self.samples:
            raise ValueError("temperature, top_k and top_p are of random draws; add --samples N")
        if self.samples and (self.beam is not None or self.length_penalty is not None):
            raise ValueError("beam and length_penalty are of a search, --samples draws instead; leave one of them out")
        for name in OF_SCORING:
            if self.prompt is not None and getattr(self, name):
                raise ValueError(f"{name} is for scoring a run; leave it out, or --prompt")
        if self.reverse_weight is not None and not self.reverse:
            raise ValueError("reverse_weight is of a reverse model; add --reverse RUN, or leave it out")


def main(argv: list[str]) -> int:
    """Load the run, then write code for a prompt or score the test splits."""
    argv = with_prompt_text(argv)
    options = parse(Options, argv, Options(), __doc__)
    folder = Path(options.run)
    if options.trust:
        adopt(folder)
    settings = read_settings(folder, options.speed)
    if options.prompt is None:  # again, over the run's own switches: each can be turned on and off
        own = {name: getattr(settings.evaluation, name) for name in SWITCHES}
        options = parse(Options, argv, Options(**own), __doc__)
        check_scoring(folder, settings.data, options, argv)
    config = evaluation_settings(settings.evaluation, options)

    set_threads(options.threads)
    keeps_memory = keep_freed_memory()
    device = find_device(options.device)
    model, tokenizer = load_trained(folder, settings.model)
    if options.ensemble:
        model = load_ensemble(folder, model, tokenizer, settings.data, config, options.ensemble, options.speed)
    model.to(device)

    if options.prompt is not None:
        for group in descriptions(options.prompt):
            show_code(group, model, tokenizer, config, options, settings.data)
        return 0

    print(f"memory  {memory_in_words(keeps_memory)}", file=sys.stderr)
    data = replace(settings.data, path=options.data_path) if options.data_path else settings.data
    if config.perturbed and data.reverse:
        raise UserError(f"{folder} reads code; --perturbed changes descriptions that are read, so leave it out")
    if options.reverse and config.beam == 1:
        raise UserError("--reverse chooses among the hypotheses of beam search; add --beam 8")
    reverse = load_reverse(Path(options.reverse), data, device, options.speed) if options.reverse else None

    with only_writer(folder):
        results = evaluate_run(folder, model, tokenizer, settings.corpus, data, config, settings.seed, reverse)
        show_results(folder, results, read_config_values(folder))
    if options.json:
        write_scores_json(Path(options.json), folder)
    return 0


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """The settings in a run's config.json, as train.py writes it."""

    evaluation: EvaluationConfig = EvaluationConfig()


def read_settings(folder: Path, speed: str | None) -> Settings:
    """Read a run's settings, with the `speed` of its network that is asked for here. Raises UserError."""
    settings, _ = read_config(folder, Settings)
    return settings if speed is None else replace(settings, model=replace(settings.model, speed=speed))


def check_scoring(folder: Path, data: DataConfig, options: Options, argv: list[str]) -> None:
    """Refuse, before any work, what the run's folder asks for and the user has not. Raises UserError."""
    check_consent(folder, argv, "run_untrusted", ran_untrusted(folder))
    check_places(folder, {"data.path": "" if options.data_path else data.path}, "give --data_path FOLDER")
    check_free(folder)
    check_writable(folder)


def load_ensemble(
    folder: Path, model: Transformer, tokenizer: Tokenizer, data: DataConfig, config: EvaluationConfig,
    others: tuple[str, ...], speed: str | None = None,
) -> Ensemble:
    """Load a run's network and those of other runs.

    Raises UserError where these read or write other texts, or only shorter ones.
    """
    networks = [model]
    sizes = {"data.max_source_length": data.max_source_length, "evaluation.max_new_tokens": config.max_new_tokens}
    for other in map(Path, others):
        settings = read_settings(other, speed)
        network, own = load_trained(other, settings.model)
        if not same_vocabulary(own, tokenizer):
            raise UserError(f"{other} has another vocabulary than {folder}; begin both from one run with --init.from")
        if difference := differing_text_setting(data, settings.data):
            raise UserError(f"{other} cannot write together with {folder}: it was trained with {difference}")
        check_positions(settings.model, sizes, f" of {other}; leave it out of --ensemble")
        networks.append(network)
    return Ensemble(networks, others)


def load_reverse(folder: Path, data: DataConfig, device: torch.device, speed: str | None = None) -> Reverse:
    """Load the network of a run that writes descriptions of code, for the reverse of a run with settings `data`.

    Raises UserError where it learned something else.
    """
    settings = read_settings(folder, speed)
    if not settings.data.reverse:
        raise UserError(f"{folder} writes code; --reverse needs a run that was trained with --data.reverse")
    if data.reverse:
        raise UserError("--reverse chooses among hypotheses of code; the run itself writes descriptions")
    if prefix := data.prefix or settings.data.prefix:
        raise UserError(f"one of the runs reads texts behind {prefix!r}, which the other does not know; "
                        "leave --reverse out")  # fmt: skip
    model, tokenizer = load_trained(folder, settings.model)
    return Reverse(str(folder), model.to(device), tokenizer, settings.data.max_source_length)


def evaluation_settings(config: EvaluationConfig, options: Options) -> EvaluationConfig:
    """The run's own settings of evaluation with what the command line changes. Raises UserError."""
    given = {name: getattr(options, name) for name in (*CHOICES, *SWITCHES, "run_untrusted")}
    try:
        return replace(config, **{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise UserError(str(error)) from error


def show_code(
    group: list[str], model: Transformer | Ensemble, tokenizer: Tokenizer, config: EvaluationConfig,
    options: Options, data: DataConfig,
) -> None:
    """Print the code for each description, or the programs that were drawn for it, at once."""
    texts = [data.prefix + description for description in group]
    if options.samples:
        sampling = Sampling(options.temperature, options.top_k, options.top_p)
        drawn = options.samples, sampling, options.seed, config, data
        answers = [sample_programs(model, tokenizer, text, *drawn) for text in texts]
    else:
        answers = [[code] for code in predict(model, tokenizer, texts, config, data)[0]]
    for description, text, codes in zip(group, texts, answers):
        if is_cut(text, tokenizer, data):
            print(f"cut to {data.max_source_length} tokens: {description:.60}", file=sys.stderr)
        if options.prompt == "-" and not is_typed(options.prompt):
            print(f"# {description}")
        print("\n\n".join(codes))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run_and_report(main, sys.argv[1:]))
