"""The shadow service: reads and changes shadows in the store, and tells listeners of it."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hedgerow.cloud.home import Home
from hedgerow.contract import shadow_topic
from hedgerow.kernel import Clock
from hedgerow.shadow import (
    NO_SHADOW,
    Shadow,
    ShadowChange,
    ShadowError,
    apply_delete,
    apply_update,
    get_answer,
    parse_client_token,
    parse_update,
    require_thing_name,
)
from hedgerow.store import Kind, Record, Store, Transaction

MessageListener = Callable[[str, bytes], None]
"""Takes a topic and a payload: every answer and notice that belongs on a shadow topic."""

SHADOW = Kind("shadow", Shadow)


class ShadowService:
    """The classic shadows of one account.

    A thing needs not be registered to have a shadow: `<core>-gda` never is. Who may ask is
    decided by whoever calls; a request that comes here is allowed.
    """

    def __init__(self, store: Store, home: Home, clock: Clock) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._listeners: dict[object, MessageListener] = {}

    def on_message(self, listener: MessageListener) -> Callable[[], None]:
        """Tell `listener` what is to be published after each change; return what ends that."""
        ticket = object()
        self._listeners[ticket] = listener

        def stop() -> None:
            self._listeners.pop(ticket, None)

        return stop

    async def get(self, thing_name: str, payload: bytes = b"") -> bytes:
        """Return the shadow's document, or raise `ShadowError` (404 if there is none)."""
        require_thing_name(thing_name)
        token = parse_client_token(payload)
        record = await self._store.get(SHADOW, self._home.account, thing_name)
        return get_answer(_shadow_of(record), thing_name, token, self._timestamp())

    async def update(self, thing_name: str, payload: bytes) -> bytes:
        """Merge an update and return the `accepted` answer; tell listeners what changed."""
        require_thing_name(thing_name)
        update = parse_update(payload)
        timestamp = self._timestamp()
        async with self._store.transaction() as transaction:
            record = await transaction.get(SHADOW, self._home.account, thing_name)
            change = apply_update(_shadow_of(record), update, timestamp)
            await self._write(transaction, record, thing_name, change.shadow)
        self._tell_update(thing_name, change)
        return change.accepted

    async def delete(self, thing_name: str, payload: bytes = b"") -> bytes:
        """Delete the shadow and return the answer, or raise `ShadowError` (404)."""
        require_thing_name(thing_name)
        token = parse_client_token(payload)
        timestamp = self._timestamp()
        async with self._store.transaction() as transaction:
            record = await transaction.get(SHADOW, self._home.account, thing_name)
            tombstone, answer = apply_delete(_shadow_of(record), thing_name, token, timestamp)
            await self._write(transaction, record, thing_name, tombstone)
        self._tell(shadow_topic(thing_name, "delete", "accepted"), answer)
        return answer

    async def set_desired(self, thing_name: str, desired: Mapping[str, Any] | None) -> bytes:
        """Merge values into the `desired` section (None removes it), as an update would."""
        return await self.update(thing_name, msgspec.json.encode({"state": {"desired": desired}}))

    def rejection(self, error: ShadowError) -> bytes:
        """Return the body that tells the asker of a refusal."""
        return error.payload(self._timestamp())

    async def _write(
        self,
        transaction: Transaction,
        record: Record[Shadow] | None,
        thing_name: str,
        shadow: Shadow,
    ) -> None:
        if record is None:
            await transaction.insert(SHADOW, self._home.account, thing_name, shadow)
        else:
            await transaction.update(record, shadow)

    def _tell_update(self, thing_name: str, change: ShadowChange) -> None:
        self._tell(shadow_topic(thing_name, "update", "accepted"), change.accepted)
        if change.delta is not None:
            self._tell(shadow_topic(thing_name, "update", "delta"), change.delta)
        self._tell(shadow_topic(thing_name, "update", "documents"), change.documents)

    def _tell(self, topic: str, payload: bytes) -> None:
        for listener in tuple(self._listeners.values()):
            listener(topic, payload)

    def _timestamp(self) -> int:
        return int(self._clock.now().timestamp())


def _shadow_of(record: Record[Shadow] | None) -> Shadow:
    return NO_SHADOW if record is None else record.document
