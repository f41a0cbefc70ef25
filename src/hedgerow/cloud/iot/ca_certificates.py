"""Registered certificate authorities: proof of possession, status, what they have signed.

Source: AWS IoT Core Developer Guide, "Create your own client certificates". A registered authority
admits nobody: each of its certificates has to be registered too.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from hedgerow.aws import AwsError
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import ca_certificate_arn
from hedgerow.cloud.iot.certificates import invalid_certificate
from hedgerow.cloud.iot.documents import (
    CA_CERTIFICATE,
    REGISTRATION_CODE,
    CaCertificate,
    CaStatus,
    RegistrationCode,
)
from hedgerow.cloud.iot.faults import (
    already_exists,
    ca_certificate_not_found,
    certificate_state,
    invalid_request,
    limit_exceeded,
    refuse_tags,
)
from hedgerow.kernel import CallerError
from hedgerow.pki import certificate_id, is_loadable, load_certificate
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]

MAX_REGISTERING: Final = 100
"""CAs of an account whose certificates register themselves; each is in every door's TLS context."""

_CODE_BYTES: Final = 32
_CODE_ID: Final = "registration-code"
_AUTO_REGISTRATION: Final[Mapping[str, bool]] = {"ENABLE": True, "DISABLE": False}
_PROOF_FOR_AUTO_REGISTRATION: Final = (
    "Certificates are registered at their first connection only for a CA whose key the account has "
    "shown to hold: register it with a verificationCertificate."
)
_TOO_MANY_REGISTERING: Final = (
    f"The certificates of {MAX_REGISTERING} CAs register themselves already, and there can be no "
    "more; use UpdateCACertificate with newAutoRegistrationStatus DISABLE for one of them."
)
_STATUSES: Final[Mapping[str, CaStatus]] = {"ACTIVE": "ACTIVE", "INACTIVE": "INACTIVE"}


async def registration_code(tx: Transaction, home: Home) -> str:
    """Return the account's code, made when it is first asked for."""
    record = await tx.get(REGISTRATION_CODE, home.account, _CODE_ID)
    if record is None:
        code = RegistrationCode(code=secrets.token_hex(_CODE_BYTES))
        record = await tx.insert(REGISTRATION_CODE, home.account, _CODE_ID, code)
    return record.document.code


async def forget_registration_code(tx: Transaction, home: Home) -> None:
    """Forget the account's code: the next one is another."""
    record = await tx.get(REGISTRATION_CODE, home.account, _CODE_ID)
    if record is None:
        raise AwsError("ResourceNotFoundException", "There is no registration code.")
    await tx.delete(record)


async def register(tx: Transaction, home: Home, request: Members, now: datetime) -> str:
    """Register an authority whose key the caller has shown to hold; return its id.

    Authorities of SNI_ONLY mode are registered without that proof, as at AWS: nobody can use
    their certificates before each is registered here.
    """
    refuse_tags(request)
    _refuse_templates(request)
    authority = read_authority(request["caCertificate"], now)
    sni_only = request.get("certificateMode") == "SNI_ONLY"
    proof = request.get("verificationCertificate")
    if proof is not None:
        require_possession(authority, proof, await registration_code(tx, home), now)
    elif not sni_only:
        raise invalid_request(
            "Give verificationCertificate, signed by the authority over the code of "
            "GetRegistrationCode; or register it with certificateMode SNI_ONLY."
        )
    auto_registration = bool(request.get("allowAutoRegistration"))
    if auto_registration and proof is None:
        raise invalid_request(_PROOF_FOR_AUTO_REGISTRATION)
    identifier = certificate_id(authority)
    if await tx.get(CA_CERTIFICATE, home.account, identifier) is not None:
        raise already_exists("CA certificate", identifier, ca_certificate_arn(home, identifier))
    if auto_registration and not await _has_room(tx, home):
        raise limit_exceeded(_TOO_MANY_REGISTERING)
    document = CaCertificate(
        pem=authority.public_bytes(serialization.Encoding.PEM).decode(),
        status="ACTIVE" if request.get("setAsActive") else "INACTIVE",
        mode="SNI_ONLY" if sni_only else "DEFAULT",
        not_before=authority.not_valid_before_utc,
        not_after=authority.not_valid_after_utc,
        auto_registration=auto_registration,
        proof_given=proof is not None,
    )
    await tx.insert(CA_CERTIFICATE, home.account, identifier, document)
    return identifier


def described(home: Home, record: Record[CaCertificate]) -> Members:
    """Return an authority as `DescribeCACertificate` does."""
    authority = record.document
    return {
        **listed(home, record),
        "certificatePem": authority.pem,
        "ownedBy": home.account,
        "autoRegistrationStatus": "ENABLE" if authority.auto_registration else "DISABLE",
        "lastModifiedDate": record.updated_at,
        "customerVersion": authority.customer_version,
        "validity": {"notBefore": authority.not_before, "notAfter": authority.not_after},
        "certificateMode": authority.mode,
    }


def listed(home: Home, record: Record[CaCertificate]) -> Members:
    """Return an authority as a row of `ListCACertificates`."""
    return {
        "certificateArn": ca_certificate_arn(home, record.id),
        "certificateId": record.id,
        "status": record.document.status,
        "creationDate": record.created_at,
    }


