"""The core's identity towards the cloud: key, certificate and the roots it trusts."""

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509

from hedgerow.core.config import CoreConfig, FileUri, KeyUri, NetworkProxy
from hedgerow.core.config.values import Token as ConfiguredToken
from hedgerow.core.link.tunnel import STRAIGHT, Way
from hedgerow.kernel import ConfigurationError, quoted
from hedgerow.pki import FileKey, Pkcs11Key, PrivateKey, Token, client_context

_ALPN_PORT = 443
_PEM_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----", re.ASCII)


@dataclass(frozen=True, slots=True)
class LinkIdentity:
    """What the core proves itself with, and what it checks the cloud against."""

    key: PrivateKey
    certificate_pem: str
    roots_pem: str

    @classmethod
    def load(cls, config: CoreConfig) -> Self:
        """Read the files that the configuration names; `ConfigurationError` says which is wrong."""
        identity = cls(
            key=load_key(config.key, config.token),
            certificate_pem=_certificates(config.certificate_path),
            roots_pem=_certificates(config.ca_path),
        )
        identity.tls_context(0, "")
        return identity

    @property
    def roots(self) -> Sequence[x509.Certificate]:
        """The root certificates, parsed."""
        return x509.load_pem_x509_certificates(self.roots_pem.encode())

    def tls_context(self, port: int, protocol_on_443: str) -> ssl.SSLContext:
        """Return a context for connections to the cloud; on port 443 it names the protocol."""
        alpn = (protocol_on_443,) if port == _ALPN_PORT else ()
        return client_context(self.roots_pem, self.key, self.certificate_pem, alpn)

    def way(self, proxy: NetworkProxy | None) -> Way:
        """Return how to reach the cloud; a proxy with TLS is trusted by the same roots.

        It is shown neither the core's certificate nor the protocol inside.
        """
        if proxy is None:
            return STRAIGHT
        return Way(proxy, client_context(self.roots_pem, None, None) if proxy.is_tls else None)


def load_key(uri: KeyUri, token: ConfiguredToken | None) -> PrivateKey:
    """Return the private key at a configured place; one in the token stays there.

    `ConfigurationError` says what of the configuration is wrong.
    """
    if isinstance(uri, FileUri):
        return FileKey.load(uri.path)
    if token is None:
        raise ConfigurationError(
            f"the key {quoted(uri.object_label)} is in a token; say in crypto.PKCS11 in which one"
        )
    place = Token(token.provider, token.slot_label, token.user_pin, token.openssl_engine)
    return Pkcs11Key.open(place, uri.object_label)


def _certificates(path: Path) -> str:
    """Return the PEM certificates of a file; comments between them are passed over."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    blocks = _PEM_BLOCK.findall(text)
    if not blocks:
        raise ConfigurationError(f"{path} holds no PEM certificate")
    return "\n".join(blocks) + "\n"
