"""Whether digests follow one another without a gap, and reach as far as they must."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from hedgerow.cloud.cloudtrail.digest import STOPPED
from hedgerow.cloud.cloudtrail.verification.findings import ChainEnd, Finding
from hedgerow.cloud.cloudtrail.verification.inventory import named_from_top
from hedgerow.cloud.cloudtrail.verification.signatures import SignedDigest

GRACE_PART: Final = 6
"""A digest is overdue when a sixth of its interval has passed beyond its time."""

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"

ChainName = tuple[str, str, str, str]
"""(account, region, trail, chain)."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """Where one log file stands in the chain of records."""

    name: str
    first: int
    last: int
    before: str
    head: str
    skipped: str


@dataclass(frozen=True, slots=True)
class Link:
    """What is kept of a proven digest to check the chain: everything but the lists of records."""

    chain: ChainName
    name: str
    where: str
    serial: int
    start: datetime
    end: datetime
    interval: timedelta
    stopped: bool
    sha256: str
    signature: str
    before_name: str | None
    before_sha256: str | None
    before_signature: str | None
    position: int
    head: str
    parts: tuple[FilePart, ...]


def link_of(signed: SignedDigest, where: str) -> Link:
    """Return a digest's link."""
    digest, ours = signed.digest, signed.digest.hedgerow
    before = digest.previous_digest_s3_object
    parts = sorted(
        (
            FilePart(
                named_from_top(key), part.first, part.last, part.before, part.head, part.skipped
            )
            for key, part in ours.log_files.items()
        ),
        key=lambda part: part.first,
    )
    return Link(
        chain=(digest.aws_account_id, ours.region, ours.trail, ours.chain),
        name=signed.name,
        where=where,
        serial=ours.serial,
        start=datetime.fromisoformat(digest.digest_start_time),
        end=datetime.fromisoformat(digest.digest_end_time),
        interval=timedelta(seconds=ours.interval_seconds),
        stopped=ours.stopped,
        sha256=signed.sha256,
        signature=signed.signature,
        before_name=None if before is None else named_from_top(before),
        before_sha256=digest.previous_digest_hash_value,
        before_signature=digest.previous_digest_signature,
        position=ours.position,
        head=ours.head,
        parts=tuple(parts),
    )


def check_chain(links: list[Link], *, from_first: bool) -> list[Finding]:
    """Return what is wrong with the order of one chain's digests, which are sorted by serial.

    `from_first` says that the chain has to be there from its beginning.
    """
    findings: list[Finding] = []
    first = links[0]
    if from_first and first.serial > 1:
        findings.append(_missing(first, 1))
    for before, after in pairwise(links):
        if after.serial == before.serial:
            what = f"it has the same place in the chain as {before.name}, with other content"
            findings.append(Finding("ForkedDigest", after.where, what))
        elif after.serial > before.serial + 1:
            findings.append(_missing(after, before.serial + 1))
        elif (after.before_sha256, after.before_signature) != (before.sha256, before.signature):
            what = f"it follows another digest than {before.name}"
            findings.append(Finding("BrokenChain", after.where, what))
        else:
            findings.extend(_check_records(before.position, before.head, after))
    if first.serial == 1 and first.parts:
        part = first.parts[0]
        findings.extend(_check_records(part.first - 1, part.before, first))
    return findings


def check_end(newest: Link, as_of: datetime) -> list[Finding]:
    """Return that the newest digest is older than it may be, if it is."""
    due = newest.end + newest.interval
    if newest.stopped or as_of <= due + newest.interval / GRACE_PART:
        return []
    return [
        Finding(
            "OverdueDigest",
            newest.where,
            f"it is the newest of trail {newest.chain[2]}, ends at {newest.end:{_TIME}}, and the "
            f"next was due at {due:{_TIME}}: the end of the record was cut off, or the cloud has "
            "not run since, or was started again with longer --digest-minutes",
        )
    ]


def end_of(newest: Link) -> ChainEnd:
    """Return where a chain ends."""
    account, region, trail, _ = newest.chain
    return ChainEnd(
        account, region, trail, newest.end, newest.position, newest.head, newest.stopped
    )


def _missing(after: Link, first: int) -> Finding:
    last = after.serial - 1
    which = f"digest {last}" if first == last else f"digests {first} to {last}"
    return Finding(
        "MissingDigest",
        after.before_name or after.where,
        f"{which} of trail {after.chain[2]}, before {after.name}, cannot be found or trusted",
    )


def _check_records(position: int, head: str, link: Link) -> list[Finding]:
    """Follow the chain of records through one digest's files."""
    findings: list[Finding] = []
    for part in link.parts:
        goes_on = (part.first, part.before) == (position + 1, head)
        if part.skipped and part.skipped != STOPPED:
            findings.append(Finding("RecordsLost", part.name, part.skipped))
        elif not goes_on and not part.skipped:
            what = f"its records from {part.first} on do not follow record {position}"
            findings.append(Finding("BrokenChain", part.name, what))
        position, head = part.last, part.head
    if (position, head) != (link.position, link.head) and link.parts:
        what = "the head it states is not that of its files"
        findings.append(Finding("BrokenChain", link.where, what))
    return findings
