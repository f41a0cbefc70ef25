"""Deciding over a client's certificate within the handshake, by its id.

OpenSSL looks trusted certificates up by their subjects. Those of a fleet are all alike, so that a
handshake would go through the whole fleet, each certificate held in memory, and a context could
not forget one. Here it asks us instead: is the SHA-256 of this certificate in the list?

INVARIANT: what is asked after that is what OpenSSL asks of a listed certificate (dates, purpose,
strength, extensions that must be understood), and one thing more: it is not an authority. Whoever
signed it does not matter, and what it signed itself is not listed. The proof that the client holds
the key stays OpenSSL's own.

INVARIANT: nothing is raised into C. What goes wrong here refuses the certificate.
"""

import ctypes
import itertools
import ssl
from collections.abc import Iterable, Sequence
from typing import Final
from weakref import WeakValueDictionary

from hedgerow.pki.namesakes import Authority, is_signed_by_one, namesakes_among
from hedgerow.pki.openssl import VerifyCallback, context_pointer, reachable_library

MIN_SECURITY_BITS: Final = 112
"""RSA from 2048 bits, EC from 224: OpenSSL's security level 2."""

# X509_V_ERR_…, each of which OpenSSL turns into its alert.
_ACCEPTED: Final = 0
_UNKNOWN: Final = 20  # UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknown_ca, as for any stranger
_NOT_YET_VALID: Final = 9  # bad_certificate
_EXPIRED: Final = 10  # certificate_expired
_WRONG_PURPOSE: Final = 26  # unsupported_certificate
_NOT_UNDERSTOOD: Final = 34  # UNHANDLED_CRITICAL_EXTENSION: bad_certificate
_WEAK_KEY: Final = 66  # EE_KEY_TOO_SMALL: bad_certificate

_TLS_CLIENT: Final = 1  # X509_PURPOSE_SSL_CLIENT
_INVALID_OR_CRITICAL: Final = 0x80 | 0x200  # EXFLAG_INVALID, EXFLAG_CRITICAL
_AUTHORITIES: Final = frozenset({1, 4, 5})
"""`X509_check_ca`: says so, may sign certificates, Netscape's. 3 is one without extensions."""
_DIGEST_BYTES: Final = 32


class ClientList:
    """The exact certificates whose clients finish a handshake. Contexts follow it at once."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self.replace(ids)

    def replace(self, ids: Iterable[str]) -> None:
        """Go by these certificate ids (SHA-256 in hex) from the next handshake on."""
        self._digests = frozenset(map(bytes.fromhex, ids))
        self._sound: set[bytes] = set()

    def lists(self, digest: bytes) -> bool:
        """Tell whether a certificate with this SHA-256 is on the list."""
        return digest in self._digests

    def is_sound(self, digest: bytes) -> bool:
        """Tell whether all but the dates of this certificate was found to be good before."""
        return digest in self._sound

    def found_sound(self, digest: bytes) -> None:
        """Remember it: a certificate with this SHA-256 never says anything else."""
        if digest in self._digests:
            self._sound.add(digest)

    def __len__(self) -> int:
        return len(self._digests)


class ExactContext(ssl.SSLContext):
    """A server's context that knows its clients by a list, if it has one."""

    clients: ClientList | None = None
    admits_signed: bool = False
    """Whether a certificate that is not listed may still be signed by a trusted authority."""
    namesakes: Sequence[Authority] = ()
    """Those of the authorities whose names are not theirs alone."""
    resumes: bool = False
    """Whether sessions of listed clients are resumed."""
    number: int = 0
    """By which C names it to us; 0 if it never does."""


def numbered(number: int) -> ExactContext | None:
    """Return the context that C named to us, None if it is gone."""
    return _contexts.get(number)


def can_judge_clients() -> bool:
    """Tell whether this Python lets us; without, certificates have to be loaded as anchors."""
    return reachable_library() is not None


def judge_clients(
    context: ExactContext, clients: ClientList, *, or_signed_by: Sequence[str]
) -> None:
    """Let exactly these clients finish handshakes, and those of loaded authorities (PEM) too."""
    library = reachable_library()
    if library is None:
        raise RuntimeError("this Python hides its OpenSSL")
    context.clients, context.admits_signed = clients, bool(or_signed_by)
    context.namesakes = namesakes_among(or_signed_by)
    context.number = next(_numbers)
    _contexts[context.number] = context
    library.SSL_CTX_set_cert_verify_callback(context_pointer(context), _verify, context.number)


