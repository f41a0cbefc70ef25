"""What kinds of certificates there are: one table of values, no branches.

Every certificate is backdated a little, because devices' clocks are not exact.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from hedgerow.kernel import CallerError, quoted

BACKDATED = timedelta(minutes=10)
DEVICE_LIFETIME = timedelta(days=365 * 20)
AUTHORITY_LIFETIME = timedelta(days=365 * 20)
SIGNING_LIFETIME = timedelta(days=365 * 2)
SERVER_LIFETIME = timedelta(days=30)
MAX_NAMES = 200
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_HOST_CHARACTERS = 253
_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Profile:
    """The content of a certificate, all but the key, the serial number and the issuer."""

    common_name: str
    lifetime: timedelta
    usage: tuple[ObjectIdentifier, ...] = ()
    names: tuple[str, ...] = ()
    path_length: int | None = None
    """For an authority: how many authorities may follow it. None for all other certificates."""
    key_encipherment: bool = False
    permitted: tuple[str, ...] = ()
    """For an authority: the only names and addresses that what it issues may have."""

    @property
    def is_authority(self) -> bool:
        """Whether the certificate may sign others."""
        return self.path_length is not None

    def subject(self) -> x509.Name:
        """Return the subject."""
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)])

    def key_usage(self) -> x509.KeyUsage:
        """Return what the key may be used for: signing certificates, or signing data."""
        return x509.KeyUsage(
            digital_signature=not self.is_authority,
            content_commitment=False,
            key_encipherment=self.key_encipherment,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=self.is_authority,
            crl_sign=self.is_authority,
            encipher_only=False,
            decipher_only=False,
        )


def root_authority(common_name: str, lifetime: timedelta = AUTHORITY_LIFETIME) -> Profile:
    """Return the profile of the cloud's root: cores and devices trust the cloud by it."""
    return Profile(common_name=common_name, lifetime=lifetime, path_length=1)


def device_authority(common_name: str, lifetime: timedelta = AUTHORITY_LIFETIME) -> Profile:
    """Return the profile of the authority that signs device certificates."""
    return Profile(common_name=common_name, lifetime=lifetime, path_length=0)


def group_authority(
    common_name: str, lifetime: timedelta = AUTHORITY_LIFETIME, *, delegates: bool = False
) -> Profile:
    """Return the profile of a group's authority: it signs the core's MQTT server certificates.

    Only one that `delegates` can have another below it.
    """
    return Profile(common_name=common_name, lifetime=lifetime, path_length=int(delegates))


def delegated_authority(common_name: str, names: Sequence[str], lifetime: timedelta) -> Profile:
    """Return the profile of an authority that issues servers of these names, and nothing else.

    RFC 5280, 4.2.1.10: a kind of name that is not constrained is free, so there has to be one of
    each kind that a server is known by; the machine's own name and address see to that.
    """
    permitted = tuple(dict.fromkeys((*names, *LOOPBACK_NAMES)))
    if len(permitted) > MAX_NAMES:
        raise CallerError(f"an authority is held to at most {MAX_NAMES} names")
    name_constraints(permitted)  # which are refused here rather than when it is made
    return Profile(
        common_name=common_name,
        lifetime=lifetime,
        usage=(ExtendedKeyUsageOID.SERVER_AUTH,),
        path_length=0,
        permitted=permitted,
    )


def device_certificate(lifetime: timedelta = DEVICE_LIFETIME) -> Profile:
    """Return the profile of a thing's certificate. All subjects are alike, as AWS's are."""
    return Profile(
        common_name="AWS IoT Certificate",
        lifetime=lifetime,
        usage=(ExtendedKeyUsageOID.CLIENT_AUTH,),
    )


def server_certificate(names: Sequence[str], lifetime: timedelta = SERVER_LIFETIME) -> Profile:
    """Return the profile of a TLS server: `names` are DNS names and IP addresses."""
    if not names:
        raise CallerError("a server certificate needs at least one name or address")
    if len(names) > MAX_NAMES:
        raise CallerError(f"a server certificate holds at most {MAX_NAMES} names, not {len(names)}")
    general_names(names)  # which are refused here rather than when the certificate is made
    return Profile(
        common_name=names[0][:64],
        lifetime=lifetime,
        usage=(ExtendedKeyUsageOID.SERVER_AUTH,),
        names=tuple(names),
    )


def signing_certificate(
    common_name: str = "Hedgerow document signing", lifetime: timedelta = SIGNING_LIFETIME
) -> Profile:
    """Return the profile of the key that signs deployments and nothing else."""
    return Profile(
        common_name=common_name, lifetime=lifetime, usage=(ExtendedKeyUsageOID.CODE_SIGNING,)
    )


def name_constraints(names: Sequence[str]) -> x509.NameConstraints:
    """Return the extension that permits exactly these hosts, and what is below their names."""
    permitted: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        made = _general_name(name)
        if isinstance(made, x509.IPAddress):
            made = x509.IPAddress(ipaddress.ip_network(name))
        elif name.startswith("*."):
            raise CallerError(f"an authority cannot be held to the wildcard {quoted(name)}")
        permitted.append(made)
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)


def general_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    """Return names and addresses in the form certificates carry them."""
    return x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    labels = name.removesuffix(".").removeprefix("*.").split(".")
    if len(name) > _HOST_CHARACTERS or not all(map(_HOST_LABEL.fullmatch, labels)):
        raise CallerError(f"{quoted(name)} is neither an IP address nor a DNS name")
    return x509.DNSName(name)
