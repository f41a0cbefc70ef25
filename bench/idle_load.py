"""Devices that connect, subscribe and do nothing: `python -m bench.idle_load BROKER… FIRST COUNT`.

Waits for a line, connects, prints a line, and leaves when its input ends.
"""

import ssl
import sys

from bench.mqtt_client import RecordStream, RunningBroker, device_context
from bench.table import DEVICES


def main(arguments: list[str]) -> None:
    """Connect and wait."""
    broker = RunningBroker.from_arguments(arguments[:4])
    first, count = int(arguments[4]), int(arguments[5])
    sys.stdin.readline()
    streams = []
    for name in DEVICES[first : first + count]:
        stream = RecordStream(broker, name, device_context(broker, name, ssl.TLSVersion.TLSv1_3))
        stream.subscribe("plant/#")
        streams.append(stream)
    print("connected", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
