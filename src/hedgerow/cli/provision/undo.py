"""What a command made in the cloud and on disk, taken back if a later step of it fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
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

    def will_make(self, folder: Path) -> None:
        """Note a folder that is about to be made, with those above it that are not there yet."""
        for each in (*reversed(folder.parents), folder):
            if not each.exists():
                self.made(f"the folder {each}", partial(_remove_if_empty, each))

    def take_back(self, failure: BaseException) -> None:
        """Take everything back, last things first; what cannot be is told with the failure."""
        while self._steps:
            step = self._steps.pop()
            try:
                step.take_back()
            except (HedgerowError, OSError) as error:
                advice = f"; {step.advice}" if step.advice else ""
                failure.add_note(f"{step.what} could not be taken back ({error}){advice}")


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder, unless somebody else has put something there: that is not ours."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def undone_on_failure() -> Iterator[Undo]:
    """Take back what was made in the block if it fails."""
    undo = Undo()
    try:
        yield undo
    except BaseException as failure:
        undo.take_back(failure)
        raise
