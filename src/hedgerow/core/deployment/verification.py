"""What must hold before bytes from the cloud become a group that runs. Pure.

Each function raises `PeerError` that says which condition failed, or returns a proof value that
nothing else makes.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec
from cryptography import x509

from hedgerow.contract import (
    ARTIFACT_GROUP,
    DeploymentManifest,
    DeviceCertificate,
    GroupDeployment,
    Membership,
    SignedDocument,
    decode,
    verify,
    with_shared_names,
)
from hedgerow.kernel import CallerError, PeerError, quoted
from hedgerow.pki import certificate_id, load_certificate

_REMEMBERED_CERTIFICATES: Final = 20_000
RESET_TYPES = frozenset({"ResetDeployment", "ForceResetDeployment"})


@dataclass(frozen=True, slots=True)
class Expectation:
    """Which deployment is waited for, and for which core."""

    core_thing_arn: str
    group_id: str
    deployment_id: str


@dataclass(frozen=True, slots=True)
class VerifiedManifest:
    """A manifest the cloud signed for this core. INVARIANT: only `verify_manifest` makes these."""

    manifest: DeploymentManifest
    signed: bytes = field(repr=False)

    @property
    def is_reset(self) -> bool:
        """Tell whether the deployment takes the group away from the core."""
        return self.manifest.deployment_type in RESET_TYPES


@dataclass(frozen=True, slots=True)
class VerifiedGroup:
    """A group whose bytes the manifest vouches for. INVARIANT: only `verify_group` makes these."""

    group: GroupDeployment
    manifest: VerifiedManifest
    encoded: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifiedMembership:
    """The devices' certificates now. INVARIANT: only `verify_membership` makes these.

    `entries` are those whose certificate and id fit; `ignored` says which were passed over, and
    why.
    """

    membership: Membership
    entries: tuple[DeviceCertificate, ...]
    ignored: tuple[str, ...]
    signed: bytes = field(repr=False)

    @property
    def certificate_ids(self) -> frozenset[str]:
        """The ids of all certificates that may connect."""
        return frozenset(entry.certificate_id for entry in self.entries)


def verify_manifest(
    data: bytes,
    roots: Sequence[x509.Certificate],
    now: datetime,
    expected: Expectation,
    *,
    not_before: datetime | None = None,
) -> VerifiedManifest:
    """Return the manifest if the cloud signed it for this core and this deployment.

    With `not_before` (when the running deployment was made) an older one is refused: it would be
    a replay.
    """
    manifest = decode(verify(data, roots, now).payload, DeploymentManifest)
    _require_equal("core", manifest.core_thing_arn, expected.core_thing_arn)
    _require_equal("group", manifest.group_id, expected.group_id)
    _require_equal("deployment", manifest.deployment_id, expected.deployment_id)
    if not_before is not None and manifest.created_at < not_before:
        raise PeerError(
            f"deployment {manifest.deployment_id} was made {manifest.created_at:%Y-%m-%d %H:%M:%S} "
            f"UTC, before the one that runs ({not_before:%Y-%m-%d %H:%M:%S} UTC); redeploy the "
            "group to go back to an earlier version"
        )
    return VerifiedManifest(manifest, data)


def verify_group(manifest: VerifiedManifest, data: bytes) -> VerifiedGroup:
    """Return the group if its bytes are exactly those the manifest was signed for."""
    document = manifest.manifest
    reference = next((a for a in document.artifacts if a.name == ARTIFACT_GROUP), None)
    if reference is None:
        raise PeerError(f"the manifest of {document.deployment_id} names no {ARTIFACT_GROUP}")
    digest = hashlib.sha256(data).hexdigest()
    if len(data) != reference.size or not hmac.compare_digest(digest, reference.sha256.lower()):
        raise PeerError(
            f"{ARTIFACT_GROUP} of {document.deployment_id} is not the one that was signed: "
            f"its SHA-256 is {digest}, the manifest says {quoted(reference.sha256)}"
        )
    group = with_shared_names(decode(data, GroupDeployment))
    _require_equal("deployment", group.deployment_id, document.deployment_id)
    _require_equal("group", group.group_id, document.group_id)
    _require_equal("core", group.core.thing_arn, document.core_thing_arn)
    return VerifiedGroup(group, manifest, data)


def verify_membership(
    data: bytes,
    roots: Sequence[x509.Certificate],
    now: datetime,
    *,
    group_id: str,
    deployment_id: str | None,
    serial_floor: int,
) -> VerifiedMembership:
    """Return the list of certificates if the cloud signed it for this group, and it is not older.

    `serial_floor` is the highest serial this core has seen of the group. A list whose deployment
    does not matter (one read back from this core's own disk) is checked with None for it.
    """
    membership = decode(verify(data, roots, now).payload, Membership)
    _require_equal("group", membership.group_id, group_id)
    if deployment_id is not None:
        _require_equal("deployment", membership.deployment_id, deployment_id)
    if membership.serial < serial_floor:
        raise PeerError(
            f"the list of certificates has serial {membership.serial}; this core has seen "
            f"{serial_floor}, so it is an old one"
        )
    complaints = [(entry, _complaint(entry)) for entry in membership.certificates]
    return VerifiedMembership(
        membership=membership,
        entries=tuple(entry for entry, complaint in complaints if complaint is None),
        ignored=tuple(complaint for _, complaint in complaints if complaint is not None),
        signed=data,
    )


def signing_time(data: bytes) -> datetime:
    """Return a moment at which the signer's certificate was valid, for what was stored long ago.

    A document was checked against the clock when it came. When it is read back at start its
    signature is checked again but its signer may have expired since, and the clock of a core
    without network may be wrong: local work must not wait for either.
    """
    try:
        document = msgspec.json.decode(data, type=SignedDocument)
        certificate = x509.load_pem_x509_certificate(document.certificate.encode())
    except (msgspec.DecodeError, ValueError) as error:
        raise PeerError("the document is not in the form of a signed document") from error
    return certificate.not_valid_before_utc


def _complaint(entry: DeviceCertificate) -> str | None:
    """Return why an entry cannot be used; the others still can, and this one stays shut out."""
    try:
        actual = _id_of(entry.pem)
    except CallerError as error:
        return f"{quoted(entry.certificate_id)}: {error.message}"
    if actual != entry.certificate_id:
        return f"{quoted(entry.certificate_id)} is not the id of its certificate"
    return None


@lru_cache(maxsize=_REMEMBERED_CERTIFICATES)
def _id_of(pem: str) -> str:
    """Return the id of a certificate: of a new list, all but a few are those of the one before."""
    return certificate_id(load_certificate(pem))


def _require_equal(what: str, actual: str, expected: str) -> None:
    if actual != expected:
        raise PeerError(f"the document is for {what} {quoted(actual)}, not for {quoted(expected)}")
