"""What a server negotiates: modern always, old only until a day that is named.

Source: the table of the local network's suites on the guide's page gg-sec. Of its TLS 1.2 suites
those that are both forward-secret and authenticated encryption are always on. Those with CBC, those
without forward secrecy, and TLS 1.1 and 1.0 are each switched on by name, and go off by themselves.
"""

import ssl
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final

MODERN: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
"""Offered on TLS 1.2: those of the guide that are forward-secret and AEAD, and ChaCha20."""


@dataclass(frozen=True, slots=True)
class OldSuite:
    """A suite that is off unless switched on."""

    openssl_name: str
    forward_secret: bool


OLD_SUITES: Final = MappingProxyType(
    {
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": OldSuite("ECDHE-RSA-AES128-SHA", forward_secret=True),
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": OldSuite("ECDHE-RSA-AES256-SHA", forward_secret=True),
        "TLS_RSA_WITH_AES_128_CBC_SHA": OldSuite("AES128-SHA", forward_secret=False),
        "TLS_RSA_WITH_AES_128_GCM_SHA256": OldSuite("AES128-GCM-SHA256", forward_secret=False),
        "TLS_RSA_WITH_AES_256_CBC_SHA": OldSuite("AES256-SHA", forward_secret=False),
        "TLS_RSA_WITH_AES_256_GCM_SHA384": OldSuite("AES256-GCM-SHA384", forward_secret=False),
    }
)
OLD_VERSIONS: Final = MappingProxyType(
    {"TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.0": ssl.TLSVersion.TLSv1}
)
_OLD_OPENSSL_NAMES: Final = frozenset(suite.openssl_name for suite in OLD_SUITES.values())
_OLD_PROTOCOLS: Final = frozenset({"TLSv1", "TLSv1.1"})


@dataclass(frozen=True, slots=True)
class LegacyTls:
    """Old suites and versions that are on until a moment, by the guide's names."""

    until: datetime
    suites: tuple[str, ...]
    versions: tuple[str, ...] = ()

    def is_on(self, now: datetime) -> bool:
        """Tell whether they may be negotiated."""
        return now < self.until

    @property
    def last_day(self) -> date:
        """The last day on which they are on, wholly or in part."""
        return (self.until - timedelta(microseconds=1)).date()

    def __str__(self) -> str:
        return ", ".join((*self.versions, *self.suites))


def is_old(version: str, suite: str) -> bool:
    """Tell whether a connection has negotiated what only the switch allows."""
    return version in _OLD_PROTOCOLS or suite in _OLD_OPENSSL_NAMES


def offer_modern(context: ssl.SSLContext) -> None:
    """Let a context negotiate TLS 1.2 and 1.3 with forward secrecy, and nothing else."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(MODERN))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def offer_old_too(context: ssl.SSLContext, legacy: LegacyTls, *, key_in_token: bool) -> None:
    """Add what the switch names, behind the modern suites, which the server prefers.

    A key in a token serves forward-secret suites only (guide: hardware-security).
    """
    chosen = [OLD_SUITES[name] for name in legacy.suites]
    usable = [one.openssl_name for one in chosen if one.forward_secret or not key_in_token]
    oldest = _oldest(OLD_VERSIONS[name] for name in legacy.versions)
    # TLS below 1.2 signs with SHA-1, which OpenSSL's security levels from 1 on do not allow.
    level = ("@SECLEVEL=0",) if oldest < ssl.TLSVersion.TLSv1_2 else ()
    context.set_ciphers(":".join((*MODERN, *usable, *level)))
    with warnings.catch_warnings():
        # That these versions are old is what the switch, its end and its problem are about.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = oldest


def _oldest(versions: Iterable[ssl.TLSVersion]) -> ssl.TLSVersion:
    return min(versions, default=ssl.TLSVersion.TLSv1_2)
