"""Telemetry over MQTT: taken from the broker and handed on. Who may speak for a core was judged."""

from collections.abc import Callable

from hedgerow.contract import telemetry_core
from hedgerow.mqtt import Message

Hear = Callable[[str, bytes], None]
"""Takes the core's thing name and what it has published. It is quick and does not raise."""


class TelemetryReports:
    """Says whose telemetry a message is, and hands it on."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear

    def take(self, message: Message) -> None:
        """Take a message on a telemetry topic (a `Tap`); a will is none."""
        core = telemetry_core(message.topic)
        if core is not None and not message.is_will:
            self._hear(core, message.payload)
