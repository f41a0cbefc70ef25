"""Records of the trail, as LookupEvents gives them: one by its id, or the newest that refuse."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.kernel import CallerError, quoted

Event = Mapping[str, Any]

SEARCHED_EVENTS: Final = 10_000
"""How far back a record is looked for that cannot be found by an index."""
_COUNTED: Final = "RefusalsCounted"
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def event_of(api: CloudApi, identifier: str) -> Event:
    """Return the record with this request id or event id; raise `CallerError` if there is none."""
    wanted = identifier.strip().lower()
    if not _ID.fullmatch(wanted):
        raise CallerError(
            f"{quoted(identifier)} is not the id of a request or an event; 'hedgerow why refusals' "
            "lists those of what was refused"
        )
    by_event_id = [{"AttributeKey": "EventId", "AttributeValue": wanted}]
    for event in _looked_up(api, LookupAttributes=by_event_id):
        return event
    for event in islice(_looked_up(api), SEARCHED_EVENTS):
        if str(event.get("requestID", "")).lower() == wanted:
            return event
    raise CallerError(
        f"the newest {SEARCHED_EVENTS} records of account {api.account} have no request or event "
        f"{wanted}; a call is recorded in the account of who made it, and of a flood of refusals "
        "some are only counted"
    )


def refused(api: CloudApi) -> Iterator[Event]:
    """Yield what was refused or failed, newest first, as far back as is searched."""
    for event in islice(_looked_up(api), SEARCHED_EVENTS):
        if event.get("errorCode") or is_count(event):
            yield event


def id_of(event: Event) -> str:
    """Return the id that the caller was told, or the record's own where nobody was told one."""
    return str(event.get("requestID") or event["eventID"])


def is_attempt(event: Event) -> bool:
    """Tell whether this is the attempt of a device, and no call of an API."""
    return event.get("eventCategory") == "Data"


def is_count(event: Event) -> bool:
    """Tell whether this stands for refusals that came too fast to have records of their own."""
    return bool(event["eventName"] == _COUNTED)


def counted(event: Event) -> str:
    """Return how many refusals were only counted, and which."""
    details = event["serviceEventDetails"]
    kinds = [
        f"{one['count']} {one['eventName']} with {one['errorCode']} from {one['sourceIPAddress']}"
        for one in details["refusals"]
    ]
    return f"{details['count']} more were only counted: {', '.join(kinds)}"


def who(event: Event) -> str:
    """Return who called or tried, in a few words."""
    identity = event["userIdentity"]
    kind = identity.get("type", "")
    if kind == "Certificate":
        return f"certificate {identity['principalId'][:10]}…"
    if identity.get("arn"):
        return str(identity["arn"])
    if kind == "AWSService" or identity.get("invokedBy"):
        return str(identity.get("invokedBy", kind))
    if kind == "AWSAccount":
        return f"somebody of account {identity['accountId']}"
    if identity.get("accessKeyId"):
        return f"unproven, with access key {identity['accessKeyId']}"
    return "nobody known"


def what(event: Event) -> str:
    """Return what was called or tried, in a few words."""
    if is_count(event):
        return counted(event)
    details = event.get("serviceEventDetails") or {}
    if is_attempt(event):
        about = [
            details[name] for name in ("method", "path", "clientId", "topic") if name in details
        ]
        return " ".join((event["eventName"], *about))
    return f"{event['eventSource'].partition('.')[0]}:{event['eventName']}"


def _looked_up(api: CloudApi, **members: Any) -> Iterator[Event]:
    for entry in api.pages("cloudtrail", "lookup_events", "Events", **members):
        event: Event = json.loads(entry["CloudTrailEvent"])
        yield event
