"""Jobs over HTTPS: AWS IoT's own paths, judged by the policy of the caller's certificate.

Source: AWS IoT Core Developer Guide, "Jobs device HTTP API"; the action of each call is that of
"Authorizing your devices to securely use AWS IoT Jobs on the data plane".
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.answers import JSON, ok
from hedgerow.cloud.dataplane.authorized import Authorized
from hedgerow.cloud.jobs import (
    IN_AWS,
    AskDescribe,
    AskStart,
    AskUpdate,
    JobDesk,
    JobError,
    read_json,
    read_members,
    state_shown,
)
from hedgerow.kernel import CallerError, quoted

Members = Mapping[str, Any]
_ERROR_TYPE: Final = "x-amzn-errortype"
_TRUTHS: Final = {"true": True, "false": False}
_NUMBER_DIGITS: Final = 18


class JobCalls:
    """The four calls of a device on its jobs."""

    def __init__(self, desk: JobDesk) -> None:
        self._desk = desk

    async def pending(self, request: Authorized) -> HttpAnswer:
        """Return what is pending for the thing."""
        return await _answered(lambda: self._desk.pending(request.parameters["thing"]))

    async def start_next(self, request: Authorized) -> HttpAnswer:
        """Start what is next for the thing."""

        async def ask() -> Members:
            asked = read_json(request.body, AskStart)
            return await self._desk.start_next(request.parameters["thing"], asked)

        return await _answered(ask)

    async def describe(self, request: Authorized) -> HttpAnswer:
        """Return one execution."""
        parameters = request.parameters
        members: dict[str, Any] = {}
        if "includeJobDocument" in parameters:
            members["includeJobDocument"] = _truth(parameters["includeJobDocument"])
        if "executionNumber" in parameters:
            members["executionNumber"] = _number(parameters["executionNumber"])

        async def ask() -> Members:
            asked = read_members(members, AskDescribe)
            return await self._desk.describe(parameters["thing"], parameters["job"], asked)

        return await _answered(ask)

    async def update(self, request: Authorized) -> HttpAnswer:
        """Take a report on one execution."""
        parameters = request.parameters

        async def ask() -> Members:
            asked = read_json(request.body, AskUpdate)
            return await self._desk.update(parameters["thing"], parameters["job"], asked)

        return await _answered(ask)


async def _answered(ask: Callable[[], Awaitable[Members]]) -> HttpAnswer:
    try:
        return ok(msgspec.json.encode(await ask()))
    except JobError as error:
        code, status = IN_AWS[error.fault]
        content: dict[str, Any] = {"code": error.reason_code, "message": error.message}
        if error.attempt is not None:
            content["executionState"] = state_shown(error.attempt)
        headers = {**JSON, _ERROR_TYPE: code}
        return HttpAnswer(status, headers, msgspec.json.encode(content))


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise CallerError(f"includeJobDocument is true or false, not {quoted(text)}")
    return _TRUTHS[text.lower()]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS):
        raise CallerError(f"executionNumber is a number, not {quoted(text)}")
    return int(text)
