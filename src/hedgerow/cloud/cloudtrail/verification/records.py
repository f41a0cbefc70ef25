"""What became of a log file's records: compared one by one with the signed list."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from hedgerow.cloud.cloudtrail.digest import RecordList
from hedgerow.cloud.cloudtrail.verification.findings import Finding
from hedgerow.cloud.cloudtrail.verification.inventory import decompressed, salvaged

MAX_NAMED: Final = 20
"""How many records of one file are named; the others are counted."""
_START: Final = b'{"Records":['
_WORDS: Final = {
    "ChangedRecord": "was changed",
    "MissingRecord": "is missing",
}


class _LogFile(msgspec.Struct, frozen=True):
    records: list[msgspec.Raw] = msgspec.field(name="Records")


class _Id(msgspec.Struct, frozen=True):
    event_id: str = msgspec.field(name="eventID")


@dataclass(frozen=True, slots=True)
class _Found:
    """One record as it lies in the file."""

    sha256: str
    event_id: str


def compare(where: str, packed: bytes, signed_sha256: str, listed: RecordList) -> list[Finding]:
    """Return what was changed in a file whose bytes are not those that were delivered."""
    damage = ""
    try:
        content = decompressed(packed)
        found = [_record(bytes(raw)) for raw in msgspec.json.decode(content, type=_LogFile).records]
    except (ValueError, msgspec.DecodeError) as error:
        damage = str(error)
        content = salvaged(packed)
        found = list(_readable(content))
    if not listed.records:
        return [Finding("ChangedFile", where, "its content is not what was delivered")]
    findings = [*_changed_or_gone(where, listed, found), *_added(where, listed, found)]
    findings.extend(_moved(where, listed, found))
    if not findings:
        same = hashlib.sha256(content).hexdigest() == signed_sha256
        what = "its compression" if same else "what surrounds its records"
        return [Finding("ChangedFile", where, f"{what} was changed; every record is as it was")]
    if damage:
        first = f"the file cannot be read through: {damage}"
        findings.insert(0, Finding("ChangedFile", where, first))
    return _few(where, findings)


def _changed_or_gone(where: str, listed: RecordList, found: list[_Found]) -> Iterator[Finding]:
    there = {record.sha256 for record in found}
    ids = {record.event_id for record in found}
    for index, (event_id, sha256) in enumerate(listed.records):
        if sha256 in there:
            continue
        same_place = index < len(found) and len(found) == len(listed.records)
        changed = event_id in ids or same_place
        kind = "ChangedRecord" if changed else "MissingRecord"
        what = f"record {listed.first + index} (event {event_id}) {_WORDS[kind]}"
        yield Finding("ChangedRecord" if changed else "MissingRecord", where, what)


def _added(where: str, listed: RecordList, found: list[_Found]) -> Iterator[Finding]:
    hashes = {sha256 for _, sha256 in listed.records}
    ids = {event_id for event_id, _ in listed.records}
    seen: set[str] = set()
    for index, record in enumerate(found):
        twice = record.sha256 in seen
        seen.add(record.sha256)
        stranger = record.sha256 not in hashes and record.event_id not in ids
        in_place_of_one = len(found) == len(listed.records)
        if twice or (stranger and not in_place_of_one):
            what = "occurs twice" if twice else "was never delivered"
            yield Finding(
                "ExtraRecord",
                where,
                f"the file's record {index + 1} (event {record.event_id}) {what}",
            )


def _moved(where: str, listed: RecordList, found: list[_Found]) -> Iterator[Finding]:
    numbers = {sha256: index for index, (_, sha256) in enumerate(listed.records)}
    order = [numbers[record.sha256] for record in found if record.sha256 in numbers]
    kept = sorted(set(order))
    if len(kept) != len(order):
        return  # some occur twice, which is told already
    for wanted, actual in zip(kept, order, strict=True):
        if wanted != actual:
            event_id = listed.records[actual][0]
            yield Finding(
                "ReorderedRecords",
                where,
                f"record {listed.first + actual} (event {event_id}) stands where record "
                f"{listed.first + wanted} was",
            )


def _few(where: str, findings: list[Finding]) -> list[Finding]:
    if len(findings) <= MAX_NAMED:
        return findings
    rest = len(findings) - MAX_NAMED
    return [
        *findings[:MAX_NAMED],
        Finding("ChangedFile", where, f"and {rest} more of its records are not as they were"),
    ]


def _record(raw: bytes) -> _Found:
    try:
        event_id = msgspec.json.decode(raw, type=_Id).event_id
    except msgspec.DecodeError:
        event_id = "without an id"
    return _Found(hashlib.sha256(raw).hexdigest(), event_id)


def _readable(content: bytes) -> Iterator[_Found]:
    """Give the records of a damaged file that can still be told apart."""
    text = content.removeprefix(_START).decode("utf-8", "surrogateescape")
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield _record(text[position:end].encode("utf-8", "surrogateescape"))
        position = end + 1  # the comma
