"""The answer to a question: every step of the path in order, the first that fails, what to change.

A step is a fact with a mark. What fails first is the cause; steps after it are not looked at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

_MARKS = {True: "✓", False: "✗", None: "·"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the path: `passed` is None for what is only to be known.

    `name` and `code` are stable: `name` says where on the path, `code` what is wrong there.
    """

    name: str
    passed: bool | None
    says: str
    code: str = ""
    change: str = ""
    """The smallest change that would let this step pass, as a sentence."""
    policy: str | None = None
    statement: str | None = None
    """What decided, where a policy did; of a refusal that no statement made, what came nearest."""


@dataclass(frozen=True, slots=True)
class Answer:
    """All steps of one way, up to the first that fails. `subject` names the way if several go."""

    steps: tuple[Step, ...]
    subject: str = ""

    @property
    def cause(self) -> Step | None:
        """The step that fails, or None if the way is free."""
        return next((step for step in self.steps if step.passed is False), None)

    @property
    def allowed(self) -> bool:
        """Whether the way is free."""
        return self.cause is None

    @classmethod
    def of(cls, steps: Iterable[Step], subject: str = "") -> "Answer":
        """Take steps up to the first that fails; those after it are never looked at."""
        taken: list[Step] = []
        for step in steps:
            taken.append(step)
            if step.passed is False:
                break
        return cls(tuple(taken), subject)

    def facts(self) -> dict[str, Any]:
        """Return the answer for programs."""
        cause = self.cause
        return {
            "subject": self.subject,
            "allowed": self.allowed,
            "cause": None if cause is None else asdict(cause),
            "steps": [asdict(step) for step in self.steps],
        }


def show(answers: Sequence[Answer], yes: str, no: str) -> None:
    """Print answers for people: the verdict first, then the path, then what to change."""
    for answer in answers:
        cause = answer.cause
        of = f" ({answer.subject})" if answer.subject else ""
        verdict = f"{yes}{of}." if cause is None else f"{no}{of}: {cause.says}."
        click.secho(verdict, fg="green" if cause is None else "red")
        width = max((len(step.name) for step in answer.steps), default=0)
        for step in answer.steps:
            click.echo(f"  {_MARKS[step.passed]} {step.name:<{width}}  {step.says}")
        if cause is not None and cause.change:
            click.echo(f"  To change it: {cause.change}.")
