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

    With `named_shadows` it synchronises those too (docs/options.md).
    """
    options = {"hedgerow": {"syncNamedShadows": True}} if named_shadows else {}
    key = core.key_path.absolute().as_uri()
    certificate = core.certificate_path.absolute().as_uri()
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
        "crypto": {
            "principals": {
                "SecretsManager": {"privateKeyPath": key},
                "IoTCertificate": {"privateKeyPath": key, "certificatePath": certificate},
            },
            "caPath": core.root_ca_path.absolute().as_uri(),
        },
        **options,
    }


def config_bytes(document: dict[str, Any]) -> bytes:
    """Return the file's content."""
    return (json.dumps(document, indent=2) + "\n").encode()


def config_path(root: Path) -> Path:
    """Return where the file lies in a Greengrass root folder."""
    return root / "config" / "config.json"
