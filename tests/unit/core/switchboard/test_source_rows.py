"""Rows of one source: few are looked through, many are indexed, and nobody can tell."""

import pytest

from hedgerow.contract import SubscriptionRow
from hedgerow.core.switchboard.source_rows import MAX_LOOKED_THROUGH, SourceRows

_SUBJECTS = ("a/b", "a/+", "a/#", "#", "+/b", "$aws/b", "a/b/c", "+", "a")
_TOPICS = ("a/b", "a", "a/b/c", "$aws/b", "b", "x/b", "", "a/")


def _rows(count: int) -> list[SubscriptionRow]:
    """Return the subjects above, and others that match no topic above."""
    subjects = (*_SUBJECTS, *(f"other/{n}" for n in range(count - len(_SUBJECTS))))
    return [
        SubscriptionRow(id=str(n), source="s", subject=subject, target="t")
        for n, subject in enumerate(subjects)
    ]


@pytest.mark.parametrize("topic", _TOPICS)
def test_few_rows_and_many_find_the_same(topic: str) -> None:
    """The index gives the rows that looking through them gives."""
    few, many = (SourceRows(_rows(count)) for count in (MAX_LOOKED_THROUGH, MAX_LOOKED_THROUGH + 1))
    found = {row.id for row in few.find(topic)}
    assert found == {row.id for row in many.find(topic)}


def test_equal_subjects_are_rows_of_their_own() -> None:
    """Two rows with one subject lead to two targets."""
    rows = [SubscriptionRow(id=i, source="s", subject="t", target=i) for i in ("one", "two")]
    assert SourceRows(rows).find("t") == rows
