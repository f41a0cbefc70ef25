"""Entries: calls by which somebody of one account comes to act in another.

CloudTrail records such a call in both accounts, under one `sharedEventID`; in the account that was
entered the caller is an `AWSAccount`, since its own users are not that account's to know.
"""

from typing import Final

from hedgerow.aws import CallRecord
from hedgerow.cloud.cloudtrail.events import Event, call_event
from hedgerow.kernel import Arn, CallerError

_SOURCE: Final = "sts.amazonaws.com"
_OPERATION: Final = "AssumeRole"
_MEMBER: Final = "RoleArn"


def entered_account(record: CallRecord) -> str | None:
    """Return the account that a call has entered from another, or None if it has entered none."""
    if record.operation != _OPERATION or record.event_source != _SOURCE:
        return None
    if record.error_code is not None or record.caller is None or record.input is None:
        return None
    try:
        account = Arn.parse(str(record.input.get(_MEMBER, ""))).account
    except CallerError:
        return None
    return account if account != record.caller.account else None


def shared_call_event(record: CallRecord, account: str) -> Event:
    """Return the event of a call, with the id that it shares with the other account's, if any."""
    event = call_event(record, account)
    if entered_account(record) is not None:
        event["sharedEventID"] = record.request_id
    return event


def entry_event(record: CallRecord, account: str) -> Event:
    """Return the event of an entry for the account that was entered."""
    event = shared_call_event(record, account)
    caller = record.caller
    if caller is not None:
        event["userIdentity"] = {
            "type": "AWSAccount",
            "principalId": caller.principal_id,
            "accountId": caller.account,
        }
    event.pop("additionalEventData", None)  # which of its policies allowed it is its own matter
    return event
