"""How the cloud's process logs: one JSON object a line on stderr, without secrets.

structlog's own default prints the local variables of a traceback, which may be keys or payloads;
that is why a process configures its log before it does anything else.
"""

import logging
from collections.abc import MutableMapping
from typing import Any, TextIO

import msgspec
import structlog

from hedgerow.kernel import Clock, iso_milliseconds, redact_secrets

_ENCODER = msgspec.json.Encoder(enc_hook=repr)


def _json(event: Any, **_options: Any) -> str:
    """Return an event as one line of JSON; what JSON has no form for is shown as it prints."""
    return _ENCODER.encode(event).decode()


def configure_log(stream: TextIO, clock: Clock, *, for_good: bool = False) -> None:
    """Send the log of every room in this process to a stream.

    What is set `for_good` cannot be changed later, and each line costs half.
    """

    def stamp(
        _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event["time"] = iso_milliseconds(clock.now())
        return event

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            stamp,
            structlog.processors.format_exc_info,
            redact_secrets,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=for_good,
    )
