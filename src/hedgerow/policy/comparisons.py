"""Values of conditions that are more than text: numbers, moments, networks, bytes.

Each compares with a text of the request and answers None if that text cannot be judged.
Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

import base64
import binascii
import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, Literal

import msgspec

from hedgerow.policy.context import Context

Relation = Literal["=", "<", "<=", ">", ">="]

_HOLDS: Final[Mapping[Relation, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBER_LIMIT: Final = 64
_NUMBER_CHARACTERS: Final = frozenset("0123456789.+-eE")
_DATE_LENGTH: Final = 10
_MONTH_LENGTH: Final = 7
_REMEMBERED: Final = 1024


class NumberTest(msgspec.Struct, frozen=True, gc=False):
    """A number the request's value has a relation to."""

    source: str
    relation: Relation
    number: Decimal

    def compares(self, subject: str, variables: Context) -> bool | None:  # noqa: ARG002 - as all
        """Tell whether the relation holds; None for what is no number."""
        value = number(subject)
        return None if value is None else _HOLDS[self.relation](value, self.number)

    def without_value(self, variables: Context) -> tuple[str, ...]:  # noqa: ARG002 - as all
        """Return nothing: there are no variables in a number."""
        return ()


class MomentTest(msgspec.Struct, frozen=True, gc=False):
    """A moment the request's value has a relation to."""

    source: str
    relation: Relation
    moment: datetime

    def compares(self, subject: str, variables: Context) -> bool | None:  # noqa: ARG002 - as all
        """Tell whether the relation holds; None for what is no moment."""
        value = moment(subject)
        return None if value is None else _HOLDS[self.relation](value, self.moment)

    def without_value(self, variables: Context) -> tuple[str, ...]:  # noqa: ARG002 - as all
        """Return nothing: there are no variables in a moment."""
        return ()


class NetworkTest(msgspec.Struct, frozen=True, gc=False):
    """A network that the request's address may lie in."""

    source: str
    network: IPv4Network | IPv6Network

    def compares(self, subject: str, variables: Context) -> bool | None:  # noqa: ARG002 - as all
        """Tell whether the address lies in the network; None for what is no address."""
        value = address(subject)
        if value is None:
            return None
        return value.version == self.network.version and value in self.network

    def without_value(self, variables: Context) -> tuple[str, ...]:  # noqa: ARG002 - as all
        """Return nothing: there are no variables in a network."""
        return ()


class BytesTest(msgspec.Struct, frozen=True, gc=False):
    """Bytes, in base 64 on both sides."""

    source: str
    content: bytes

    def compares(self, subject: str, variables: Context) -> bool | None:  # noqa: ARG002 - as all
        """Tell whether the bytes are the same; None for what is not base 64."""
        value = octets(subject)
        return None if value is None else value == self.content

    def without_value(self, variables: Context) -> tuple[str, ...]:  # noqa: ARG002 - as all
        """Return nothing: there are no variables in bytes."""
        return ()


def number(text: str) -> Decimal | None:
    """Read a finite decimal number, None if it is none."""
    if len(text) > _NUMBER_LIMIT or not _NUMBER_CHARACTERS.issuperset(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def moment(text: str) -> datetime | None:
    """Read a moment: seconds since 1970, or the W3C's forms of ISO 8601 from YYYY-MM on.

    What has no zone is UTC. A year alone could be meant as seconds as well, so it is neither.
    """
    if text.isascii() and text.isdigit() and len(text) != len("YYYY"):
        return _since_1970(text)
    if len(text) < _MONTH_LENGTH or text[4] != "-" or not text[5].isdigit():
        return None
    if len(text) == _MONTH_LENGTH:
        text += "-01"
    if len(text) > _DATE_LENGTH and text[_DATE_LENGTH] != "T":
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def _since_1970(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(_REMEMBERED)
def address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, None if it is none; an IPv4 address in IPv6 dress is an IPv4 address."""
    try:
        read = ip_address(text)
    except ValueError:
        return None
    mapped = read.ipv4_mapped if isinstance(read, IPv6Address) else None
    return read if mapped is None else mapped


@lru_cache(_REMEMBERED)
def network(text: str) -> IPv4Network | IPv6Network | None:
    """Read a network in CIDR notation or a single address; bits beyond the prefix do not count."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def octets(text: str) -> bytes | None:
    """Read base 64, None if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
