"""The MQTT client ids a core uses towards the cloud: predictable, so policies can name them.

Source: guide page gg-core, "Client IDs for MQTT connections" (GGC 1.9 and newer).
"""

_LAST_SUBSCRIPTION_CONNECTION = 250


def core_client_id(core_thing_name: str, override: str | None = None) -> str:
    """Return the id of the connection that hears of deployments: the thing name or its override."""
    return override or core_thing_name


def subscription_client_id(core_thing_name: str, number: int) -> str:
    """Return the id of the `number`th (0 to 250) further connection: `<core>-c00` and so on."""
    if not 0 <= number <= _LAST_SUBSCRIPTION_CONNECTION:
        raise ValueError(f"a core has connections 0 to {_LAST_SUBSCRIPTION_CONNECTION}: {number}")
    return f"{core_thing_name}-c{number:02d}"
