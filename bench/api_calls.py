"""Signed and authorised API calls per second of processor time, beside moto's server."""

import json
import os
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import uvloop

from bench.api_load import Ask, Target, send, signed
from bench.peers import PeerMissingError, python
from bench.process import cpu_seconds
from bench.report import Row, Section
from hedgerow.cli.demo.processes import Daemon
from hedgerow.cli.demo.setting_up import start_cloud
from hedgerow.cli.demo.waiting import until

THINGS = 100
CALLS = 3000
PEER_CALLS = 600
ROUNDS = 3
WANTED_RATIO = 3.0
_START_SECONDS = 30
_ALLOWED = ("iot:DescribeThing", "iot:ListThings", "iot:CreateThing", "iot:AddThingToThingGroup")
_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"} for action in _ALLOWED]
    + [{"Effect": "Deny", "Action": "iot:DeleteThing", "Resource": "*"}],
}
"""Five statements, on an IAM user who has nothing else."""

_METHOD = f"""\
`hedgerow cloud run` over TLS 1.3, and moto's server in plain HTTP, each a process of its own. On
both an IAM user with one policy of five statements calls, every request signed ahead and every one
another; 8 connections, each sending its next request when it has the answer. Hedgerow proves the
signature, judges the policy and writes the audit record before it answers; moto is measured as it
starts, when it does none of the three. Processor time is the server's whole, the median of
{ROUNDS} alternating rounds of {CALLS:,} calls to Hedgerow and {PEER_CALLS} to moto. p50 and p99
are of 8 calls at a time, generator on the same machine."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, and how to call it."""

    name: str
    pid: int
    target: Target
    calls: int


@dataclass(frozen=True, slots=True)
class Figure:
    """What one round gave."""

    per_cpu_second: float
    per_second: float
    p50: float
    p99: float


def measure() -> Section:
    """Start the servers and measure."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as name, _hedgerow(Path(name)) as us:
        try:
            with _moto(Path(name)) as peer:
                return Section("Signed and authorised API calls", _METHOD, _rows(us, peer))
        except PeerMissingError as missing:
            method = f"{_METHOD} moto is not measured here: {missing}."
            return Section("Signed and authorised API calls", method, _rows(us))


def _rows(*servers: Server) -> tuple[Row, ...]:
    rows: list[Row] = []
    for name, asks in _OPERATIONS.items():
        figures: dict[str, list[Figure]] = {server.name: [] for server in servers}
        for turn in range(ROUNDS):
            for server in servers:
                figures[server.name].append(_round(server, asks, turn))
        rows += _compared(name, {name: _median(those) for name, those in figures.items()})
    return tuple(rows)


def _compared(name: str, figures: dict[str, Figure]) -> list[Row]:
    ours = figures["Hedgerow"]
    rows = [
        Row(
            f"{name}: calls a second of processor time; p50, p99",
            f"{ours.per_cpu_second:,.0f}; {ours.p50 * 1000:.1f} ms, {ours.p99 * 1000:.1f} ms",
        )
    ]
    for peer, figure in figures.items():
        if peer == "Hedgerow":
            continue
        ratio = ours.per_cpu_second / figure.per_cpu_second
        rows.append(
            Row(
                f"… times {peer} ({figure.per_cpu_second:,.0f}; {figure.p50 * 1000:.1f} ms, "
                f"{figure.p99 * 1000:.1f} ms)",
                f"{ratio:.1f}",
                f"at least {WANTED_RATIO:.0f}",
                ratio >= WANTED_RATIO,
            )
        )
    return rows


def _round(server: Server, asks: Callable[[int, int], list[Ask]], turn: int) -> Figure:
    requests = signed(server.target, asks(turn, server.calls))
    cpu, start = cpu_seconds(server.pid), time.monotonic()
    latencies = uvloop.run(send(server.target, requests))
    taken, used = time.monotonic() - start, cpu_seconds(server.pid) - cpu
    cuts = statistics.quantiles(latencies, n=100)
    return Figure(len(latencies) / used, len(latencies) / taken, cuts[49], cuts[98])


def _median(figures: list[Figure]) -> Figure:
    return sorted(figures, key=lambda figure: figure.per_cpu_second)[len(figures) // 2]


def _describe(turn: int, calls: int) -> list[Ask]:
    return [Ask("GET", f"/things/thing-{n % THINGS}?n={turn}-{n}") for n in range(calls)]


def _list(turn: int, calls: int) -> list[Ask]:
    return [Ask("GET", f"/things?maxResults=25&n={turn}-{n}") for n in range(calls)]


def _create(turn: int, calls: int) -> list[Ask]:
    return [Ask("POST", f"/things/new-{turn}-{n}", b"{}") for n in range(calls)]


_OPERATIONS = {
    "DescribeThing": _describe,
    "ListThings, a page of 25": _list,
    "CreateThing": _create,
}


@contextmanager
def _hedgerow(folder: Path) -> Iterator[Server]:
    running: list[Daemon] = []
    try:
        cloud, ports, aws = start_cloud(folder, print, running)
        environment = aws.environment
        settings = {
            "endpoint_url": environment["AWS_ENDPOINT_URL"],
            "verify": environment["AWS_CA_BUNDLE"],
            "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
            "region_name": environment["AWS_DEFAULT_REGION"],
        }
        key = _prepare(settings)
        context = ssl.create_default_context(cafile=environment["AWS_CA_BUNDLE"])
        target = Target(ports.host, ports.api, context, *key, settings["region_name"])
        yield Server("Hedgerow", cloud.pid, target, CALLS)
    finally:
        for daemon in reversed(running):
            daemon.stop_if_running()


@contextmanager
def _moto(folder: Path) -> Iterator[Server]:
    program, port = python(), _free_port()
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(program), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=log,
            env=os.environ,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _until_answers(url, process)
        key = _prepare(
            {
                "endpoint_url": url,
                "aws_access_key_id": "setup",
                "aws_secret_access_key": "setup",
                "region_name": "us-east-1",
            }
        )
        yield Server("moto", process.pid, Target("127.0.0.1", port, None, *key), PEER_CALLS)
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def _prepare(settings: dict[str, Any]) -> tuple[str, str]:
    """Make the things and the user; return the user's access key."""
    iot, iam = boto3.client("iot", **settings), boto3.client("iam", **settings)
    for number in range(THINGS):
        iot.create_thing(thingName=f"thing-{number}")
    iam.create_user(UserName="bench")
    iam.put_user_policy(UserName="bench", PolicyName="bench", PolicyDocument=json.dumps(_POLICY))
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    def answers_or_died() -> bool:
        if process.poll() is not None:
            raise PeerMissingError("moto's server did not start")
        try:
            with urlopen(f"{url}/moto-api/", timeout=5):  # noqa: S310 - a URL of our own
                return True
        except (URLError, ConnectionError):
            return False

    until(answers_or_died, "moto's server to answer", _START_SECONDS)
