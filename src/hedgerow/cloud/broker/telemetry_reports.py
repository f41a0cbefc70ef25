"""Telemetry over MQTT: taken from the broker, of each core only what it has published itself.

A policy on `*` lets a device publish on any core's topic; whose certificate is not attached to the
core's thing is not heard all the same.
"""

from collections.abc import Callable

import structlog

from hedgerow.cloud.broker.authority import identity_of
from hedgerow.cloud.iot import AdmittedDevice, DeviceDirectory
from hedgerow.contract import telemetry_core
from hedgerow.kernel import DeniedError
from hedgerow.mqtt import Message

_LOG = structlog.get_logger("hedgerow.cloud.broker.telemetry_reports")

Hear = Callable[[str, bytes], None]
"""Takes the core's thing name and what it has published. It is quick and does not raise."""


class TelemetryReports:
    """Says whose telemetry a message is, and hands it on."""

    def __init__(self, directory: DeviceDirectory, hear: Hear) -> None:
        self._directory = directory
        self._hear = hear

    def take(self, message: Message) -> None:
        """Take a message on a telemetry topic (a `Tap`); a will is none."""
        core = telemetry_core(message.topic)
        if core is None or message.is_will or isinstance(message.source, str):
            return
        holder = identity_of(message.source).holder
        if isinstance(holder, AdmittedDevice) and self._is(core, holder.certificate_id):
            self._hear(core, message.payload)
            return
        _LOG.warning("telemetry of a core that its sender is not", core=core)

    def _is(self, core: str, certificate_id: str) -> bool:
        try:
            return core in self._directory.admit(certificate_id).things
        except DeniedError:
            return False
