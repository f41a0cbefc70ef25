"""Where a running cloud listens, as a value and as `endpoints.json`."""

import os
from pathlib import Path

import msgspec

from hedgerow.pki import write_public


class PrivateApiEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A private door of the API: its id, the host it is reached by, and the port in force."""

    id: str
    host: str
    port: int


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The host name that the server certificate names first, and the ports in force.

    `api_port` is None where the API has private doors only.
    """

    host: str
    api_port: int | None
    device_https_port: int
    device_mqtt_port: int
    combined_port: int | None = None
    private_apis: tuple[PrivateApiEndpoint, ...] = ()
    account_id: str
    region: str
    pid: int

    @property
    def api_url(self) -> str:
        """Where programs reach the API: the ordinary door, or else the first private one."""
        if self.api_port is not None:
            return f"https://{self.host}:{self.api_port}"
        door = self.private_apis[0]
        host = f"[{door.host}]" if ":" in door.host else door.host
        return f"https://{host}:{door.port}"


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
