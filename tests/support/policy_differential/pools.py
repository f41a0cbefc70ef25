"""What random policies and requests are made of: small pools, so that things often meet."""

from dataclasses import dataclass
from typing import Final

from tests.support.policy_differential.cases import ACCOUNT

ARN: Final = f"arn:aws:iot:eu-west-1:{ACCOUNT}:"
ACTIONS: Final = (
    ("iot:Publish", "topic/"),
    ("iot:Publish", "topic/"),
    ("iot:DescribeThing", "thing/"),
    ("iot:UpdateThing", "thing/"),
)
"""Actions, and how the name of the resource begins that they are asked for."""
ACTION_PATTERNS: Final = (
    "iot:Publish",
    "iot:Publish",
    "iot:DescribeThing",
    "iot:UpdateThing",
    "*",
    "iot:*",
    "iot:*Thing",
    "iot:D*",
    "IOT:publish",
    "iot:P?blish",
    "greengrass:*",
    "greengrass:Get*",
)
NAMES: Final = ("a", "b", "ab", "a/b", "lamp", "lamp/1", "Lamp", "a.b", "a+b", "a:b")
PLAIN_PIECES: Final = ("a", "b", "lamp", "/", "1", "*", "?", ".", "+", ":", "**")
VARIABLES: Final = (
    "${aws:username}",
    "${aws:PrincipalTag/team}",
    "${aws:username, 'a'}",
    "${AWS:UserName}",
)
ESCAPES: Final = ("${*}", "${?}", "${$}")
PIECES: Final = (PLAIN_PIECES, PLAIN_PIECES, PLAIN_PIECES, NAMES, VARIABLES, ESCAPES)
STRINGS: Final = ("a", "b", "ab", "A", "lamp", "Lamp", "lamp/1", "a.b", "[ab]", "a*", "")
STRING_PATTERNS: Final = (*STRINGS, "a*", "*b", "?", "l?mp*", "*")
NUMBERS: Final = ("0", "1", "5", "5.0", "10", "-3", "2.5", "05")
DATES: Final = (
    "2026-01-01T00:00:00Z",
    "2026-06-15T12:30:00Z",
    "2026-06-15T12:30:01Z",
    "2027-01-01T00:00:00Z",
    "2026-06-15T14:30:00+02:00",
    "2026-06-15",
    "1781526600",
)
ADDRESSES: Final = ("10.0.0.1", "10.0.1.7", "192.168.5.5", "2001:db8::1", "2001:db8:1::5")
NETWORKS: Final = (
    "10.0.0.0/24",
    "10.0.0.0/8",
    "10.0.0.1/32",
    "10.0.0.1",
    "192.168.0.0/16",
    "0.0.0.0/0",
    "2001:db8::/32",
    "2001:db8::/48",
    "2001:db8::1",
)
ARNS: Final = (
    "arn:aws:greengrass:eu-west-1:111122223333:/greengrass/groups/g1",
    "arn:aws:greengrass:eu-west-1:111122223333:/greengrass/groups/g2",
    "arn:aws:greengrass:us-east-1:111122223333:/greengrass/groups/g1",
    "arn:aws:iam::111122223333:role/a",
)
ARN_PATTERNS: Final = (
    *ARNS,
    "arn:aws:greengrass:*:111122223333:*",
    "arn:aws:greengrass:eu-west-1:*:/greengrass/groups/g?",
    "arn:*:iam::*:role/*",
    "arn:aws:greengrass:*:*:/greengrass/groups/g1",
)
BLOBS: Final = ("YQ==", "Yg==", "YWI=")
BOOLEANS: Final = ("true", "false", "True")

TEXT_KEYS: Final = (
    "aws:username",
    "aws:PrincipalTag/team",
    "aws:RequestTag/env",
    "aws:ResourceTag/env",
    "aws:UserAgent",
)
LIST_KEYS: Final = ("aws:TagKeys",)
BINARY_KEYS: Final = ("example:Blob",)
"""No key of AWS's own holds bytes, and the oracle leaves out others where there is a session."""


@dataclass(frozen=True, slots=True)
class Operators:
    """Operators that compare the same kind of values; `names` as often as they shall turn up."""

    names: tuple[str, ...]
    keys: tuple[str, ...]
    values: tuple[str, ...]


_ORDERS: Final = (
    "Equals",
    "NotEquals",
    "LessThan",
    "LessThanEquals",
    "GreaterThan",
    "GreaterThanEquals",
)
_STRING_KEYS: Final = (*TEXT_KEYS, *LIST_KEYS, *LIST_KEYS)

OPERATORS: Final = (
    Operators(
        (
            "StringEquals",
            "StringEquals",
            "StringNotEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
        ),
        _STRING_KEYS,
        (*STRINGS, *STRINGS, *VARIABLES),
    ),
    Operators(("StringLike", "StringNotLike"), _STRING_KEYS, (*STRING_PATTERNS, *VARIABLES)),
    Operators(tuple(f"Numeric{order}" for order in _ORDERS), ("aws:MultiFactorAuthAge",), NUMBERS),
    Operators(tuple(f"Date{order}" for order in _ORDERS), ("aws:CurrentTime",), DATES),
    Operators(("Bool",), ("aws:SecureTransport", "aws:MultiFactorAuthPresent"), BOOLEANS),
    Operators(("BinaryEquals",), BINARY_KEYS, BLOBS),
    Operators(("IpAddress", "NotIpAddress"), ("aws:SourceIp",), NETWORKS),
    Operators(
        ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"), ("aws:SourceArn",), ARN_PATTERNS
    ),
    Operators(("Null",), _STRING_KEYS, BOOLEANS),
)

HEADS: Final = (
    f"arn:aws:iot:*:{ACCOUNT}:",
    "arn:aws:iot:*:*:",
    "arn:*:iot:eu-west-?:*:",
    f"arn:aws:iot:us-east-1:{ACCOUNT}:",
)
"""How the ARN of a resource may begin in a policy, beside the plain way."""

ONE_VALUE_KEYS: Final = (
    ("aws:MultiFactorAuthAge", NUMBERS),
    ("aws:CurrentTime", DATES),
    ("aws:SecureTransport", BOOLEANS),
    ("aws:MultiFactorAuthPresent", BOOLEANS),
    ("aws:SourceIp", ADDRESSES),
    ("aws:SourceArn", ARNS),
    (BINARY_KEYS[0], BLOBS),
)
