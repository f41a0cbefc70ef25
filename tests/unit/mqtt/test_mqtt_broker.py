"""What the broker does for its clients, over real sockets."""

import pytest
from tests.support.mqtt_broker import serve

from hedgerow.mqtt import ProtocolVersion
from hedgerow.mqtt.codec import Publish

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
BOTH = pytest.mark.parametrize("version", [V311, V5])


@BOTH
async def test_a_message_reaches_its_subscriber(version: ProtocolVersion) -> None:
    async with serve() as served:
        a, b = await served.connected("a", version), await served.connected("b", version)
        async with a, b:
            await b.subscribe("t/+")
            for i in range(5):
                await a.publish("t/1", b"%d" % i)
            for i in range(5):
                assert (await b.message()) == Publish("t/1", b"%d" % i)
            await a.sync()
            await b.sync()
