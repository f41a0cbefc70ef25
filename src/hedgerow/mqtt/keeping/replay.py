"""Changes put together to what they come to: sessions and retained messages. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from hedgerow.mqtt.keeper import (
    KeptDelivery,
    KeptMessage,
    KeptSession,
    KeptSubscription,
    SessionFacts,
)
from hedgerow.mqtt.keeping.changes import (
    Began,
    Change,
    Completed,
    Forgotten,
    MessageRecord,
    Queued,
    Received,
    Released,
    Restated,
    Retained,
    Sent,
    SessionRecord,
    Settled,
    Subscribed,
    Unretained,
    Unsubscribed,
    kept_delivery,
    kept_message,
    kept_subscription,
    session_facts,
)


@dataclass(slots=True)
class _Found:
    """One session while the changes are read."""

    facts: SessionFacts
    subscriptions: dict[str, KeptSubscription] = field(default_factory=dict)
    deliveries: dict[int, KeptDelivery] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)


class Replay:
    """Takes changes in their order; `highest_…` are the numbers that were given so far.

    What is said of a session or message that is not known belongs to one that a later change
    restates or that is gone, and is passed over: a journal may begin anywhere, as long as it is
    whole from there on.
    """

    def __init__(self) -> None:
        self.highest_session = 0
        self.highest_message = 0
        self._sessions: dict[int, _Found] = {}
        self._numbers: dict[str, int] = {}
        self._messages: dict[int, KeptMessage] = {}
        self._retained: dict[str, KeptMessage] = {}

    def apply(self, changes: list[Change]) -> None:
        """Take the changes of one commit. Raises `UnreadableChangesError`."""
        for change in changes:
            _STEPS[type(change)](self, change)

    def sessions(self) -> list[KeptSession]:
        """Return the sessions; there is one of each client id."""
        return [
            KeptSession(
                found.facts,
                tuple(found.subscriptions.values()),
                dict(sorted(found.deliveries.items())),
                frozenset(found.received),
            )
            for found in self._sessions.values()
        ]

    def retained(self) -> list[KeptMessage]:
        """Return the retained messages, one a topic."""
        return list(self._retained.values())

    # ---- one step a kind of change

    def _began(self, change: Began) -> None:
        found = self._sessions.get(change.session)
        if found is None:
            self._begin(change.session, change.facts)
        else:
            found.facts = session_facts(change.facts)

    def _restated(self, change: Restated) -> None:
        self._begin(change.session, change.facts)

    def _forgotten(self, change: Forgotten) -> None:
        self._sessions.pop(change.session, None)

    def _subscribed(self, change: Subscribed) -> None:
        found = self._sessions.get(change.session)
        if found is not None:
            found.subscriptions[change.topic_filter] = kept_subscription(change)

    def _unsubscribed(self, change: Unsubscribed) -> None:
        found = self._sessions.get(change.session)
        if found is not None:
            found.subscriptions.pop(change.topic_filter, None)

    def _queued(self, change: Queued) -> None:
        message = self._message(change.message, change.content)
        found = self._sessions.get(change.session)
        if found is not None and message is not None:
            found.deliveries[change.number] = kept_delivery(change, message)

    def _sent(self, change: Sent) -> None:
        self._progress(change.session, change.number, packet_id=change.packet_id)

    def _released(self, change: Released) -> None:
        self._progress(change.session, change.number, released=True)

    def _settled(self, change: Settled) -> None:
        found = self._sessions.get(change.session)
        if found is not None:
            found.deliveries.pop(change.number, None)

    def _received(self, change: Received) -> None:
        found = self._sessions.get(change.session)
        if found is not None:
            found.received.add(change.packet_id)

    def _completed(self, change: Completed) -> None:
        found = self._sessions.get(change.session)
        if found is not None:
            found.received.discard(change.packet_id)

    def _retain(self, change: Retained) -> None:
        message = self._message(change.message, change.content)
        if message is not None:
            self._retained[change.topic] = message

    def _unretained(self, change: Unretained) -> None:
        self._retained.pop(change.topic, None)

    def _begin(self, number: int, record: SessionRecord) -> None:
        """Begin a session in the place of any other of its client.

        A start that was cut has left some sessions under new numbers beside the old ones.
        """
        facts = session_facts(record)
        self._sessions.pop(self._numbers.get(facts.client_id, number), None)
        self._sessions[number] = _Found(facts)
        self._numbers[facts.client_id] = number
        self.highest_session = max(self.highest_session, number)

    def _message(self, number: int, content: MessageRecord | None) -> KeptMessage | None:
        """Return the message of a number: always the same object."""
        self.highest_message = max(self.highest_message, number)
        message = self._messages.get(number)
        if message is None and content is not None:
            message = self._messages[number] = kept_message(content)
        return message

    def _progress(self, session: int, number: int, **changed: Any) -> None:
        found = self._sessions.get(session)
        delivery = None if found is None else found.deliveries.get(number)
        if found is not None and delivery is not None:
            found.deliveries[number] = replace(delivery, **changed)


_STEPS: Final[Mapping[type[Change], Callable[[Replay, Any], None]]] = MappingProxyType(
    {
        Began: Replay._began,  # noqa: SLF001 - the table of its own steps
        Restated: Replay._restated,  # noqa: SLF001
        Forgotten: Replay._forgotten,  # noqa: SLF001
        Subscribed: Replay._subscribed,  # noqa: SLF001
        Unsubscribed: Replay._unsubscribed,  # noqa: SLF001
        Queued: Replay._queued,  # noqa: SLF001
        Sent: Replay._sent,  # noqa: SLF001
        Released: Replay._released,  # noqa: SLF001
        Settled: Replay._settled,  # noqa: SLF001
        Received: Replay._received,  # noqa: SLF001
        Completed: Replay._completed,  # noqa: SLF001
        Retained: Replay._retain,  # noqa: SLF001
        Unretained: Replay._unretained,  # noqa: SLF001
    }
)
