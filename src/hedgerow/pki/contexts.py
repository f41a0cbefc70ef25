"""TLS contexts: TLS 1.2 and 1.3, forward-secret suites, both sides proven.

Trust is a list of exact certificates. With partial chains allowed, a leaf in the list finishes
the handshake whoever signed it, and any other certificate gets an alert; an authority in the list
admits what it signed.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from hedgerow.kernel import ConfigurationError
from hedgerow.pki.handshake import AlertingHandshake
from hedgerow.pki.keys import PrivateKey
from hedgerow.pki.openssl import keep_no_sessions

SUITES_1_2 = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""The suites offered on TLS 1.2: those of the guide's page gg-sec that are AEAD, and ChaCha20."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The certificates (PEM) a server accepts: exact leaves, authorities, or both."""

    anchors: tuple[str, ...] = ()


def server_context(
    key: PrivateKey,
    chain_pem: str,
    trust: Trust,
    *,
    alpn: Sequence[str] = (),
    require_client_certificate: bool = True,
) -> ssl.SSLContext:
    """Return a context for a server that proves itself with `chain_pem` (leaf first).

    With a client certificate required, a client that `trust` does not name gets a TLS alert.
    Sessions are not resumed: every connection proves its certificate anew.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_TICKET
    context.num_tickets = 0
    keep_no_sessions(context)
    context.sslobject_class = AlertingHandshake
    if require_client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _load(context, "".join(trust.anchors))
    if alpn:
        context.set_alpn_protocols(list(alpn))
    key.attach(context, chain_pem)
    return context


def client_context(
    roots_pem: str, key: PrivateKey | None, chain_pem: str | None, alpn: Sequence[str] = ()
) -> ssl.SSLContext:
    """Return a context for a client that trusts `roots_pem` and checks the server's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.check_hostname = True
    _load(context, roots_pem)
    if key is not None and chain_pem is not None:
        key.attach(context, chain_pem)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(SUITES_1_2))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _load(context: ssl.SSLContext, pem: str) -> None:
    if not pem:
        return  # nobody is trusted, and everybody is refused
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError("the trusted certificates are not all PEM certificates") from error
