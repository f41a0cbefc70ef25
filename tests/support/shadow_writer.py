"""A process that changes a core's shadows and says what was acknowledged, made to be killed.

It imports everything once; each line on its input starts a child that writes until it is killed.
The child prints its process id, then the number of every update that was answered.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog
from tests.support.clock import ManualClock
from tests.support.core_shadows import group_of

from hedgerow.core.shadow import LocalShadows, ShadowDatabase
from hedgerow.shadow import ShadowError

NAMES = ("", "config")


def main() -> None:
    """Start a child for each line of input, and tell when it has ended."""
    folder, group = Path(sys.argv[1]), group_of("A")
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            _write_for_ever(folder, group)
        os.waitpid(child, 0)
        _say("ended")


def last_number(shadows: LocalShadows) -> int:
    """Return the number of the last update that is there; it has to be there whole."""
    found = 0
    for name in NAMES:
        try:
            document: Any = msgspec.json.decode(shadows.get("A", name))
        except ShadowError:
            continue
        number = document["state"]["reported"]["number"]
        assert document["state"]["desired"] == {"same": number}
        assert document["version"] == (number + (1 if name == NAMES[0] else 0)) // len(NAMES)
        found = max(found, number)
    return found


def served(folder: Path, group: Any) -> LocalShadows:
    """Return the shadows of a group in a folder."""
    shadows = LocalShadows(
        ShadowDatabase(folder),
        lambda _topic, _payload: None,
        clock=ManualClock(datetime(2026, 10, 7, tzinfo=UTC)),
        log=structlog.get_logger(),
    )
    shadows.serve(group)
    return shadows


def _write_for_ever(folder: Path, group: Any) -> None:
    _say(f"pid {os.getpid()}")
    shadows = served(folder, group)
    number = last_number(shadows)
    while True:
        number += 1
        name = NAMES[(number + 1) % len(NAMES)]
        state = {"reported": {"number": number}, "desired": {"same": number}}
        shadows.update("A", name, msgspec.json.encode({"state": state}))
        _say(str(number))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
