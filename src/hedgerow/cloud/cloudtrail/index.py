"""The index: the newest events of an account, as far as `LookupEvents` asks about them.

It holds where each event lies and what it is looked up by, never the event itself, and a bounded
number of them; what is older is read from the journal when somebody asks for it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from hedgerow.cloud.cloudtrail.identity import user_name
from hedgerow.cloud.cloudtrail.resources import Resource, resources_of
from hedgerow.cloud.cloudtrail.segments import Place

INDEXED_EVENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it is looked up."""

    sequence: int
    place: Place
    time: str
    """As the event prints it; such texts sort as their moments do."""
    event_id: str
    event_name: str
    event_source: str
    read_only: bool
    user_name: str
    access_key_id: str
    resources: tuple[Resource, ...]


Test = Callable[[Entry], bool]
Attributes = Mapping[str, Callable[[Entry, str], bool]]

ATTRIBUTES: Attributes = MappingProxyType(
    {
        "EventId": lambda entry, value: entry.event_id == value,
        "EventName": lambda entry, value: entry.event_name == value,
        "ReadOnly": lambda entry, value: value == ("true" if entry.read_only else "false"),
        "Username": lambda entry, value: entry.user_name == value,
        "ResourceType": lambda entry, value: any(kind == value for kind, _ in entry.resources),
        "ResourceName": lambda entry, value: any(name == value for _, name in entry.resources),
        "EventSource": lambda entry, value: entry.event_source == value,
        "AccessKeyId": lambda entry, value: entry.access_key_id == value,
    }
)
"""What each attribute of a lookup compares."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are looked for: an attribute or none, and times, both ends included."""

    attribute: str | None
    value: str
    start: str
    end: str

    def matches(self, entry: Entry) -> bool:
        """Say whether an event is one of them."""
        if not self.start <= entry.time <= self.end:
            return False
        return self.attribute is None or ATTRIBUTES[self.attribute](entry, self.value)


def entry_of(sequence: int, place: Place, event: Mapping[str, Any]) -> Entry:
    """Return what is kept of an event for looking it up."""
    identity = event["userIdentity"]
    return Entry(
        sequence=sequence,
        place=place,
        time=event["eventTime"],
        event_id=event["eventID"],
        event_name=event["eventName"],
        event_source=event["eventSource"],
        read_only=event["readOnly"],
        user_name=user_name(identity),
        access_key_id=identity.get("accessKeyId", ""),
        resources=resources_of(event),
    )


class Index:
    """The newest events, in the order in which they were recorded."""

    def __init__(self, limit: int = INDEXED_EVENTS) -> None:
        self.limit = limit
        self._entries: deque[Entry] = deque(maxlen=limit)

    def add(self, entry: Entry) -> None:
        """Add the newest event; the oldest one goes if there are too many."""
        self._entries.append(entry)

    @property
    def oldest(self) -> int | None:
        """The number of the oldest event that is held; None without any."""
        return self._entries[0].sequence if self._entries else None

    def newest_first(self, before: int | None) -> Iterator[Entry]:
        """Give the events with numbers below `before` (all, if None), newest first.

        It goes through the events of this moment: others may be added meanwhile.
        """
        for entry in reversed(tuple(self._entries)):
            if before is None or entry.sequence < before:
                yield entry
