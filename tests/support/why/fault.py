"""What a fault is: how it is put into a sound state, and what has to be named."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.why.plant import Plant

Words = tuple[str, ...]
Seed = Callable[[Plant], Iterator[Words]]
"""Yields the words of a question that is answered with yes; goes on to put exactly one fault in,
and yields the words again (the fault may be in them); then may put right what others need."""


@dataclass(frozen=True)
class Fault:
    """One fault. `step` and `code` are what the cause has to be."""

    about: str
    """The heading that it stands under in the documents."""
    says: str
    """The fault as a sentence, for people."""
    step: str
    code: str
    seed: Seed

    @property
    def id(self) -> str:
        """A name for tests: that of the function that seeds it."""
        return self.seed.__name__


class Faults:
    """The faults of one kind, collected by a decorator."""

    def __init__(self, about: str) -> None:
        self.about = about
        self.all: list[Fault] = []

    def named(self, says: str, *, step: str, code: str) -> Callable[[Seed], Seed]:
        """Add the fault that the decorated function seeds."""

        def add(seed: Seed) -> Seed:
            self.all.append(Fault(self.about, says, step, code, seed))
            return seed

        return add


def asked(fault: Fault, plant: Plant) -> tuple[Words, dict[str, Any], dict[str, Any]]:
    """Ask about the sound state, put the fault in, ask again: the words, and both answers."""
    seeding = fault.seed(plant)
    try:
        before = plant.ask(next(seeding))
        words = next(seeding)
        return words, before, plant.ask(words)
    finally:
        next(seeding, None)