async def update(tx: Transaction, home: Home, request: Members) -> None:
    """Change a status; what the authority has signed keeps the status it has."""
    _refuse_templates(request)
    record = await existing(tx, home, request["certificateId"])
    auto_registration = _auto_registration(record.document, request)
    begins = auto_registration and not record.document.auto_registration
    if begins and not await _has_room(tx, home):
        raise invalid_request(_TOO_MANY_REGISTERING)
    status = request.get("newStatus", record.document.status)
    if status not in _STATUSES:
        raise invalid_request(f"The status of an authority is one of {', '.join(_STATUSES)}.")
    await tx.update(
        record,
        msgspec.structs.replace(
            record.document,
            status=_STATUSES[status],
            auto_registration=auto_registration,
            customer_version=record.document.customer_version + 1,
        ),
    )


async def delete(tx: Transaction, home: Home, identifier: str) -> None:
    """Forget an authority that is INACTIVE; what it has signed stays registered."""
    record = await existing(tx, home, identifier)
    if record.document.status == "ACTIVE":
        raise certificate_state(
            "The CA certificate is ACTIVE; use UpdateCACertificate with INACTIVE before."
        )
    await tx.delete(record)


async def existing(
    reader: Store | Transaction, home: Home, identifier: str
) -> Record[CaCertificate]:
    """Return the authority of exactly this id, or raise `ResourceNotFoundException`."""
    record = await reader.get(CA_CERTIFICATE, home.account, identifier)
    if record is None:
        raise ca_certificate_not_found(identifier)
    return record


async def signer(
    reader: Store | Transaction, home: Home, certificate: x509.Certificate, ca_pem: str | None
) -> Record[CaCertificate]:
    """Return the registered, ACTIVE authority that signed a certificate, or say what is missing."""
    found = [
        record
        for record in await reader.all(CA_CERTIFICATE, home.account)
        if is_signed_by(certificate, load_certificate(record.document.pem))
    ]
    if ca_pem is not None:
        wanted = certificate_id(_load(ca_pem))
        found = [record for record in found if record.id == wanted]
    if not found:
        raise invalid_certificate(
            "The certificate was not signed by a CA that is registered in this account; "
            "use RegisterCACertificate, or RegisterCertificateWithoutCA."
        )
    active = next((record for record in found if record.document.status == "ACTIVE"), None)
    if active is None:
        raise certificate_state(
            f"CA certificate {found[0].id} is INACTIVE; use UpdateCACertificate with ACTIVE."
        )
    return active


def read_authority(pem: str, now: datetime) -> x509.Certificate:
    """Read the certificate of an authority, or raise `CertificateValidationException`."""
    authority = _load(pem)
    try:
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        is_authority = constraints.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        is_authority = False
    if not is_authority:
        raise invalid_certificate(
            "The certificate is not one of an authority: it lacks CA:TRUE in basicConstraints."
        )
    if not is_loadable(authority.public_bytes(serialization.Encoding.PEM).decode()):
        raise invalid_certificate("The certificate cannot be used for TLS: OpenSSL rejects it.")
    _require_current(authority, now)
    return authority


def require_possession(
    authority: x509.Certificate, proof_pem: str, code: str, now: datetime
) -> None:
    """Raise unless the authority has signed a certificate whose common name is the code."""
    proof = _load(proof_pem)
    _require_current(proof, now)
    if not is_signed_by(proof, authority):
        raise invalid_certificate(
            "The verification certificate was not signed by the CA certificate."
        )
    names = proof.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [name.value for name in names] != [code]:
        raise AwsError(
            "RegistrationCodeValidationException",
            "The common name of the verification certificate has to be the code of "
            "GetRegistrationCode.",
        )


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Tell whether a certificate names an authority as its issuer and bears its signature."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _load(pem: str) -> x509.Certificate:
    try:
        return load_certificate(pem)
    except CallerError as error:
        raise invalid_certificate(error.message) from error


def _require_current(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise invalid_certificate(
            f"The certificate is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}, and not now."
        )


async def _has_room(tx: Transaction, home: Home) -> bool:
    """Tell whether one more CA's certificates may register themselves."""
    known = await tx.all(CA_CERTIFICATE, home.account)
    return sum(record.document.auto_registration for record in known) < MAX_REGISTERING


def _auto_registration(authority: CaCertificate, request: Members) -> bool:
    wanted = request.get("newAutoRegistrationStatus")
    if wanted is None:
        return authority.auto_registration
    if wanted not in _AUTO_REGISTRATION:
        raise invalid_request(
            f"newAutoRegistrationStatus is one of {', '.join(_AUTO_REGISTRATION)}."
        )
    if _AUTO_REGISTRATION[wanted] and not authority.proven:
        raise invalid_request(_PROOF_FOR_AUTO_REGISTRATION)
    return _AUTO_REGISTRATION[wanted]


def _refuse_templates(request: Members) -> None:
    if request.get("registrationConfig"):
        raise invalid_request(
            "Provisioning templates are not supported; leave registrationConfig out, and let a "
            "program that hears $aws/events/certificates/registered/<CA certificate id> make the "
            "thing, attach a policy and activate the certificate."
        )
