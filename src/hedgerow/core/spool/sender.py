"""The sender: several messages under way, in order, each gone when the cloud has answered it.

Why the order holds. All messages go over one connection in the order of the queue, so the cloud
takes them in that order. When the connection ends, everything that was not answered is sent again
over the next one, from the oldest and in order: the cloud may see a message twice, and never a
newer message of a topic before an older one has come at least once. Within one connection nothing
is sent twice. Answers may come in any order; a message that was answered before an older one stays
in the queue behind it, and is not sent again.

A cloud that says it has taken too much for now (a quota) is the one case in which a newer message
of the window may have been taken before an older one. For a while after that messages go one at a
time. What a cloud does that will not have a message at all is told in `caution.py`. When it ended
the connection over one, the sender waits, longer each time, and the connection meanwhile stands
for what else the core has to hear.
"""

import asyncio
from typing import TYPE_CHECKING

from hedgerow.core.spool.caution import Caution
from hedgerow.core.spool.outlet import (
    BusyError,
    EndedOverThisError,
    Outlet,
    Publication,
    Published,
    Publisher,
    Retry,
)
from hedgerow.core.spool.spool import QueuedMessage
from hedgerow.kernel import Clock, UnavailableError

if TYPE_CHECKING:
    from hedgerow.core.spool.queue import CloudQueue

_RETRY_SECONDS = 0.5
_PASSED_OVER_AT_ONCE = 100
"""So many messages leave unsent before others have their turn on the loop."""


class Sender:
    """Empties the spool of a queue. At most `window` messages, and no more than the cloud takes."""

    def __init__(self, queue: "CloudQueue", window: int, clock: Clock, retry: Retry) -> None:
        self._queue = queue
        self._window = window
        self._retry = retry
        self.caution = Caution(clock)
        self._changed = asyncio.Event()
        self._under_way: dict[int, tuple[QueuedMessage, asyncio.Future[Published]]] = {}
        self._answered: set[int] = set()
        """Messages that the cloud has, behind one that it has not answered yet."""

    @property
    def in_flight(self) -> int:
        """How many messages are sent and not answered."""
        return len(self._under_way)

    def wake(self) -> None:
        """Look again: something was queued or changed."""
        self._changed.set()

    def forget(self, number: int) -> bool:
        """Tell whether the cloud has answered this message already, and forget that."""
        if number in self._answered:
            self._answered.discard(number)
            return True
        return False

    async def run(self, publisher: Publisher) -> None:
        """Send until cancelled."""
        while True:
            while not self._queue.spool.count:
                self._changed.clear()
                await self._changed.wait()
            outlet = await publisher.outlet()
            pause = _RETRY_SECONDS
            try:
                await self._send_over(outlet)
            except UnavailableError as error:
                if isinstance(error, EndedOverThisError):
                    pause = self._retry.next_delay()
                self._queue.tell_interrupted(error.message)
            finally:
                self._take_answers()
                self._under_way.clear()
                self._queue.change_settings()
            await asyncio.sleep(pause)

    async def _send_over(self, outlet: Outlet) -> None:
        """Send over one connection; raises `UnavailableError` when that has ended."""
        window = max(min(self._window, outlet.receive_maximum), 1)
        self._queue.spool.rewind()
        while True:
            self._changed.clear()
            await self._fill(outlet, 1 if self.caution.one_at_a_time else window)
            await self._changed.wait()
            failure = self._take_answers()
            if isinstance(failure, BusyError):
                self.caution.slow_down()
                await self._drain()
            if failure is not None:
                raise failure
            if not self._under_way and self._queue.is_changing:
                self._queue.change_settings()
                self._queue.spool.rewind()

    async def _drain(self) -> None:
        """Wait for the answers to all that is under way."""
        while self._under_way:
            self._changed.clear()
            await asyncio.wait({answer for _, answer in self._under_way.values()})
            self._take_answers()

    async def _fill(self, outlet: Outlet, window: int) -> None:
        """Have as many messages under way as may be."""
        passed_over = 0
        while len(self._under_way) < window and not self._queue.is_changing:
            message = self._queue.spool.next()
            if message is None:
                return
            if message.number in self._answered:
                continue
            remaining = self._queue.remaining_s(message)
            if self._pass_over(message, remaining):
                passed_over += 1
                if passed_over % _PASSED_OVER_AT_ONCE == 0:
                    await asyncio.sleep(0)
                continue
            answer = outlet.publish(
                Publication(message.topic, message.payload, message.extras.properties, remaining)
            )
            self._under_way[message.number] = (message, answer)
            answer.add_done_callback(self._wake_for)

    def _pass_over(self, message: QueuedMessage, remaining: int | None) -> bool:
        """Let a message go unsent if its time is up, or the cloud would end the connection."""
        refusal = self.caution.refusal_of(message.topic)
        if remaining == 0:
            self._queue.count_expired()
        elif refusal is not None:
            self._queue.count_refused_unasked()
        else:
            return False
        self._settle(message.number)
        return True

    def _wake_for(self, answer: "asyncio.Future[Published]") -> None:
        if not answer.cancelled():
            answer.exception()  # it is seen here at the latest
        self._changed.set()

    def _take_answers(self) -> UnavailableError | None:
        """Let go what the cloud has answered; return why the rest has to be sent again, or None.

        A message that was replaced while it was in flight was counted then.
        """
        failure: UnavailableError | None = None
        for number in [n for n, (_, answer) in self._under_way.items() if answer.done()]:
            message, answer = self._under_way.pop(number)
            if answer.cancelled():
                continue
            error = answer.exception()
            if isinstance(error, EndedOverThisError) and self._still_waits(number):
                if self.caution.is_guilty(message, error.message):
                    self._count(message, Published(accepted=False, reason=error.message))
                failure = failure or error
            elif isinstance(error, UnavailableError):
                failure = failure or error
            elif error is not None:
                raise error
            elif self._still_waits(number):
                self._note(message, answer.result())
        return failure

    def _note(self, message: QueuedMessage, answer: Published) -> None:
        """Take note of what the cloud has answered in words."""
        self.caution.answered(message.topic, accepted=answer.accepted)
        if answer.accepted:
            self._retry.ease()
        self._count(message, answer)

    def _count(self, message: QueuedMessage, answer: Published) -> None:
        self._queue.count_answer(message, answer)
        self._settle(message.number)

    def _still_waits(self, number: int) -> bool:
        oldest = self._queue.spool.oldest()
        return oldest is not None and oldest.number <= number

    def _settle(self, number: int) -> None:
        """Let a message go, as soon as all before it have gone."""
        spool = self._queue.spool
        self._answered.add(number)
        while (oldest := spool.oldest()) is not None and oldest.number in self._answered:
            self._answered.discard(oldest.number)
            spool.remove(oldest.number)
        if self._answered and oldest is not None:
            self._answered = {n for n in self._answered if n > oldest.number}
        elif oldest is None:
            self._answered.clear()
