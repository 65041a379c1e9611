"""The command line, made by tyro from a settings dataclass: the same names as in Python and in config.json."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from data.corpora.published import CORPUS_LANGUAGES
from data.multi_task import SUMMARY
from data.objectives.table import OBJECTIVES
from data.sources import open_source
from data.tokenizers.tokenizer import check_vocab_size
from model.config import PRETRAINING_HEADS, preset
from system.errors import UserError
from system.options import Settings, dotted_names, given_names, parse, spelled, value_of
from system.trial import step_cap
from training.config import LoopConfig
from training.recipes import FINE_TUNING, TrainingSettings, recipe
from training.run.folder import is_run, ran_untrusted, read_config
from training.run.load import check_positions, is_own_run, network_config
from training.run.old_settings import newer_name
from training.run.overwriting import check_overwriting
from training.run.own import adopt, check_consent, check_places

# Settings that say where a run runs, not what it is; consent to run untrusted programs is given anew each time.
MAY_CHANGE = (
    "run", "device", "threads", "parallel.processes", "parallel.shard_over", "parallel.patience", "parallel.recompute",
    "parallel.compile", "parallel.save_meanwhile", "tracking", "init.from_", "data.path", "data.workers",
    "evaluation.run_untrusted",
)  # fmt: skip
SWITCHES = ("--resume", "--overwrite", "--trust", "--check")  # of train.py; they are no settings
PLACES = ("init.from_", "strategies.teacher.run", "data.path", "data.shards")  # settings that name a file or folder
HEAD_OF = {name: row.head for name, row in OBJECTIVES.items() if row.head}  # objective -> the encoder's head
OTHER_TASKS = (SUMMARY, "django", "nl2bash", "conala", "hearthstone", "mbpp")  # beside a corpus's own
# Fields of ModelConfig that may be chosen for a checkpoint's network; all others are its own.
FREE_FIELDS = (
    "dropout", "dropout_attention", "dropout_feed_forward", "dropout_output", "speed", "copy_head", "copy_form",
    *PRETRAINING_HEADS,
)  # fmt: skip


def read_training_command(kind: type[Settings], argv: list[str], description: str) -> tuple[Settings, bool, bool]:
    """Read the command line of `python train.py`: (settings, resume, overwrite).

    A run that goes on has the settings it was started with, but for those that say where it runs.
    """
    resume, overwrite, trust, check = (switch in argv for switch in SWITCHES)
    if resume and check:
        raise UserError("--check looks at the data of a run that is to begin; leave --resume or --check out")
    if resume and overwrite:
        raise UserError("--resume goes on with a run and --overwrite deletes it; give one of them")
    if trust and not resume:
        raise UserError("--trust is for a run that goes on; add --resume, or leave it out")
    argv = [argument for argument in argv if argument not in SWITCHES]
    check_names(argv)
    try:
        settings = parse_over_recipe(kind, argv, "", description)
        if resume and is_run(Path(settings.run)):
            if trust:
                adopt(Path(settings.run))
            return gone_on_with(kind, settings, argv), resume, overwrite
        settings = with_prefix(capped(settings))
        check_together(settings)
        if overwrite:
            check_overwriting(Path(settings.run), places_named(settings))
    except UserError:
        raise
    except ValueError as error:  # an impossible size or value, refused by the settings themselves
        raise UserError(str(error)) from error
    return settings, resume, overwrite


def check_names(argv: list[str]) -> None:
    """Refuse an option that has another name today, and say which. Raises UserError."""
    for option in (argument.partition("=")[0] for argument in argv if argument.startswith("--")):
        name = option[2:].replace("-", "_")
        setting = name.replace(".no_", ".")
        room, _, field = newer_name(setting).rpartition(".")
        if f"{room}.{field}" != setting and room:
            no = "no_" if name != setting else ""
            raise UserError(f"{option} is called --{room}.{no}{field} today; write that instead")


def gone_on_with(kind: type[Settings], settings: Settings, argv: list[str]) -> Settings:
    """The settings of a run that goes on. Raises UserError.

    What a run of somebody else names is not read unasked, and what an earlier command consented to is asked again.
    """
    run = Path(settings.run)
    begun = read_config(run, kind)[0]
    check_consent(run, argv, "evaluation.run_untrusted", begun.fine_tunes and ran_untrusted(run))
    places = {name: path for name, path in places_named(begun).items() if name not in given_names(argv)}
    check_places(run, places, "give --data.path or --init.from here")
    return continued(begun, settings, argv)


def places_named(settings: Settings) -> dict[str, str]:
    """Setting -> the file or folder that it names, "" for none."""
    places = {spelled(name): setting(settings, name) for name in PLACES}
    return {name: "" if (name, path) == ("data.shards", "mined") else path for name, path in places.items()}


def continued(begun: Settings, settings: Settings, argv: list[str]) -> Settings:
    """The settings `begun` of a run that goes on, with what the command line may change: where it runs.

    An option that would change anything else is refused; one that repeats what the run has is welcome.
    """
    given = given_names(argv)
    for name in dotted_names(begun):
        room, dot, field = spelled(name).rpartition(".")
        if spelled(name) not in given and f"{room}{dot}no_{field}" not in given:
            continue
        value = setting(settings, name)
        if name in MAY_CHANGE and (name != "init.from_" or begun.init.from_):
            begun = with_setting(begun, name, value)
        elif value != setting(begun, name):
            raise UserError(
                f"{settings.run} was begun with {spelled(name)}={setting(begun, name)}, which --resume cannot make "
                f"{value}; "
                "leave that option out, or begin another --run"
            )
    return replace(begun, run=settings.run)  # also where --run was left out


def setting(settings: Any, name: str) -> Any:
    """The value of a field of nested dataclasses, by its dotted name."""
    for part in name.split("."):
        settings = getattr(settings, part)
    return settings


def with_setting(settings: Any, name: str, value: Any) -> Any:
    """The settings with one field changed, by its dotted name."""
    first, dot, rest = name.partition(".")
    return replace(settings, **{first: with_setting(getattr(settings, first), rest, value) if dot else value})


def parse_over_recipe(kind: type[Settings], argv: list[str], corpus: str, description: str) -> Settings:
    """Settings from the command line over the recipe of `corpus`, by default the one that the command names first.

    A corpus that stands behind the options is known only after parsing; then they are parsed over its own recipe.
    """
    start = starting_settings(argv, corpus)
    default = kind(**{name: getattr(start, name) for name in start.__dataclass_fields__})
    settings = parse(kind, argv, default, description)
    if settings.corpus != start.corpus and not corpus:
        return parse_over_recipe(kind, argv, settings.corpus, description)
    return settings


def check_together(settings: Settings) -> None:
    """Refuse settings that are possible alone and not together. Raises UserError."""
    if not settings.init.from_:
        check_vocab_size(settings.data.vocab_size)
    for name in ("pretraining", "training"):
        loop = getattr(settings, name)
        missing = {objective: head for objective, head in HEAD_OF.items() if not getattr(settings.model, head)}
        for objective, head in missing.items():
            if getattr(loop.objectives, objective) and (loop.steps or loop.epochs):
                raise UserError(f"{name}.objectives.{objective} needs a head of its own; add --model.{head}")
        if loop.patience and (name == "pretraining" or not loop.evaluate_every or not settings.data.held_out):
            raise UserError(
                f"{name}.patience={loop.patience} can never act: it counts held-out losses of training, so it needs "
                "--training.evaluate_every and data.held_out above 0"
            )
    if settings.data.reverse and (settings.strategies.perturb or settings.evaluation.perturbed):
        raise UserError(
            "perturbed changes descriptions that are read; with data.reverse they are written, so leave it out"
        )
    check_added_pieces(settings)
    check_auxiliary(settings)
    check_tasks(settings)
    loop, averaged = settings.training, settings.strategies.average_checkpoints
    if averaged and (loop.keep_checkpoints < averaged or not loop.checkpoint_every or loop.ema_decay or loop.patience):
        raise UserError(
            f"strategies.average_checkpoints={averaged} needs as many training.keep_checkpoints, a "
            "training.checkpoint_every, and no other choice of weights: add --training.ema_decay 0 and patience 0"
        )
    sizes = {f"data.{name}": getattr(settings.data, name) for name in ("max_source_length", "max_target_length")}
    sizes["evaluation.max_new_tokens"] = settings.evaluation.max_new_tokens
    mend = "; lower it" if settings.init.from_ else "; lower it or raise --model.max_length"
    check_positions(settings.model, sizes, mend)


def check_added_pieces(settings: Settings) -> None:
    """Refuse to add pieces where none can be missing, or where their rows would not be learned. Raises UserError."""
    if not settings.data.add_pieces:
        return
    if not settings.init.from_:
        raise UserError("data.add_pieces adds what a checkpoint's tokenizer cannot write; give --init.from, or leave "
                        "it out: a tokenizer that is learned here lacks nothing")  # fmt: skip
    strategies = settings.strategies
    for name, value in (("lora.rank", strategies.lora.rank), ("layers.last", strategies.layers.last)):
        if value:
            raise UserError(f"strategies.{name}={value} leaves the embedding as it is, and data.add_pieces adds rows "
                            "to it that have to be learned; leave one of them out")  # fmt: skip


def with_language(settings: Settings) -> Settings:
    """Settings in which the language of a user's own code stands, guessed from it where he has not said it. UserError.

    It is written into config.json with the others, and whoever opens the run reads the code the same way.
    """
    if settings.corpus != "files":
        return settings
    language = open_source("files", settings.data, settings.seed).language
    settings = replace(settings, data=replace(settings.data, language=language))
    check_auxiliary(settings)
    return settings


def check_auxiliary(settings: Settings) -> None:
    """Refuse an auxiliary task that nothing could be learned from. Raises UserError."""
    task, data, model = settings.strategies.auxiliary.task, settings.data, settings.model
    if task == "none":
        return
    if not getattr(model, HEAD_OF[task]):
        raise UserError(f"strategies.auxiliary.task={task} needs a head of its own; add --model.{HEAD_OF[task]}")
    languages = {SUMMARY: "text", "files": data.language, **CORPUS_LANGUAGES}
    written = [languages.get(name, "python") for name in (settings.corpus, *settings.strategies.tasks.names)]
    if task == "tag" and (data.reverse or not {"python", ""} & {*written}):  # "": not guessed yet
        raise UserError(
            "strategies.auxiliary.task=tag asks about Python code, which this run does not write; leave it out"
        )
    if 0 < settings.strategies.layers.last <= model.n_decoder_layers:
        raise UserError(
            f"strategies.auxiliary.task={task} teaches the encoder, of which strategies.layers.last="
            f"{settings.strategies.layers.last} trains nothing; train more than the {model.n_decoder_layers} layers of "
            "the decoder"
        )


def check_tasks(settings: Settings) -> None:
    """Refuse names of other tasks that are no task. Raises UserError."""
    tasks = settings.strategies.tasks.names
    for task in tasks:
        if task not in OTHER_TASKS or task == settings.corpus:
            others = ", ".join(name for name in OTHER_TASKS if name != settings.corpus)
            raise UserError(f"strategies.tasks.names: {task!r} is no other task; choose among {others}")
    if len({*tasks}) < len(tasks):
        raise UserError(f"strategies.tasks.names: {' '.join(tasks)} names a task twice; name it once")
    if SUMMARY in tasks and settings.data.reverse:
        raise UserError("strategies.tasks.names: with data.reverse the corpus's own task is the summary; leave it out")


def with_prefix(settings: Settings) -> Settings:
    """Settings in which descriptions name their task where there are several tasks."""
    if not settings.strategies.tasks.names or settings.data.prefix:
        return settings
    return replace(settings, data=replace(settings.data, prefix=f"{settings.corpus}: "))


def capped(settings: Settings) -> Settings:
    """Settings for a trial of the whole path: CI_STEPS=20 in the environment caps steps, data and scoring."""
    cap = step_cap()
    if not cap:
        return settings

    def short(loop: LoopConfig) -> LoopConfig:
        return replace(loop, steps=min(cap, loop.steps or cap), epochs=0) if loop.steps or loop.epochs else loop

    data, scoring = settings.data, settings.evaluation
    sizes = {"generated_train": 100 * cap, "generated_test": cap, "held_out": cap}
    sizes = {name: min(size, getattr(data, name)) for name, size in sizes.items()}
    limit, tokens = min(cap, scoring.limit or cap), min(cap, scoring.max_new_tokens)
    return replace(
        settings,
        data=replace(data, **sizes, mined_limit=min(100 * cap, data.mined_limit or 100 * cap)),
        pretraining=short(settings.pretraining),
        training=short(settings.training),
        evaluation=replace(scoring, limit=limit, max_new_tokens=tokens),
    )


def starting_settings(argv: list[str], corpus: str = "") -> TrainingSettings:
    """The settings that the options change: the recipe of the corpus or preset, with the network's preset put in.

    These three decide the other defaults, so they are looked for first. A phase that is given epochs has no steps of
    the recipe left. Raises UserError or ValueError.
    """
    if not corpus and argv and not argv[0].startswith("-"):
        corpus = argv[0]
    start = recipe(corpus or "generated", value_of(argv, "--preset"))
    for name in ("pretraining", "training"):
        if value_of(argv, f"--{name}.epochs"):
            start = replace(start, **{name: replace(getattr(start, name), steps=0)})
    checkpoint, network = value_of(argv, "--init.from"), value_of(argv, "--model.preset")
    if checkpoint:
        check_free(argv)
        start = fine_tuning(start, checkpoint)
    elif network:
        sizes = ("d_model", "n_heads", "d_ff", "n_encoder_layers", "n_decoder_layers", "copy_head", *PRETRAINING_HEADS)
        start = replace(start, model=preset(network, **{name: getattr(start.model, name) for name in sizes}))
    return start


def fine_tuning(start: TrainingSettings, checkpoint: str) -> TrainingSettings:
    """A recipe with the network of another run, or of a checkpoint, and then a milder training. Raises UserError."""
    folder = Path(checkpoint)
    return replace(
        start, init=replace(start.init, from_=checkpoint), model=network_config(folder), pretraining=LoopConfig(),
        training=start.training if is_own_run(folder) else FINE_TUNING,
    )  # fmt: skip


def check_free(argv: list[str]) -> None:
    """Refuse options that would change the network or the tokenizer that training begins with. Raises UserError."""
    for argument in argv:
        option = argument.partition("=")[0]
        room, _, name = option.lstrip("-").replace("-", "_").partition(".")
        of_network = room == "model" and name.removeprefix("no_") not in FREE_FIELDS
        fixed = of_network or (room, name) == ("data", "vocab_size")
        if option.startswith("--") and fixed:
            raise UserError(f"{option} is the checkpoint's own; leave it out, or leave --init.from out")
