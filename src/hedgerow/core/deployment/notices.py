"""How a core hears of deployments: the shadow of `<core>-gda`. Pure.

`update/delta` only rings the bell (it holds no more than what differs); the whole wish is then
read from the answer to a `get`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from hedgerow.contract import DeploymentNotice, deployment_thing, parse_shadow_topic, shadow_topic

_NOT_FOUND = 404


class Heard(Enum):
    """What a message means when it is not a notice itself."""

    ASK = "the desired state changed: ask for it"
    NOTHING = "there is nothing to deploy"


@dataclass(frozen=True, slots=True)
class Complaint:
    """An answer that cannot be used, and why."""

    text: str


def notice_filters(core_thing_name: str) -> tuple[str, ...]:
    """Return the topics on which a core hears of deployments."""
    thing = deployment_thing(core_thing_name)
    return (
        shadow_topic(thing, "update", "delta"),
        shadow_topic(thing, "get", "accepted"),
        shadow_topic(thing, "get", "rejected"),
    )


def ask_topic(core_thing_name: str) -> str:
    """Return the topic on which a core asks what it should be running."""
    return shadow_topic(deployment_thing(core_thing_name), "get")


def read_notice(
    core_thing_name: str, topic: str, payload: bytes
) -> DeploymentNotice | Heard | Complaint | None:
    """Return what a message says, or None if it is not about deployments of this core."""
    parts = parse_shadow_topic(topic)
    if parts is None or parts.thing_name != deployment_thing(core_thing_name):
        return None
    if (parts.verb, parts.event) == ("update", "delta"):
        return Heard.ASK
    if (parts.verb, parts.event) == ("get", "rejected"):
        return _rejected(payload)
    if (parts.verb, parts.event) == ("get", "accepted"):
        return _accepted(payload)
    return None


def _accepted(payload: bytes) -> DeploymentNotice | Heard | Complaint:
    desired = _member(_member(_parsed(payload), "state"), "desired")
    if not desired:
        return Heard.NOTHING
    try:
        return msgspec.convert(desired, DeploymentNotice)
    except msgspec.ValidationError as error:
        return Complaint(f"the deployment notice cannot be read: {error}")


def _rejected(payload: bytes) -> Heard | Complaint:
    document = _parsed(payload)
    if _member(document, "code") == _NOT_FOUND:
        return Heard.NOTHING
    return Complaint(f"the cloud refused to say what to run: {_member(document, 'message')}")


def _parsed(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _member(document: Any, name: str) -> Any:
    return document.get(name) if isinstance(document, dict) else None
