"""`hedgerow.legacyTls`: old TLS suites and versions for devices that know no better, until a day.

Source of the names: the guide's page gg-sec, the table of the local network's suites.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import msgspec

from hedgerow.kernel import ConfigurationError

OldSuiteName = Literal[
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
]
OldVersionName = Literal["TLSv1.1", "TLSv1.0"]


class LegacyTlsDocument(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """The object as it is written."""

    until: date
    suites: tuple[OldSuiteName, ...] = ()
    versions: tuple[OldVersionName, ...] = ()


@dataclass(frozen=True, slots=True)
class LegacyTlsOption:
    """What is on before `until`, the moment at which the named day is over in UTC."""

    until: datetime
    suites: tuple[str, ...]
    versions: tuple[str, ...]


def legacy_tls_option(document: LegacyTlsDocument | None) -> LegacyTlsOption | None:
    """Return the option, or raise `ConfigurationError` if it would let nobody in."""
    if document is None:
        return None
    if not document.suites:
        raise ConfigurationError("hedgerow.legacyTls.suites is empty; name at least one suite")
    if document.versions and not any("_CBC_" in suite for suite in document.suites):
        raise ConfigurationError(
            "hedgerow.legacyTls.versions needs a suite with CBC in hedgerow.legacyTls.suites: "
            "TLS 1.0 and 1.1 have no others"
        )
    over = datetime.combine(document.until, time.min, UTC) + timedelta(days=1)
    return LegacyTlsOption(over, tuple(document.suites), tuple(document.versions))
