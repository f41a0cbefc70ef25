"""Certificates that must not get in, and the attempt to get in with them.

Everything here is what an attacker could make: keys of their own, names copied from a real device.
"""

import socket
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SECONDS = 5
_SUBJECT = "AWS IoT Certificate"
_CONNACK_ACCEPTED = b"\x20\x02\x00\x00"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key with its certificate, in memory and in files."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    certificate_path: Path
    key_path: Path

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def files(self) -> tuple[Path, Path]:
        """Where the certificate and the key lie."""
        return self.certificate_path, self.key_path


def make_certificate(
    folder: Path,
    name: str,
    start: datetime,
    lifetime: timedelta,
    issuer: KeyPair | None = None,
    *,
    is_authority: bool = False,
) -> KeyPair:
    """Make a device-like certificate: self-signed, or of an authority of one's own.

    `is_authority` makes it one that may sign others, as no device's certificate may be.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _SUBJECT)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lifetime)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    pair = KeyPair(key, certificate, folder / f"{name}.cert.pem", folder / f"{name}.private.key")
    pair.certificate_path.write_text(pair.pem)
    pair.key_path.touch(mode=0o600)
    pair.key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pair


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a try ended: let in, or refused and how."""

    let_in: bool
    reason: str


def attempt(
    address: tuple[str, int],
    ca_pem: str,
    client_id: str,
    files: tuple[Path, Path] | None,
) -> Attempt:
    """Try to connect under a device's name with a certificate and its key, or with none at all.

    With TLS 1.3 a server judges the client's certificate after the client's own handshake is
    done, so the verdict is the answer to the first packet: an alert, or an MQTT CONNACK.
    """
    context = ssl.create_default_context(cadata=ca_pem)
    if files is not None:
        context.load_cert_chain(*files)
    try:
        with (
            socket.create_connection(address, timeout=_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=address[0]) as tls,
        ):
            tls.sendall(_connect_packet(client_id))
            answer = tls.recv(4)
    except ssl.SSLError as error:
        return Attempt(let_in=False, reason=_alert(error))
    except OSError as error:
        return Attempt(let_in=False, reason=error.strerror or "the connection was reset")
    return _judge(answer)


def server_certificate(address: tuple[str, int], ca_pem: str, key: Path, chain: Path) -> bytes:
    """Return the certificate (DER) that the server shows now, checked against the authority."""
    context = ssl.create_default_context(cadata=ca_pem)
    context.load_cert_chain(chain, key)
    with (
        socket.create_connection(address, timeout=_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=address[0]) as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def _judge(answer: bytes) -> Attempt:
    if not answer:
        return Attempt(let_in=False, reason="the connection was closed")
    accepted = answer == _CONNACK_ACCEPTED
    return Attempt(accepted, "let in" if accepted else f"MQTT CONNACK {answer[3:].hex()}")


def _connect_packet(client_id: str) -> bytes:
    """Return an MQTT 3.1.1 CONNECT with a clean session and 60 seconds of keep-alive."""
    name = client_id.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2) + name
    return b"\x10" + bytes([len(body)]) + body


def _alert(error: ssl.SSLError) -> str:
    words = (error.reason or str(error)).lower().replace("_", " ")
    for prefix in ("tlsv13 alert ", "tlsv1 alert ", "sslv3 alert "):
        words = words.removeprefix(prefix)
    return f"TLS alert: {words}"
