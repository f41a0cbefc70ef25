"""What the sender knows of messages that the cloud would not have. Pure.

A cloud may answer a publication that it forbids by ending the connection (AWS IoT does), and says
why, but not which one it was. In order of the queue it can only be the oldest that is not answered;
still, an end may have another cause. So the message under suspicion is sent once more, alone. If
that ends the connection again, it is refused; otherwise it would be sent, and the connection ended,
for ever. After that its topic is refused without asking for a minute.

A device that may use many topics would still end two connections with each of them. So once two
topics of a row's subject were refused, all of the subject is, except what the cloud is known to
take; and a subject that was refused a while ago has no second try.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hedgerow.core.spool.spool import QueuedMessage
from hedgerow.kernel import Clock

_ALONE = 100
"""So many messages go one at a time after the cloud would not have one."""

_REFUSED_SECONDS = 60.0
_REMEMBERED_SECONDS = 600.0
"""How long a refused topic tells against others of its subject."""

_TOPICS_LIMIT = 1000
_SUBJECTS_LIMIT = 100
_TOPICS_OF_A_REFUSED_SUBJECT = 2

SubjectsOf = Callable[[str], Sequence[str]]
"""The subjects of the rows to the cloud that match a topic."""


@dataclass(frozen=True, slots=True)
class _RefusedSubject:
    """How many topics of a subject were refused, when the last, and until when all of them are."""

    topics: int
    at: float
    until: float | None


class Caution:
    """Whether to go one at a time, whom to suspect, and which topics not to try now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alone_left = 0
        self._suspect: int | None = None
        self._topics: dict[str, tuple[str, float]] = {}
        self._subjects: dict[str, _RefusedSubject] = {}
        self._taken: dict[str, None] = {}
        """Topics that the cloud has accepted, the latest last."""
        self._subjects_of: SubjectsOf = lambda _topic: ()

    @property
    def one_at_a_time(self) -> bool:
        """Tell whether a message has to be answered before the next one is sent."""
        return self._alone_left > 0

    @property
    def refused_subjects(self) -> tuple[str, ...]:
        """The subjects of which nothing is tried now."""
        return tuple(subject for subject in self._subjects if self._is_refused(subject))

    def serve(self, subjects_of: SubjectsOf) -> None:
        """Go by these rows from now on; what was refused may be allowed by now."""
        self._subjects_of = subjects_of
        self._subjects.clear()

    def slow_down(self) -> None:
        """Go one at a time for a while."""
        self._alone_left = _ALONE

    def answered(self, topic: str, *, accepted: bool) -> None:
        """Take note of an answer."""
        self._alone_left = max(self._alone_left - 1, 0)
        if not accepted:
            return
        if topic not in self._taken:
            self._allow_subjects(topic)
        self._taken.pop(topic, None)
        if len(self._taken) >= _TOPICS_LIMIT:
            self._taken.pop(next(iter(self._taken)))
        self._taken[topic] = None

    def is_guilty(self, message: QueuedMessage, reason: str) -> bool:
        """Tell whether a message with which a connection ended is to be refused for it.

        It is if it went alone, and was suspected before or is of a subject that was refused.
        """
        topic = message.topic
        subjects = self._subjects_of(topic)
        known = topic not in self._taken and any(map(self._is_remembered, subjects))
        if self.one_at_a_time and (self._suspect == message.number or known):
            self._suspect = None
            self._taken.pop(topic, None)
            self._refuse(topic, subjects, reason)
            self.slow_down()
            return True
        self._suspect = message.number
        self.slow_down()
        return False

    def refusal_of(self, topic: str) -> str | None:
        """Return why a message on the topic is refused without asking, or None.

        Where several subjects match it, all of them have to be refused.
        """
        reason, until = self._topics.get(topic, ("", 0.0))
        if reason and self._clock.monotonic() < until:
            return reason
        self._topics.pop(topic, None)
        if not self._subjects or topic in self._taken:
            return None
        subjects = self._subjects_of(topic)
        if subjects and all(self._is_refused(subject) for subject in subjects):
            return "the cloud has refused other topics of its subject"
        return None

    def _is_refused(self, subject: str) -> bool:
        known = self._subjects.get(subject)
        until = known.until if known is not None else None
        return until is not None and self._clock.monotonic() < until

    def _is_remembered(self, subject: str) -> bool:
        known = self._subjects.get(subject)
        return known is not None and self._clock.monotonic() < known.at + _REMEMBERED_SECONDS

    def _allow_subjects(self, topic: str) -> None:
        """Begin anew with the subjects that were refused, now that something new of them passes."""
        for subject in self._subjects_of(topic) if self._subjects else ():
            known = self._subjects.get(subject)
            if known is not None and known.until is not None:
                del self._subjects[subject]

    def _refuse(self, topic: str, subjects: Sequence[str], reason: str) -> None:
        now = self._clock.monotonic()
        until = now + _REFUSED_SECONDS
        if topic not in self._topics and len(self._topics) >= _TOPICS_LIMIT:
            self._topics.clear()
        self._topics[topic] = (reason, until)
        for subject in subjects:
            known = self._subjects[subject] if self._is_remembered(subject) else None
            self._subjects.pop(subject, None)
            topics = known.topics + 1 if known is not None else 1
            if len(self._subjects) >= _SUBJECTS_LIMIT:
                self._subjects.pop(next(iter(self._subjects)))
            whole = subject == topic or topics >= _TOPICS_OF_A_REFUSED_SUBJECT
            self._subjects[subject] = _RefusedSubject(topics, now, until if whole else None)
