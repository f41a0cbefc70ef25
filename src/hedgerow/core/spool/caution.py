"""What the sender knows of messages that the cloud would not have. Pure.

A cloud may answer a publication that it forbids by ending the connection (AWS IoT does), and says
why, but not which one it was. In order of the queue it can only be the oldest that is not answered;
still, an end may have another cause. So the message under suspicion is sent once more, alone. If
that ends the connection again, it is refused; otherwise it would be sent, and the connection ended,
for ever. After that its topic is refused without asking for a minute.
"""

from hedgerow.core.spool.spool import QueuedMessage
from hedgerow.kernel import Clock

_ALONE = 100
"""So many messages go one at a time after the cloud would not have one."""

_REFUSED_TOPIC_SECONDS = 60.0
_TOPICS_LIMIT = 1000


class Caution:
    """Whether to go one at a time, whom to suspect, and which topics not to try now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alone_left = 0
        self._suspect: int | None = None
        self._topics: dict[str, tuple[str, float]] = {}

    @property
    def one_at_a_time(self) -> bool:
        """Tell whether a message has to be answered before the next one is sent."""
        return self._alone_left > 0

    def slow_down(self) -> None:
        """Go one at a time for a while."""
        self._alone_left = _ALONE

    def answered(self) -> None:
        """Take note of an answer."""
        self._alone_left = max(self._alone_left - 1, 0)

    def is_guilty(self, message: QueuedMessage, reason: str) -> bool:
        """Tell whether a message with which a connection ended was suspected before, and alone."""
        if self._suspect == message.number and self.one_at_a_time:
            self._suspect = None
            self._refuse_topic(message.topic, reason)
            return True
        self._suspect = message.number
        self.slow_down()
        return False

    def refusal_of(self, topic: str) -> str | None:
        """Return why a message on the topic is refused without asking, or None."""
        reason, until = self._topics.get(topic, ("", 0.0))
        if reason and self._clock.monotonic() < until:
            return reason
        self._topics.pop(topic, None)
        return None

    def _refuse_topic(self, topic: str, reason: str) -> None:
        if len(self._topics) >= _TOPICS_LIMIT:
            self._topics.clear()
        self._topics[topic] = (reason, self._clock.monotonic() + _REFUSED_TOPIC_SECONDS)
