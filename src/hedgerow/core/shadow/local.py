"""The local shadows of a group: who has one, what a request does to it, who is told."""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import (
    CLASSIC,
    GroupDeployment,
    ShadowEvent,
    ShadowId,
    ShadowTopic,
    ShadowVerb,
)
from hedgerow.core.shadow.database import Agreed, Kept, Offered, ShadowDatabase
from hedgerow.core.shadow.reconcile import Copy, State, changes_between, differ, reconciled
from hedgerow.kernel import Clock, UnavailableError, quoted
from hedgerow.shadow import (
    BAD_REQUEST,
    INTERNAL_FAILURE,
    NOT_FOUND,
    ShadowError,
    ShadowRemoval,
    ShadowUpdate,
    apply_delete,
    apply_update,
    get_answer,
    parse_client_token,
    parse_removal,
    parse_update,
    require_shadow_name,
)

_FAILURES: Final = (sqlite3.Error, msgspec.DecodeError, msgspec.ValidationError)

MAX_NAMED_PER_THING: Final = 1000
"""Named shadows of one thing, deleted ones included: a device must not fill the core's disk."""

Publish = Callable[[str, bytes], None]
"""Publishes on a topic as the local shadow service; rows say who receives it."""


class LocalShadows:
    """The shadows, classic and named, of each device of the group and of its core.

    A request over MQTT is answered on the shadow's own topics and nowhere else; `get`, `update`
    and `delete` are the same as plain calls, and what they change is told on the topics as well.
    `problem` says why shadows cannot be kept now, or is None.
    """

    def __init__(
        self,
        database: ShadowDatabase,
        publish: Publish,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._database = database
        self._publish = publish
        self._clock = clock
        self._log = log
        self._things: Collection[str] = frozenset()
        self._on_change: Callable[[ShadowId], None] = lambda _shadow: None
        self.problem: str | None = None

    def on_change(self, listener: Callable[[ShadowId], None]) -> None:
        """Tell this listener of every shadow that a request has changed."""
        self._on_change = listener

    def serve(self, group: GroupDeployment) -> None:
        """Keep shadows for the members of this group from now on.

        Those of things that left stay on disk until a reset: a thing may come back.
        """
        self._things = frozenset(
            (group.core.thing_name, *(device.thing_name for device in group.devices))
        )

    def reset(self) -> None:
        """Serve nobody, and forget every shadow; `UnavailableError` if the disk does not."""
        self._things = frozenset()
        self._forget(self._database.clear)

    def withdraw(self) -> None:
        """Serve nobody, and keep every shadow."""
        self._things = frozenset()

    def forget_others(self) -> None:
        """Forget the shadows of all but the members; `UnavailableError` if the disk does not."""
        self._forget(lambda: self._database.keep_only(self._things))

    def require_readable(self, thing_name: str) -> None:
        """Pass if shadows can be read; `sqlite3.Error` or `msgspec.DecodeError` if not."""
        self._database.read(ShadowId(thing_name))

    def _forget(self, forget: Callable[[], None]) -> None:
        try:
            forget()
        except sqlite3.Error as error:
            self._tell(error)
            raise UnavailableError(f"local shadows cannot be forgotten: {error}") from error

    # ---- requests

    def get(self, thing_name: str, shadow_name: str = CLASSIC, payload: bytes = b"") -> bytes:
        """Return a shadow's document; `ShadowError` (404) if there is none."""
        with self._asked(thing_name, shadow_name) as shadow:
            token = parse_client_token(payload)
            kept = self._database.read(shadow)
            return get_answer(kept.shadow, _called(shadow), token, self._timestamp())

    def update(self, thing_name: str, shadow_name: str, payload: bytes) -> bytes:
        """Merge an update, tell of it along rows, and return the `accepted` answer.

        Raises `ShadowError`: what the update breaks, or that the disk takes nothing (500).
        """
        with self._asked(thing_name, shadow_name) as shadow:
            update = parse_update(payload)
            kept = self._database.read(shadow)
            self._require_room(shadow, kept)
            answer = self._update(shadow, kept, update)
        self._on_change(shadow)
        return answer

    def delete(self, thing_name: str, shadow_name: str = CLASSIC, payload: bytes = b"") -> bytes:
        """Delete a shadow, tell of it along rows, and return the `accepted` answer."""
        with self._asked(thing_name, shadow_name) as shadow:
            removal = parse_removal(payload)
            answer = self._delete(shadow, self._database.read(shadow), removal)
        self._on_change(shadow)
        return answer

    def answer(self, request: ShadowTopic, payload: bytes) -> None:
        """Do what a request asks and publish the answer; a refusal is an answer too."""
        thing_name, shadow_name = request.thing_name, request.shadow_name
        try:
            if request.verb == "get":
                answer = self.get(thing_name, shadow_name, payload)
                self._publish(_topic(request.shadow, "get", "accepted"), answer)
            elif request.verb == "update":
                self.update(thing_name, shadow_name, payload)
            else:
                self.delete(thing_name, shadow_name, payload)
        except ShadowError as error:
            self.reject(request, error)

    def reject(self, request: ShadowTopic, error: ShadowError) -> None:
        """Publish that a request is refused, and why."""
        topic = _topic(request.shadow, request.verb, "rejected")
        self._publish(topic, error.payload(self._timestamp()))

    # ---- for the synchronisation

    def kept(self, shadow: ShadowId) -> Kept:
        """Return a shadow as it is kept now."""
        return self._database.read(shadow)

    def named(self, thing_name: str) -> tuple[ShadowId, ...]:
        """Return a thing's named shadows, with those that were deleted."""
        return self._database.named(thing_name)

    def offer(self, shadow: ShadowId, agreed: Agreed, state: State | None) -> None:
        """Note that the cloud's copy is about to be written, from this local state.

        `agreed` is what is known until then.
        """
        kept = self._database.read(shadow)
        self._write(shadow, replace(kept, agreed=agreed, offered=Offered(state=state)))

    def adopt(self, shadow: ShadowId, before: Copy, agreed: Agreed) -> bool:
        """Take over what was agreed with the cloud on the ground of `before`.

        A change that a request made meanwhile stays. Returns whether the shadow is now what was
        agreed. Raises `ShadowError` if it cannot be.
        """
        kept = replace(self._database.read(shadow), agreed=agreed, offered=None)
        now = Copy.of(kept.shadow)
        goal = reconciled(before.state, now, Copy(agreed.state))
        if goal is None:
            self._adopt_absence(shadow, kept)
        else:
            self._adopt_state(shadow, kept, goal)
        return not differ(goal, agreed.state)

    @contextmanager
    def _asked(self, thing_name: str, shadow_name: str) -> Iterator[ShadowId]:
        """Give the id of a shadow that may be asked for; what fails below is a `ShadowError`."""
        if thing_name not in self._things:
            raise ShadowError(
                NOT_FOUND,
                f"{quoted(thing_name)} is neither a device of this group nor its core; "
                "no shadow is kept for it here",
            )
        if shadow_name != CLASSIC:
            require_shadow_name(shadow_name)
        try:
            yield ShadowId(thing_name, shadow_name)
        except _FAILURES as error:
            self._tell(error)
            raise ShadowError(INTERNAL_FAILURE, "Internal service failure") from error

    def _require_room(self, shadow: ShadowId, kept: Kept) -> None:
        if not shadow.shadow_name or kept.shadow.version:
            return
        if len(self._database.named(shadow.thing_name)) >= MAX_NAMED_PER_THING:
            raise ShadowError(
                BAD_REQUEST,
                f"a core keeps at most {MAX_NAMED_PER_THING} named shadows of a thing, and "
                f"{quoted(shadow.thing_name)} has that many",
            )

    def _update(self, shadow: ShadowId, kept: Kept, update: ShadowUpdate) -> bytes:
        change = apply_update(kept.shadow, update, self._timestamp())
        self._write(shadow, replace(kept, shadow=change.shadow))
        self._publish(_topic(shadow, "update", "accepted"), change.accepted)
        if change.delta is not None:
            self._publish(_topic(shadow, "update", "delta"), change.delta)
        self._publish(_topic(shadow, "update", "documents"), change.documents)
        return change.accepted

    def _delete(self, shadow: ShadowId, kept: Kept, removal: ShadowRemoval) -> bytes:
        tombstone, answer = apply_delete(kept.shadow, _called(shadow), removal, self._timestamp())
        self._write(shadow, replace(kept, shadow=tombstone))
        self._publish(_topic(shadow, "delete", "accepted"), answer)
        return answer

    def _adopt_state(self, shadow: ShadowId, kept: Kept, goal: State) -> None:
        sections = changes_between(Copy.of(kept.shadow).state, goal)
        if sections or kept.shadow.deleted:
            self._update(shadow, kept, ShadowUpdate(sections, None, None))
        else:
            self._write(shadow, kept)

    def _adopt_absence(self, shadow: ShadowId, kept: Kept) -> None:
        if kept.shadow.deleted:
            self._write(shadow, kept)
        else:
            self._delete(shadow, kept, ShadowRemoval())

    def _write(self, shadow: ShadowId, kept: Kept) -> None:
        self._database.write(shadow, kept)
        if self.problem is not None:
            self._log.info("local shadows are kept again")
        self.problem = None

    def _tell(self, error: Exception) -> None:
        problem = f"local shadows cannot be kept: {error}"
        if problem != self.problem:
            self._log.error("a shadow request failed", reason=problem)
        self.problem = problem

    def _timestamp(self) -> int:
        return int(self._clock.now().timestamp())


def _called(shadow: ShadowId) -> str:
    """Return what a shadow is called in answers: its name, or the thing's for the classic one."""
    return shadow.shadow_name or shadow.thing_name


def _topic(shadow: ShadowId, verb: ShadowVerb, event: ShadowEvent) -> str:
    return str(ShadowTopic(shadow.thing_name, verb, event, shadow.shadow_name))
