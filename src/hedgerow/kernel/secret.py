"""Values that must never be printed: keys, tokens, secret values, payloads."""

import hmac
from collections.abc import MutableMapping
from typing import Any, Generic, NoReturn, TypeVar

T = TypeVar("T", str, bytes)
_SHOWN = "***"


class Secret(Generic[T]):
    """Holds one value that shows as `***` however it is printed, formatted or logged.

    INVARIANT: the value leaves only through `reveal()`; comparing takes constant time, and
    copying by serialisation is refused.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value: T = value

    def reveal(self) -> T:
        """Return the value; every call of this is a place to review."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_as_bytes(self._value), _as_bytes(other._value))

    __hash__ = None  # type: ignore[assignment]  # a hash would let a set or dict leak equality

    def __repr__(self) -> str:
        return _SHOWN

    def __format__(self, _spec: str) -> str:
        return _SHOWN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not serialised")


def redact_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace `Secret` and raw bytes in a structured log event (a structlog processor)."""
    for name, value in event.items():
        event[name] = _redacted(value)
    return event


def _redacted(value: Any) -> Any:
    if isinstance(value, Secret | bytes | bytearray | memoryview):
        return _SHOWN
    if isinstance(value, dict):
        return {key: _redacted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner) for inner in value]
    return value


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
