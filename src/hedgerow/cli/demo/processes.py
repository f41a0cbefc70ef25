"""The cloud and the core as processes of the `hedgerow` command, as a person would start them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from hedgerow.cli.demo.waiting import until
from hedgerow.kernel import UnavailableError

_STOP_SECONDS = 15
_LOG_LINES = 15


def hedgerow(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run a `hedgerow` command to its end and return what it printed.

    Raises `UnavailableError` with the command's own error if it fails.
    """
    done = subprocess.run(
        _command(arguments),
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UnavailableError(f"hedgerow {arguments[0]} {arguments[1]}: {done.stderr.strip()}")
    return done.stdout


class Daemon:
    """A `hedgerow … run` process that says in a file when, and where, it serves."""

    def __init__(self, name: str, arguments: tuple[str, ...], endpoints: Path, log: Path) -> None:
        self.name = name
        self.log = log
        self._arguments = arguments
        self._endpoints = endpoints
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._running().pid

    def start(self, *extra: str) -> dict[str, Any]:
        """Start it and return its endpoints once it serves."""
        self._endpoints.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                _command((*self._arguments, *extra)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._serves_or_died, f"{self.name} to serve", seconds=30)
        if not self._endpoints.exists():
            raise UnavailableError(f"{self.name} ended at once: {self._last_words()}")
        endpoints: dict[str, Any] = json.loads(self._endpoints.read_text())
        return endpoints

    def stop(self) -> int:
        """Ask it to end with SIGTERM, and return its exit code."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise UnavailableError(f"{self.name} did not end within {_STOP_SECONDS} s") from None

    def stop_if_running(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _serves_or_died(self) -> bool:
        return self._endpoints.exists() or self._running().poll() is not None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise UnavailableError(f"{self.name} was not started")
        return self._process

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join(lines)


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "hedgerow.cli", *arguments]
