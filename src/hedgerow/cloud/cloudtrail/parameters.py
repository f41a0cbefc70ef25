"""A call's input and output as a record prints them: names, dates, and what is hidden.

Source: guide page logging-using-cloudtrail. Members are lower camel case (`roleName`), except for
greengrass, which prints them as its model has them (`GroupId`, `InitialVersion`). The contents of
definitions are `***`: the documented `InitialVersion`, and what later versions bring in its place.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from hedgerow.kernel import Secret

HIDDEN: Final = "***"

_AS_MODELLED = frozenset({"greengrass.amazonaws.com"})
"""Services whose members keep the names of the model."""

_DEFINITION_CONTENTS = frozenset(
    {
        "InitialVersion",
        "Cores",
        "Devices",
        "Functions",
        "DefaultConfig",
        "Connectors",
        "Loggers",
        "Resources",
        "Subscriptions",
    }
)
_ALWAYS_HIDDEN = frozenset(
    {
        "SecretAccessKey",
        "SessionToken",
        "Password",
        "OldPassword",
        "NewPassword",
        "TokenCode",
        "AuthenticationCode1",
        "AuthenticationCode2",
        "Base32StringSeed",
        "QRCodePNG",
        "PrivateKey",
        "SecretString",
        "SecretBinary",
        "payload",
    }
)
"""Members that are secrets in every service, whether or not the model calls them sensitive."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HALF_DAY = 12
_KNOWN_NAMES = 4096


def printed(source: str, members: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a call's members as a record shows them; None if there are none."""
    if not members:
        return None
    return _as_modelled(members) if source in _AS_MODELLED else _lower_camel(members)


def cut(text: str, limit: int) -> str:
    """Return a text of at most `limit` bytes; one that was longer ends in `...`."""
    if len(text) * 4 <= limit:
        return text
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return text
    return encoded[: limit - 3].decode(errors="ignore") + "..."


def _as_modelled(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: HIDDEN
        if name in _DEFINITION_CONTENTS or name in _ALWAYS_HIDDEN
        else _value(value, _as_modelled)
        for name, value in members.items()
    }


def _lower_camel(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _lowered(name): HIDDEN if name in _ALWAYS_HIDDEN else _value(value, _lower_camel)
        for name, value in members.items()
    }


def _value(value: Any, named: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Any:
    kind = type(value)
    if kind is str or kind is int or kind is bool or kind is float or value is None:
        return value
    if isinstance(value, Mapping):
        return named(value)
    if isinstance(value, list | tuple):
        return [_value(item, named) for item in value]
    if isinstance(value, datetime):
        return _date(value)
    if isinstance(value, bytes | bytearray | memoryview | Secret):
        return HIDDEN
    return float(value) if isinstance(value, Decimal) else str(value)


@lru_cache(maxsize=_KNOWN_NAMES)
def _lowered(name: str) -> str:
    return name[:1].lower() + name[1:]


def _date(moment: datetime) -> str:
    """Print a date inside parameters as CloudTrail does: `Oct 17, 2018 5:04:02 PM`."""
    utc = moment.astimezone(UTC)
    half = "AM" if utc.hour < _HALF_DAY else "PM"
    return (
        f"{_MONTHS[utc.month - 1]} {utc.day}, {utc.year} "
        f"{utc.hour % _HALF_DAY or _HALF_DAY}:{utc.minute:02d}:{utc.second:02d} {half}"
    )
