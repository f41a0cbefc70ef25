"""The place of the demonstration: a folder, a cloud, a core, and the things made in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from hedgerow.cli.demo.device import Device
from hedgerow.cli.demo.identity import DeviceFiles, FoundCore
from hedgerow.cli.demo.processes import Daemon
from hedgerow.cli.demo.stranger import KeyPair

CORE = "line-7"
DEVICE_A = "press"
DEVICE_B = "panel"
DEVICE_C = "meter"
DASHBOARD = "dashboard"
"""A program that listens at the cloud's broker, with a certificate of its own."""

TEMPERATURE = "line/press/temperature"
"""A to B, and A to the cloud."""

FENCE = "line/press/fence"
"""A to C: what C receives on it shows that nothing earlier is still on its way."""

SHADOW_UPDATE = f"$aws/things/{DEVICE_A}/shadow/update"
"""A to the cloud: each message makes a version of A's shadow, so the cloud can count them."""

SPARE = "spare"
"""One more member of the group, which gets a certificate while everything runs."""


@dataclass(frozen=True, slots=True)
class Aws:
    """boto3 clients of the cloud under test."""

    environment: dict[str, str]
    iot: Any
    iot_data: Any
    greengrass: Any
    iam: Any

    @classmethod
    def of(cls, environment: dict[str, str]) -> "Aws":
        """Make clients exactly as a script would, from the variables of `hedgerow env`."""
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_DEFAULT_REGION"],
        )

        def client(service: str) -> Any:
            return session.client(
                service,
                endpoint_url=environment["AWS_ENDPOINT_URL"],
                verify=environment["AWS_CA_BUNDLE"],
            )

        return cls(
            environment, client("iot"), client("iot-data"), client("greengrass"), client("iam")
        )


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the cloud listens; it comes back on the same ports."""

    host: str
    api: int
    https: int
    mqtt: int
    combined: int


@dataclass(slots=True)
class Site:
    """Everything the steps work on.

    `found` and `address` are set by the first step, discovery; `passing` by the step that
    registers a certificate that soon expires.
    """

    folder: Path
    cloud: Daemon
    core: Daemon
    ports: Ports
    aws: Aws
    root_ca_pem: str
    group_id: str
    a: Device
    b: Device
    c: Device
    dashboard: Device
    spare: DeviceFiles
    found: FoundCore | None = None
    address: tuple[str, int] = ("", 0)
    passing: KeyPair | None = None

    @property
    def members(self) -> tuple[Device, Device, Device]:
        """The three client devices of the group."""
        return self.a, self.b, self.c

    def close(self) -> None:
        """Disconnect every client; never raises."""
        for device in (*self.members, self.dashboard):
            device.close()

    @property
    def core_ca(self) -> str:
        """The certificate authorities that discovery gave."""
        return self.found.ca_pem if self.found else ""
