"""Local shadows without a core around them, and a cloud's copies in memory."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog
from tests.support.clock import ManualClock
from tests.support.cloud_documents import GroupDouble

from hedgerow.contract import (
    GroupDeployment,
    ShadowId,
    ShadowVerb,
    parse_shadow_topic,
    shadow_topic,
)
from hedgerow.core.link import Backoff, CloudMessage, HttpAnswer
from hedgerow.core.shadow import CloudCopies, LocalShadows, ShadowDatabase, ShadowSync
from hedgerow.kernel import DeniedError
from hedgerow.shadow import (
    NO_SHADOW,
    Shadow,
    ShadowError,
    apply_delete,
    apply_update,
    get_answer,
    parse_removal,
    parse_update,
    state_of,
)

PATIENCE = timedelta(seconds=5)


def group_of(*names: str, synced: tuple[str, ...] = ()) -> GroupDeployment:
    """Return a group with core `core-1` and these devices, some of them synchronised."""
    double = GroupDouble()
    double.devices = [double.keys.device(name) for name in names]
    group = double.group()
    replace = msgspec.structs.replace
    return replace(
        group,
        core=replace(group.core, sync_shadow=group.core.thing_name in synced),
        devices=tuple(replace(d, sync_shadow=d.thing_name in synced) for d in group.devices),
    )


@dataclass
class Shadows:
    """The service on a database, a clock set by hand, and all it published."""

    local: LocalShadows
    database: ShadowDatabase
    clock: ManualClock
    published: list[tuple[str, Any]] = field(default_factory=list)

    def ask(self, topic: str, body: object = None) -> list[tuple[str, Any]]:
        """Make a request and return what was published because of it."""
        request = parse_shadow_topic(topic)
        assert request is not None
        self.published.clear()
        self.local.answer(request, b"" if body is None else msgspec.json.encode(body))
        return list(self.published)

    def update(self, name: str, **sections: Any) -> list[tuple[str, Any]]:
        """Update a shadow: a thing's classic one, or a named one as `<thing>/<shadow>`."""
        shadow = shadow_called(name)
        topic = shadow_topic(shadow.thing_name, "update", shadow_name=shadow.shadow_name)
        return self.ask(topic, {"state": sections})

    def state(self, name: str) -> Any:
        """Return the state of a shadow, None if there is none."""
        shadow = self.local.kept(shadow_called(name)).shadow
        return None if shadow.deleted else state_of(shadow)


@contextmanager
def shadows_in(
    folder: Path, group: GroupDeployment, clock: ManualClock | None = None
) -> Iterator[Shadows]:
    """Serve a group's shadows from a folder."""
    database = ShadowDatabase(folder)
    clock = clock or ManualClock()
    published: list[tuple[str, Any]] = []
    local = LocalShadows(
        database,
        lambda topic, payload: published.append((topic, msgspec.json.decode(payload))),
        clock=clock,
        log=structlog.get_logger(),
    )
    local.serve(group)
    try:
        yield Shadows(local, database, clock, published)
    finally:
        database.close()


@dataclass
class CloudDouble:
    """The cloud's shadows by the same machine, judged by a list of what is denied.

    Shadows go by `<thing>` or `<thing>/<shadow>`. `denied` holds methods with them, and `LIST`
    with things.
    """

    clock: ManualClock
    shadows: dict[str, Shadow] = field(default_factory=dict)
    denied: set[tuple[str, str]] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    before_answer: Callable[[str, str], Awaitable[None]] | None = None

    async def shadow(self, method: str, shadow: ShadowId, body: bytes | None = None) -> HttpAnswer:
        """Keep the promises of `CloudShadows`."""
        name = str(shadow)
        await self._asked(method, name)
        try:
            return HttpAnswer(200, self._answer(method, name, body or b""))
        except ShadowError as error:
            return HttpAnswer(error.status, error.payload(self._now()))

    async def named_shadows(self, thing_name: str) -> Sequence[str]:
        """Keep the promises of `CloudShadows`."""
        await self._asked("LIST", thing_name)
        first = f"{thing_name}/"
        names = [name for name, shadow in self.shadows.items() if not shadow.deleted]
        return [name.removeprefix(first) for name in names if name.startswith(first)]

    def update(self, name: str, **sections: Any) -> CloudMessage:
        """Change a shadow in the cloud, and return what a subscriber would hear."""
        payload = self._answer("POST", name, msgspec.json.encode({"state": sections}))
        return CloudMessage(_accepted(name, "update"), payload)

    def delete(self, name: str) -> CloudMessage:
        """Delete a shadow in the cloud, and return what a subscriber would hear."""
        payload = self._answer("DELETE", name, b"")
        return CloudMessage(_accepted(name, "delete"), payload)

    def state(self, name: str) -> Any:
        """Return the state of a shadow, None if there is none."""
        shadow = self.shadows.get(name, NO_SHADOW)
        return None if shadow.deleted else state_of(shadow)

    async def _asked(self, method: str, name: str) -> None:
        self.calls.append((method, name))
        if self.before_answer is not None:
            await self.before_answer(method, name)
        if (method, name) in self.denied:
            raise DeniedError(f"{method} on thing/{name} is not allowed")

    def _answer(self, method: str, name: str, body: bytes) -> bytes:
        shadow = self.shadows.get(name, NO_SHADOW)
        if method == "GET":
            return get_answer(shadow, name, None, self._now())
        if method == "DELETE":
            removal = parse_removal(body)
            self.shadows[name], answer = apply_delete(shadow, name, removal, self._now())
            return answer
        change = apply_update(shadow, parse_update(body), self._now())
        self.shadows[name] = change.shadow
        return change.accepted

    def _now(self) -> int:
        return int(self.clock.now().timestamp())


def shadow_called(name: str) -> ShadowId:
    """Return the shadow that is called `<thing>` or `<thing>/<shadow>`."""
    thing_name, _, shadow_name = name.partition("/")
    return ShadowId(thing_name, shadow_name)


def _accepted(name: str, verb: ShadowVerb) -> str:
    shadow = shadow_called(name)
    return shadow_topic(shadow.thing_name, verb, "accepted", shadow_name=shadow.shadow_name)


class OpenLink:
    """A link that always stands."""

    async def wait_connected(self) -> None:
        """Return at once."""

    def listen_to_shadows(self, filters: tuple[str, ...]) -> None:
        """Take the filters."""


def sync_of(
    shadows: Shadows, cloud: CloudDouble, group: GroupDeployment, *, named: bool = False
) -> ShadowSync:
    """Return a synchronisation of a group's shadows with a cloud."""
    made = ShadowSync(
        shadows.local,
        CloudCopies(cloud, PATIENCE),
        backoff=Backoff(0.001),
        log=structlog.get_logger(),
        named=named,
    )
    made.serve(group)
    return made
