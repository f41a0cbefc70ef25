"""Findings about a core's root folder: its configuration, key, certificate, cloud and clock."""

import http.client
import ssl
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from cryptography import x509

from hedgerow.cli.doctor.finding import Finding
from hedgerow.core.config import CoreConfig, FileUri, load_config
from hedgerow.kernel import Clock, ConfigurationError
from hedgerow.pki.profiles import LOOPBACK_NAMES

_CLOCK_LIMIT_SECONDS = 15 * 60
_NETWORK_SECONDS = 5
_OPEN_TO_OTHERS = 0o077


def core_findings(root: Path, clock: Clock) -> Iterator[Finding]:
    """Yield what a core of this root folder has and lacks."""
    try:
        config = load_config(root)
    except ConfigurationError as error:
        yield Finding("config.json", ok=False, found="not usable", advice=error.message)
        return
    yield Finding("config.json", ok=True, found=f"core {config.thing_name}")
    yield _certificate(config, clock.now())
    yield _key(config)
    yield from _server_certificate(config, clock.now())
    yield from _old_tls(config, clock.now())
    yield from _cloud(config, clock)


def _certificate(config: CoreConfig, now: datetime) -> Finding:
    subject = "core certificate"
    path = config.certificate_path
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return Finding(
            subject,
            ok=False,
            found="not readable",
            advice=f"put the certificate at {path}: {error}",
        )
    end = certificate.not_valid_after_utc
    current = certificate.not_valid_before_utc <= now <= end
    advice = f"check this machine's clock, or give the core a new certificate at {path}"
    return Finding(subject, ok=current, found=f"valid until {end:%Y-%m-%d}", advice=advice)


def _server_certificate(config: CoreConfig, now: datetime) -> Iterator[Finding]:
    """Yield when the local server's certificate ends and whom it proves, if there is one."""
    stored = config.folders.server / "server.crt"
    try:
        certificate = x509.load_pem_x509_certificate(stored.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return  # a core without a deployment has none
    hosts = [
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    ]
    end = certificate.not_valid_after_utc
    found = f"valid until {end:%Y-%m-%d}, for {', '.join(hosts)}"
    advice = ""
    if now > end:
        advice = "the core renews it as soon as it reaches the cloud; until then nobody new gets in"
    elif set(hosts) <= set(LOOPBACK_NAMES):
        advice = (
            "only this machine can use it; give the core addresses with: aws greengrass "
            f"update-connectivity-info --thing-name {config.thing_name} --connectivity-info …"
        )
    yield Finding("server certificate", ok=not advice, found=found, advice=advice)


def _key(config: CoreConfig) -> Finding:
    subject = "core key"
    if not isinstance(config.key, FileUri):
        return Finding(subject, ok=True, found=f"in the token, labelled {config.key.object_label}")
    path = config.key.path
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return Finding(
            subject, ok=False, found="not there", advice=f"put the key at {path}: {error.strerror}"
        )
    private = mode & _OPEN_TO_OTHERS == 0
    return Finding(subject, ok=private, found=f"mode {mode:04o}", advice=f"chmod 600 {path}")


def _old_tls(config: CoreConfig, now: datetime) -> Iterator[Finding]:
    old = config.options.legacy_tls
    if old is None:
        return
    is_on = now < old.until
    yield Finding(
        "old TLS",
        ok=not is_on,
        found=f"{'on' if is_on else 'off since'}{' until' if is_on else ''} {old.until:%Y-%m-%d}",
        advice="update the devices that use it, and take hedgerow.legacyTls out of config.json",
    )


def _cloud(config: CoreConfig, clock: Clock) -> Iterator[Finding]:
    """Ask the cloud for nothing in particular; its answer carries its clock."""
    address = f"{config.gg_host}:{config.gg_http_port}"
    try:
        date = _ask(config)
    except (OSError, http.client.HTTPException) as error:
        advice = f"check that the cloud runs and {address} is reachable: {error}"
        yield Finding("cloud", ok=False, found=f"{address} does not answer", advice=advice)
        return
    yield Finding("cloud", ok=True, found=f"{address} answers")
    if date is not None:
        off = abs((clock.now() - date).total_seconds())
        advice = "set this machine's clock; more than 15 minutes off, certificates look invalid"
        yield Finding(
            "clock",
            ok=off <= _CLOCK_LIMIT_SECONDS,
            found=f"{off:.0f} s from the cloud's",
            advice=advice,
        )


def _ask(config: CoreConfig) -> datetime | None:
    context = ssl.create_default_context(cafile=str(config.ca_path))
    if isinstance(config.key, FileUri):
        context.load_cert_chain(config.certificate_path, config.key.path)
    connection = http.client.HTTPSConnection(
        config.gg_host, config.gg_http_port, context=context, timeout=_NETWORK_SECONDS
    )
    try:
        connection.request("GET", "/")
        date = connection.getresponse().getheader("Date")
    finally:
        connection.close()
    return None if date is None else parsedate_to_datetime(date).astimezone(UTC)
