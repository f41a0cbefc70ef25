"""The local shadows of a group: who has one, what a request does to it, who is told."""

import sqlite3
from collections.abc import Callable, Collection
from typing import Final

import msgspec
from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import GroupDeployment, ShadowTopic, shadow_topic
from hedgerow.core.shadow.database import Agreed, Kept, Offered, ShadowDatabase
from hedgerow.core.shadow.reconcile import Copy, State, changes_between, differ, reconciled
from hedgerow.kernel import Clock, quoted
from hedgerow.shadow import (
    INTERNAL_FAILURE,
    NOT_FOUND,
    ShadowError,
    ShadowUpdate,
    apply_delete,
    apply_update,
    get_answer,
    parse_client_token,
    parse_update,
)

_FAILURES: Final = (sqlite3.Error, msgspec.DecodeError, msgspec.ValidationError)

Publish = Callable[[str, bytes], None]
"""Publishes on a topic as the local shadow service; rows say who receives it."""


class LocalShadows:
    """The classic shadow of each device of the group and of its core.

    A request is answered on the shadow's own topics and nowhere else. `problem` says why shadows
    cannot be kept now, or is None.
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
        self._on_change: Callable[[str], None] = lambda _thing_name: None
        self.problem: str | None = None

    def on_change(self, listener: Callable[[str], None]) -> None:
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
        """Serve nobody, and forget every shadow."""
        self._things = frozenset()
        try:
            self._database.clear()
        except sqlite3.Error as error:
            self._tell(error)

    def answer(self, request: ShadowTopic, payload: bytes) -> None:
        """Do what a request asks and publish the answer; a refusal is an answer too."""
        try:
            self._require_member(request.thing_name)
            self._answer(request, payload)
        except ShadowError as error:
            self.reject(request, error)
        except _FAILURES as error:
            self._tell(error)
            self.reject(request, ShadowError(INTERNAL_FAILURE, "Internal service failure"))

    def reject(self, request: ShadowTopic, error: ShadowError) -> None:
        """Publish that a request is refused, and why."""
        topic = shadow_topic(request.thing_name, request.verb, "rejected")
        self._publish(topic, error.payload(self._timestamp()))

    def kept(self, thing_name: str) -> Kept:
        """Return a shadow as it is kept now."""
        return self._database.read(thing_name)

    def offer(self, thing_name: str, agreed: Agreed, state: State | None) -> None:
        """Note that the cloud's copy is about to be written, from this local state.

        `agreed` is what is known until then.
        """
        kept = self._database.read(thing_name)
        self._write(thing_name, replace(kept, agreed=agreed, offered=Offered(state=state)))

    def adopt(self, thing_name: str, before: Copy, agreed: Agreed) -> bool:
        """Take over what was agreed with the cloud on the ground of `before`.

        A change that a request made meanwhile stays. Returns whether the shadow is now what was
        agreed. Raises `ShadowError` if it cannot be.
        """
        kept = replace(self._database.read(thing_name), agreed=agreed, offered=None)
        now = Copy.of(kept.shadow)
        goal = reconciled(before.state, now, Copy(agreed.state))
        if goal is None:
            self._adopt_absence(thing_name, kept)
        else:
            self._adopt_state(thing_name, kept, goal)
        return not differ(goal, agreed.state)

    def _answer(self, request: ShadowTopic, payload: bytes) -> None:
        name = request.thing_name
        if request.verb == "get":
            token = parse_client_token(payload)
            shadow = self._database.read(name).shadow
            answer = get_answer(shadow, name, token, self._timestamp())
            self._publish(shadow_topic(name, "get", "accepted"), answer)
            return
        kept = self._database.read(name)
        if request.verb == "update":
            self._update(name, kept, parse_update(payload))
        else:
            self._delete(name, kept, parse_client_token(payload))
        self._on_change(name)

    def _update(self, thing_name: str, kept: Kept, update: ShadowUpdate) -> None:
        change = apply_update(kept.shadow, update, self._timestamp())
        self._write(thing_name, replace(kept, shadow=change.shadow))
        self._publish(shadow_topic(thing_name, "update", "accepted"), change.accepted)
        if change.delta is not None:
            self._publish(shadow_topic(thing_name, "update", "delta"), change.delta)
        self._publish(shadow_topic(thing_name, "update", "documents"), change.documents)

    def _delete(self, thing_name: str, kept: Kept, token: str | None) -> None:
        tombstone, answer = apply_delete(kept.shadow, thing_name, token, self._timestamp())
        self._write(thing_name, replace(kept, shadow=tombstone))
        self._publish(shadow_topic(thing_name, "delete", "accepted"), answer)

    def _adopt_state(self, thing_name: str, kept: Kept, goal: State) -> None:
        sections = changes_between(Copy.of(kept.shadow).state, goal)
        if sections or kept.shadow.deleted:
            self._update(thing_name, kept, ShadowUpdate(sections, None, None))
        else:
            self._write(thing_name, kept)

    def _adopt_absence(self, thing_name: str, kept: Kept) -> None:
        if kept.shadow.deleted:
            self._write(thing_name, kept)
        else:
            self._delete(thing_name, kept, None)

    def _write(self, thing_name: str, kept: Kept) -> None:
        self._database.write(thing_name, kept)
        self.problem = None

    def _require_member(self, thing_name: str) -> None:
        if thing_name not in self._things:
            raise ShadowError(
                NOT_FOUND,
                f"{quoted(thing_name)} is neither a device of this group nor its core; "
                "no shadow is kept for it here",
            )

    def _tell(self, error: Exception) -> None:
        problem = f"local shadows cannot be kept: {error}"
        if problem != self.problem:
            self._log.error("a shadow request failed", reason=problem)
        self.problem = problem

    def _timestamp(self) -> int:
        return int(self._clock.now().timestamp())
