"""Words that every other room speaks: ARNs, time, identifiers, errors and secrets.

Nothing comes in but plain values, and nothing goes out but plain values: there is no I/O here,
and the only state is the system's clock and random source, both behind names that tests replace.
It imports no other room. Its tests are in `tests/unit/kernel`.
"""

from hedgerow.kernel.arn import Arn
from hedgerow.kernel.clock import Clock, SystemClock, iso_milliseconds
from hedgerow.kernel.errors import (
    CallerError,
    ConfigurationError,
    DeniedError,
    HedgerowError,
    PeerError,
    UnavailableError,
    quoted,
)
from hedgerow.kernel.ids import new_token, new_uuid, random_bytes
from hedgerow.kernel.secret import Secret, redact_secrets

__all__ = [
    "Arn",
    "CallerError",
    "Clock",
    "ConfigurationError",
    "DeniedError",
    "HedgerowError",
    "PeerError",
    "Secret",
    "SystemClock",
    "UnavailableError",
    "iso_milliseconds",
    "new_token",
    "new_uuid",
    "quoted",
    "random_bytes",
    "redact_secrets",
]
