"""The form in which events are told: that of EventBridge, or AWS IoT's own.

So what read those reads these. Source: guide page deployment-notifications; AWS IoT Core Developer
Guide, "Registry events".
"""

from datetime import datetime
from typing import Any

import msgspec

from hedgerow.cloud.events.documents import Event
from hedgerow.cloud.home import Home
from hedgerow.store import Record


def envelope(record: Record[Event], home: Home) -> bytes:
    """Return an event as one line of JSON. Told twice, it is the same to the byte."""
    event = record.document
    if not event.source:
        return msgspec.json.encode(_plain(record, event))
    return bridge_event(
        home,
        event_id=record.id,
        at=record.created_at,
        source=event.source,
        detail_type=event.detail_type,
        detail=event.detail,
    )


def bridge_event(
    home: Home, *, event_id: str, at: datetime, source: str, detail_type: str, detail: Any
) -> bytes:
    """Return an event in EventBridge's form, as one line of JSON."""
    return msgspec.json.encode(
        {
            "version": "0",
            "id": event_id,
            "detail-type": detail_type,
            "source": source,
            "account": home.account,
            "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "region": home.region,
            "resources": (),
            "detail": detail,
        }
    )


def _plain(record: Record[Event], event: Event) -> dict[str, Any]:
    named = {"eventId": record.id} if "eventType" in event.detail else {}
    return {"timestamp": int(record.created_at.timestamp() * 1000), **event.detail, **named}
