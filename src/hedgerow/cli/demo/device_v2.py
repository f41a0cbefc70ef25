"""A client device on the AWS IoT Device SDK v2 for Python (`awsiotsdk`)."""

import contextlib
from typing import Any

from awscrt import io, mqtt
from awsiot import mqtt_connection_builder
from awsiot.greengrass_discovery import DiscoveryClient

from hedgerow.cli.demo.device import Device
from hedgerow.cli.demo.identity import DeviceFiles, FoundCore
from hedgerow.cli.demo.inbox import Message

_SECONDS = 15


class DeviceV2(Device):
    """The SDK as it is; only the port of discovery is set, since no one listens on 443 here."""

    sdk = "awsiotsdk (v2)"

    def __init__(self, files: DeviceFiles) -> None:
        super().__init__(files)
        self._connection: Any = None

    def discover(self, host: str, port: int) -> FoundCore:
        """Ask the cloud which core to talk to."""
        options = io.TlsContextOptions.create_client_with_mtls_from_path(
            str(self.files.certificate), str(self.files.key)
        )
        options.override_default_trust_store_from_path(None, str(self.files.root_ca))
        client = DiscoveryClient(
            io.ClientBootstrap.get_or_create_static_default(),
            io.SocketOptions(),
            io.ClientTlsContext(options),
            "us-east-1",
            gg_server_name=host,
        )
        client.port = port
        answer = client.discover(self.name).result(_SECONDS)
        group = answer.gg_groups[0]
        core = group.cores[0]
        return FoundCore(
            thing_arn=core.thing_arn,
            addresses=tuple((entry.host_address, entry.port) for entry in core.connectivity),
            ca_pem="".join(group.certificate_authorities),
        )

    def connect(self, host: str, port: int, ca_pem: str, client_id: str | None = None) -> None:
        """Connect to a broker; raises what the SDK raises when it is refused."""
        self._connection = mqtt_connection_builder.mtls_from_path(
            str(self.files.certificate),
            str(self.files.key),
            ca_bytes=ca_pem.encode(),
            endpoint=host,
            port=port,
            client_id=client_id or self.name,
            clean_session=True,
            keep_alive_secs=60,
            on_connection_interrupted=self._on_interrupted,
        )
        self._connection.connect().result(_SECONDS)

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe; messages go to `messages`."""
        future, _ = self._connection.subscribe(
            topic_filter, mqtt.QoS.AT_LEAST_ONCE, self._on_message
        )
        future.result(_SECONDS)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 and wait for the broker's acknowledgement."""
        future, _ = self._connection.publish(topic, payload, mqtt.QoS.AT_LEAST_ONCE)
        future.result(_SECONDS)

    def close(self) -> None:
        """Disconnect; never raises."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.disconnect().result(_SECONDS)

    def _on_interrupted(self, connection: Any, error: Any, **_: Any) -> None:
        del connection
        self.interruptions.put(str(error))

    def _on_message(self, topic: str, payload: bytes, **_: Any) -> None:
        self.messages.put(Message(topic, bytes(payload)))
