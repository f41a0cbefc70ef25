"""Failures of a connection, in words that say what to do."""

import ssl
from datetime import datetime

from hedgerow.kernel import UnavailableError

_NOT_YET_VALID = 9
_HAS_EXPIRED = 10
_CLOCK_CODES = frozenset({_NOT_YET_VALID, _HAS_EXPIRED})
_CLOCK_WORDS = ("certificate is not yet valid", "certificate has expired")


def explain_failure(error: BaseException, place: str, now: datetime) -> UnavailableError:
    """Return an error that names the place and the likely cause of a failed connection.

    `place` is the host and port that were tried.
    """
    cause = _tls_cause(error)
    text = str(error) or type(error).__name__
    if getattr(cause, "verify_code", None) in _CLOCK_CODES or any(
        words in text for words in _CLOCK_WORDS
    ):
        return UnavailableError(
            f"cannot connect to {place}: x509: certificate has expired or is not yet valid; "
            f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC: check it"
        )
    if isinstance(cause, ssl.SSLCertVerificationError) or "certificate verify failed" in text:
        return UnavailableError(
            f"cannot connect to {place}: its certificate is not trusted "
            f"({_verification(cause) or text}); check the host name and the root CA file"
        )
    if "alert" in text.lower():
        return UnavailableError(
            f"cannot connect to {place}: it refused this core's certificate ({text}); "
            "check that the certificate is ACTIVE and registered"
        )
    return UnavailableError(f"cannot connect to {place}: {text}")


def _tls_cause(error: BaseException | None) -> BaseException | None:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def _verification(cause: BaseException | None) -> str:
    return str(getattr(cause, "verify_message", "") or "")
