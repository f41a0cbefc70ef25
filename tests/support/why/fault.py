"""What a fault is: how it is put into a sound state, and what has to be named."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.why.oracle import allowed_by_cloud
from tests.support.why.plant import Plant, Words

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


@dataclass(frozen=True)
class Asked:
    """One question: its words, what was answered, and what the cloud itself says (if it can)."""

    words: Words
    answer: dict[str, Any]
    cloud: bool | None


def asked(fault: Fault, plant: Plant) -> tuple[Asked, Asked]:
    """Ask about the sound state, put the fault in, and ask again."""
    seeding = fault.seed(plant)

    def question(words: Words) -> Asked:
        return Asked(words, plant.ask(words), allowed_by_cloud(plant, words))

    try:
        return question(next(seeding)), question(next(seeding))
    finally:
        next(seeding, None)
