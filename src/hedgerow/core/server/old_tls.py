"""Who still needs old TLS: connections counted, devices named once, a standing problem."""

from collections import Counter, OrderedDict

from structlog.typing import FilteringBoundLogger

from hedgerow.kernel import Clock
from hedgerow.pki import LegacyTls, TlsPeer, is_old

_DEVICES_LIMIT = 10_000


class OldTlsWatch:
    """Takes note of connections that only `hedgerow.legacyTls` lets in."""

    def __init__(
        self, legacy: LegacyTls | None, *, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._legacy = legacy
        self._clock = clock
        self._log = log
        self._named: OrderedDict[tuple[str | None, str], None] = OrderedDict()
        self.connections: Counter[str] = Counter()
        """By version and suite, since the core started."""
        if legacy is not None and self.is_on:
            log.warning(
                "old TLS is offered to client devices", what=str(legacy), until=f"{legacy.until}"
            )
        elif legacy is not None:
            log.warning(
                "hedgerow.legacyTls has ended; it has no effect",
                what=str(legacy),
                ended=f"{legacy.last_day}",
            )

    @property
    def is_on(self) -> bool:
        """Tell whether old TLS is offered now."""
        return self._legacy is not None and self._legacy.is_on(self._clock.now())

    @property
    def problem(self) -> str | None:
        """Return the standing problem while old TLS is offered."""
        if self._legacy is None or not self.is_on:
            return None
        return (
            f"old TLS ({self._legacy}) is offered to client devices until "
            f"{self._legacy.until:%Y-%m-%d %H:%M} UTC by hedgerow.legacyTls, and was used by "
            f"{self.connections.total()} connections since the start; update those devices and "
            "take the option out"
        )

    def connected(self, peer: TlsPeer) -> None:
        """Take note of a connection."""
        if not is_old(peer.version, peer.suite):
            return
        used = f"{peer.version} {peer.suite}"
        self.connections[used] += 1
        device = (peer.certificate_id, used)
        if device in self._named:
            return
        if len(self._named) >= _DEVICES_LIMIT:
            self._named.popitem(last=False)
        self._named[device] = None
        self._log.warning(
            "a device uses old TLS",
            used=used,
            certificate_id=peer.certificate_id,
            address=peer.address,
        )