def fault_of(library: ctypes.CDLL, certificate: int, context: ExactContext) -> int:
    """Return OpenSSL's code of what is wrong with a certificate, 0 if it is listed and good."""
    # INVARIANT: nothing gets in between these two lines, as the lock of Python is held.
    done = library.X509_digest(certificate, library.EVP_sha256(), _digest, None)
    digest = _digest.raw
    clients = context.clients
    if done != 1 or clients is None or not clients.lists(digest):
        return _UNKNOWN
    if not clients.is_sound(digest):
        fault = _shortcoming(library, certificate)
        if fault:
            return fault
        clients.found_sound(digest)
    return _outside_its_time(library, certificate)


_digest = ctypes.create_string_buffer(_DIGEST_BYTES)
_numbers = itertools.count(1)
_contexts: WeakValueDictionary[int, ExactContext] = WeakValueDictionary()


def _answer(store: int, number: int) -> int:
    """Answer OpenSSL: 1 lets the handshake go on, 0 ends it with the alert of the code set."""
    try:
        library, context = reachable_library(), numbered(number)
        if library is None or context is None:
            return 0
        return _judge(library, store, context)
    except BaseException:  # noqa: BLE001  # what is raised here would get lost in C, unrefused
        return 0


_verify = VerifyCallback(_answer)  # lives as long as the process, so that C never calls into air


def _judge(library: ctypes.CDLL, store: int, context: ExactContext) -> int:
    certificate = library.X509_STORE_CTX_get0_cert(store)
    if not certificate:
        return 0
    fault = fault_of(library, certificate, context)
    if fault == _UNKNOWN and context.admits_signed:
        fault = _fault_of_signed(library, store, certificate, context.namesakes)
    library.X509_STORE_CTX_set_error(store, fault)
    return int(fault == _ACCEPTED)


def _fault_of_signed(
    library: ctypes.CDLL, store: int, certificate: int, namesakes: Sequence[Authority]
) -> int:
    """Return what is wrong with a certificate that a loaded authority may have signed.

    Of authorities that call themselves and their keys alike OpenSSL looks at one alone, so that
    whoever has such a double loaded would shut out what the other one has signed.
    """
    if library.X509_verify_cert(store) == 1:
        fault = _WRONG_PURPOSE if _is_authority(library, certificate) else _ACCEPTED
    else:
        fault = library.X509_STORE_CTX_get_error(store) or _UNKNOWN
        if namesakes and is_signed_by_one(namesakes, _der(library, certificate)):
            fault = _shortcoming(library, certificate) or _outside_its_time(library, certificate)
    library.ERR_clear_error()
    return fault


def _der(library: ctypes.CDLL, certificate: int) -> bytes:
    length = library.i2d_X509(certificate, None)
    if length <= 0:
        return b""
    content = ctypes.create_string_buffer(length)
    end = ctypes.c_void_p(ctypes.addressof(content))  # moved behind what is written
    return content.raw if library.i2d_X509(certificate, ctypes.byref(end)) == length else b""


def _shortcoming(library: ctypes.CDLL, certificate: int) -> int:
    if library.X509_check_purpose(certificate, _TLS_CLIENT, 0) != 1:
        return _WRONG_PURPOSE
    if _is_authority(library, certificate):
        return _WRONG_PURPOSE
    if library.X509_get_extension_flags(certificate) & _INVALID_OR_CRITICAL:
        return _NOT_UNDERSTOOD
    key = library.X509_get0_pubkey(certificate)
    if not key or library.EVP_PKEY_get_security_bits(key) < MIN_SECURITY_BITS:
        return _WEAK_KEY
    return _ACCEPTED


def _is_authority(library: ctypes.CDLL, certificate: int) -> bool:
    return library.X509_check_ca(certificate) in _AUTHORITIES


def _outside_its_time(library: ctypes.CDLL, certificate: int) -> int:
    """Compare with the system's clock; a date that cannot be read (0) is outside, too."""
    if library.X509_cmp_current_time(library.X509_get0_notBefore(certificate)) >= 0:
        return _NOT_YET_VALID
    if library.X509_cmp_current_time(library.X509_get0_notAfter(certificate)) <= 0:
        return _EXPIRED
    return _ACCEPTED
