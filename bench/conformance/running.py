"""Starts brokers, runs suites against them, and collects what passed."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench.conformance.suites import MOSQUITTO, PAHO, mosquitto_cases
from hedgerow.cli.demo.waiting import until

MOSQUITTO_BROKER: Final = "mosquitto"
HEDGEROW: Final = "Hedgerow"
BROKERS: Final = (MOSQUITTO_BROKER, HEDGEROW)
Outcomes = dict[str, dict[str, dict[str, str]]]
"""By part, case and broker: `passed`, `failed`, `too slow`."""

_ROOT: Final = Path(__file__).resolve().parents[2]
_DRIVER: Final = Path(__file__).with_name("paho_driver.py")
_PAHO_PARTS: Final = {"paho-3.1.1": "client_test", "paho-5.0": "client_test5"}
_SUITE_SECONDS: Final = 900
_CASE_SECONDS: Final = 60
_START_SECONDS: Final = 20
_AT_ONCE: Final = 2
_TRIES: Final = 2
"""A case that fails is run once more: several of them depend on sleeps."""


def run_all(place: Path, parts: Sequence[str]) -> Outcomes:
    """Run the parts that are asked for, or all of them."""
    outcomes: Outcomes = {}
    for part, module in _PAHO_PARTS.items():
        if not parts or part in parts:
            outcomes[part] = _paho(place, part, module)
    wanted = tuple(part for part in parts if part not in {*_PAHO_PARTS, "mosquitto"})
    if not parts or "mosquitto" in parts or wanted:
        outcomes["mosquitto"] = _mosquitto(place, wanted)
    return outcomes


def command_of(broker: str, *arguments: str) -> list[str]:
    """Return the command that starts a broker with mosquitto's arguments."""
    if broker == HEDGEROW:
        return [sys.executable, "-m", "bench.conformance.stand_in", *arguments]
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise RuntimeError("mosquitto is not installed (Debian: apt-get install mosquitto)")
    return [program, *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(_ROOT / "src"), str(_ROOT)))}


# ---- paho


def _paho(place: Path, part: str, module: str) -> dict[str, dict[str, str]]:
    folder = place / part
    folder.mkdir()
    suite = PAHO.folder(folder) / "interoperability"
    outcomes: dict[str, dict[str, str]] = {}
    for broker in BROKERS:
        print(f"{part} against {broker} …", flush=True)
        for case, outcome in _paho_against(broker, suite, module).items():
            outcomes.setdefault(case, {})[broker] = outcome
    return outcomes


def _paho_against(broker: str, suite: Path, module: str) -> dict[str, str]:
    """Run every case; each one that does not end costs a process."""
    outcomes: dict[str, str] = {}
    said = ""
    with _running(broker, suite.parent) as port:
        while True:
            done = subprocess.run(
                [sys.executable, str(_DRIVER), module, str(port), *outcomes],
                cwd=suite,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SUITE_SECONDS,
            )
            said += done.stderr
            more: dict[str, str] = json.loads(done.stdout)
            outcomes |= more
            if "too slow" not in more.values():
                break
    _keep_log(f"{module}-{broker}", said)
    return outcomes


@contextmanager
def _running(broker: str, folder: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    configuration = folder / f"{broker}-{port}.conf"
    # paho's 5.0 suite expects a server that insists on a keep-alive of a minute.
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_keepalive 60\n")
    with (folder / f"{broker}.log").open("ab") as log:
        process = subprocess.Popen(
            command_of(broker, "-c", str(configuration)),
            stderr=log,
            stdout=log,
            cwd=_ROOT,
            env=_environment(),
        )
    try:
        until(lambda: _listens(port), broker, _START_SECONDS)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# ---- mosquitto


def _mosquitto(place: Path, wanted: tuple[str, ...]) -> dict[str, dict[str, str]]:
    outcomes: dict[str, dict[str, str]] = {}
    for broker in BROKERS:
        print(f"mosquitto's suite against {broker} …", flush=True)
        # Debian's mosquitto gives up root's rights before it opens its files.
        place.chmod(0o755)
        (place / broker).mkdir()
        folder = MOSQUITTO.folder(place / broker)
        (folder / "test" / "broker").chmod(0o777)
        _install(broker, folder / "src" / "mosquitto")
        listed = mosquitto_cases(folder)
        cases = [case for case in listed if not wanted or case.startswith(wanted)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            results = pool.map(partial(_case, folder), cases, [listed[case] for case in cases])
            for case, (outcome, said) in zip(cases, results, strict=True):
                outcomes.setdefault(case, {})[broker] = outcome
                if outcome != "passed":
                    _keep_log(f"{case}-{broker}", said)
    return outcomes


def _install(broker: str, program: Path) -> None:
    """Put a script where the suite expects the broker that it was built with."""
    style = ["--as-mosquitto-writes"] if broker == HEDGEROW else []
    command = " ".join(f"'{part}'" for part in command_of(broker, *style))
    path = _environment()["PYTHONPATH"]
    program.write_text(f"#!/bin/sh\nPYTHONPATH='{path}' exec {command} \"$@\"\n")
    program.chmod(0o755)


def _case(folder: Path, case: str, number_of_ports: int) -> tuple[str, str]:
    outcome, said = "failed", ""
    for _ in range(_TRIES):
        ports = [str(port) for port in _free_ports(number_of_ports)]
        try:
            done = subprocess.run(
                [sys.executable, f"./{case}.py", *ports],
                cwd=folder / "test" / "broker",
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_CASE_SECONDS,
            )
        except subprocess.TimeoutExpired:
            outcome = "too slow"
            continue
        outcome = "passed" if done.returncode == 0 else "failed"
        said = done.stdout + done.stderr
        if outcome == "passed":
            break
    return outcome, said


def _free_ports(number: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports


def _keep_log(name: str, said: str) -> None:
    """Keep what a failed case said, where the caller asked for it."""
    kept = os.environ.get("HEDGEROW_CONFORMANCE_LOGS")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        (Path(kept) / f"{name}.log").write_text(said)
