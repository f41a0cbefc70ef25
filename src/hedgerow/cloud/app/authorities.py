"""The cloud's own keys, read from its data folder."""

from dataclasses import dataclass

from hedgerow.cloud.app.layout import Layout
from hedgerow.cloud.greengrass import DocumentSigner
from hedgerow.kernel import Clock
from hedgerow.pki import CertificateAuthority, FileKey, load_certificate


@dataclass(frozen=True, slots=True)
class Authorities:
    """The cloud's own keys: its root, the authority of device certificates, its signature, TLS."""

    root: CertificateAuthority
    devices: CertificateAuthority
    signer: DocumentSigner
    server_key: FileKey


def load_authorities(layout: Layout, clock: Clock) -> Authorities:
    """Read the cloud's keys. Raises `ConfigurationError` if one is loose or missing."""
    signing_key = FileKey.load(layout.signing_key)
    return Authorities(
        root=CertificateAuthority(
            load_certificate(layout.root_certificate.read_text()),
            FileKey.load(layout.root_key),
            clock,
        ),
        devices=CertificateAuthority(
            load_certificate(layout.device_authority_certificate.read_text()),
            FileKey.load(layout.device_authority_key),
            clock,
        ),
        signer=DocumentSigner(signing_key.sign, layout.signing_certificate.read_text()),
        server_key=FileKey.load(layout.server_key),
    )
