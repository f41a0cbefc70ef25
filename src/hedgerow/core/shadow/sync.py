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

from hedgerow.contract import GroupDeployment, ShadowId, ShadowTopic, parse_shadow_topic
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

_NAMES: Final = "*"
"""Stands for the name where what is due is not one shadow, but which named ones the cloud has."""


class Link(Protocol):
    """The link to the cloud, as far as waiting for it goes."""

    async def wait_connected(self) -> None:
        """Return once the cloud can be asked."""

    def listen_to_shadows(self, filters: tuple[str, ...]) -> None:
        """Subscribe to exactly these topics from now on."""


class ShadowSync:
    """Keeps the shadows of members with `SyncShadow` alike here and in the cloud.

    Named ones only if that is asked for: the guide knew none, and its minimal policy covers
    neither learning their names nor hearing of them. `problem` names what keeps a shadow from
    it, in the cloud's own words: which action on which resource the core's policy lacks. Local
    shadows go on whatever happens here.
    """

    def __init__(
        self,
        shadows: LocalShadows,
        copies: CloudCopies,
        *,
        backoff: Backoff,
        log: FilteringBoundLogger,
        named: bool = False,
    ) -> None:
        self._shadows = shadows
        self._copies = copies
        self._backoff = backoff
        self._log = log
        self._named = named
        self._things: frozenset[str] = frozenset()
        self._due: dict[ShadowId, None] = {}
        self._stopped: dict[ShadowId, str] = {}
        self._doing: set[ShadowId] = set()
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
        """What to subscribe to in the cloud to hear of changes there: one filter a thing.

        With named shadows it is one more for each thing.
        """
        kinds = (_filter, _filter_of_named) if self._named else (_filter,)
        return tuple(kind(name) for kind in kinds for name in sorted(self._things))

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
        self._due = {}
        for name in sorted(self._things):
            self._make_due(ShadowId(name))
            self._make_named_due(name)
        self._rung.set()

    def heard_from_now_on(self, filters: Sequence[str]) -> None:
        """Compare the shadows that these filters are of: nothing told of their changes before."""
        for topic_filter in filters:
            name = _thing_name(topic_filter)
            if name not in self._things:
                continue
            if topic_filter == _filter(name):
                self._make_due(ShadowId(name))
            else:
                self._make_named_due(name)

    def hear(self, message: CloudMessage) -> None:
        """Take a message on a topic of a shadow; what it holds is read from the shadow itself."""
        topic = parse_shadow_topic(message.topic)
        if topic is None or topic.event != "accepted" or topic.verb not in _HEARD:
            return
        if self._is_synced(topic.shadow) and self._is_news(topic, message.payload):
            self._make_due(topic.shadow)

    async def run(self, link: Link) -> None:
        """Synchronise what is due until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._work(link), name="shadow sync")

    async def _work(self, link: Link) -> None:
        while True:
            await self._wait_for_work()
            await link.wait_connected()
            shadow = self._next()
            if shadow is not None:
                del self._due[shadow]
                self._doing.add(shadow)
                await self._try(shadow)
                self._doing.remove(shadow)
                self._rung.set()

    def _next(self) -> ShadowId | None:
        """Return a shadow that is due and that nobody works on, or None."""
        return next((shadow for shadow in self._due if shadow not in self._doing), None)

    async def _wait_for_work(self) -> None:
        """Return when a shadow is due; those that were refused are so after a while."""
        while self._next() is None:
            self._rung.clear()
            try:
                async with asyncio.timeout(RETRY_SECONDS if self._stopped else None):
                    await self._rung.wait()
            except TimeoutError:
                self._due.update(dict.fromkeys(self._stopped))

    async def _try(self, shadow: ShadowId) -> None:
        try:
            if shadow.shadow_name == _NAMES:
                await self._learn_names(shadow.thing_name)
            else:
                await self._synchronise(shadow)
        except UnavailableError as error:
            self._tell_later(shadow, error)
            self._make_due(shadow)
            await asyncio.sleep(self._backoff.next_delay())
        except HedgerowError as error:
            self._stop(shadow, error.message)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            self._stop(shadow, str(error))
        else:
            self._stopped.pop(shadow, None)
            self._backoff.reset()

    async def _learn_names(self, thing_name: str) -> None:
        """Make every named shadow due that the cloud holds of a thing."""
        for name in await self._copies.names(thing_name):
            shadow = ShadowId(thing_name, name)
            if self._is_synced(shadow) and shadow not in self._stopped:
                self._make_due(shadow)

    async def _synchronise(self, shadow: ShadowId) -> None:
        for _ in range(_ROUNDS_LIMIT):
            if not self._is_synced(shadow):
                return
            try:
                if await self._round(shadow):
                    return
            except MovedOnError:
                continue
        self._make_due(shadow)

    async def _round(self, shadow: ShadowId) -> bool:
        """Make both sides alike once; False if the local one has changed meanwhile."""
        kept = self._shadows.kept(shadow)
        local = Copy.of(kept.shadow)
        cloud = await self._copies.read(shadow)
        base = kept.agreed.state if kept.agreed is not None else None
        if kept.offered is not None:
            base = acknowledged(base, kept.offered.state, cloud.copy.state)
        goal = reconciled(base, local, cloud.copy)
        if not self._is_synced(shadow):  # a deployment came in between
            return True
        if differ(cloud.copy.state, goal):
            known = Agreed(state=base, cloud_version=cloud.version)
            self._shadows.offer(shadow, known, local.state)
        version = await self._copies.write(shadow, cloud, goal)
        if not self._is_synced(shadow):
            return True
        return self._shadows.adopt(shadow, local, Agreed(state=goal, cloud_version=version))

    def _stop(self, shadow: ShadowId, reason: str) -> None:
        problem = f"{_called(shadow)} is not synchronised: {reason}"
        if self._stopped.get(shadow) != problem:
            self._log.error("a shadow is not synchronised", shadow=str(shadow), reason=reason)
        self._stopped[shadow] = problem

    def _tell_later(self, shadow: ShadowId, error: UnavailableError) -> None:
        """Log that a shadow has to wait; of a call without an answer in the documented lines.

        Source: guide page gg-troubleshooting.
        """
        if not isinstance(error, NoAnswerError):
            self._log.warning("a shadow is synchronised later", reason=error.message)
            return
        if error.was_reading:
            self._log.error(
                f"Cloud shadow client error: unable to get cloud shadow {shadow} for "
                f"synchronization. {error.message}"
            )
            self._log.warning(f"Failed to get cloud copy: {error.message}")
        self._log.error(
            f"Failed to execute sync operation {{{shadow} VersionDiscontinued []}}",
            reason=error.message,
        )

    def _is_synced(self, shadow: ShadowId) -> bool:
        return shadow.thing_name in self._things and (self._named or not shadow.shadow_name)

    def _changed(self, shadow: ShadowId) -> None:
        """Take note of a local change; a refused shadow is not tried again for every change."""
        if self._is_synced(shadow) and shadow not in self._stopped:
            self._make_due(shadow)

    def _make_due(self, shadow: ShadowId) -> None:
        self._due[shadow] = None
        self._rung.set()

    def _make_named_due(self, thing_name: str) -> None:
        """Make the named shadows of a thing due, if they are synchronised at all."""
        if not self._named:
            return
        self._make_due(ShadowId(thing_name, _NAMES))
        try:
            known = self._shadows.named(thing_name)
        except sqlite3.Error:
            return  # what cannot be read is told when one of them is asked for
        for shadow in known:
            self._make_due(shadow)

    def _is_news(self, topic: ShadowTopic, payload: bytes) -> bool:
        """Tell whether a message tells of more than the core's own last change."""
        if topic.verb == "delete":
            return True
        try:
            agreed = self._shadows.kept(topic.shadow).agreed
            heard = msgspec.json.decode(payload, type=_Heard)
        except (sqlite3.Error, msgspec.DecodeError):
            return True
        return agreed is None or heard.version != agreed.cloud_version


def _called(shadow: ShadowId) -> str:
    if shadow.shadow_name == _NAMES:
        return f"what only the cloud holds of named shadows of {shadow.thing_name}"
    if shadow.shadow_name:
        return f"the shadow {shadow.shadow_name} of {shadow.thing_name}"
    return f"the shadow of {shadow.thing_name}"


def _filter(thing_name: str) -> str:
    return f"$aws/things/{thing_name}/shadow/+/accepted"


def _filter_of_named(thing_name: str) -> str:
    return f"$aws/things/{thing_name}/shadow/name/+/+/accepted"


def _thing_name(topic_filter: str) -> str:
    return topic_filter.split("/")[2]


class _Heard(msgspec.Struct, frozen=True):
    version: int
