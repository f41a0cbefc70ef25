"""What each kind of policy document may contain, and its limits: the one table.

Sources: IAM User Guide, "IAM JSON policy element reference" and "IAM and AWS STS quotas"; AWS IoT
Developer Guide, "AWS IoT Core policies"; AWS PrivateLink Guide, "Control access using endpoint
policies".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Dialect(Enum):
    """The kinds of policy documents."""

    IOT = "iot"
    """Attached to a device's certificate or thing group."""
    IDENTITY = "identity"
    """Attached to a user, group or role."""
    TRUST = "trust"
    """Who may assume a role."""
    SESSION = "session"
    """Handed over when a role is assumed; it can only take away."""
    BOUNDARY = "boundary"
    """A permissions boundary: the most that identity policies can give."""
    ENDPOINT = "endpoint"
    """What may pass through a listener."""


MANAGED_POLICY_LIMIT: Final = 6_144
USER_INLINE_LIMIT: Final = 2_048
GROUP_INLINE_LIMIT: Final = 5_120
ROLE_INLINE_LIMIT: Final = 10_240
"""Characters without white space; the inline limits are for all inline policies together."""

TEXT_LIMIT: Final = 131_072
"""Characters a document may have with its white space, so that reading it is bounded."""

_NEVER_PRINCIPAL: Final = "only trust and endpoint policies name a principal; this one is attached"
_NO_RESOURCE: Final = "a trust policy has no resource; its resource is the role it is attached to"
_IOT_LISTS: Final = "AWS IoT policies have no {0}; list the {1} in {2}"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a document of one dialect may and must have."""

    limit: int
    refused: Mapping[str, str] = field(default_factory=dict)
    """Statement fields that are known but not for this dialect, and what to say of them."""
    needs_resource: bool = True
    needs_principal: bool = False
    needs_version: bool = False
    in_bytes: bool = False
    """Whether the limit counts bytes, not characters."""
    with_spaces: bool = False
    """Whether the limit counts white space."""
    device: bool = False
    """AWS IoT's own rules: only keys that a connection carries are known, what is unknown never
    helps to allow and never stops a deny, and MQTT wildcards are no value."""
    services: frozenset[str] = frozenset()
    """The services whose actions may be named; empty: all."""


_ATTACHED: Final = {"Principal": _NEVER_PRINCIPAL, "NotPrincipal": _NEVER_PRINCIPAL}

RULES: Final[Mapping[Dialect, Rules]] = {
    Dialect.IOT: Rules(
        limit=2_048,
        refused={
            "NotAction": _IOT_LISTS.format("NotAction", "actions", "Action"),
            "NotResource": _IOT_LISTS.format("NotResource", "resources", "Resource"),
            "Principal": "an AWS IoT policy names no principal; it is attached to a certificate",
            "NotPrincipal": "an AWS IoT policy names no principal; it is attached to a certificate",
        },
        needs_version=True,
        in_bytes=True,
        device=True,
    ),
    Dialect.IDENTITY: Rules(limit=ROLE_INLINE_LIMIT, refused=_ATTACHED),
    Dialect.TRUST: Rules(
        limit=2_048,
        refused={"Resource": _NO_RESOURCE, "NotResource": _NO_RESOURCE},
        needs_resource=False,
        needs_principal=True,
        services=frozenset({"sts"}),
    ),
    Dialect.SESSION: Rules(limit=2_048, refused=_ATTACHED),
    Dialect.BOUNDARY: Rules(limit=MANAGED_POLICY_LIMIT, refused=_ATTACHED),
    Dialect.ENDPOINT: Rules(limit=20_480, needs_principal=True, with_spaces=True),
}

DOCUMENT_LIMIT: Final = RULES[Dialect.IOT].limit
"""Bytes an AWS IoT policy may have, white space not counted."""


def document_size(text: str) -> int:
    """Return the characters of a document without white space, as IAM counts them."""
    return len("".join(text.split()))
