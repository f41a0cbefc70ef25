"""What a core finds of sessions when it starts: nothing that a revoked certificate left speaks."""

from datetime import timedelta

import pytest
import structlog
from tests.support.clock import ManualClock
from tests.support.cloud_documents import GroupDouble
from tests.support.local_server import verified
from tests.support.mqtt_stage import MemoryKeeper, Player

from hedgerow.core.server import LocalOffer, Serving, local_limits
from hedgerow.core.server.authority import CoreAuthority
from hedgerow.core.server.refusals import RefusalLog
from hedgerow.mqtt import Broker, Peer
from hedgerow.mqtt.codec import Properties, Will

OFFER = LocalOffer(qos=1, sessions_s=3600)
WILL = Will("alarm", b"said by who had the key", properties=Properties(will_delay_interval=60))


class Core:
    """One start of a core's broker; devices come in with the certificates that the group has."""

    def __init__(self, double: GroupDouble, keeper: MemoryKeeper, clock: ManualClock) -> None:
        log = structlog.get_logger()
        self._ids = {device.name: device.certificate_id for device in double.devices}
        self.authority = CoreAuthority(lambda _: None, lambda _: None, RefusalLog(clock, log))
        self.authority.closed_because = None
        self.authority.serving = Serving.of(*verified(double))
        self._broker = Broker(
            self.authority, limits=local_limits(OFFER), clock=clock, name="core", keeper=keeper
        )
        self._broker.recall()
        self._clock = clock

    def protocol(self, peer: Peer) -> object:
        """Return a connection that came in with its device's certificate."""
        return self._broker.protocol(Peer(self._ids[str(peer.identity)], peer.address))

    def connected(self, name: str, will: Will | None = None) -> Player:
        """Return a device that was let in."""
        player = Player(self, name)  # type: ignore[arg-type]  # it asks for `protocol` only
        answer = player.connect(clean=False, expiry_s=3600, will=will)
        assert not answer.reason.is_error
        return player

    def pass_time(self, seconds: float) -> None:
        """Move the clock and let the broker look at it."""
        self._clock.advance(timedelta(seconds=seconds))
        self._broker.tick()


@pytest.mark.promise(4)
@pytest.mark.parametrize("revoked", [True, False])
async def test_a_will_of_a_revoked_certificate_is_not_said_after_a_restart(
    *, revoked: bool
) -> None:
    """Though its thing has another certificate, whose session it is from then on."""
    double, keeper, clock = GroupDouble(), MemoryKeeper(), ManualClock()
    double.devices = [double.keys.device(name) for name in "AB"]
    a, b = double.devices
    double.rows = [(a.arn, "alarm", b.arn)]
    core = Core(double, keeper, clock)
    core.connected("A", WILL).vanish()
    if revoked:
        double.devices = [double.keys.device("A"), b]
        double.serial += 1
    core = Core(double, keeper, clock)
    listener = core.connected("B")
    listener.subscribe("alarm", qos=1)
    core.pass_time(61)
    assert [message.payload for message in listener.messages()] == (
        [] if revoked else [WILL.payload]
    )
