"""A cloud, a core and one client device in a temporary folder, for benchmarks."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hedgerow.cli.demo.processes import Daemon, hedgerow
from hedgerow.cli.demo.setting_up import start_cloud
from hedgerow.cli.demo.site import Ports
from hedgerow.cli.demo.waiting import until

DEVICE = "meter-1"
_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Place:
    """The running processes, and the identity of the device."""

    ports: Ports
    cloud_pid: int
    core_pid: int
    certificate: Path
    key: Path
    root_ca: Path


@contextmanager
def place() -> Iterator[Place]:
    """Set everything up with the `hedgerow` command, and take it down again."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as name:
        folder = Path(name)
        running: list[Daemon] = []
        try:
            cloud, ports, aws = start_cloud(folder, print, running)
            device = _provision(folder, aws.environment)
            core = _start_core(folder, running)
            group = folder / "core" / "ggc" / "deployment" / "group" / "group.json"
            until(group.exists, "the group to be deployed", _START_SECONDS)
            yield Place(
                ports=ports,
                cloud_pid=cloud.pid,
                core_pid=core.pid,
                certificate=Path(device["certificate"]),
                key=Path(device["privateKey"]),
                root_ca=Path(device["rootCa"]),
            )
        finally:
            for daemon in reversed(running):
                daemon.stop_if_running()


def _provision(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    said = hedgerow(
        *("core", "provision", "--root", str(folder / "core"), "--name", "bench-core"),
        *("--device", DEVICE, "--devices-dir", str(folder / "devices")),
        *("--row", DEVICE, "bench/#", "cloud"),
        *("--mqtt-port", "0", "--daemon-port", "0", "--json"),
        environment=environment,
    )
    device: dict[str, str] = json.loads(said)["devices"][0]
    return device


def _start_core(folder: Path, running: list[Daemon]) -> Daemon:
    root = folder / "core"
    core = Daemon(
        "the core",
        ("core", "run", "-i", "--root", str(root)),
        root / "ggc" / "var" / "state" / "endpoints.json",
        folder / "core.log",
    )
    running.append(core)
    core.start()
    return core
