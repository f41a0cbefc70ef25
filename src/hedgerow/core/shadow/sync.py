"""The synchronisation of local shadows with the cloud: which shadow is due, and what became of it.

For each shadow: read the cloud's copy, decide what both should hold, write that there, take it
over here. A crash at any point is made good by the next round, because what was agreed is written
last.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from hedgerow.contract import GroupDeployment, ShadowTopic, parse_shadow_topic
from hedgerow.core.link import Backoff, CloudMessage
from hedgerow.core.shadow.cloud_copy import CloudCopies, MovedOnError, NoAnswerError
from hedgerow.core.shadow.database import Agreed
from hedgerow.core.shadow.local import LocalShadows
from hedgerow.core.shadow.reconcile import Copy, acknowledged, differ, reconciled
from hedgerow.kernel import HedgerowError, UnavailableError

AT_ONCE: Final = 3
"""Shadows that are synchronised at the same time; fewer than the link has connections."""

RETRY_SECONDS: Final = 30.0
"""How long a shadow waits that the cloud refused to synchronise; nothing tells of a new policy."""

_ROUNDS_LIMIT: Final = 5
"""How often in a row a shadow that moves on is tried before others have their turn."""

_HEARD: Final = frozenset({"update", "delete"})


class Link(Protocol):
    """The link to the cloud, as far as waiting for it goes."""

    async def wait_connected(self) -> None:
        """Return once the cloud can be asked."""

    def listen_to_shadows(self, filters: tuple[str, ...]) -> None:
        """Subscribe to exactly these topics from now on."""


class ShadowSync:
    """Keeps the shadows of members with `SyncShadow` alike here and in the cloud.

    `problem` names what keeps one from it, in the cloud's own words: which action on which
    resource the core's policy lacks. Local shadows go on whatever happens here.
    """

    def __init__(
        self,
        shadows: LocalShadows,
        copies: CloudCopies,
        *,
        backoff: Backoff,
        log: FilteringBoundLogger,
    ) -> None:
        self._shadows = shadows
        self._copies = copies
        self._backoff = backoff
        self._log = log
        self._things: frozenset[str] = frozenset()
        self._due: dict[str, None] = {}
        self._stopped: dict[str, str] = {}
        self._doing: set[str] = set()
        self._rung = asyncio.Event()
        shadows.on_change(self._changed)

    @property
    def problem(self) -> str | None:
        """What keeps a shadow from being synchronised now and how many others are, or None."""
        if not self._stopped:
            return None
        first, others = next(iter(self._stopped.values())), len(self._stopped) - 1
        return f"{first} (the same or another reason stops {others} more)" if others else first

    @property
    def is_on(self) -> bool:
        """Tell whether any shadow of the group is to be synchronised."""
        return bool(self._things)

    @property
    def waiting(self) -> int:
        """How many shadows are not known to be alike on both sides."""
        return len(self._due.keys() | self._stopped.keys() | self._doing)

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to in the cloud to hear of changes there: one filter a shadow."""
        return tuple(map(_filter, sorted(self._things)))

    def serve(self, group: GroupDeployment) -> None:
        """Synchronise the shadows that this group asks for, and no others, from now on."""
        synced = [device.thing_name for device in group.devices if device.sync_shadow]
        if group.core.sync_shadow:
            synced.append(group.core.thing_name)
        self._things = frozenset(synced)
        self.look_again()

    def reset(self) -> None:
        """Synchronise nothing any more."""
        self._things = frozenset()
        self.look_again()

    def look_again(self) -> None:
        """Compare every shadow soon: something may have changed that nobody told of."""
        self._stopped.clear()
        self._due = dict.fromkeys(sorted(self._things))
        self._rung.set()

    def heard_from_now_on(self, filters: Sequence[str]) -> None:
        """Compare the shadows that these filters are of: nothing told of their changes before."""
        for name in self._things.intersection(map(_thing_name, filters)):
            self._make_due(name)

    def hear(self, message: CloudMessage) -> None:
        """Take a message on a topic of a shadow; what it holds is read from the shadow itself."""
        topic = parse_shadow_topic(message.topic)
        if topic is None or topic.event != "accepted" or topic.verb not in _HEARD:
            return
        if topic.thing_name in self._things and self._is_news(topic, message.payload):
            self._make_due(topic.thing_name)

    async def run(self, link: Link) -> None:
        """Synchronise what is due until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._work(link), name="shadow sync")

    async def _work(self, link: Link) -> None:
        while True:
            await self._wait_for_work()
            await link.wait_connected()
            thing_name = self._next()
            if thing_name is not None:
                del self._due[thing_name]
                self._doing.add(thing_name)
                await self._try(thing_name)
                self._doing.remove(thing_name)
                self._rung.set()

    def _next(self) -> str | None:
        """Return a shadow that is due and that nobody works on, or None."""
        return next((name for name in self._due if name not in self._doing), None)

    async def _wait_for_work(self) -> None:
        """Return when a shadow is due; those that were refused are so after a while."""
        while self._next() is None:
            self._rung.clear()
            try:
                async with asyncio.timeout(RETRY_SECONDS if self._stopped else None):
                    await self._rung.wait()
            except TimeoutError:
                self._due.update(dict.fromkeys(self._stopped))

    async def _try(self, thing_name: str) -> None:
        try:
            await self._synchronise(thing_name)
        except UnavailableError as error:
            self._tell_later(thing_name, error)
            self._make_due(thing_name)
            await asyncio.sleep(self._backoff.next_delay())
        except HedgerowError as error:
            self._stop(thing_name, error.message)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            self._stop(thing_name, str(error))
        else:
            self._stopped.pop(thing_name, None)
            self._backoff.reset()

    async def _synchronise(self, thing_name: str) -> None:
        for _ in range(_ROUNDS_LIMIT):
            if thing_name not in self._things:
                return
            try:
                if await self._round(thing_name):
                    return
            except MovedOnError:
                continue
        self._make_due(thing_name)

    async def _round(self, thing_name: str) -> bool:
        """Make both sides alike once; False if the local one has changed meanwhile."""
        kept = self._shadows.kept(thing_name)
        local = Copy.of(kept.shadow)
        cloud = await self._copies.read(thing_name)
        base = kept.agreed.state if kept.agreed is not None else None
        if kept.offered is not None:
            base = acknowledged(base, kept.offered.state, cloud.copy.state)
        goal = reconciled(base, local, cloud.copy)
        if thing_name not in self._things:  # a deployment came in between
            return True
        if differ(cloud.copy.state, goal):
            known = Agreed(state=base, cloud_version=cloud.version)
            self._shadows.offer(thing_name, known, local.state)
        version = await self._copies.write(thing_name, cloud, goal)
        if thing_name not in self._things:
            return True
        return self._shadows.adopt(thing_name, local, Agreed(state=goal, cloud_version=version))

    def _stop(self, thing_name: str, reason: str) -> None:
        problem = f"the shadow of {thing_name} is not synchronised: {reason}"
        if self._stopped.get(thing_name) != problem:
            self._log.error("a shadow is not synchronised", thing=thing_name, reason=reason)
        self._stopped[thing_name] = problem

    def _tell_later(self, thing_name: str, error: UnavailableError) -> None:
        """Log that a shadow has to wait; of a call without an answer in the documented lines.

        Source: guide page gg-troubleshooting.
        """
        if not isinstance(error, NoAnswerError):
            self._log.warning("a shadow is synchronised later", reason=error.message)
            return
        if error.was_reading:
            self._log.error(
                f"Cloud shadow client error: unable to get cloud shadow {thing_name} for "
                f"synchronization. {error.message}"
            )
            self._log.warning(f"Failed to get cloud copy: {error.message}")
        self._log.error(
            f"Failed to execute sync operation {{{thing_name} VersionDiscontinued []}}",
            reason=error.message,
        )

    def _changed(self, thing_name: str) -> None:
        """Take note of a local change; a refused shadow is not tried again for every change."""
        if thing_name in self._things and thing_name not in self._stopped:
            self._make_due(thing_name)

    def _make_due(self, thing_name: str) -> None:
        self._due[thing_name] = None
        self._rung.set()

    def _is_news(self, topic: ShadowTopic, payload: bytes) -> bool:
        """Tell whether a message tells of more than the core's own last change."""
        if topic.verb == "delete":
            return True
        try:
            agreed = self._shadows.kept(topic.thing_name).agreed
            heard = msgspec.json.decode(payload, type=_Heard)
        except (sqlite3.Error, msgspec.DecodeError):
            return True
        return agreed is None or heard.version != agreed.cloud_version


def _filter(thing_name: str) -> str:
    return f"$aws/things/{thing_name}/shadow/+/accepted"


def _thing_name(topic_filter: str) -> str:
    return topic_filter.split("/")[2]


class _Heard(msgspec.Struct, frozen=True):
    version: int
