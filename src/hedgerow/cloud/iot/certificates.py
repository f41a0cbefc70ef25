"""Certificates: registering them, their status, deleting them.

Source for the rules: AWS IoT's API reference, and the statement that fleets from the old cloud
keep the certificates they have.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from hedgerow.aws import AwsError
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import certificate_arn
from hedgerow.cloud.iot.documents import (
    CERTIFICATE,
    Certificate,
    CertificateMode,
    CertificateStatus,
)
from hedgerow.cloud.iot.faults import (
    already_exists,
    certificate_not_found,
    certificate_state,
    delete_conflict,
    invalid_request,
)
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

TRANSITIONS: Final[Mapping[CertificateStatus, frozenset[str]]] = MappingProxyType(
    {
        "ACTIVE": frozenset({"ACTIVE", "INACTIVE", "REVOKED"}),
        "INACTIVE": frozenset({"ACTIVE", "INACTIVE", "REVOKED"}),
        "REVOKED": frozenset({"REVOKED"}),
        "PENDING_ACTIVATION": frozenset({"ACTIVE", "INACTIVE", "REVOKED"}),
    }
)
"""Which status may follow which. A revoked certificate never comes back."""

_ASSIGNABLE: Final[Mapping[str, CertificateStatus]] = MappingProxyType(
    {"ACTIVE": "ACTIVE", "INACTIVE": "INACTIVE", "REVOKED": "REVOKED"}
)


async def register(
    tx: Transaction,
    home: Home,
    certificate_id: str,
    certificate: Certificate,
) -> Record[Certificate]:
    """Add a certificate to the registry; the very same one can be there only once."""
    if await tx.get(CERTIFICATE, home.account, certificate_id) is not None:
        raise already_exists("Certificate", certificate_id, certificate_arn(home, certificate_id))
    return await tx.insert(CERTIFICATE, home.account, certificate_id, certificate)


def registered(
    certificate: x509.Certificate, status: CertificateStatus, *, issued_here: bool, ca_id: str = ""
) -> Certificate:
    """Return the document of a certificate that nothing is attached to yet."""
    return Certificate(
        pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        status=status,
        issued_here=issued_here,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        ca_id=ca_id,
    )


def describe(home: Home, record: Record[Certificate]) -> Members:
    """Return a certificate as `DescribeCertificate` does."""
    certificate = record.document
    return {
        **({"caCertificateId": certificate.ca_id} if certificate.ca_id else {}),
        "certificateArn": certificate_arn(home, record.id),
        "certificateId": record.id,
        "status": certificate.status,
        "certificatePem": certificate.pem,
        "ownedBy": home.account,
        "creationDate": record.created_at,
        "lastModifiedDate": record.updated_at,
        "customerVersion": certificate.customer_version,
        "validity": {"notBefore": certificate.not_before, "notAfter": certificate.not_after},
        "certificateMode": _mode(certificate),
    }


def listed(home: Home, record: Record[Certificate]) -> Members:
    """Return a certificate as a row of `ListCertificates`."""
    return {
        "certificateArn": certificate_arn(home, record.id),
        "certificateId": record.id,
        "status": record.document.status,
        "certificateMode": _mode(record.document),
        "creationDate": record.created_at,
    }


def _mode(certificate: Certificate) -> CertificateMode:
    return "DEFAULT" if certificate.issued_here or certificate.ca_id else "SNI_ONLY"


async def update_status(tx: Transaction, home: Home, certificate_id: str, wanted: str) -> None:
    """Change the status; doors act on it within a second."""
    record = await existing(tx, home, certificate_id)
    certificate = record.document
    status = assignable_status(wanted)
    if status not in TRANSITIONS[certificate.status]:
        raise certificate_state(
            f"The certificate is {certificate.status} and cannot become {status}; "
            "make or register another certificate."
        )
    await tx.update(
        record,
        msgspec.structs.replace(
            certificate, status=status, customer_version=certificate.customer_version + 1
        ),
    )


def require_deletable(record: Record[Certificate], *, force: bool) -> None:
    """Raise the error that says what stands against deleting; `force` ignores policies only."""
    certificate = record.document
    if certificate.status == "ACTIVE":
        raise certificate_state(
            "Certificate must be deactivated (not ACTIVE) before deletion; "
            "use UpdateCertificate with INACTIVE."
        )
    if certificate.things:
        raise delete_conflict(
            f"Things must be detached before deletion (thing {certificate.things[0]}); "
            "use DetachThingPrincipal."
        )
    if certificate.policies and not force:
        raise delete_conflict(
            f"Certificate policies must be detached before deletion "
            f"(policy {certificate.policies[0]}); use DetachPolicy or forceDelete."
        )


async def existing(
    reader: Store | Transaction, home: Home, certificate_id: str
) -> Record[Certificate]:
    """Return the certificate of exactly this id, or raise `ResourceNotFoundException`.

    An id in capitals is another name, because policies are judged on the name as it was given.
    """
    record = await reader.get(CERTIFICATE, home.account, certificate_id)
    if record is None:
        raise certificate_not_found(certificate_id)
    return record


def assignable_status(wanted: str) -> CertificateStatus:
    """Return a status that a caller may set, or raise `InvalidRequestException`."""
    status = _ASSIGNABLE.get(wanted)
    if status is None:
        raise invalid_request(
            f"The status {wanted} cannot be set; use one of {', '.join(_ASSIGNABLE)}."
        )
    return status


def invalid_certificate(message: str) -> AwsError:
    """Return the error for a certificate that must not be registered."""
    return AwsError("CertificateValidationException", message)
