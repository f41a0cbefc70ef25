"""The form in which events are told: that of EventBridge, or AWS IoT's own.

So what read those reads these. Source: guide page deployment-notifications; AWS IoT Core Developer
Guide, "Registry events".
"""

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
    return msgspec.json.encode(
        {
            "version": "0",
            "id": record.id,
            "detail-type": event.detail_type,
            "source": event.source,
            "account": home.account,
            "time": f"{record.created_at:%Y-%m-%dT%H:%M:%SZ}",
            "region": home.region,
            "resources": (),
            "detail": event.detail,
        }
    )


def _plain(record: Record[Event], event: Event) -> dict[str, Any]:
    named = {"eventId": record.id} if "eventType" in event.detail else {}
    return {"timestamp": int(record.created_at.timestamp() * 1000), **event.detail, **named}
