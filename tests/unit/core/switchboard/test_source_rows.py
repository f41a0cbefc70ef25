"""Rows of one source: few are looked through, many are indexed, and nobody can tell."""

import pytest

from hedgerow.contract import SubscriptionRow
from hedgerow.core.switchboard.source_rows import MAX_LOOKED_THROUGH, SourceRows
from hedgerow.mqtt import matches

_SUBJECTS = ("a/b", "a/+", "a/#", "#", "+/b", "$aws/b", "a/b/c", "+", "a")
_TOPICS = ("a/b", "a", "a/b/c", "$aws/b", "b", "x/b", "", "a/")


def _rows(count: int) -> list[SubscriptionRow]:
    """Return so many rows: of the subjects above, and of others that match no topic above."""
    subjects = (*_SUBJECTS, *(f"other/{n}" for n in range(count)))[:count]
    return [
        SubscriptionRow(id=str(n), source="s", subject=subject, target="t")
        for n, subject in enumerate(subjects)
    ]


@pytest.mark.parametrize("topic", _TOPICS)
@pytest.mark.parametrize("count", [1, MAX_LOOKED_THROUGH, MAX_LOOKED_THROUGH + 1, 40])
def test_few_rows_and_many_find_what_matches(topic: str, count: int) -> None:
    """The index gives the rows that looking through them gives."""
    rows = _rows(count)
    found = {row.id for row in SourceRows(rows).find(topic)}
    assert found == {row.id for row in rows if matches(row.subject, topic)}


def test_equal_subjects_are_rows_of_their_own() -> None:
    """Two rows with one subject lead to two targets."""
    rows = [SubscriptionRow(id=i, source="s", subject="t", target=i) for i in ("one", "two")]
    assert SourceRows(rows).find("t") == rows
