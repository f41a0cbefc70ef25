"""Real MQTT clients, unchanged, against the broker over mutual TLS, on both event loops."""

import asyncio
import queue
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import paho.mqtt.client as paho
import pytest
import uvloop
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.support.mqtt_broker import OpenAuthority, denied, turned_away
from tests.support.mqtt_client import MqttClient
from tests.support.pki import Identity, mutual_context, new_identity, new_server, shared_authority

from hedgerow.kernel import SystemClock
from hedgerow.mqtt import Broker, Limits, Peer
from hedgerow.mqtt.limits import DEFAULT_LIMITS
from hedgerow.pki import TlsListener, TlsPeer, TlsSlot

_PATIENCE_S = 20
RUNNERS: list[Callable[[Coroutine[Any, Any, None]], None]] = [asyncio.run, uvloop.run]
with_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="mosquitto-clients is not installed"
)
on_both_loops = pytest.mark.parametrize("run", RUNNERS, ids=["asyncio", "uvloop"])


@dataclass
class Estate:
    """A broker behind mutual TLS, and a device it trusts."""

    broker: Broker
    authority: OpenAuthority
    port: int
    device: Identity
    folder: Path

    @property
    def files(self) -> tuple[str, str, str]:
        """Return the paths of CA, certificate and key."""
        certificate, key = self.device.write(self.folder, "device")
        ca = self.folder / "ca.pem"
        ca.write_text(shared_authority().certificate_pem)
        return str(ca), str(certificate), str(key)

    async def mosquitto(self, tool: str, *options: str) -> asyncio.subprocess.Process:
        """Start `mosquitto_pub` or `mosquitto_sub`."""
        ca, certificate, key = self.files
        return await asyncio.create_subprocess_exec(
            tool, "-h", "localhost", "-p", str(self.port),
            "--cafile", ca, "--cert", certificate, "--key", key, *options,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    def is_anyone_held(self) -> bool:
        """Tell whether a publisher is made to wait now."""
        return any(connection._held_by for connection in self.broker._connections)

    async def until(self, held: Callable[[], bool]) -> None:
        """Wait until something holds of the broker that no client can tell us."""
        async with asyncio.timeout(_PATIENCE_S):
            while not held():  # noqa: ASYNC110 - another process brings it about
                await asyncio.sleep(0.01)


@asynccontextmanager
async def _estate(folder: Path, limits: Limits) -> AsyncIterator[Estate]:
    ca, authority = shared_authority(), OpenAuthority()
    server, device = new_server(ca), new_identity(ca)
    broker = Broker(authority, clock=SystemClock(), name="interop", limits=limits)

    def protocol(peer: TlsPeer) -> asyncio.BufferedProtocol:
        return broker.protocol(Peer(peer.certificate_id, peer.address))

    listener = TlsListener(TlsSlot(mutual_context(server, device)), protocol)
    await listener.start("localhost", 0)
    try:
        yield Estate(broker, authority, listener.port, device, folder)
    finally:
        await listener.stop()
        await broker.stop()


class Paho:
    """A paho client in its own thread; what it hears goes to queues."""

    def __init__(self, estate: Estate, client_id: str, version: MQTTProtocolVersion) -> None:
        self.connected: queue.Queue[Any] = queue.Queue()
        self.subscribed: queue.Queue[Any] = queue.Queue()
        self.published: queue.Queue[Any] = queue.Queue()
        self.ended: queue.Queue[Any] = queue.Queue()
        self.messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=version)
        ca, certificate, key = estate.files
        self.client.tls_set(ca, certificate, key)
        self.client.on_connect = lambda *args: self.connected.put(args[3:])
        self.client.on_subscribe = lambda *args: self.subscribed.put(args[3])
        self.client.on_publish = lambda *args: self.published.put(args[3])
        self.client.on_disconnect = lambda *args: self.ended.put(args[3:])
        self.client.on_message = lambda _client, _data, message: self.messages.put(message)
        self._port = estate.port

    async def start(self) -> Any:
        """Connect; return the reason code and properties of the answer."""
        await asyncio.to_thread(self.client.connect, "localhost", self._port)
        self.client.loop_start()
        return await self.next(self.connected)

    async def next(self, of: "queue.Queue[Any]") -> Any:
        """Wait for the next thing."""
        return await asyncio.to_thread(of.get, timeout=_PATIENCE_S)

    async def stop(self) -> None:
        """End client and thread."""
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)


