"""An event that waits to be told."""

import msgspec

from hedgerow.store import Kind


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event, under its id; the record's time of making is when it happened."""

    source: str
    detail_type: str
    topic: str
    detail: dict[str, str]


EVENT = Kind("event", Event)
