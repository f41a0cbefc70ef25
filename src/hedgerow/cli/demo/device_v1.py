"""A client device on the AWS IoT Device SDK v1 for Python (`AWSIoTPythonSDK`)."""

import contextlib
import warnings
from pathlib import Path
from typing import Any

from AWSIoTPythonSDK.core.greengrass.discovery.providers import DiscoveryInfoProvider
from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient

from hedgerow.cli.demo.device import Device
from hedgerow.cli.demo.identity import DeviceFiles, FoundCore
from hedgerow.cli.demo.inbox import Message
from hedgerow.kernel import UnavailableError

_SECONDS = 15
_QOS = 1


class DeviceV1(Device):
    """The SDK as it is, with the group's CA written to a file, as its samples do."""

    sdk = "AWSIoTPythonSDK (v1)"

    def __init__(self, files: DeviceFiles) -> None:
        super().__init__(files)
        self._client: Any = None
        # Python 3.11 warns that the SDK uses `ssl.wrap_socket`; the SDK is to be used as it is.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="AWSIoTPythonSDK")

    def discover(self, host: str, port: int) -> FoundCore:
        """Ask the cloud which core to talk to."""
        provider = DiscoveryInfoProvider()
        provider.configureEndpoint(host, port)
        provider.configureCredentials(
            str(self.files.root_ca), str(self.files.certificate), str(self.files.key)
        )
        provider.configureTimeout(_SECONDS)
        answer = provider.discover(self.name)
        core = answer.getAllCores()[0]
        return FoundCore(
            thing_arn=core.coreThingArn,
            addresses=tuple((entry.host, entry.port) for entry in core.connectivityInfoList),
            ca_pem="".join(pem for group, pem in answer.getAllCas() if group == core.groupId),
        )

    def connect(self, host: str, port: int, ca_pem: str, client_id: str | None = None) -> None:
        """Connect to a broker; raises what the SDK raises when it is refused."""
        ca_file = Path(self.files.root_ca).with_name("group.ca.pem")
        ca_file.write_text(ca_pem)
        self._client = AWSIoTMQTTClient(client_id or self.name)
        self._client.configureEndpoint(host, port)
        self._client.configureCredentials(
            str(ca_file), str(self.files.key), str(self.files.certificate)
        )
        self._client.configureConnectDisconnectTimeout(_SECONDS)
        self._client.configureMQTTOperationTimeout(_SECONDS)
        self._client.onOffline = lambda: self.interruptions.put("offline")
        if not self._client.connect(keepAliveIntervalSecond=60):
            raise UnavailableError(f"{self.name} could not connect to {host}:{port}")

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe; messages go to `messages`."""
        self._client.subscribe(topic_filter, _QOS, self._on_message)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 and wait for the broker's acknowledgement."""
        self._client.publish(topic, payload.decode(), _QOS)

    def close(self) -> None:
        """Disconnect; never raises."""
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.disconnect()

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        self.messages.put(Message(message.topic, bytes(message.payload)))
