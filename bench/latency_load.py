"""Requests and answers through a broker: `python -m bench.latency_load BROKER… RATE SECONDS`.

One device asks so many times a second, another answers at once; both are this process. Waits for
a line, then prints how long each request took from before it is written to after its answer is
read. A slow answer does not put the next request off.
"""

import json
import select
import ssl
import sys
import time

from bench.mqtt_client import RecordStream, RunningBroker, device_context, publish
from bench.table import ANSWER, ANSWERER, ASK, ASKER

_NUMBER_BYTES = 8
_PADDING = bytes(100 - _NUMBER_BYTES)
_READ_BYTES = 64 * 1024
_WARM_UP = 200
_QUIET_SECONDS = 2.0


class Conversation:
    """An asker and an answerer."""

    def __init__(self, broker: RunningBroker) -> None:
        self._asker, self._answerer = (
            RecordStream(broker, name, device_context(broker, name, ssl.TLSVersion.TLSv1_3))
            for name in (ASKER, ANSWERER)
        )
        for stream in (self._asker, self._answerer):
            stream.subscribe("#")
            stream.socket.settimeout(0)
        self._poll = select.poll()
        self._poll.register(self._asker.socket, select.POLLIN)
        self._poll.register(self._answerer.socket, select.POLLIN)
        self._rest = {self._asker: b"", self._answerer: b""}
        self._asked: dict[int, float] = {}
        self._number = 0
        self.taken_ms: list[float] = []

    @property
    def unanswered(self) -> int:
        """Return how many requests have no answer yet."""
        return len(self._asked)

    def run(self, rate: float, requests: int) -> None:
        """Ask so many times at a rate, and wait for the answers."""
        begun = time.monotonic()
        for number in range(requests):
            due = begun + number / rate
            while (left := due - time.monotonic()) > 0:
                self._take(left)
            self._ask()
            self._take(0)
        ends = time.monotonic() + _QUIET_SECONDS
        while self._asked and time.monotonic() < ends:
            self._take(_QUIET_SECONDS)

    def close(self) -> None:
        """Say goodbye."""
        for stream in (self._asker, self._answerer):
            stream.socket.settimeout(None)
            stream.close()

    def _ask(self) -> None:
        self._number += 1
        frame = publish(ASK, self._number.to_bytes(_NUMBER_BYTES) + _PADDING)
        self._asked[self._number] = time.monotonic()
        self._asker.send(frame)

    def _take(self, seconds: float) -> None:
        for number, _ in self._poll.poll(seconds * 1000):
            if number == self._asker.socket.fileno():
                for payload in self._payloads(self._asker, ANSWER):
                    asked = self._asked.pop(int.from_bytes(payload[:_NUMBER_BYTES]))
                    self.taken_ms.append((time.monotonic() - asked) * 1000)
            else:
                for payload in self._payloads(self._answerer, ASK):
                    self._answerer.send(publish(ANSWER, payload))

    def _payloads(self, stream: RecordStream, topic: str) -> list[bytes]:
        data = stream.socket.recv(_READ_BYTES)
        if not data:
            raise RuntimeError("the broker closed a connection")
        stream.incoming.write(data)
        got = self._rest[stream]
        while True:
            try:
                got += stream.tls.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                break
        size = len(publish(topic, _PADDING)) + _NUMBER_BYTES
        whole = len(got) - len(got) % size
        self._rest[stream] = got[whole:]
        payload_bytes = len(_PADDING) + _NUMBER_BYTES
        return [got[at - payload_bytes : at] for at in range(size, whole + 1, size)]


def main(arguments: list[str]) -> None:
    """Measure one broker once."""
    broker = RunningBroker.from_arguments(arguments[:4])
    rate, seconds = float(arguments[4]), float(arguments[5])
    sys.stdin.readline()
    talk = Conversation(broker)
    talk.run(rate, _WARM_UP)
    talk.taken_ms.clear()
    talk.run(rate, int(rate * seconds))
    unanswered = talk.unanswered
    talk.close()
    print(json.dumps({"taken_ms": sorted(talk.taken_ms), "unanswered": unanswered}))


if __name__ == "__main__":
    main(sys.argv[1:])
