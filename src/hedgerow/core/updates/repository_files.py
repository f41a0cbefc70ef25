"""Files of the repository over the core's link, for the thread in which they are verified."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from hedgerow.contract.updates import update_metadata_path, update_target_path
from hedgerow.core.link import HttpAnswer
from hedgerow.kernel import PeerError, UnavailableError

PIECE_BYTES: Final = 1_048_576
PAUSES_SECONDS: Final = (1.0, 4.0, 15.0, 60.0)
"""How long is waited before a piece that could not be fetched is asked for again."""

_NOT_FOUND: Final = 404
_NO_MORE: Final = 416
_PARTIAL: Final = 206


class UpdateFiles(Protocol):
    """The call for a file of the software updates; `link.CloudHttp` has it."""

    async def update_file(self, path: str, byte_range: str | None = None) -> HttpAnswer:
        """Fetch a file, or a piece of one."""


class RepositoryFiles:
    """Called from another thread than the loop's."""

    def __init__(
        self,
        http: UpdateFiles,
        loop: asyncio.AbstractEventLoop,
        pauses: Sequence[float] = PAUSES_SECONDS,
    ) -> None:
        self._http = http
        self._loop = loop
        self._pauses = tuple(pauses)

    def pieces(self, kind: str, name: str) -> Iterator[bytes]:
        """Give a file in pieces; `FileNotFoundError` if there is none."""
        if kind == "metadata":
            yield self._fetched(update_metadata_path(name), None)
            return
        path, offset = update_target_path(name), 0
        while piece := self._fetched(path, f"bytes={offset}-{offset + PIECE_BYTES - 1}"):
            if len(piece) > PIECE_BYTES:
                raise PeerError(f"{name} comes in pieces that are longer than was asked for")
            yield piece
            offset += len(piece)

    def _fetched(self, path: str, byte_range: str | None) -> bytes:
        call = self._patiently(path, byte_range)
        answer = asyncio.run_coroutine_threadsafe(call, self._loop).result()
        if answer.status == _NOT_FOUND:
            raise FileNotFoundError(path)
        if answer.status == _NO_MORE:
            return b""
        if byte_range is not None and answer.status != _PARTIAL:
            raise PeerError(f"{path} does not come in pieces")
        return answer.body

    async def _patiently(self, path: str, byte_range: str | None) -> HttpAnswer:
        """Fetch a piece; a link that is cut for a while does not end an update."""
        for pause in self._pauses:
            try:
                return await self._http.update_file(path, byte_range)
            except UnavailableError:
                await asyncio.sleep(pause)
        return await self._http.update_file(path, byte_range)
