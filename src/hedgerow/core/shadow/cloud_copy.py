"""The cloud's copy of a shadow: asked for, changed and removed over the core's own connection.

Every call is made with the core's certificate, so the cloud judges it by the core's policy:
`iot:GetThingShadow`, `iot:UpdateThingShadow` and `iot:DeleteThingShadow` on the thing whose shadow
it is (guide page device-auth; statement D14).
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol, TypeVar

import msgspec

from hedgerow.contract import shadow_http_path
from hedgerow.core.link import HttpAnswer
from hedgerow.core.shadow.reconcile import Copy, State, changes_between
from hedgerow.kernel import CallerError, PeerError, UnavailableError
from hedgerow.shadow import CONFLICT, NOT_FOUND, Section

_OK: Final = 200
_TEXT_LIMIT: Final = 300


class CloudShadows(Protocol):
    """The link to the cloud, as the synchronisation needs it."""

    async def shadow(self, method: str, thing_name: str, body: bytes | None = None) -> HttpAnswer:
        """Make a call about a shadow; `DeniedError` by policy, `UnavailableError` unanswered."""


class MovedOnError(CallerError):
    """The cloud's copy changed between reading and writing it; begin again."""

    code = "ShadowMovedOn"


class NoAnswerError(UnavailableError):
    """The cloud did not answer a call about a shadow within `system.shadowSyncTimeout`."""

    code = "ShadowSyncTimeout"

    def __init__(self, method: str, thing_name: str, patience: timedelta) -> None:
        path = shadow_http_path(thing_name)
        super().__init__(
            f"{method.title()} {path}: request canceled after {patience.total_seconds():g} s "
            "without an answer (system.shadowSyncTimeout)"
        )
        self.was_reading = method == "GET"


class _State(msgspec.Struct, frozen=True):
    desired: Section | None = None
    reported: Section | None = None


class _Document(msgspec.Struct, frozen=True):
    version: int
    state: _State = _State()
    metadata: _State = _State()


class _Accepted(msgspec.Struct, frozen=True):
    version: int


_D = TypeVar("_D", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class CloudCopy:
    """What the cloud holds, and the version of it; 0 where there is no shadow."""

    copy: Copy
    version: int


class CloudCopies:
    """Reads and writes the cloud's copies; each call is answered in time or given up."""

    def __init__(self, cloud: CloudShadows, patience: timedelta) -> None:
        """`patience` is `system.shadowSyncTimeout`."""
        self._cloud = cloud
        self._patience = patience

    async def read(self, thing_name: str) -> CloudCopy:
        """Return the cloud's copy."""
        answer = await self._call("GET", thing_name)
        if answer.status == NOT_FOUND:
            return CloudCopy(Copy(None), 0)
        document = _decoded(answer, _Document)
        return CloudCopy(
            Copy(_sections(document.state), _sections(document.metadata)), document.version
        )

    async def write(self, thing_name: str, before: CloudCopy, goal: State | None) -> int:
        """Make the cloud's copy the goal and return its version; `MovedOnError` if it changed.

        There is no conditional deletion, so a change that comes just before one goes with it.
        """
        if goal is None:
            return await self._remove(thing_name, before)
        changes = changes_between(before.copy.state, goal)
        if before.copy.state is not None and not changes:
            return before.version
        body: dict[str, object] = {"state": changes}
        if before.version:
            body["version"] = before.version
        answer = await self._call("POST", thing_name, msgspec.json.encode(body))
        return _decoded(answer, _Accepted).version

    async def _remove(self, thing_name: str, before: CloudCopy) -> int:
        if before.copy.state is not None:
            answer = await self._call("DELETE", thing_name)
            if answer.status not in {_OK, NOT_FOUND}:
                raise _refusal(answer)
        return before.version

    async def _call(self, method: str, thing_name: str, body: bytes | None = None) -> HttpAnswer:
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                answer = await self._cloud.shadow(method, thing_name, body)
        except TimeoutError:
            raise NoAnswerError(method, thing_name, self._patience) from None
        if answer.status == CONFLICT:
            raise MovedOnError(f"the cloud's shadow of {thing_name} changed meanwhile")
        return answer


def _sections(document: _State) -> State:
    sections = {"desired": document.desired, "reported": document.reported}
    return {name: section for name, section in sections.items() if section is not None}


def _decoded(answer: HttpAnswer, kind: type[_D]) -> _D:
    if answer.status != _OK:
        raise _refusal(answer)
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PeerError(f"the cloud's answer about a shadow cannot be read: {error}") from error


def _refusal(answer: HttpAnswer) -> CallerError:
    text = answer.body[:_TEXT_LIMIT].decode(errors="replace")
    return CallerError(f"the cloud's shadow refused it ({answer.status}): {text}")
