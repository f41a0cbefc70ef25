"""The core's `config.json`, in the documented form."""

import json
from pathlib import Path
from typing import Any

from hedgerow.cli.provision.api import DeviceEndpoint
from hedgerow.cli.provision.identity import Identity


def config_document(
    core: Identity,
    endpoint: DeviceEndpoint,
    *,
    mqtt_port: int,
    daemon_port: int,
    named_shadows: bool = False,
) -> dict[str, Any]:
    """Return the configuration of a core with its keys in files.

    It names them by the keys that are relative to the root's `certs`, so that the root can be
    carried to another place; paths in a `crypto` object are absolute (guide page gg-core).
    With `named_shadows` it synchronises those too (docs/options.md).
    """
    options = {"hedgerow": {"syncNamedShadows": True}} if named_shadows else {}
    return {
        "coreThing": {
            "caPath": core.root_ca_path.name,
            "certPath": core.certificate_path.name,
            "keyPath": core.key_path.name,
            "thingArn": core.thing_arn,
            "iotHost": endpoint.host,
            "ggHost": endpoint.host,
            "iotMqttPort": endpoint.mqtt_port,
            "iotHttpPort": endpoint.https_port,
            "ggHttpPort": endpoint.https_port,
            "ggMqttPort": mqtt_port,
            "ggDaemonPort": daemon_port,
            "keepAlive": 600,
        },
        "runtime": {"cgroup": {"useSystemd": "yes"}},
        "managedRespawn": False,
        **options,
    }


def config_bytes(document: dict[str, Any]) -> bytes:
    """Return the file's content."""
    return (json.dumps(document, indent=2) + "\n").encode()


def config_path(root: Path) -> Path:
    """Return where the file lies in a Greengrass root folder."""
    return root / "config" / "config.json"
