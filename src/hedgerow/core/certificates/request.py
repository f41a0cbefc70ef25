"""What is asked for when a certificate is asked for. Pure but for the key's signature."""

from dataclasses import dataclass, replace
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from hedgerow.contract import CertificateRequest, ConnectivityEntry
from hedgerow.core.certificates.timing import RenewalReason
from hedgerow.pki import PrivateKey, general_names

FALLBACK_NAMES: Final = ("localhost",)

Entries = tuple[ConnectivityEntry, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A new certificate is wanted for this group, with these names, some of them announced."""

    group_id: str
    names: tuple[str, ...]
    announced: Entries
    reason: RenewalReason
    insists: bool = False
    """Whether a certificate without what is announced is of no use."""

    def without_announced(self) -> Self:
        """Return the request for what the cloud knows by itself."""
        new = {entry.host_address for entry in self.announced}
        names = tuple(name for name in self.names if name not in new)
        return replace(self, names=names or FALLBACK_NAMES, announced=())

    def signed_by(self, key: PrivateKey) -> CertificateRequest:
        """Return the request for the cloud, over a key."""
        return CertificateRequest(
            group_id=self.group_id,
            certificate_signing_request=_signing_request(key, self.names),
            announced=self.announced,
        )


@dataclass(frozen=True, slots=True)
class WantedNames:
    """What a certificate has to name, and what of that the cloud cannot know yet."""

    hosts: tuple[str, ...]
    announced: Entries = ()


def _signing_request(key: PrivateKey, names: tuple[str, ...]) -> str:
    """Return a PKCS#10 request (PEM) of the key for these names."""
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(general_names(names), critical=False)
    )
    request = builder.sign(key.signing_key(), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()
