"""The rows of one source, found by topic."""

from collections.abc import Sequence
from typing import Final

from hedgerow.contract import SubscriptionRow
from hedgerow.mqtt import FilterTree, matches

MAX_LOOKED_THROUGH: Final = 8
"""So many rows are looked through one by one; more have an index.

An index takes a hundred times the memory and most of the time that it takes to compile a table; the
thousands of sources of a full group have four rows each, and the broker remembers the answers.
"""


class SourceRows:
    """Rows that never change, in their order."""

    __slots__ = ("_index", "_rows")

    def __init__(self, rows: Sequence[SubscriptionRow]) -> None:
        self._rows: tuple[SubscriptionRow, ...] = ()
        self._index: FilterTree[int, SubscriptionRow] | None = None
        if len(rows) <= MAX_LOOKED_THROUGH:
            self._rows = tuple(rows)
            return
        self._index = FilterTree()
        for number, row in enumerate(rows):
            self._index.add(row.subject, number, row)

    def find(self, topic: str) -> list[SubscriptionRow]:
        """Return the rows whose subject matches a topic."""
        if self._index is not None:
            return self._index.find(topic)
        return [row for row in self._rows if matches(row.subject, topic)]
