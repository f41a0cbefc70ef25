"""Where a running cloud listens, as a value and as `endpoints.json`."""

import os
from pathlib import Path

import msgspec

from hedgerow.pki import write_public


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The host name that the server certificate names first, and the ports in force."""

    host: str
    api_port: int
    device_https_port: int
    device_mqtt_port: int
    combined_port: int | None = None
    account_id: str
    region: str
    pid: int


def write_endpoints(path: Path, endpoints: Endpoints) -> None:
    """Write the file in one step: whoever sees it can connect."""
    write_public(path, msgspec.json.format(msgspec.json.encode(endpoints)) + b"\n")


def remove_endpoints(path: Path) -> None:
    """Remove the file, if it is this process's own."""
    try:
        written = msgspec.json.decode(path.read_bytes(), type=Endpoints)
    except (FileNotFoundError, msgspec.DecodeError):
        return
    if written.pid == os.getpid():
        path.unlink(missing_ok=True)
