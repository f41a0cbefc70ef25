"""The certificate authorities of a group: made, rotated, trusted for as long as it is safe.

A rotation leaves the old authority trusted in discovery, so that clients keep trusting the core's
present server certificate until its next one. That overlap must not help a lost core, so it lasts
only while every core certificate that the old authority issued to is still an ACTIVE one of the
group's present core, and no longer than the server certificates it can have issued.

INVARIANT: exactly one authority of a group is active.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509

from hedgerow.cloud.greengrass.arns import authority_arn
from hedgerow.cloud.greengrass.documents import AUTHORITY, Authority, Group
from hedgerow.cloud.greengrass.faults import bad_request, not_found
from hedgerow.cloud.greengrass.lookup import existing_group
from hedgerow.cloud.home import Home
from hedgerow.kernel import Clock, Secret, new_uuid, quoted
from hedgerow.pki import CertificateAuthority, FileKey, group_authority, load_certificate
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]
DAY_MS = 86_400_000
MIN_VALIDITY_MS = 7 * DAY_MS
MAX_VALIDITY_MS = 30 * DAY_MS
DELEGATION_TAG = "hedgerow:delegated-issuing-days"
"""The tag by which an administrator lets a group's core have an authority of its own."""


@dataclass(frozen=True, slots=True)
class NewAuthority:
    """An authority that is made, outside any transaction, and not yet kept."""

    group_id: str
    document: Authority


async def make(
    home: Home, group_id: str, clock: Clock, *, tags: Mapping[str, str] | None = None
) -> NewAuthority:
    """Make a key and a self-signed certificate for a group, off the event loop.

    Whether there may be an authority below it goes by the group's tags as they are now.
    """
    return await asyncio.to_thread(_make, home, group_id, clock, delegates=delegates(tags or {}))


def delegates(tags: Mapping[str, str]) -> bool:
    """Tell whether the tags of a group let its core have an authority of its own."""
    return DELEGATION_TAG in tags


async def insert(tx: Transaction, home: Home, authority: NewAuthority) -> Record[Authority]:
    """Keep a new authority of its group."""
    return await tx.insert(
        AUTHORITY, home.account, new_uuid(), authority.document, parent=authority.group_id
    )


async def rotate(
    tx: Transaction, home: Home, request: Members, *, new: NewAuthority, now: datetime
) -> Members:
    """Make `new` the active authority; the old one goes on being trusted as `trusted` says."""
    group = await existing_group(tx, home, request["GroupId"])
    overlap = timedelta(milliseconds=group.document.certificate_validity_ms)
    for record in await tx.all(AUTHORITY, home.account, parent=group.id):
        if record.document.active:
            until = _overlap_end(record.document, overlap, now)
            old = msgspec.structs.replace(record.document, active=False, trusted_until=until)
            await tx.update(record, old)
    record = await insert(tx, home, new)
    return {"GroupCertificateAuthorityArn": authority_arn(home, group.id, record.id)}


async def end_overlap(tx: Transaction, home: Home, group_id: str) -> None:
    """Stop trusting every superseded authority of a group at once (a lost core)."""
    for record in await tx.all(AUTHORITY, home.account, parent=group_id):
        if record.document.trusted_until is not None:
            await tx.update(record, msgspec.structs.replace(record.document, trusted_until=None))


def trusted(
    records: Sequence[Record[Authority]], core_certificates: Collection[str], now: datetime
) -> tuple[str, ...]:
    """Return the certificates (PEM) that clients of the group should trust now.

    The first is the one the core's present server certificate was issued under, as far as we
    know: the samples of the v1 SDKs use the first only.
    """
    kept = [
        record.document
        for record in records
        if record.document.active or _still_trusted(record.document, core_certificates, now)
    ]
    ordered = sorted(kept, key=_latest_issue, reverse=True)
    return tuple(document.certificate_pem for document in ordered)


def overlaps(document: Authority, now: datetime) -> bool:
    """Say whether server certificates of a superseded authority can still be valid."""
    return document.trusted_until is not None and now < document.trusted_until


async def active(reader: Store | Transaction, home: Home, group_id: str) -> Record[Authority]:
    """Return the authority that signs for the group."""
    for record in await reader.all(AUTHORITY, home.account, parent=group_id):
        if record.document.active:
            return record
    raise not_found("certificate authority")


async def note_issue(
    tx: Transaction, record: Record[Authority], core_certificate_id: str, now: datetime
) -> None:
    """Record, before the certificate leaves, to whom an authority issues."""
    issued_to = dict.fromkeys((*record.document.issued_to, core_certificate_id))
    await tx.update(
        record,
        msgspec.structs.replace(record.document, issued_to=tuple(issued_to), last_issued_at=now),
    )


