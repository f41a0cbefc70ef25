"""A core's `config.json` turned towards another cloud; everything else of it stays as it is.

Source of the keys: guide page gg-core. Only what names the old cloud changes: the thing's ARN, the
two hosts with their ports, and the root certificate.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hedgerow.estate.members import inner
from hedgerow.estate.naming import thing_arn, thing_name_of
from hedgerow.estate.values import Origin
from hedgerow.kernel import CallerError

ROOT_CA_FILE = "hedgerow.root.ca.pem"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a core is to connect, and under which account. `certs` is the root's own folder."""

    origin: Origin
    host: str
    https_port: int
    mqtt_port: int
    certs: str


def repointed(config: Mapping[str, Any], to: Destination) -> dict[str, Any]:
    """Return the configuration with the new cloud in it, or raise `CallerError`."""
    changed: dict[str, Any] = copy.deepcopy(dict(config))
    core_thing = inner(changed, "coreThing")
    name = thing_name_of(core_thing.get("thingArn"))
    if not isinstance(changed.get("coreThing"), dict) or name is None:
        raise CallerError("coreThing.thingArn does not name a thing")
    changed["coreThing"].update(
        {
            "thingArn": thing_arn(to.origin, name),
            "iotHost": to.host,
            "ggHost": to.host,
            "iotMqttPort": to.mqtt_port,
            "iotHttpPort": to.https_port,
            "ggHttpPort": to.https_port,
            "caPath": ROOT_CA_FILE,
        }
    )
    if isinstance(changed.get("crypto"), dict):
        changed["crypto"]["caPath"] = f"file://{to.certs}/{ROOT_CA_FILE}"
    return changed
