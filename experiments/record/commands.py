"""Commands that recorded lines name and that have moved since: a page prints what is to be typed today."""

from __future__ import annotations

import re

MOVED = {  # module as recorded -> module of today
    "data.generated": "data.tasks",
    "data.python_functions": "data.mining.python_functions",
    "experiments.checkpoint": "teaching.the_math.checkpoint",
    "experiments.choosing": "experiments.studies.choosing",
    "experiments.contamination": "experiments.studies.contamination",
    "experiments.corpus_memory": "experiments.speed.corpus_memory",
    "experiments.dropout_check": "experiments.speed.dropout_check",
    "experiments.exercises": "teaching.exercises",
    "experiments.exercises.pages": "teaching.exercises.pages",
    "experiments.exercises.worker": "teaching.exercises.student_file",
    "experiments.few_shot": "experiments.studies.few_shot",
    "experiments.gradient_norms": "experiments.studies.gradient_norms",
    "experiments.head_analysis": "experiments.studies.head_analysis",
    "experiments.line_kinds": "experiments.studies.line_kinds",
    "experiments.measurement": "experiments.record.measurement",
    "experiments.numpy_copy": "teaching.the_math.numpy_copy",
    "experiments.piece_costs": "teaching.the_math.piece_costs",
    "experiments.reading": "experiments.speed.reading",
    "experiments.reference_check": "teaching.the_math.reference_check",
    "experiments.search": "experiments.laboratory.search",
    "experiments.walkthrough": "teaching.walkthrough",
    "experiments.what_breaks": "teaching.the_math.what_breaks",
    "experiments.worked_example": "teaching.worked_example",
}


def todays_command(command: str) -> str:
    """The command of a recorded line with today's module, and with a word for the folder that its data were read from.

    The line itself keeps what was typed.
    """
    moved = re.sub(r"(?<=-m )[\w.]+", lambda found: MOVED.get(found[0], found[0]), command)
    return re.sub(r"(--data[._]path)([ =])\S+", r"\1\2FOLDER", moved)
