"""The runtime configuration of cores: what is wished for and what is in force, by their shadow.

Source: guide page telemetry. `InSync` says that the core has reported what was asked for; a core
that has never reported is `OutOfSync`.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from hedgerow.cloud.greengrass.addresses import checked_core_name
from hedgerow.cloud.greengrass.faults import not_found
from hedgerow.cloud.iot import Registry
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.contract import (
    DEFAULT_TELEMETRY,
    TelemetrySetting,
    configuration_thing,
    telemetry_setting,
    telemetry_state,
)
from hedgerow.shadow import ShadowError

Members = Mapping[str, Any]


class RuntimeConfigurations:
    """The configurations of one account's cores, by thing name."""

    def __init__(self, registry: Registry, shadows: ShadowService) -> None:
        self._registry = registry
        self._shadows = shadows

    async def read(self, thing_name: str) -> Members:
        """Return a core's configuration, by the model's member names."""
        state = await self._state(await self._existing(thing_name))
        wanted = telemetry_setting(state.get("desired")) or DEFAULT_TELEMETRY
        in_force = telemetry_setting(state.get("reported"))
        return {
            "TelemetryConfiguration": {
                "ConfigurationSyncStatus": "InSync" if in_force == wanted else "OutOfSync",
                "Telemetry": wanted,
            }
        }

    async def write(self, thing_name: str, telemetry: TelemetrySetting | None) -> None:
        """Wish for a setting; the core hears of it at once if it is connected. None: no change."""
        shadow = await self._existing(thing_name)
        if telemetry is not None:
            await self._shadows.set_desired(shadow, telemetry_state(telemetry))

    async def _existing(self, thing_name: str) -> str:
        """Return the name of the shadow of a thing that is registered."""
        name = checked_core_name(thing_name)
        if name not in await self._registry.thing_principals([name]):
            raise not_found("thing")
        return configuration_thing(name)

    async def _state(self, shadow: str) -> Members:
        try:
            document = msgspec.json.decode(await self._shadows.get(shadow))
        except ShadowError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return {}
        state: Members = document["state"]
        return state
