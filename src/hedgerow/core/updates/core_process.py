"""The core's process as the agent sees it: stop it, start it, look whether it is well."""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from hedgerow.core.config import CoreFolders
from hedgerow.core.updates.journal import CoreLook
from hedgerow.core.updates.programs import run_program
from hedgerow.kernel import UnavailableError

_LOOK_SECONDS: Final = 5.0
_NOT_FOUND = (FileNotFoundError, ProcessLookupError, PermissionError)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take."""

    health_seconds: float
    """For a started core to become well."""

    settled_seconds: float = 3.0
    """For how long it has to stay so."""

    stop_seconds: float = 30.0
    """For a core to stop by itself before it is killed; a kill loses nothing acknowledged."""

    start_seconds: float = 30.0
    """For the program that starts it to return."""

    look_interval_seconds: float = 0.25


class CoreProcess:
    """The core of a root folder, which holds the root's lock while it runs."""

    def __init__(self, folders: CoreFolders, timing: Timing, words: Sequence[str] = ()) -> None:
        """`words` are what the core is started with beside `start`."""
        self._folders = folders
        self._timing = timing
        self._words = tuple(words)

    def holders(self) -> list[int]:
        """Return the ids of processes that hold the root's lock: the core's, or none."""
        try:
            lock = (self._folders.state / "core.lock").stat()
        except FileNotFoundError:
            return []
        return [
            int(process.name)
            for process in Path("/proc").iterdir()
            if process.name.isdecimal()
            and int(process.name) != os.getpid()
            and _has_open(process, lock)
        ]

    async def stop(self) -> None:
        """Stop the core if it runs, and return when it is gone."""
        for pid in self.holders():
            await self._stop(pid)

    async def start(self, program: Path) -> None:
        """Start a core; `UnavailableError` if its program fails."""
        code, _ = await run_program(
            program, "start", *self._words, seconds=self._timing.start_seconds
        )
        if code != 0:
            raise UnavailableError(f"{program} start failed with exit code {code}")

    async def look(self) -> CoreLook | None:
        """Return what the core says of itself, or None if it says nothing."""
        try:
            endpoints: Any = msgspec.json.decode(self._folders.endpoints.read_bytes())
            url = f"http://127.0.0.1:{int(endpoints['ggDaemonPort'])}/health"
            timeout = aiohttp.ClientTimeout(total=_LOOK_SECONDS)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url) as answer,
            ):
                said: Any = msgspec.json.decode(await answer.read())
            return CoreLook(
                version=str(said.get("version", "")),
                pid=int(endpoints["pid"]),
                connected=bool(said["cloud"]["connected"]),
                deployment_id=said["deployment"]["deploymentId"] or None,
                mqtt_open=bool(said["mqtt"]["open"]),
            )
        except (OSError, aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
            return None
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    async def faults(self, before: CoreLook | None, version: str | None) -> tuple[str, ...]:
        """Return what is wrong with a core that was started: nothing, once it is and stays well.

        `version` is the one it has to be, None if any will do.
        """
        timing, loop = self._timing, asyncio.get_running_loop()
        deadline = loop.time() + timing.health_seconds
        well_since, pid = None, 0
        while True:
            now = await self.look()
            found = judge(before, now, version)
            if found or now is None:
                well_since = None
            elif well_since is None or now.pid != pid:
                well_since, pid = loop.time(), now.pid
            if well_since is not None and loop.time() - well_since >= timing.settled_seconds:
                return ()
            grace = 0.0 if well_since is None else timing.settled_seconds
            if loop.time() >= deadline + grace:
                return found or ("the core does not stay up",)
            await asyncio.sleep(timing.look_interval_seconds)

    async def _stop(self, pid: int) -> None:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(process, gone.set)
        try:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    signal.pidfd_send_signal(process, number)
                    async with asyncio.timeout(self._timing.stop_seconds):
                        await gone.wait()
                except TimeoutError:
                    continue
                except ProcessLookupError:
                    pass
                return
            raise UnavailableError(f"the core (process {pid}) does not stop")
        finally:
            loop.remove_reader(process)
            os.close(process)


def judge(before: CoreLook | None, now: CoreLook | None, version: str | None) -> tuple[str, ...]:
    """Return what is wrong with a core after it was started again: each in a sentence.

    What it could do before, it has to do after: an update that loses the cloud is one that no
    other update can mend.
    """
    if now is None:
        return ("the core does not come up",)
    lost = before or now
    checks = (
        (version is not None and now.version != version, f"the core that runs is {now.version}"),
        (lost.connected and not now.connected, "the core does not reach the cloud any more"),
        (lost.mqtt_open and not now.mqtt_open, "the local MQTT server does not open any more"),
        (
            lost.deployment_id is not None and now.deployment_id is None,
            "the group that was deployed does not run any more",
        ),
    )
    return tuple(sentence for is_fault, sentence in checks if is_fault)


def _has_open(process: Path, file: os.stat_result) -> bool:
    """Tell whether a process has a file open."""
    try:
        for entry in (process / "fd").iterdir():
            try:
                found = entry.stat()
            except OSError:
                continue
            if (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino):
                return True
    except _NOT_FOUND:
        return False
    return False
