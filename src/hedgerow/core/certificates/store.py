"""Key and certificate of the local MQTT server on disk, and the change from one pair to the next.

    <root>/ggc/var/state/server/
        server.key  server.crt     the pair in force (documented names)
        server.json                what it was asked for: group and names
        next.key  next.crt  next.json

A new pair is written whole under the names of the next one, then moved over, certificate last.
Whatever a crash leaves, `load` finds a key and a certificate that belong together.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hedgerow.kernel import CallerError, ConfigurationError, PeerError, Secret
from hedgerow.pki import (
    FileKey,
    PrivateKey,
    load_certificate,
    read_private,
    write_private,
    write_public,
)

_BEGIN = "-----BEGIN CERTIFICATE-----"
_KEY = "server.key"
_CERTIFICATE = "server.crt"
_ORIGIN = "server.json"
_NEXT = {_KEY: "next.key", _CERTIFICATE: "next.crt", _ORIGIN: "next.json"}


class _Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate was asked for."""

    group_id: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate and the key it is over. `requested_names` are those it was asked for."""

    key: PrivateKey
    pem: str
    group_id: str
    requested_names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    @property
    def is_issued_here(self) -> bool:
        """Tell whether the core's own authority issued it, which then follows in the chain."""
        return self.pem.count(_BEGIN) > 1

    def names(self) -> frozenset[str]:
        """Return the DNS names and addresses that it carries."""
        extensions = _parsed(self.pem).extensions
        try:
            found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return frozenset()
        addresses = map(str, found.get_values_for_type(x509.IPAddress))
        return frozenset((*found.get_values_for_type(x509.DNSName), *addresses))

    def leaf_der(self) -> bytes:
        """Return the server's own certificate, without what leads from it to the root."""
        return _parsed(self.pem).public_bytes(Encoding.DER)

    @classmethod
    def of(
        cls, key: PrivateKey, pem: str, group_id: str, names: tuple[str, ...]
    ) -> "ServerCertificate":
        """Put the parts together; `PeerError` if the certificate is not over the key."""
        certificate = _parsed(pem)
        if certificate.public_key() != key.public_key:
            raise PeerError("the server certificate is not over the key it was asked for")
        return cls(
            key=key,
            pem=pem,
            group_id=group_id,
            requested_names=names,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )


class ServerCertificateStore:
    """The folder of the server's key and certificate."""

    def __init__(self, folder: Path, configured_key: PrivateKey | None) -> None:
        self._folder = folder
        self._configured_key = configured_key

    def load(self) -> ServerCertificate | None:
        """Return the pair in force, finishing a change that was interrupted, or None."""
        for key, certificate, origin in (
            (_NEXT[_KEY], _NEXT[_CERTIFICATE], _NEXT[_ORIGIN]),
            (_KEY, _NEXT[_CERTIFICATE], _NEXT[_ORIGIN]),
            (_KEY, _NEXT[_CERTIFICATE], _ORIGIN),
            (_KEY, _CERTIFICATE, _ORIGIN),
        ):
            pair = self._pair(key, certificate, origin)
            if pair is None:
                continue
            if certificate == _NEXT[_CERTIFICATE]:
                self._move_next()
            return pair
        return None

    def next_key(self) -> PrivateKey:
        """Return the key for the next certificate: a new RSA key (slow), or the owner's."""
        if self._configured_key is not None:
            return self._configured_key
        (self._folder / _NEXT[_CERTIFICATE]).unlink(missing_ok=True)
        if (self._folder / _NEXT[_KEY]).exists():  # made for a request that was not answered
            with contextlib.suppress(ConfigurationError):
                return FileKey.load(self._folder / _NEXT[_KEY])
        return FileKey.generate_rsa(self._folder / _NEXT[_KEY])

    def keep(self, certificate: ServerCertificate) -> None:
        """Make the pair the one in force."""
        origin = _Origin(group_id=certificate.group_id, names=certificate.requested_names)
        write_private(self._folder / _NEXT[_ORIGIN], msgspec.json.encode(origin))
        write_public(self._folder / _NEXT[_CERTIFICATE], certificate.pem.encode())
        self._move_next()

    def clear(self) -> None:
        """Remove the certificate and the core's own key, as a reset asks."""
        for name in (*_NEXT, *_NEXT.values()):
            (self._folder / name).unlink(missing_ok=True)

    def _move_next(self) -> None:
        if not (self._folder / _NEXT[_CERTIFICATE]).exists():
            return
        for name in (_KEY, _ORIGIN, _CERTIFICATE):
            pending = self._folder / _NEXT[name]
            if pending.exists():
                pending.replace(self._folder / name)

    def _pair(self, key: str, certificate: str, origin: str) -> ServerCertificate | None:
        try:
            pem = (self._folder / certificate).read_text(encoding="ascii")
            asked = msgspec.json.decode((self._folder / origin).read_bytes(), type=_Origin)
            private = self._configured_key or self._own_key(key)
            if private is None:
                return None
            return ServerCertificate.of(private, pem, asked.group_id, asked.names)
        except (FileNotFoundError, UnicodeDecodeError, msgspec.DecodeError, PeerError):
            return None

    def _own_key(self, name: str) -> PrivateKey | None:
        """Return a key of this folder; one that is damaged is none, and a new one is made soon.

        `ConfigurationError` if others can read it.
        """
        path = self._folder / name
        if not path.exists():
            return None
        content = Secret(read_private(path))
        try:
            return FileKey.from_pem(content)
        except CallerError:
            return None


def _parsed(pem: str) -> x509.Certificate:
    try:
        return load_certificate(pem)
    except CallerError as error:
        raise PeerError(f"the server certificate cannot be read: {error.message}") from error
