"""How much the agent writes to its log: what the job under way asks for.

Source: guide page core-ota-update, `--update-agent-log-level`. Between jobs everything from `INFO`
on is written.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from hedgerow.contract.updates import AgentLogLevel

_BETWEEN_JOBS: Final = logging.INFO
_LEVELS: Final[Mapping[AgentLogLevel, int]] = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "VERBOSE": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "NONE": logging.CRITICAL + 1,
}


class AgentLevel:
    """The level in force."""

    def __init__(self) -> None:
        self._lowest = _BETWEEN_JOBS

    def admits(self, name: str) -> bool:
        """Tell whether lines of a level, by the logger's name of it, are written."""
        number = logging.ERROR if name == "exception" else logging.getLevelName(name.upper())
        return not isinstance(number, int) or number >= self._lowest

    @contextmanager
    def of(self, level: AgentLogLevel) -> Iterator[None]:
        """Have a level in force while a job is under way."""
        self._lowest = _LEVELS[level]
        try:
            yield
        finally:
            self._lowest = _BETWEEN_JOBS
