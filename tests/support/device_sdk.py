"""awsiotsdk (version 2) as a device uses it: a connection over MQTT 5, with a certificate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import awscrt.mqtt_request_response
from awsiot import mqtt5_client_builder
from tests.support.pki import Identity

PATIENCE_S = 20


@asynccontextmanager
async def sdk_connection(
    port: int, roots_pem: str, identity: Identity, client_id: str
) -> AsyncIterator[tuple[Any, Any]]:
    """Give a connected client and the options that the SDK's own clients of services take."""
    loop = asyncio.get_running_loop()
    up: asyncio.Future[None] = loop.create_future()
    down: asyncio.Future[None] = loop.create_future()
    client = mqtt5_client_builder.mtls_from_bytes(
        identity.certificate_pem.encode(),
        identity.key.pem().reveal(),
        endpoint="localhost",
        port=port,
        ca_bytes=roots_pem.encode(),
        client_id=client_id,
        on_lifecycle_connection_success=lambda _data: loop.call_soon_threadsafe(
            up.set_result, None
        ),
        on_lifecycle_stopped=lambda _data: loop.call_soon_threadsafe(down.set_result, None),
    )
    client.start()
    async with asyncio.timeout(PATIENCE_S):
        await up
    options = awscrt.mqtt_request_response.ClientOptions(
        max_request_response_subscriptions=4,
        max_streaming_subscriptions=2,
        operation_timeout_in_seconds=10,
    )
    try:
        yield client, options
    finally:
        client.stop()
        async with asyncio.timeout(PATIENCE_S):
            await down
