"""TLS contexts: TLS 1.2 and 1.3, forward-secret suites, both sides proven.

A server trusts exact certificates by their ids, whoever signed them, and authorities for what they
have signed. Any other certificate gets an alert.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from hedgerow.kernel import CallerError, ConfigurationError
from hedgerow.pki.certificates import certificate_id, load_certificate
from hedgerow.pki.exact_clients import ClientList, ExactContext, can_judge_clients, judge_clients
from hedgerow.pki.handshake import AlertingHandshake
from hedgerow.pki.keys import PrivateKey
from hedgerow.pki.namesakes import common_form
from hedgerow.pki.openssl import keep_no_sessions, release_buffers
from hedgerow.pki.resumption import resume_sessions
from hedgerow.pki.suites import LegacyTls, offer_modern, offer_old_too

_REMEMBERED_CERTIFICATES = 65_536


@dataclass(frozen=True, slots=True)
class Trust:
    """The certificates (PEM) a server accepts.

    `anchors` are told apart by what they say: an authority admits what it has signed, any other
    certificate itself. `authorities` are taken as such, and `exact` admit themselves alone; one
    of those that is an authority admits nobody.
    """

    anchors: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()

    @property
    def everyone(self) -> tuple[str, ...]:
        """All of the certificates, each once."""
        return tuple(dict.fromkeys((*self.authorities, *self.anchors, *self.exact)))

    def split(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the authorities (PEM), and the ids of the certificates that stand for themselves.

        Raises `ConfigurationError` for what is not a certificate.
        """
        read = [(pem, _read(pem)) for pem in self.anchors]
        further = (pem for pem, one in read if one.is_authority)
        return (
            tuple(dict.fromkeys((*self.authorities, *further))),
            (
                *(one.certificate_id for _, one in read if not one.is_authority),
                *map(_id_of, self.exact),
            ),
        )


def server_context(
    key: PrivateKey,
    chain_pem: str,
    trust: Trust,
    *,
    clients: ClientList | None = None,
    alpn: Sequence[str] = (),
    require_client_certificate: bool = True,
    resume: bool = False,
    legacy: LegacyTls | None = None,
) -> ssl.SSLContext:
    """Return a context for a server that proves itself with `chain_pem` (leaf first).

    With a client certificate required, a client that neither `trust` nor `clients` names gets a
    TLS alert; `clients` is followed as it changes, and needs `can_judge_clients`. Sessions are not
    resumed unless told to: every connection proves its certificate anew. `legacy` is negotiated
    whatever the time is, so that whoever passes it looks at its end.
    """
    context = ExactContext(ssl.PROTOCOL_TLS_SERVER)
    offer_modern(context)
    if legacy is not None:
        offer_old_too(context, legacy, key_in_token=key.is_in_token)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_TICKET
    context.num_tickets = 0
    keep_no_sessions(context)
    release_buffers(context)
    context.sslobject_class = AlertingHandshake
    if require_client_certificate:
        _require_clients(context, trust, clients)
        if resume:
            resume_sessions(context)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    key.attach(context, chain_pem)
    return context


def client_context(
    roots_pem: str, key: PrivateKey | None, chain_pem: str | None, alpn: Sequence[str] = ()
) -> ssl.SSLContext:
    """Return a context for a client that trusts `roots_pem` and checks the server's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    offer_modern(context)
    context.check_hostname = True
    _load(context, roots_pem)
    if key is not None and chain_pem is not None:
        key.attach(context, chain_pem)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def is_loadable(authority_pem: str) -> bool:
    """Tell whether a context can be told to trust an authority: OpenSSL reads less than we do."""
    try:
        common_form(authority_pem)
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), authority_pem)
    except (CallerError, ConfigurationError):
        return False
    return True


def _require_clients(context: ExactContext, trust: Trust, clients: ClientList | None) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not can_judge_clients():
        _load(context, "".join(trust.everyone))
        return
    authorities, leaves = trust.split()
    _load(context, "".join(authorities))
    listed = ClientList(leaves) if clients is None else clients
    judge_clients(context, listed, or_signed_by=authorities)


@lru_cache(maxsize=_REMEMBERED_CERTIFICATES)
def _id_of(pem: str) -> str:
    try:
        return certificate_id(pem)
    except CallerError as error:
        raise _not_certificates() from error


@dataclass(frozen=True, slots=True)
class _Read:
    certificate_id: str
    is_authority: bool


@lru_cache(maxsize=_REMEMBERED_CERTIFICATES)
def _read(pem: str) -> _Read:
    try:
        certificate = load_certificate(pem)
        extensions = certificate.extensions
    except (CallerError, ValueError, x509.DuplicateExtension) as error:
        raise _not_certificates() from error
    try:
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    return _Read(certificate_id(certificate), is_authority)


def _load(context: ssl.SSLContext, pem: str) -> None:
    if not pem:
        return  # nobody is trusted, and everybody is refused
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise _not_certificates() from error


def _not_certificates() -> ConfigurationError:
    return ConfigurationError("the trusted certificates are not all PEM certificates")
