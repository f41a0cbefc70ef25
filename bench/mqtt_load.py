"""The load generator of `bench.mqtt_throughput`: one publisher, one subscriber, one process.

`python -m bench.mqtt_load BROKER… TOPICS RATE SECONDS` waits for a line, then prints what it
measured. Every message is a TLS record of its own. With a rate each record is sent by itself, so
many a second; with rate 0 records go out in bundles, as fast as the broker takes them.
"""

import json
import select
import ssl
import sys
import time
from itertools import cycle, islice

from bench.mqtt_client import RecordStream, RunningBroker, device_context, publish
from bench.process import cpu_seconds
from bench.table import DEVICES, TOPICS

PAYLOAD = bytes(range(100))
RECORDS_PER_SEND = 50
_READ_BYTES = 256 * 1024
_WARM_UP_SECONDS = 0.3
_QUIET_SECONDS = 2.0


class Pump:
    """Publishes as fast as the broker takes it, and counts what comes out at the other end."""

    def __init__(
        self, publisher: RecordStream, subscriber: RecordStream, topics: int, rate: int
    ) -> None:
        frames = [publish(topic, PAYLOAD) for topic in TOPICS[:topics]]
        self._size = len(frames[0])
        if any(len(frame) != self._size for frame in frames):
            raise ValueError("messages are counted by their bytes, so all must be of one size")
        self._frames = cycle(frames)
        self._records = 1 if rate else RECORDS_PER_SEND
        self._pause = 1 / rate if rate else 0.0
        self._publisher, self._subscriber = publisher, subscriber
        self._unsent = memoryview(b"")
        self._received_bytes = 0
        self.sent = 0
        publisher.socket.settimeout(0)
        subscriber.socket.settimeout(0)
        self._poll = select.poll()
        self._out, self._in = publisher.socket.fileno(), subscriber.socket.fileno()
        self._poll.register(self._in, select.POLLIN)

    @property
    def received(self) -> int:
        """Return how many whole messages came out."""
        return self._received_bytes // self._size

    def run(self, seconds: float) -> float:
        """Publish for so long, then wait for what is under way; return the seconds it took."""
        start = due = time.monotonic()
        self._poll.register(self._out, select.POLLOUT)
        while self._unsent or time.monotonic() < start + seconds:
            for descriptor, _ in self._poll.poll(_QUIET_SECONDS * 1000):
                if descriptor == self._in:
                    self._receive()
                elif time.monotonic() >= due:
                    due += self._pause
                    self._send()
        self._poll.unregister(self._out)
        while self.received < self.sent and self._poll.poll(_QUIET_SECONDS * 1000):
            self._receive()
        return time.monotonic() - start

    def _send(self) -> None:
        if not self._unsent:
            write = self._publisher.tls.write
            for frame in islice(self._frames, self._records):
                write(frame)
            self.sent += self._records
            self._unsent = memoryview(self._publisher.outgoing.read())
        self._unsent = self._unsent[self._publisher.socket.send(self._unsent) :]

    def _receive(self) -> None:
        data = self._subscriber.socket.recv(_READ_BYTES)
        if not data:
            raise RuntimeError("the broker closed the subscriber's connection")
        self._subscriber.incoming.write(data)
        read = self._subscriber.tls.read
        while True:
            try:
                self._received_bytes += len(read(_READ_BYTES))
            except ssl.SSLWantReadError:
                return


def main(arguments: list[str]) -> None:
    """Measure one broker once."""
    broker = RunningBroker.from_arguments(arguments[:4])
    topics, rate, seconds = int(arguments[4]), int(arguments[5]), float(arguments[6])
    sys.stdin.readline()
    streams = [
        RecordStream(broker, name, device_context(broker, name, ssl.TLSVersion.TLSv1_3))
        for name in DEVICES[:2]
    ]
    publisher, subscriber = streams
    subscriber.subscribe("site/#")
    pump = Pump(publisher, subscriber, topics, rate)
    pump.run(_WARM_UP_SECONDS)
    sent, received = pump.sent, pump.received
    cpu, own = cpu_seconds(broker.pid), time.process_time()
    taken = pump.run(seconds)
    cpu, own = cpu_seconds(broker.pid) - cpu, time.process_time() - own
    sent, received = pump.sent - sent, pump.received - received
    for stream in streams:
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
