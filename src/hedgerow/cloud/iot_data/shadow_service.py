"""The shadow service: reads and changes shadows in the store, and tells listeners of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.contract import CLASSIC, NamedShadows, ShadowEvent, ShadowId, ShadowTopic, ShadowVerb
from hedgerow.kernel import Clock
from hedgerow.shadow import (
    NO_SHADOW,
    TOO_MANY_REQUESTS,
    Shadow,
    ShadowChange,
    ShadowError,
    apply_delete,
    apply_update,
    get_answer,
    parse_client_token,
    parse_removal,
    parse_update,
    require_shadow_name,
    require_thing_name,
)
from hedgerow.store import Change, Kind, Record, Store, Transaction

MessageListener = Callable[[str, bytes], None]
"""Takes a topic and a payload: every answer and notice that belongs on a shadow topic."""

SHADOW = Kind("shadow", Shadow)

MAX_IN_FLIGHT_PER_THING: Final = 10
"""Requests to one thing's shadows that are under way at a time; one more is refused with 429."""
PAGE_LIMIT: Final = 100
PAGE_DEFAULT: Final = 25
"""Names of shadows in one answer (API model of `iot-data`)."""


class ShadowService:
    """The shadows of one account, classic and named.

    A thing needs not be registered to have a shadow: `<core>-gda` never is. Who may ask is
    decided by whoever calls; a request that comes here is allowed.

    INVARIANT: what is told of a change is told in the step in which it is committed, so notices
    come in the order of versions and a caller that goes away meanwhile takes none with it.
    """

    def __init__(self, store: Store, home: Home, clock: Clock) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._listeners: dict[object, MessageListener] = {}
        self._in_flight: Counter[str] = Counter()
        self._to_tell: Sequence[tuple[ShadowTopic, bytes]] = ()
        store.on_commit(self._committed)

    def on_message(self, listener: MessageListener) -> Callable[[], None]:
        """Tell `listener` what is to be published after each change; return what ends that."""
        ticket = object()
        self._listeners[ticket] = listener

        def stop() -> None:
            self._listeners.pop(ticket, None)

        return stop

    async def get(
        self, thing_name: str, payload: bytes = b"", *, shadow_name: str = CLASSIC
    ) -> bytes:
        """Return the shadow's document, or raise `ShadowError` (404 if there is none)."""
        shadow = _existing_name(thing_name, shadow_name)
        with self._under_way(thing_name):
            token = parse_client_token(payload)
            record = await self._store.get(SHADOW, self._home.account, str(shadow))
            return get_answer(_shadow_of(record), _called(shadow), token, self._timestamp())

    async def update(self, thing_name: str, payload: bytes, *, shadow_name: str = CLASSIC) -> bytes:
        """Merge an update and return the `accepted` answer; tell listeners what changed."""
        with self._under_way(thing_name):
            return await self._update(_existing_name(thing_name, shadow_name), payload)

    async def delete(
        self, thing_name: str, payload: bytes = b"", *, shadow_name: str = CLASSIC
    ) -> bytes:
        """Delete the shadow and return the answer, or raise `ShadowError` (404).

        A deletion that names a version is for that version alone (409); AWS has no such thing.
        """
        shadow = _existing_name(thing_name, shadow_name)
        with self._under_way(thing_name):
            removal = parse_removal(payload)
            async with self._store.transaction() as transaction:
                record = await self._read(transaction, shadow)
                tombstone, answer = apply_delete(
                    _shadow_of(record), _called(shadow), removal, self._timestamp()
                )
                await self._write(transaction, record, shadow, tombstone)
                self._to_tell = ((_topic(shadow, "delete", "accepted"), answer),)
            return answer

    async def names(
        self, thing_name: str, *, limit: int = PAGE_DEFAULT, after: str | None = None
    ) -> NamedShadows:
        """Return a page of the names of a thing's named shadows, in the order they were made.

        Raises `InvalidPageTokenError` for a token that no page gave.
        """
        require_thing_name(thing_name)
        names: list[str] = []
        more = True
        while more and len(names) < limit:
            page = await self._store.list(
                SHADOW,
                self._home.account,
                parent=thing_name,
                limit=limit - len(names),
                after=after,
            )
            names += [record.name or "" for record in page.records if not record.document.deleted]
            after, more = page.next_token, page.next_token is not None
        return NamedShadows(results=tuple(names), timestamp=self._timestamp(), next_token=after)

    async def set_desired(self, thing_name: str, desired: Mapping[str, Any] | None) -> bytes:
        """Merge values into the `desired` section (None removes it), as an update would.

        It is the cloud's own call, which the limit on requests of others does not hold up.
        """
        payload = msgspec.json.encode({"state": {"desired": desired}})
        return await self._update(_existing_name(thing_name, CLASSIC), payload)

    def rejection(self, error: ShadowError) -> bytes:
        """Return the body that tells the asker of a refusal."""
        return error.payload(self._timestamp())

    async def _update(self, shadow: ShadowId, payload: bytes) -> bytes:
        update = parse_update(payload)
        async with self._store.transaction() as transaction:
            record = await self._read(transaction, shadow)
            change = apply_update(_shadow_of(record), update, self._timestamp())
            await self._write(transaction, record, shadow, change.shadow)
            self._to_tell = tuple(_notices(shadow, change))
        return change.accepted

    async def _read(self, transaction: Transaction, shadow: ShadowId) -> Record[Shadow] | None:
        return await transaction.get(SHADOW, self._home.account, str(shadow))

    async def _write(
        self,
        transaction: Transaction,
        record: Record[Shadow] | None,
        shadow: ShadowId,
        document: Shadow,
    ) -> None:
        if record is not None:
            await transaction.update(record, document)
            return
        named = (
            {"parent": shadow.thing_name, "name": shadow.shadow_name} if shadow.shadow_name else {}
        )
        await transaction.insert(SHADOW, self._home.account, str(shadow), document, **named)

    def _committed(self, changes: Sequence[Change]) -> None:
        """Tell of a change that was written here; the store has one writer at a time."""
        messages, self._to_tell = self._to_tell, ()
        if not any(c.kind == SHADOW.name and c.account == self._home.account for c in changes):
            return
        for topic, payload in messages:
            for listener in tuple(self._listeners.values()):
                listener(str(topic), payload)

    @contextmanager
    def _under_way(self, thing_name: str) -> Iterator[None]:
        """Count a request; raise `ShadowError` (429) if too many are under way."""
        if self._in_flight[thing_name] >= MAX_IN_FLIGHT_PER_THING:
            raise ShadowError(TOO_MANY_REQUESTS, "Too many requests")
        self._in_flight[thing_name] += 1
        try:
            yield
        finally:
            self._in_flight[thing_name] -= 1
            if not self._in_flight[thing_name]:
                del self._in_flight[thing_name]

    def _timestamp(self) -> int:
        return int(self._clock.now().timestamp())


def _existing_name(thing_name: str, shadow_name: str) -> ShadowId:
    """Return the id of a shadow; `ShadowError` (400) for names that none can have."""
    require_thing_name(thing_name)
    if shadow_name != CLASSIC:
        require_shadow_name(shadow_name)
    return ShadowId(thing_name, shadow_name)


def _called(shadow: ShadowId) -> str:
    """Return what a shadow is called in answers: its name, or the thing's for the classic one."""
    return shadow.shadow_name or shadow.thing_name


def _topic(shadow: ShadowId, verb: ShadowVerb, event: ShadowEvent) -> ShadowTopic:
    return ShadowTopic(shadow.thing_name, verb, event, shadow.shadow_name)


def _notices(shadow: ShadowId, change: ShadowChange) -> Iterator[tuple[ShadowTopic, bytes]]:
    yield _topic(shadow, "update", "accepted"), change.accepted
    if change.delta is not None:
        yield _topic(shadow, "update", "delta"), change.delta
    yield _topic(shadow, "update", "documents"), change.documents


def _shadow_of(record: Record[Shadow] | None) -> Shadow:
    return NO_SHADOW if record is None else record.document
