"""What a command made in the cloud and on disk, taken back if a later step of it fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hedgerow.kernel import HedgerowError


@dataclass(frozen=True, slots=True)
class _Step:
    what: str
    advice: str
    take_back: Callable[[], object]


@dataclass(slots=True)
class Undo:
    """The way back from what was made so far. `undone_on_failure` gives one and goes it."""

    _steps: list[_Step] = field(default_factory=list)

    def made(self, what: str, take_back: Callable[[], object], *, advice: str = "") -> None:
        """Note what was made, how it is taken back, and what a person can do if that fails."""
        self._steps.append(_Step(what, advice, take_back))

    def wrote(self, path: Path) -> None:
        """Note a file that is about to be written."""
        self.made(str(path), lambda: path.unlink(missing_ok=True))

    def take_back(self, failure: BaseException) -> None:
        """Take everything back, last things first; what cannot be is told with the failure."""
        while self._steps:
            step = self._steps.pop()
            try:
                step.take_back()
            except (HedgerowError, OSError) as error:
                advice = f"; {step.advice}" if step.advice else ""
                failure.add_note(f"{step.what} could not be taken back ({error}){advice}")


@contextmanager
def undone_on_failure() -> Iterator[Undo]:
    """Take back what was made in the block if it fails."""
    undo = Undo()
    try:
        yield undo
    except BaseException as failure:
        undo.take_back(failure)
        raise
