"""The compiled table, and its decisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from hedgerow.contract import CLOUD, SubscriptionRow
from hedgerow.core.switchboard.filters import covering, overlap
from hedgerow.core.switchboard.source_rows import SourceRows
from hedgerow.kernel import CallerError, quoted
from hedgerow.mqtt import FilterTree, valid_filter

_REMEMBERED = 10_000
"""Subscriptions whose answers are remembered; beyond it the memory starts anew."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed, the rows that allow it, and a sentence why (not)."""

    allowed: bool
    rows: tuple[SubscriptionRow, ...]
    reason: str


class Switchboard:
    """A table that never changes. A row is one-way; without one a message goes nowhere."""

    def __init__(self, rows: Iterable[SubscriptionRow] = ()) -> None:
        self._rows = tuple(rows)
        by_source: dict[str, list[SubscriptionRow]] = {}
        self._by_target: dict[str, dict[str, SubscriptionRow]] = {}
        self._to_cloud: FilterTree[str, str] = FilterTree()
        self._judged: dict[tuple[str, str], Decision] = {}
        for row in self._rows:
            by_source.setdefault(row.source, []).append(row)
            if row.target == CLOUD:
                self._to_cloud.add(row.subject, row.subject, row.subject)
            self._by_target.setdefault(row.target, {}).setdefault(row.subject, row)
        self._by_source = {source: SourceRows(found) for source, found in by_source.items()}

    @classmethod
    def compile(cls, rows: Iterable[SubscriptionRow]) -> Self:
        """Return the table of these rows, or raise `CallerError` that names the row at fault."""
        rows = tuple(rows)
        for row in rows:
            if not valid_filter(row.subject):
                raise CallerError(
                    f"subscription {quoted(row.id)} has the subject {quoted(row.subject)}, which "
                    "is not a topic filter: + stands alone on a level, # alone on the last one"
                )
        return cls(rows)

    def routes(self, source: str, topic: str) -> list[SubscriptionRow]:
        """Return the rows along which a message from the source on the topic goes."""
        rows = self._by_source.get(source)
        return rows.find(topic) if rows is not None else []

    def targets(self, source: str, topic: str) -> frozenset[str]:
        """Return the targets of a message."""
        return frozenset(row.target for row in self.routes(source, topic))

    def may_publish(self, source: str, topic: str) -> Decision:
        """Decide whether a message from the source on the topic goes anywhere."""
        rows = tuple(self.routes(source, topic))
        if rows:
            return Decision(allowed=True, rows=rows, reason="")
        return Decision(
            allowed=False,
            rows=(),
            reason=f"no row of the subscription table has source {source} and a subject that "
            f"matches {topic}",
        )

    def may_subscribe(self, target: str, topic_filter: str) -> Decision:
        """Decide whether a subscription of the target could ever be served by a row.

        One row is enough, and named. Answers are remembered: with ten thousand rows to one target
        a look takes milliseconds, and a client could ask without end.
        """
        question = (target, topic_filter)
        decision = self._judged.get(question)
        if decision is None:
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            decision = self._judged[question] = self._judge(target, topic_filter)
        return decision

    def _judge(self, target: str, topic_filter: str) -> Decision:
        subjects = self._by_target.get(target, {})
        row = subjects.get(topic_filter) or next(
            (row for subject, row in subjects.items() if overlap(subject, topic_filter)), None
        )
        if row is not None:
            return Decision(allowed=True, rows=(row,), reason="")
        return Decision(
            allowed=False,
            rows=(),
            reason=f"no row of the subscription table has target {target} and a subject that "
            f"overlaps {topic_filter}",
        )

    def subjects_to_cloud(self, topic: str) -> tuple[str, ...]:
        """Return the subjects of the rows to the cloud that match a topic, whatever their source.

        Rows with the same subject are one: the core's policy knows no sources.
        """
        return tuple(self._to_cloud.find(topic))

    def cloud_subjects(self) -> tuple[str, ...]:
        """Return what to subscribe to in the cloud for the rows whose source it is."""
        return covering(row.subject for row in self._rows if row.source == CLOUD)
