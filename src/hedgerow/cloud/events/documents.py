"""An event that waits to be told."""

from typing import Any

import msgspec

from hedgerow.store import Kind


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event, under its id; the record's time of making is when it happened.

    One without a `source` is AWS IoT's own: what is told is its `detail`, with the time in it.
    """

    source: str = ""
    detail_type: str = ""
    topic: str
    detail: dict[str, Any]


EVENT = Kind("event", Event)
