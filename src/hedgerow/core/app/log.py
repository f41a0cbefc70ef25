"""The core's own log: `<root>/ggc/var/log/system/runtime.log`, one JSON object a line.

Source: guide page greengrass-logs-overview. Secrets and raw bytes are replaced before a line is
made (`kernel.redact_secrets`).
"""

import logging
import os
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import IO, Any

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from hedgerow.kernel import Clock, iso_milliseconds, redact_secrets

FILE_BYTES_LIMIT = 1_048_576
"""A full file takes the place of the older one beside it; two are kept."""

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


class RotatingFile:
    """A text file that starts anew when it is full. A full disk loses lines, not the core."""

    def __init__(self, path: Path, limit: int = FILE_BYTES_LIMIT) -> None:
        self._path = path
        self._limit = limit
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._file = self._opened()

    def write(self, text: str) -> int:
        """Append text."""
        try:
            if self._file.tell() + len(text) > self._limit:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._opened()
            return self._file.write(text)
        except OSError:
            return 0

    def flush(self) -> None:
        """Hand over to the operating system what was written."""
        try:
            self._file.flush()
        except OSError:
            return

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _opened(self) -> IO[str]:
        descriptor = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _FILE_MODE
        )
        return os.fdopen(descriptor, "a", encoding="utf-8")


class _Both:
    """Writes every line to a file, and to a stream for whoever started the core."""

    def __init__(self, file: RotatingFile, echo: IO[str] | None) -> None:
        self._file = file
        self._echo = echo

    def write(self, text: str) -> int:
        if self._echo is not None:
            self._echo.write(text)
        return self._file.write(text)

    def flush(self) -> None:
        if self._echo is not None:
            self._echo.flush()
        self._file.flush()


def system_log(
    file: RotatingFile,
    clock: Clock,
    echo: IO[str] | None,
    *,
    admits: Callable[[str], bool] = lambda _level: True,
    lowest: int = logging.INFO,
) -> FilteringBoundLogger:
    """Return the logger of the core's parts; `admits` says of which levels lines are written."""

    def sift(
        _logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if not admits(method):
            raise structlog.DropEvent
        return event

    def stamp(
        _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event["time"] = iso_milliseconds(clock.now())
        return event

    processors: list[Processor] = [
        sift,
        structlog.processors.add_log_level,
        stamp,
        structlog.processors.format_exc_info,
        redact_secrets,
        structlog.processors.JSONRenderer(),
    ]
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(_Both(file, echo)),  # type: ignore[arg-type]  # it writes and flushes
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        cache_logger_on_first_use=True,
    )
    return logger
