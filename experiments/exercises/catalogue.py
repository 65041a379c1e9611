"""All exercises by name, in the order of the folders in docs/exercises."""

from __future__ import annotations

from experiments.exercises.exercise import Exercise
from experiments.exercises.topics import attention, layers_backward, masks

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise for topic in (masks, attention, layers_backward) for exercise in topic.EXERCISES
}
