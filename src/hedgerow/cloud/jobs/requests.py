"""What devices ask about jobs, read from JSON or from the members of a call. Pure.

The names are those of the API `iot-jobs-data`; the same stand in the payloads of MQTT requests.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from hedgerow.cloud.jobs.faults import JobError, invalid

MAX_TOKEN_LENGTH: Final = 64


class Asking(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every request may bring: a token that its answer has as well."""

    client_token: str = ""


class AskPending(Asking, frozen=True):
    """Ask for everything that is pending."""


class AskStart(Asking, frozen=True):
    """Start what is next, or go on with it."""

    status_details: dict[str, str] | None = None
    step_timeout_in_minutes: int | None = None


class AskDescribe(Asking, frozen=True):
    """Ask for one execution."""

    execution_number: int | None = None
    include_job_document: bool = True


class AskUpdate(Asking, frozen=True):
    """Report on an execution."""

    status: str
    status_details: dict[str, str] | None = None
    expected_version: int | None = None
    execution_number: int | None = None
    include_job_execution_state: bool = False
    include_job_document: bool = False
    step_timeout_in_minutes: int | None = None


A = TypeVar("A", bound=Asking)


def read_json(payload: bytes, kind: type[A]) -> A:
    """Read a request from JSON; an empty payload asks for nothing in particular."""
    try:
        content = msgspec.json.decode(payload or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise JobError("InvalidJson", "The payload is not JSON in UTF-8.") from None
    return read_members(content, kind)


def read_members(members: Any, kind: type[A]) -> A:
    """Read a request from the members of a call, or raise `JobError`."""
    if not isinstance(members, Mapping):
        raise invalid("The request is no JSON object.")
    given = {name: value for name, value in members.items() if value is not None}
    try:
        # Version and number come as texts from the older SDK, so a text of a number is one.
        asked = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(f"The request cannot be read: {error}") from None
    if len(asked.client_token) > MAX_TOKEN_LENGTH:
        raise invalid(f"A clientToken has at most {MAX_TOKEN_LENGTH} characters.")
    return asked


def token_in(payload: bytes) -> str:
    """Return the client token of a payload, as far as it has one that can be given back."""
    try:
        return read_json(payload, AskPending).client_token
    except JobError:
        return ""
