"""A core's shadow and the cloud's under random edits, cuts and kills, and what has to come of it.

What is expected is worked out from the edits alone, by nothing of the code under test: each edit
has a second of its own and a value that no other has.
"""

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
from tests.support.core_shadows import (
    CloudDouble,
    Shadows,
    group_of,
    shadow_called,
    shadows_in,
    sync_of,
)

from hedgerow.contract import ShadowId
from hedgerow.core.link import HttpAnswer
from hedgerow.core.shadow import ShadowSync
from hedgerow.core.shadow.cloud_copy import MovedOnError
from hedgerow.kernel import UnavailableError

Side = Literal["here", "there"]
Mishap = Literal["", "cut at GET", "cut at POST", "answer lost", "killed before", "killed after"]
NAME = "A/config"
GROUP = group_of("A", synced=("A",))
REMOVED = None
_ROUNDS = 8


@dataclass(frozen=True)
class Edit:
    """One acknowledged edit: a value set (never None) or removed, under a path of the state."""

    side: Side
    path: tuple[str, ...]
    value: int | None
    at: int


@dataclass(frozen=True)
class Attempt:
    """One synchronisation: when it began and ended, and whether it came to its end."""

    began: int
    ended: int
    complete: bool


class _KilledError(Exception):
    """The process ends here."""


class MishapCloud(CloudDouble):
    """A cloud to which things happen on the way."""

    mishap: Mishap = ""

    async def shadow(self, method: str, shadow: ShadowId, body: bytes | None = None) -> HttpAnswer:
        """Keep the promises of `CloudShadows`, but for the mishap."""
        writes = method != "GET"
        if self.mishap == f"cut at {'POST' if writes else 'GET'}":
            raise UnavailableError("no way to the cloud")
        if writes and self.mishap == "killed before":
            raise _KilledError
        answer = await super().shadow(method, shadow, body)
        if writes and self.mishap == "killed after":
            raise _KilledError
        if writes and self.mishap == "answer lost":
            raise UnavailableError("the answer was lost")
        return answer


@dataclass
class Play:
    """Both sides, what was done to them, and a clock that stands still between steps."""

    folder: Path
    cloud: MishapCloud
    stack: ExitStack
    here: Shadows = field(init=False)
    sync: ShadowSync = field(init=False)
    edits: list[Edit] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    deleted_at: int = 0
    now: int = 0
    versions: tuple[int, int] = (0, 0)
    lives: int = 0

    def __post_init__(self) -> None:
        """Start the first life of the core."""
        self._start(self.folder / "0")

    def edit(self, side: Side, path: tuple[str, ...], *, remove: bool) -> None:
        """Set or remove one value on one side; it has to be accepted."""
        self.tick()
        value = REMOVED if remove else 1000 + self.now
        document: Any = value
        for key in reversed(path):
            document = {key: document}
        if side == "here":
            told = self.here.update(NAME, **document)
            assert told[0][0].endswith("update/accepted"), told
        else:
            self.cloud.update(NAME, **document)
        self.edits.append(Edit(side, path, value, self.now))
        self.watch()

    def delete(self, side: Side) -> None:
        """Delete the shadow on one side, if it is there."""
        self.tick()
        self.deleted_at = self.now
        if side == "here" and self.here.state(NAME) is not None:
            self.here.ask("$aws/things/A/shadow/name/config/delete")
        if side == "there" and self.cloud.state(NAME) is not None:
            self.cloud.delete(NAME)
        self.watch()

    async def synchronise(self, mishap: Mishap) -> bool:
        """Try to make both sides alike; tell whether that came to its end."""
        self.tick()
        began, complete = self.now, False
        self.cloud.mishap = mishap
        with contextlib.suppress(UnavailableError, MovedOnError):
            try:
                complete = await self.sync._round(shadow_called(NAME))
            except _KilledError:
                self._killed()
        self.cloud.mishap = ""
        self.attempts.append(Attempt(began, self.now, complete))
        self.watch()
        return complete

    async def settle(self) -> None:
        """Synchronise until both sides are known to be alike."""
        for _ in range(_ROUNDS):
            if await self.synchronise(""):
                return
        raise AssertionError("it does not come to rest")

    def watch(self) -> None:
        """Check that no version has ever gone back."""
        kept = self.here.local.kept(shadow_called(NAME)).shadow
        cloud = self.cloud.shadows.get(NAME)
        versions = (kept.version, cloud.version if cloud is not None else 0)
        assert versions >= self.versions, "a version went back"
        assert all(new >= old for new, old in zip(versions, self.versions, strict=True))
        self.versions = versions

    def tick(self) -> None:
        """Let a second pass."""
        self.now += 1
        self.cloud.clock.advance(timedelta(seconds=1))

    def _start(self, folder: Path) -> None:
        self.here = self.stack.enter_context(shadows_in(folder, GROUP, self.cloud.clock))
        self.sync = sync_of(self.here, self.cloud, GROUP, named=True)

    def _killed(self) -> None:
        """Go on with what lies on disk at this moment, as after `kill -9`."""
        self.lives += 1
        left = self.folder / str(self.lives - 1)
        shutil.copytree(left, self.folder / str(self.lives))
        self._start(self.folder / str(self.lives))


@contextlib.contextmanager
def play(folder: Path, cloud: MishapCloud) -> Iterator[Play]:
    """Begin a play."""
    with ExitStack() as stack:
        yield Play(folder, cloud, stack)


def allowed_values(played: Play, path: tuple[str, ...]) -> list[int | None]:
    """Return what may stand under a path in the end by the stated rules.

    It is one value, and two only where the edits alone leave open whether a removal knew of the
    value that the other side had set.
    """
    edits = [edit for edit in played.edits if edit.path == path]
    if not edits:
        return [REMOVED]
    last = edits[-1]
    if last.value is not REMOVED:
        return [last.value]
    others = [edit for edit in edits if edit.side != last.side]
    if not others or others[-1].value is REMOVED:
        return [REMOVED]
    other = others[-1]
    between = [a for a in played.attempts if a.ended >= other.at and a.began <= last.at]
    if any(a.complete and a.began >= other.at and a.ended < last.at for a in between):
        return [REMOVED]
    return [other.value, REMOVED] if between else [other.value]


def value_at(state: Any, path: tuple[str, ...]) -> Any:
    """Return what stands under a path, None if nothing does."""
    for key in path:
        state = state.get(key) if isinstance(state, dict) else None
    return state


def same_json(one: Any, other: Any) -> bool:
    """Compare as bytes of JSON in a fixed order."""
    encode = msgspec.json.Encoder(order="deterministic").encode
    return encode(one) == encode(other)
