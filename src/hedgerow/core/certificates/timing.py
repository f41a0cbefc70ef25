"""When a server certificate is renewed. Pure."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from hedgerow.core.certificates.store import ServerCertificate


class RenewalReason(StrEnum):
    """Why a new certificate is needed now."""

    NONE_YET = "there is no server certificate yet"
    OTHER_GROUP = "the certificate is for another group"
    ADDRESSES = "the core's addresses changed"
    AHEAD_OF_EXPIRY = "the certificate ends soon"
    ISSUED_HERE = "the certificate was issued by this core while there was no cloud"


def renewal_moment(certificate: ServerCertificate) -> datetime:
    """Return when renewal begins: after two thirds of the certificate's life.

    Of the default seven days that leaves more than two for a cloud that cannot be reached.
    """
    life = certificate.not_after - certificate.not_before
    return certificate.not_before + life * 2 / 3


def help_moment(certificate: ServerCertificate) -> datetime:
    """Return when a core that cannot reach the cloud helps itself, if it may: in the last sixth."""
    life = certificate.not_after - certificate.not_before
    return certificate.not_before + life * 5 / 6


def renewal_due(
    certificate: ServerCertificate | None,
    *,
    group_id: str,
    names: Collection[str] | None,
    now: datetime,
) -> RenewalReason | None:
    """Return why the certificate must be renewed now, or None.

    `names` are the addresses the core is to be reached by; None if the cloud could not be asked.
    """
    if certificate is None:
        return RenewalReason.NONE_YET
    if certificate.group_id != group_id:
        return RenewalReason.OTHER_GROUP
    if names is not None and set(names) != set(certificate.requested_names):
        return RenewalReason.ADDRESSES
    if now >= renewal_moment(certificate):
        return RenewalReason.AHEAD_OF_EXPIRY
    if certificate.is_issued_here:
        return RenewalReason.ISSUED_HERE
    return None
