"""The suites: where they come from, and which of their cases are about a broker as such."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final


class SuiteMissingError(Exception):
    """A suite cannot be had here; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Somebody else's repository at one commit."""

    name: str
    repository: str
    commit: str
    variable: str
    """The environment variable that can name a folder with a clone of the repository."""

    def folder(self, place: Path) -> Path:
        """Return a clean copy of the suite below `place`.

        Raises `SuiteMissingError`.
        """
        target = place / self.name
        source = os.environ.get(self.variable, self.repository)
        for command in (
            ("git", "clone", "--quiet", "--no-checkout", source, str(target)),
            ("git", "-C", str(target), "checkout", "--quiet", self.commit),
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                said = (done.stderr.strip().splitlines() or ["git said nothing"])[-1]
                raise SuiteMissingError(
                    f"{self.name} at {self.commit[:12]} cannot be had from {source}: {said}; "
                    f"set {self.variable} to a folder with a clone of {self.repository}"
                )
        return target


PAHO: Final = Suite(
    "paho.mqtt.testing",
    "https://github.com/eclipse/paho.mqtt.testing",
    "9d7bb80bb8b9d9cfc0b52f8cb4c1916401281103",
    "HEDGEROW_PAHO_TESTING",
)
MOSQUITTO: Final = Suite(
    "mosquitto",
    "https://github.com/eclipse/mosquitto",
    "3b89bb2e3532f99f0394b11a09ccc481cebcb0b2",
    "HEDGEROW_MOSQUITTO_SOURCE",
)
"""Version 2.0.11, which is Debian 12's."""

LEFT_OUT: Final = MappingProxyType(
    {
        "06-bridge": "mosquitto's bridges to other brokers",
        "08-": "mosquitto's own TLS and PSK options; ours has tests of its own",
        "09-plugin": "plugins in C",
        "09-extended-auth-change": "a plugin in C",
        "09-extended-auth-multi": "a plugin in C",
        "09-extended-auth-single": "a plugin in C",
        "10-listener-mount-point": "topics rewritten per listener",
        "14-dynsec": "a plugin in C",
    }
)
"""Cases of mosquitto's suite that are about something else, by how their names begin."""


_LISTED: Final = re.compile(r"^ +\((\d), '\./([^']+)\.py'\),", re.MULTILINE)


def mosquitto_cases(folder: Path) -> dict[str, int]:
    """Return how many ports each case wants, of those that are about a broker as such."""
    broker = folder / "test" / "broker"
    listed = _LISTED.findall((broker / "test.py").read_text())
    return {
        name: int(ports)
        for ports, name in listed
        if not name.startswith(tuple(LEFT_OUT)) and (broker / f"{name}.py").exists()
    }
