"""The load generator of the throughput benchmarks: publishers and subscribers in one process.

`python -m bench.mqtt_load BROKER… LOAD` waits for a line, then prints what it measured; LOAD is
JSON of `Load`. Every message, and every acknowledgement, is a TLS record of its own.
"""

import json
import select
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count, cycle, islice

from bench.mqtt_client import RecordStream, RunningBroker, device_context, publish
from bench.process import cpu_seconds

PAYLOAD = bytes(range(100))
RECORDS_PER_SEND = 50
_READ_BYTES = 256 * 1024
_WARM_UP_SECONDS = 0.3
_QUIET_SECONDS = 2.0
_PUBACK = b"\x40\x02\x00\x00"
_PING, _PONG = b"\xc0\x00", b"\xd0\x00"
_ID_AFTER_TOPIC = 4


@dataclass(frozen=True, slots=True)
class Load:
    """Who publishes what to whom.

    With a `rate`, so many a second of all publishers together, each record by itself; without one,
    as fast as the broker takes it. `in_flight` is how many messages of QoS 1 may be unacknowledged;
    with `pace` a subscriber reads only so many a second. Publishers are never further `ahead` than
    so many deliveries: what is queued has to come out before a turn ends.
    """

    publishers: Sequence[str]
    subscribers: Sequence[str]
    topics: Sequence[str]
    seconds: float
    copies: int = 1
    rate: int = 0
    qos: int = 0
    in_flight: int = 0
    pace: int = 0
    ahead: int = 200_000
    is_background: bool = False
    """Whether somebody waits for a line that says that it has begun."""

    def text(self) -> str:
        """Return it as the generator reads it."""
        return json.dumps(asdict(self))


class Publisher:
    """Publishes as fast as the broker takes it."""

    def __init__(self, stream: RecordStream, load: Load) -> None:
        self._stream = stream
        self._window = load.in_flight
        self._records = 1 if load.rate else RECORDS_PER_SEND
        self._frames = _frames(load)
        self._unsent = memoryview(b"")
        self._answer_bytes = 0
        self.sent = 0
        self.is_qos_1 = bool(load.qos)
        stream.socket.settimeout(0)

    @property
    def has_unsent(self) -> bool:
        """Return whether a bundle is only half sent."""
        return bool(self._unsent)

    @property
    def acknowledged(self) -> int:
        """Return how many messages the broker has acknowledged."""
        return self._answer_bytes // len(_PUBACK)

    @property
    def may_send(self) -> bool:
        """Return whether the window is open."""
        return not self._window or self.sent - self.acknowledged < self._window

    def send(self) -> None:
        """Send the next bundle, or the rest of the last one."""
        if not self._unsent:
            records = self._records
            if self._window:
                records = min(records, self._window - (self.sent - self.acknowledged))
            write = self._stream.tls.write
            for frame in islice(self._frames, records):
                write(frame)
            self.sent += records
            self._unsent = memoryview(self._stream.outgoing.read())
        self._unsent = self._unsent[self._stream.socket.send(self._unsent) :]

    def take_answers(self) -> None:
        """Read acknowledgements."""
        self._answer_bytes += sum(map(len, _chunks(self._stream)))

    def ping(self) -> None:
        """Wait until the broker has seen everything."""
        self._stream.socket.settimeout(None)
        self._stream.send(_PING)
        self._stream.expect(_PONG)
        self._stream.socket.settimeout(0)


class Subscriber:
    """Counts what comes out, and acknowledges it at QoS 1."""

    def __init__(self, stream: RecordStream, load: Load, size: int) -> None:
        self._stream = stream
        self._size = size
        self._id_at = len(load.topics[0]) + _ID_AFTER_TOPIC if load.qos else 0
        self._rest = b""
        self._bytes = 0
        stream.socket.settimeout(0)

    @property
    def received(self) -> int:
        """Return how many whole messages came out."""
        return self._bytes // self._size

    def receive(self) -> None:
        """Take what is there."""
        for chunk in _chunks(self._stream):
            self._bytes += len(chunk)
            if self._id_at:
                self._acknowledge(self._rest + chunk)
        if self._stream.outgoing.pending:
            # A few bytes for each message: the kernel always has room for them.
            self._stream.socket.settimeout(None)
            self._stream.socket.sendall(self._stream.outgoing.read())
            self._stream.socket.settimeout(0)

    def _acknowledge(self, data: bytes) -> None:
        whole = len(data) - len(data) % self._size
        write = self._stream.tls.write
        for at in range(self._id_at, whole, self._size):
            write(_PUBACK[:2] + data[at : at + 2])
        self._rest = data[whole:]


