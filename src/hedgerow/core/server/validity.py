"""When a client's certificate ends. TLS looks at it once, when a connection begins."""

from datetime import datetime
from functools import lru_cache
from typing import Final

from hedgerow.pki import load_certificate

_KNOWN_LIMIT: Final = 4096


@lru_cache(maxsize=_KNOWN_LIMIT)
def ends_at(certificate_pem: str) -> datetime:
    """Return the last moment at which a certificate is valid."""
    return load_certificate(certificate_pem).not_valid_after_utc
