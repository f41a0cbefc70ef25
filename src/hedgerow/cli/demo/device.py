"""What the demonstration asks of a client device, whichever SDK it is built on."""

from abc import ABC, abstractmethod

from hedgerow.cli.demo.identity import DeviceFiles, FoundCore
from hedgerow.cli.demo.inbox import Inbox, Message


class Device(ABC):
    """A client device: discovers its core, connects to it, sends and receives."""

    sdk: str

    def __init__(self, files: DeviceFiles) -> None:
        self.files = files
        self.messages: Inbox[Message] = Inbox()
        self.interruptions: Inbox[str] = Inbox()

    @property
    def name(self) -> str:
        """The device's thing name."""
        return self.files.thing_name

    @abstractmethod
    def discover(self, host: str, port: int) -> FoundCore:
        """Ask the cloud which core to talk to."""

    @abstractmethod
    def connect(self, host: str, port: int, ca_pem: str, client_id: str | None = None) -> None:
        """Connect to a broker; raises what the SDK raises when it is refused."""

    @abstractmethod
    def subscribe(self, topic_filter: str) -> None:
        """Subscribe; messages go to `messages`."""

    @abstractmethod
    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 and wait for the broker's acknowledgement."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect; never raises."""

    def wait_for(self, topic: str, payload: bytes, seconds: float = 10) -> Message:
        """Return the message once it arrives."""
        wanted = Message(topic, payload)
        what = f"{payload.decode()} on {topic} at {self.name}"
        return self.messages.wait(lambda message: message == wanted, what, seconds)