class Pump:
    """Lets everybody publish, and counts what comes out at the other end."""

    def __init__(self, broker: RunningBroker, load: Load) -> None:
        size = len(next(_frames(load)))
        self._load = load
        self.streams = [_stream(broker, name) for name in (*load.subscribers, *load.publishers)]
        listening = self.streams[: len(load.subscribers)]
        for stream in listening:
            stream.subscribe("#", load.qos)
        self._subscribers = {
            stream.socket.fileno(): Subscriber(stream, load, size) for stream in listening
        }
        self._publishers = {
            stream.socket.fileno(): Publisher(stream, load)
            for stream in self.streams[len(load.subscribers) :]
        }
        self._poll = select.poll()
        self._watched: dict[int, int] = {}
        for number in self._subscribers:
            self._poll.register(number, select.POLLIN)

    @property
    def sent(self) -> int:
        """Return how many messages were handed to the broker."""
        return sum(publisher.sent for publisher in self._publishers.values())

    @property
    def received(self) -> int:
        """Return how many whole messages came out."""
        return sum(subscriber.received for subscriber in self._subscribers.values())

    def run(self, seconds: float) -> float:
        """Publish for so long, then wait for what is under way; return the seconds it took."""
        begun = time.monotonic()
        before = self.received
        pause = 1 / self._load.rate if self._load.rate else 0.0
        due = begun
        while True:
            now = time.monotonic()
            goes_on = now < begun + seconds
            if not goes_on and not any(p.has_unsent for p in self._publishers.values()):
                break
            self._register_publishers(goes_on=goes_on)
            for number, events in self._poll.poll(_QUIET_SECONDS * 1000):
                subscriber = self._subscribers.get(number)
                if subscriber is not None:
                    pace = self._load.pace
                    if not pace or self.received - before <= pace * (time.monotonic() - begun):
                        subscriber.receive()
                    continue
                publisher = self._publishers[number]
                if events & select.POLLIN:
                    publisher.take_answers()
                if events & select.POLLOUT and time.monotonic() >= due:
                    due += pause
                    publisher.send()
        self._finish()
        return time.monotonic() - begun

    def _register_publishers(self, *, goes_on: bool) -> None:
        goes_on &= self.sent * self._load.copies - self.received < self._load.ahead
        for number, publisher in self._publishers.items():
            wanted = select.POLLIN if publisher.is_qos_1 else 0
            if publisher.has_unsent or (goes_on and publisher.may_send):
                wanted |= select.POLLOUT
            self._watch(number, wanted)

    def _watch(self, number: int, wanted: int) -> None:
        if self._watched.get(number) != wanted:
            self._watched[number] = wanted
            self._poll.register(number, wanted)

    def _finish(self) -> None:
        """Wait for what is under way: messages, and acknowledgements of QoS 1."""
        for number, publisher in self._publishers.items():
            self._watch(number, select.POLLIN if publisher.is_qos_1 else 0)
        expected = self.sent * self._load.copies
        while self.received < expected or any(
            p.is_qos_1 and p.acknowledged < p.sent for p in self._publishers.values()
        ):
            ready = self._poll.poll(_QUIET_SECONDS * 1000)
            if not ready:
                break
            for number, _ in ready:
                if number in self._subscribers:
                    self._subscribers[number].receive()
                else:
                    self._publishers[number].take_answers()
        for publisher in self._publishers.values():
            if not publisher.is_qos_1:
                publisher.ping()


def _stream(broker: RunningBroker, name: str) -> RecordStream:
    return RecordStream(broker, name, device_context(broker, name, ssl.TLSVersion.TLSv1_3))


def _frames(load: Load) -> Iterator[bytes]:
    """Yield message after message, each of the same size."""
    if len({len(topic) for topic in load.topics}) != 1:
        raise ValueError("messages are counted by their bytes, so all must be of one size")
    if not load.qos:
        return cycle([publish(topic, PAYLOAD) for topic in load.topics])
    return (
        publish(topic, PAYLOAD, 1 + number % 65_535)
        for number, topic in zip(count(), cycle(load.topics), strict=False)
    )


def _chunks(stream: RecordStream) -> Iterator[bytes]:
    """Yield what the kernel has for us, decrypted."""
    data = stream.socket.recv(_READ_BYTES)
    if not data:
        raise RuntimeError("the broker closed a connection")
    stream.incoming.write(data)
    read = stream.tls.read
    while True:
        try:
            yield read(_READ_BYTES)
        except ssl.SSLWantReadError:
            return


def main(arguments: list[str]) -> None:
    """Measure one broker once."""
    broker = RunningBroker.from_arguments(arguments[:4])
    load = Load(**json.loads(arguments[4]))
    sys.stdin.readline()
    pump = Pump(broker, load)
    pump.run(_WARM_UP_SECONDS)
    if load.is_background:
        print("{}", flush=True)
    sent, received = pump.sent, pump.received
    cpu, own = cpu_seconds(broker.pid), time.process_time()
    taken = pump.run(load.seconds)
    cpu, own = cpu_seconds(broker.pid) - cpu, time.process_time() - own
    sent, received = pump.sent - sent, pump.received - received
    for stream in pump.streams:
        stream.socket.settimeout(None)
        stream.close()
    report = {
        "sent": sent,
        "delivered": received,
        "cpu": cpu,
        "seconds": taken,
        "own_cpu": own,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1:])
