"""The cloud's copy of a shadow: asked for, changed and removed over the core's own connection.

Every call is made with the core's certificate, so the cloud judges it by the core's policy:
`iot:GetThingShadow`, `iot:UpdateThingShadow` and `iot:DeleteThingShadow` on the thing whose shadow
it is (guide page device-auth; statement D14), with a named shadow's name behind it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass
from datetime import timedelta
from typing import Final, Protocol, TypeVar

import msgspec

from hedgerow.contract import ShadowId, named_shadows_path, shadow_http_path
from hedgerow.core.link import HttpAnswer
from hedgerow.core.shadow.reconcile import Copy, State, changes_between
from hedgerow.kernel import CallerError, PeerError, UnavailableError
from hedgerow.shadow import CONFLICT, NOT_FOUND, Section

_OK: Final = 200
_TEXT_LIMIT: Final = 300


class CloudShadows(Protocol):
    """The link to the cloud, as the synchronisation needs it."""

    async def shadow(self, method: str, shadow: ShadowId, body: bytes | None = None) -> HttpAnswer:
        """Make a call about a shadow; `DeniedError` by policy, `UnavailableError` unanswered."""

    async def named_shadows(self, thing_name: str) -> Sequence[str]:
        """Return the names of a thing's named shadows in the cloud; errors as of `shadow`."""


class MovedOnError(CallerError):
    """The cloud's copy changed between reading and writing it; begin again."""

    code = "ShadowMovedOn"


class NoAnswerError(UnavailableError):
    """The cloud did not answer a call about a shadow within `system.shadowSyncTimeout`."""

    code = "ShadowSyncTimeout"

    def __init__(self, method: str, path: str, patience: timedelta) -> None:
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

    async def read(self, shadow: ShadowId) -> CloudCopy:
        """Return the cloud's copy."""
        answer = await self._call("GET", shadow)
        if answer.status == NOT_FOUND:
            return CloudCopy(Copy(None), 0)
        document = _decoded(answer, _Document)
        return CloudCopy(
            Copy(_sections(document.state), _sections(document.metadata)), document.version
        )

    async def write(self, shadow: ShadowId, before: CloudCopy, goal: State | None) -> int:
        """Make the cloud's copy the goal and return its version; `MovedOnError` if it changed.

        Every change is for the version that was read: 0 for a shadow that was not there, and also
        for a deletion (which AWS takes whatever version it names; Hedgerow's cloud heeds it).
        """
        if goal is None:
            return await self._remove(shadow, before)
        changes = changes_between(before.copy.state, goal)
        if before.copy.state is not None and not changes:
            return before.version
        body = msgspec.json.encode({"state": changes, "version": before.version})
        answer = await self._call("POST", shadow, body)
        return _decoded(answer, _Accepted).version

    async def names(self, thing_name: str) -> Sequence[str]:
        """Return the names of the named shadows that the cloud holds of a thing."""
        path = named_shadows_path(thing_name)
        async with self._in_time("GET", path):
            return await self._cloud.named_shadows(thing_name)

    async def _remove(self, shadow: ShadowId, before: CloudCopy) -> int:
        if before.copy.state is not None:
            body = msgspec.json.encode({"version": before.version})
            answer = await self._call("DELETE", shadow, body)
            if answer.status not in {_OK, NOT_FOUND}:
                raise _refusal(answer)
        return before.version

    async def _call(self, method: str, shadow: ShadowId, body: bytes | None = None) -> HttpAnswer:
        async with self._in_time(method, shadow_http_path(*astuple(shadow))):
            answer = await self._cloud.shadow(method, shadow, body)
        if answer.status == CONFLICT:
            raise MovedOnError(f"the cloud's shadow {shadow} changed meanwhile")
        return answer

    @asynccontextmanager
    async def _in_time(self, method: str, path: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                yield
        except TimeoutError:
            raise NoAnswerError(method, path, self._patience) from None


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
