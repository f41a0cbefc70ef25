"""The verification itself: every digest, every file it names, their order, and their end."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from hedgerow.cloud.cloudtrail.chain import Head, next_head
from hedgerow.cloud.cloudtrail.digest import LogFileEntry, RecordList
from hedgerow.cloud.cloudtrail.verification.chains import (
    ChainName,
    Link,
    check_chain,
    check_end,
    end_of,
    link_of,
)
from hedgerow.cloud.cloudtrail.verification.findings import ChainEnd, Finding, Report
from hedgerow.cloud.cloudtrail.verification.inventory import Root, named_from_top, take_inventory
from hedgerow.cloud.cloudtrail.verification.records import compare
from hedgerow.cloud.cloudtrail.verification.signatures import SignedDigest, read_digest

Progress = Callable[[int, int], None]
"""Told (done, in all) of digests."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be proven: of which account, from when, as of when, and up to which head.

    Without `start` the record has to be there from its first digest. `as_of` is the moment that
    the record has to reach. `head` is one that was noted earlier, in hex.
    """

    as_of: datetime
    account: str | None = None
    start: datetime | None = None
    head: str | None = None


@dataclass(slots=True)
class _Tally:
    """What has been seen so far."""

    question: Question
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ends: list[ChainEnd] = field(default_factory=list)
    digests: int = 0
    files: int = 0
    records: int = 0
    head_seen: bool = False


def verify_folder(
    folder: Path,
    key: rsa.RSAPublicKey,
    question: Question,
    *,
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Verify everything that was delivered into a folder.

    Raises `ConfigurationError` if the folder cannot be looked through.
    """
    roots = take_inventory(folder, question.account)
    total = sum(len(root.digests) for root in roots)
    tally = _Tally(question)
    done = 0
    for root in roots:
        chains: defaultdict[ChainName, list[Link]] = defaultdict(list)
        named: set[str] = set()
        for link, files in _links(root, key, tally):
            done += 1
            progress(done, total)
            if link is not None:
                chains[link.chain].append(link)
                named.update(files)
        _check_chains(chains, tally)
        _check_extra(root, named, chains, tally)
    if not tally.digests:
        what = (
            "there is no digest that the key has signed, so nothing here can be proven (the cloud "
            "delivers one every hour, if nothing else was said to it)"
        )
        tally.findings.append(Finding("NoDigests", "", what))
    if question.head is not None and not tally.head_seen:
        tally.findings.append(_not_reached(question.head, tally))
    return Report(
        findings=tuple(tally.findings),
        notes=tuple(tally.notes),
        ends=tuple(tally.ends),
        digests=tally.digests,
        files=tally.files,
        records=tally.records,
    )


def _links(
    root: Root, key: rsa.RSAPublicKey, tally: _Tally
) -> Iterator[tuple[Link | None, tuple[str, ...]]]:
    """Prove each digest and the files that it names; give its link and their names."""
    for name, found in sorted(root.digests.items(), key=lambda item: (item[1].at, item[0])):
        signed = read_digest(root, name, key)
        if isinstance(signed, Finding):
            if _in_range(tally.question, found.at):
                tally.findings.append(signed)
            yield None, ()
            continue
        link = link_of(signed, root.shown + name)
        names = tuple(named_from_top(entry.s3_object) for entry in signed.digest.log_files)
        if not _in_range(tally.question, link.end):
            yield None, names
            continue
        tally.digests += 1
        _check_files(root, signed, tally)
        yield link, names


def _in_range(question: Question, end: datetime) -> bool:
    return question.start is None or end >= question.start


def _check_files(root: Root, signed: SignedDigest, tally: _Tally) -> None:
    lists = signed.digest.hedgerow.log_files
    tally.head_seen |= signed.digest.hedgerow.head == tally.question.head
    for entry in signed.digest.log_files:
        listed = lists.get(entry.s3_object)
        if listed is None:
            what = f"{signed.name} does not say which records are in it"
            tally.findings.append(Finding("BrokenChain", entry.s3_object, what))
            continue
        tally.files += 1
        tally.records += listed.last - listed.first + 1
        tally.head_seen |= _passes_head(listed, tally.question.head)
        tally.findings.extend(_check_file(root, entry, listed))


def _check_file(root: Root, entry: LogFileEntry, listed: RecordList) -> list[Finding]:
    name = named_from_top(entry.s3_object)
    where = root.shown + name
    try:
        packed = root.read(name)
    except FileNotFoundError:
        what = f"it is gone, with records {listed.first} to {listed.last}"
        return [Finding("MissingFile", where, what)]
    except OSError as error:
        return [Finding("ChangedFile", where, f"it cannot be read: {error.strerror}")]
    if hashlib.sha256(packed).hexdigest() == listed.file_hash:
        return []
    return compare(where, packed, entry.hash_value, listed)


def _passes_head(listed: RecordList, wanted: str | None) -> bool:
    """Say whether a head that was noted is one of those after the listed records."""
    if wanted is None:
        return False
    head = Head(listed.first - 1, bytes.fromhex(listed.before))
    for _, sha256 in listed.records:
        head = next_head(head, bytes.fromhex(sha256))
        if head.hash.hex() == wanted:
            return True
    return wanted in {listed.before, listed.head}


def _check_chains(chains: dict[ChainName, list[Link]], tally: _Tally) -> None:
    newest: dict[tuple[str, str, str], Link] = {}
    for name, links in chains.items():
        links.sort(key=lambda link: (link.serial, link.end))
        from_first = tally.question.start is None
        tally.findings.extend(check_chain(links, from_first=from_first))
        last = newest.get(name[:3])
        if last is None or links[-1].end > last.end:
            newest[name[:3]] = links[-1]
        tally.findings.extend(check_end(links[-1], tally.question.as_of))
    tally.ends.extend(end_of(link) for link in newest.values())


def _check_extra(
    root: Root, named: set[str], chains: dict[ChainName, list[Link]], tally: _Tally
) -> None:
    """Find log files that no proven digest names; the newest ones may still wait for theirs."""
    for name, found in root.logs.items():
        if name in named or not _in_range(tally.question, found.at):
            continue
        ends = [
            links[-1].end.replace(second=0)
            for chain, links in chains.items()
            if chain[:2] == (found.account, found.region) and not links[-1].stopped
        ]
        if ends and found.at >= min(ends):
            tally.notes.append(f"{root.shown}{name} is newer than the digests and not proven yet")
            continue
        what = "no digest that can be trusted names it"
        tally.findings.append(Finding("ExtraFile", root.shown + name, what))


def _not_reached(head: str, tally: _Tally) -> Finding:
    ends = ", ".join(f"{end.trail} at record {end.position}" for end in tally.ends) or "nowhere"
    what = f"the record does not come to the head {head[:64]} that was noted; it ends: {ends}"
    return Finding("HeadNotReached", "", what)
