"""The change feed: subscribers in this process hear of every change after it was committed."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from hedgerow.store.records import Change, Kind

T = TypeVar("T")
Callback = Callable[[Change], None]
CommitCallback = Callable[[Sequence[Change]], None]


class Feed:
    """Hands changes to callbacks, in the order of commits."""

    def __init__(self) -> None:
        self._callbacks: dict[object, CommitCallback] = {}
        self._watches: set[Watch] = set()
        self._closed = False

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Call `callback` with every change from now on; return what ends that."""

        def each(changes: Sequence[Change]) -> None:
            for change in changes:
                _tell(callback, change)

        return self.subscribe_to_commits(each)

    def subscribe_to_commits(self, callback: CommitCallback) -> Callable[[], None]:
        """Call `callback` with all changes of every commit from now on; return what ends that."""
        ticket = object()
        self._callbacks[ticket] = callback

        def unsubscribe() -> None:
            self._callbacks.pop(ticket, None)

        return unsubscribe

    def publish(self, changes: Sequence[Change]) -> None:
        """Tell every subscriber; one that fails is reported and does not harm the others."""
        for callback in tuple(self._callbacks.values()):
            _tell(callback, changes)

    def close(self) -> None:
        """End every watch once it has given out what it holds."""
        self._closed = True
        for watch in tuple(self._watches):
            watch.finish()

    def join(self, watch: "Watch") -> Callable[[], None]:
        """Keep the watch until the returned function is called; a closed feed ends it at once."""
        self._watches.add(watch)
        unsubscribe = self.subscribe(watch.offer)
        if self._closed:
            watch.finish()

        def leave() -> None:
            unsubscribe()
            self._watches.discard(watch)

        return leave


def _tell(callback: Callable[[T], None], what: T) -> None:
    try:
        callback(what)
    except Exception as error:  # noqa: BLE001 - the change is committed whatever they do
        asyncio.get_running_loop().call_exception_handler(
            {"message": "a subscriber of the store failed", "exception": error}
        )


class Watch:
    """An async iterator of changes; it listens while its `with` block is open.

    It holds what was not yet taken, without bound: a watcher that takes nothing is a mistake of
    ours, and losing a change (a revocation, say) would be worse than the memory.
    """

    def __init__(self, feed: Feed, kinds: Iterable[Kind]) -> None:  # type: ignore[type-arg]
        self._feed = feed
        self._kinds = frozenset(kind.name for kind in kinds)
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._leave: Callable[[], None] | None = None

    def offer(self, change: Change) -> None:
        """Take a change if it is of a kind that is watched."""
        if not self._kinds or change.kind in self._kinds:
            self._queue.put_nowait(change)

    def finish(self) -> None:
        """End the iteration after what is already held."""
        self._queue.put_nowait(None)

    def __enter__(self) -> Self:
        if self._leave is None:
            self._leave = self._feed.join(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None
        self.finish()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        change = await self._queue.get()
        if change is None:
            self.finish()  # the next call ends as well
            raise StopAsyncIteration
        return change
