"""Whether digests follow one another: decided on links, without files."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hedgerow.cloud.cloudtrail.verification.chains import (
    FilePart,
    Link,
    check_chain,
    check_end,
)

HOUR = timedelta(hours=1)
NOON = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)


def link(serial: int) -> Link:
    """Return a link with one file of two records, which goes on from the one before."""
    last = serial * 2
    return Link(
        chain=("123456789012", "eu-west-1", "main", "chain-1"),
        name=f"digest-{serial}",
        where=f"digest-{serial}",
        serial=serial,
        start=NOON + serial * HOUR,
        end=NOON + (serial + 1) * HOUR,
        interval=HOUR,
        stopped=False,
        sha256=f"sha-{serial}",
        signature=f"signature-{serial}",
        before_name=f"digest-{serial - 1}",
        before_sha256=f"sha-{serial - 1}",
        before_signature=f"signature-{serial - 1}",
        position=last,
        head=f"head-{last}",
        parts=(FilePart(f"file-{serial}", last - 1, last, f"head-{last - 2}", f"head-{last}", ""),),
    )


def kinds(*links: Link, from_first: bool = True) -> list[str]:
    return [finding.kind for finding in check_chain(list(links), from_first=from_first)]


def part(of: Link, **changes: object) -> Link:
    return replace(of, parts=(replace(of.parts[0], **changes),))  # type: ignore[arg-type]


def test_a_whole_chain_has_no_findings() -> None:
    assert kinds(link(1), link(2), link(3)) == []
    assert kinds(link(2), link(3), from_first=False) == []


@pytest.mark.parametrize(
    "changed",
    [{"before_sha256": "other"}, {"before_signature": "other"}],
    ids=["hash", "signature"],
)
def test_a_digest_that_follows_another_is_told(changed: dict[str, str]) -> None:
    assert kinds(link(1), replace(link(2), **changed)) == ["BrokenChain"]  # type: ignore[arg-type]


def test_two_digests_in_one_place_are_told() -> None:
    assert kinds(link(1), link(2), replace(link(2), sha256="other")) == ["ForkedDigest"]


def test_a_gap_is_told_with_the_name_of_what_is_missing() -> None:
    (finding,) = check_chain([link(1), link(4)], from_first=True)
    assert (finding.kind, finding.where) == ("MissingDigest", "digest-3")
    assert finding.what.startswith("digests 2 to 3 of trail main")


def test_records_that_do_not_follow_are_told() -> None:
    assert kinds(link(1), part(link(2), before="head-other")) == ["BrokenChain"]
    assert kinds(link(1), part(link(2), first=4)) == ["BrokenChain"]


def test_records_passed_over_because_logging_was_stopped_are_no_fault() -> None:
    later = part(link(2), first=9, before="head-8", last=10, head="head-10", skipped="stopped")
    assert kinds(link(1), replace(later, position=10, head="head-10")) == []


def test_records_that_were_lost_are_told_in_the_digests_own_words() -> None:
    (finding,) = check_chain([link(1), part(link(2), skipped="the disk died")], from_first=True)
    assert (finding.kind, finding.what) == ("RecordsLost", "the disk died")


def test_a_stated_head_that_is_not_that_of_the_files_is_told() -> None:
    assert kinds(link(1), replace(link(2), head="head-other")) == ["BrokenChain"]
    assert kinds(link(1), replace(link(2), position=9)) == ["BrokenChain"]
    assert kinds(replace(link(1), head="head-other")) == ["BrokenChain"]


def test_the_end_is_overdue_after_its_interval_and_a_sixth() -> None:
    last = link(1)
    assert check_end(last, last.end + HOUR + timedelta(minutes=10)) == []
    (finding,) = check_end(last, last.end + HOUR + timedelta(minutes=11))
    assert finding.kind == "OverdueDigest"
    assert check_end(replace(last, stopped=True), last.end + 99 * HOUR) == []
