"""The ports in force, for tools on this host."""

from pathlib import Path

import msgspec

from hedgerow.core.config import CoreFolders, load_config
from hedgerow.kernel import ConfigurationError
from hedgerow.pki import write_private


class CoreEndpoints(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`<root>/ggc/var/state/endpoints.json`: there while the core serves."""

    gg_mqtt_port: int
    gg_daemon_port: int
    pid: int


def write_endpoints(folders: CoreFolders, endpoints: CoreEndpoints) -> None:
    """Say that the core serves, and where."""
    write_private(folders.endpoints, msgspec.json.encode(endpoints))


def remove_endpoints(folders: CoreFolders) -> None:
    """Say that it no longer does."""
    folders.endpoints.unlink(missing_ok=True)


def read_endpoints(root: Path) -> CoreEndpoints:
    """Return the ports of the core of a root folder, or raise `ConfigurationError`."""
    path = load_config(root).folders.endpoints
    try:
        return msgspec.json.decode(path.read_bytes(), type=CoreEndpoints)
    except FileNotFoundError:
        raise ConfigurationError(
            f"the core in {root} is not running; start it with 'hedgerow core run --root {root}'"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
