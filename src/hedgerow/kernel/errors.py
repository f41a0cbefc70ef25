"""Errors by whose fault they are, each with a stable code and a sentence that says what to do.

Only the outermost layer (HTTP, MQTT, command line) maps them to statuses and exit codes.
"""

from typing import ClassVar

_QUOTED_LIMIT = 120


class HedgerowError(Exception):
    """Any error we raise on purpose. `code` is stable; `str()` is one sentence for a person."""

    code: ClassVar[str] = "Error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason_code = code or self.code


class PeerError(HedgerowError):
    """The other side broke the protocol: malformed bytes, a packet out of order."""

    code = "ProtocolError"


class CallerError(HedgerowError):
    """The caller asked for something that makes no sense or does not exist."""

    code = "InvalidRequest"


class ConfigurationError(CallerError):
    """A file or setting of the administrator is wrong; the message names it."""

    code = "InvalidConfiguration"


class DeniedError(HedgerowError):
    """The request was understood and refused; the message says what was missing."""

    code = "AccessDenied"


class UnavailableError(HedgerowError):
    """Something that is needed cannot be reached or used now; trying again can help."""

    code = "Unavailable"


def quoted(text: str) -> str:
    """Quote untrusted text for a message: control characters escaped, cut to a readable length."""
    shown = text if len(text) <= _QUOTED_LIMIT else text[:_QUOTED_LIMIT] + "…"
    return "'" + shown.encode("unicode_escape").decode("ascii").replace("\\u2026", "…") + "'"
