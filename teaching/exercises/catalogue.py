"""All exercises by name, in the order of the folders in docs/exercises."""

from __future__ import annotations

from teaching.exercises.exercise import Exercise
from teaching.exercises.topics import (
    attention,
    attention_backward,
    decoding,
    embedding_backward,
    embeddings,
    heads,
    layers,
    layers_backward,
    losses,
    masks,
    optimizer,
    stacks,
)

TOPICS = (
    embeddings, masks, attention, heads, layers, stacks, losses, layers_backward, attention_backward,
    embedding_backward, optimizer, decoding,
)  # fmt: skip
EXERCISES: dict[str, Exercise] = {exercise.name: exercise for topic in TOPICS for exercise in topic.EXERCISES}
