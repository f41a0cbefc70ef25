"""Findings about this host."""

import importlib.util
import shutil
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

from hedgerow.cli.doctor.finding import Finding
from hedgerow.core.config import require_link_protection, require_seccomp, seccomp
from hedgerow.kernel import ConfigurationError

_PYTHON = (3, 11)
_OPENSSL = (3, 0)
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"

_PACKAGES = (
    ("boto3", "hedgerow demo", "pip install 'hedgerow[demo]'"),
    ("awsiot", "hedgerow demo", "pip install 'hedgerow[demo]'"),
    ("AWSIoTPythonSDK", "hedgerow demo", "pip install 'hedgerow[demo]'"),
)
"""Python packages of extras: import name, what for, and how to get them."""

_PROGRAMS = (
    ("mosquitto", "make test and make bench", "apt-get install mosquitto"),
    ("mosquitto_pub", "make test", "apt-get install mosquitto-clients"),
    ("openssl", "looking at certificates by hand", "apt-get install openssl"),
)
"""Programs: name, what for, and how to get them on Debian."""


def host_findings() -> Iterator[Finding]:
    """Yield what this host has and lacks, needed things first."""
    yield Finding(
        "Python",
        ok=sys.version_info >= _PYTHON,
        found=sys.version.split()[0],
        advice="install Python 3.11 or newer",
    )
    yield Finding(
        "OpenSSL",
        ok=ssl.OPENSSL_VERSION_INFO >= _OPENSSL and ssl.HAS_TLSv1_3,
        found=ssl.OPENSSL_VERSION,
        advice="use a Python that is linked with OpenSSL 3 or newer",
    )
    yield _link_protection()
    yield _seccomp()
    for package, purpose, advice in _PACKAGES:
        there = importlib.util.find_spec(package) is not None
        yield _optional(f"package {package}", there=there, purpose=purpose, advice=advice)
    for program, purpose, advice in _PROGRAMS:
        there = _program(program) is not None
        yield _optional(f"program {program}", there=there, purpose=purpose, advice=advice)


def _link_protection() -> Finding:
    try:
        require_link_protection()
    except ConfigurationError as error:
        return Finding("link protection", ok=False, found="off", advice=error.message)
    return Finding("link protection", ok=True, found="on")


def _seccomp() -> Finding:
    found = seccomp()
    try:
        require_seccomp(found=found)
    except ConfigurationError as error:
        return Finding("seccomp", ok=False, found=found.value, advice=error.message)
    return Finding("seccomp", ok=True, found=found.value)


def _program(name: str) -> Path | None:
    found = shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)
    return Path(found) if found else None


def _optional(subject: str, *, there: bool, purpose: str, advice: str) -> Finding:
    found = f"{'there' if there else 'not there'}, for {purpose}"
    return Finding(subject, ok=there, found=found, advice=advice, optional=True)