def has_room_below(document: Authority) -> bool:
    """Tell whether clients accept an authority below this one (RFC 5280, 4.2.1.9)."""
    constraints = load_certificate(document.certificate_pem).extensions.get_extension_for_class(
        x509.BasicConstraints
    )
    return (constraints.value.path_length or 0) > 0


def open_authority(document: Authority, clock: Clock) -> CertificateAuthority:
    """Return the authority with its key, ready to issue."""
    key = FileKey.from_own_store(Secret(document.key_pem))
    return CertificateAuthority(load_certificate(document.certificate_pem), key, clock)


async def list_all(store: Store, home: Home, request: Members) -> Members:
    """Return the ARNs and ids of a group's authorities, the active one first."""
    group = await existing_group(store, home, request["GroupId"])
    records = await store.all(AUTHORITY, home.account, parent=group.id)
    ordered = sorted(records, key=lambda record: record.document.active, reverse=True)
    return {
        "GroupCertificateAuthorities": [
            {
                "GroupCertificateAuthorityArn": authority_arn(home, group.id, record.id),
                "GroupCertificateAuthorityId": record.id,
            }
            for record in ordered
        ]
    }


async def get(store: Store, home: Home, request: Members) -> Members:
    """Return an authority's certificate in PEM."""
    group = await existing_group(store, home, request["GroupId"])
    record = await store.get(AUTHORITY, home.account, request["CertificateAuthorityId"])
    if record is None or record.parent != group.id:
        raise not_found("certificate authority")
    return {
        "GroupCertificateAuthorityArn": authority_arn(home, group.id, record.id),
        "GroupCertificateAuthorityId": record.id,
        "PemEncodedCertificate": record.document.certificate_pem,
    }


async def get_configuration(store: Store, home: Home, request: Members) -> Members:
    """Return when the group's authority ends and how long its server certificates are valid."""
    group = await existing_group(store, home, request["GroupId"])
    return await _configuration(store, home, group)


async def update_configuration(tx: Transaction, home: Home, request: Members) -> Members:
    """Set how long server certificates of the group are valid, from the next one on."""
    group = await existing_group(tx, home, request["GroupId"])
    validity = checked_validity(request.get("CertificateExpiryInMilliseconds"))
    changed = await tx.update(
        group, msgspec.structs.replace(group.document, certificate_validity_ms=validity)
    )
    return await _configuration(tx, home, changed)


def checked_validity(text: str | None) -> int:
    """Return the validity in milliseconds if it is 7 to 30 days, else raise."""
    if text is None or not (text.isascii() and text.isdecimal()):
        raise bad_request(
            f"CertificateExpiryInMilliseconds is a string of digits, not {quoted(text or '')}"
        )
    if not MIN_VALIDITY_MS <= int(text) <= MAX_VALIDITY_MS:
        raise bad_request(
            f"CertificateExpiryInMilliseconds is from {MIN_VALIDITY_MS} (7 days) to "
            f"{MAX_VALIDITY_MS} (30 days), not {text}"
        )
    return int(text)


def _overlap_end(document: Authority, overlap: timedelta, now: datetime) -> datetime | None:
    """Return when the overlap ends; an authority that issued nothing needs none."""
    return now + overlap if document.issued_to else None


def _still_trusted(document: Authority, core_certificates: Collection[str], now: datetime) -> bool:
    return overlaps(document, now) and set(document.issued_to) <= set(core_certificates)


def _latest_issue(document: Authority) -> tuple[float, bool]:
    issued = document.last_issued_at.timestamp() if document.last_issued_at else 0.0
    return (issued, document.active)


async def _configuration(reader: Store | Transaction, home: Home, group: Record[Group]) -> Members:
    """Both are strings of milliseconds: the first since the epoch, the second a duration."""
    record = await active(reader, home, group.id)
    ends = load_certificate(record.document.certificate_pem).not_valid_after_utc
    return {
        "CertificateAuthorityExpiryInMilliseconds": str(int(ends.timestamp()) * 1000),
        "CertificateExpiryInMilliseconds": str(group.document.certificate_validity_ms),
        "GroupId": group.id,
    }


def _make(home: Home, group_id: str, clock: Clock, *, delegates: bool = False) -> NewAuthority:
    key = FileKey.generate_rsa_in_memory()
    name = f"{home.account}:{group_id}"
    profile = group_authority(name, delegates=delegates)
    authority = CertificateAuthority.create_root(key, name, clock, profile=profile)
    document = Authority(certificate_pem=authority.certificate_pem, key_pem=key.pem().reveal())
    return NewAuthority(group_id=group_id, document=document)