def _play(
    run: Callable[[Coroutine[Any, Any, None]], None],
    folder: Path,
    scene: Callable[[Estate], Awaitable[None]],
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    async def whole() -> None:
        async with asyncio.timeout(2 * _PATIENCE_S), _estate(folder, limits) as estate:
            await scene(estate)

    run(whole())


@on_both_loops
@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_paho_publishes_and_receives_with_qos_0_and_1(
    version: MQTTProtocolVersion, run: Any, tmp_path: Path
) -> None:
    async def scene(estate: Estate) -> None:
        client = Paho(estate, "paho", version)
        reason, _ = (await client.start())[:2]
        assert not reason.is_failure
        client.client.subscribe([("t/+", 1), ("t0", 0)])
        granted = await client.next(client.subscribed)
        assert [code.value for code in granted] == [1, 0]
        for number in range(20):
            client.client.publish("t/1", b"x" * number * 999, qos=number % 2)
        received = [await client.next(client.messages) for _ in range(20)]
        assert [len(message.payload) for message in received] == [n * 999 for n in range(20)]
        assert [message.qos for message in received] == [n % 2 for n in range(20)]
        client.client.unsubscribe("t/+")
        await client.stop()

    _play(run, tmp_path, scene)


@on_both_loops
def test_paho_on_mqtt_5_hears_the_reasons(run: Any, tmp_path: Path) -> None:
    async def scene(estate: Estate) -> None:
        authority = estate.authority
        authority.refused_clients["evil"] = turned_away("not a device of this group")
        authority.no_publish["paho", "x"] = denied("no row for x")
        evil = Paho(estate, "evil", MQTTProtocolVersion.MQTTv5)
        reason, properties = (await evil.start())[:2]
        assert (reason.value, properties.ReasonString) == (0x87, "not a device of this group")
        await evil.stop()
        client = Paho(estate, "paho", MQTTProtocolVersion.MQTTv5)
        _, properties = (await client.start())[:2]
        assert (properties.MaximumQoS, properties.RetainAvailable) == (1, 0)
        client.client.publish("x", b"", qos=1)
        assert (await client.next(client.published)).value == 0x87
        message: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        message.ResponseTopic, message.CorrelationData = "answers", b"7"
        message.UserProperty = ("k", "v")
        client.client.subscribe("t")
        await client.next(client.subscribed)
        client.client.publish("t", b"x", properties=message)
        received = (await client.next(client.messages)).properties
        assert (received.ResponseTopic, received.CorrelationData) == ("answers", b"7")
        assert received.UserProperty == [("k", "v")]
        estate.broker.disconnect(lambda ref: ref.client_id == "paho", "certificate revoked")
        reason, properties = (await client.next(client.ended))[:2]
        assert (reason.value, properties.ReasonString) == (0x98, "certificate revoked")
        await client.stop()

    _play(run, tmp_path, scene)


@with_mosquitto
@on_both_loops
@pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
def test_mosquitto_clients_talk_to_one_another(version: str, run: Any, tmp_path: Path) -> None:
    async def scene(estate: Estate) -> None:
        counted = estate.broker.counters
        options = ("-V", version, "-t", "t/1", "-q", "1")
        subscriber = await estate.mosquitto("mosquitto_sub", *options, "-i", "sub", "-C", "3")
        await estate.until(lambda: "subscribe sub t/1" in estate.authority.questions)
        for text in ("one", "two", "three"):
            publisher = await estate.mosquitto(
                "mosquitto_pub", *options, "-i", "pub", "-m", text,
                "--will-topic", "wills", "--will-payload", "gone",
            )  # fmt: skip
            said, _ = await publisher.communicate()
            assert (publisher.returncode, said) == (0, b"")
        said, _ = await subscriber.communicate()
        assert (subscriber.returncode, said) == (0, b"one\ntwo\nthree\n")
        assert counted.messages_received == 3

    _play(run, tmp_path, scene)


@with_mosquitto
@on_both_loops
def test_a_refused_mosquitto_client_says_so(run: Any, tmp_path: Path) -> None:
    async def scene(estate: Estate) -> None:
        estate.authority.refused_clients["evil"] = turned_away("no")
        for version in ("mqttv311", "mqttv5"):
            client = await estate.mosquitto(
                "mosquitto_pub", "-V", version, "-i", "evil", "-t", "t", "-m", "x"
            )
            said, _ = await client.communicate()
            assert client.returncode != 0
            assert b"authori" in said

    _play(run, tmp_path, scene)


@on_both_loops
def test_a_client_that_stops_reading_is_gone_when_it_is_cut(run: Any, tmp_path: Path) -> None:
    """Closing waits for the peer to read the end; a peer that does not read waits in vain."""

    async def scene(estate: Estate) -> None:
        tls = estate.device.client_context(shared_authority().certificate_pem)
        reader, writer = await asyncio.open_connection(
            "localhost", estate.port, ssl=tls, limit=1024
        )
        writer.write(bytes.fromhex("100d00044d51545404020000000161" + "8206000100017400"))
        await reader.readexactly(9)
        # From now on nothing is read: the buffers between fill up.
        # uvloop's transports have asyncio's methods but not its types.
        transport = cast("asyncio.Transport", writer.transport)
        transport.pause_reading()
        while not estate.broker.counters.messages_dropped:
            estate.broker.publish("inside", "t", b"x" * 100_000)
            # A turn of the loop: its transports write.
            await asyncio.sleep(0)
        assert estate.broker.disconnect(lambda _: True, "revoked") == 1
        assert estate.broker.sessions == ()
        await estate.until(lambda: not estate.broker._connections)
        transport.abort()

    _play(run, tmp_path, scene)


@on_both_loops
def test_a_publisher_waits_for_a_subscriber_that_reads_late(run: Any, tmp_path: Path) -> None:
    """Far more than all buffers hold goes through without a loss, if the reader comes in time."""
    count = 30_000

    async def scene(estate: Estate) -> None:
        tls = estate.device.client_context(shared_authority().certificate_pem)
        async with (
            await MqttClient.open("localhost", estate.port, tls=tls) as subscriber,
            await MqttClient.open("localhost", estate.port, tls=tls) as publisher,
        ):
            await subscriber.connect("subscriber")
            await subscriber.subscribe("t")
            await publisher.connect("publisher")

            async def publish() -> None:
                for number in range(count):
                    await publisher.publish("t", b"%1000d" % number)

            async with asyncio.TaskGroup() as group:
                group.create_task(publish())
                await estate.until(estate.is_anyone_held)
                for number in range(count):
                    assert int((await subscriber.message()).payload) == number
            await publisher.sync()
            await subscriber.sync()
        assert estate.broker.counters.messages_dropped == 0

    _play(run, tmp_path, scene, Limits(publisher_pause_s=60))
