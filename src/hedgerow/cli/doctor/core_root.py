"""Findings about a core's root folder: its configuration, key, certificates and ports."""

import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509

from hedgerow.cli.doctor.cloud import cloud_findings
from hedgerow.cli.doctor.deployments import deployment_findings
from hedgerow.cli.doctor.finding import Finding
from hedgerow.cli.doctor.ports import port_findings
from hedgerow.cli.doctor.updates import update_findings
from hedgerow.core.app.local_tls import local_tls
from hedgerow.core.config import CoreConfig, FileUri, load_config, misspelt_keys
from hedgerow.kernel import Clock, ConfigurationError
from hedgerow.pki.profiles import LOOPBACK_NAMES

_OPEN_TO_OTHERS = 0o077


def core_findings(root: Path, clock: Clock) -> Iterator[Finding]:
    """Yield what a core of this root folder has and lacks."""
    try:
        config = load_config(root)
    except ConfigurationError as error:
        yield Finding("config.json", ok=False, found="not usable", advice=error.message)
        return
    yield Finding("config.json", ok=True, found=f"core {config.thing_name}")
    yield from _unknown_keys(root)
    yield _certificate(config, clock.now())
    yield _key(config)
    yield from _server_certificate(config, clock.now())
    yield from _old_tls(config, clock.now())
    yield from deployment_findings(config)
    yield from update_findings(config)
    yield from port_findings(config)
    yield from cloud_findings(config, clock)


def _unknown_keys(root: Path) -> Iterator[Finding]:
    for key in misspelt_keys(root):
        yield Finding(
            f"key {key.path}",
            ok=False,
            found="not known, and without effect",
            advice=f"write {key.meant} in config.json"
            if key.meant
            else "take it out of config.json; docs/options.md has the options of hedgerow",
        )


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
    old = local_tls(config.options).legacy
    if old is None:
        return
    if old.is_on(now):
        found = f"on until {old.last_day} is over"
        advice = "update the devices that use it, and take hedgerow.legacyTls out of config.json"
    else:
        found = f"hedgerow.legacyTls ended on {old.last_day}; it has no effect"
        advice = "take it out of config.json, or name a later day if devices still need it"
    yield Finding("old TLS", ok=False, found=found, advice=advice, optional=not old.is_on(now))
