"""Steps that a keeper is told, for Hypothesis: few clients, filters and messages, to meet often."""

from collections.abc import Callable

from hypothesis import strategies as st
from tests.support.mqtt_keeping import facts, message, subscription

from hedgerow.mqtt import Keeper, KeptDelivery, KeptWill
from hedgerow.mqtt.codec import Properties

Step = Callable[[Keeper], None]
_CLIENTS = ("one", "two")
SHARED = tuple(
    message(f"topic/{number}", bytes([number]) * size, properties=properties)
    for number, (size, properties) in enumerate(
        [
            (0, Properties()),
            (10, Properties(content_type="x")),
            (700, Properties()),
            (90, Properties()),
        ]
    )
)
_clients = st.sampled_from(_CLIENTS)
_numbers = st.integers(1, 3)
_ids = st.integers(1, 5)
_wills = st.sampled_from([None, KeptWill(message("will"), 7.0)])


def begun(client: str, expiry: int, will: KeptWill | None) -> Step:
    return lambda keeper: keeper.session(facts(client, expiry_s=expiry, will=will))


def queued(client: str, number: int, which: int, qos: int, packet_id: int) -> Step:
    delivery = KeptDelivery(SHARED[which], qos, (packet_id,) if qos == 1 else (), packet_id)
    return lambda keeper: keeper.queued(client, number, delivery)


steps = st.one_of(
    st.builds(begun, _clients, st.integers(1, 3), _wills),
    st.builds(lambda client: lambda keeper: keeper.forget(client), _clients),
    st.builds(
        lambda client, name, qos: lambda keeper: keeper.subscribed(client, subscription(name, qos)),
        _clients,
        st.sampled_from("ab"),
        st.integers(0, 2),
    ),
    st.builds(
        lambda client, name: lambda keeper: keeper.unsubscribed(client, name),
        _clients,
        st.sampled_from("ab"),
    ),
    st.builds(queued, _clients, _numbers, st.integers(0, 3), st.integers(1, 2), st.integers(0, 3)),
    st.builds(
        lambda client, number, packet: lambda keeper: keeper.sent(client, number, packet),
        _clients,
        _numbers,
        _ids,
    ),
    st.builds(
        lambda client, number: lambda keeper: keeper.released(client, number), _clients, _numbers
    ),
    st.builds(
        lambda client, number: lambda keeper: keeper.settled(client, number), _clients, _numbers
    ),
    st.builds(
        lambda client, packet: lambda keeper: keeper.received(client, packet), _clients, _ids
    ),
    st.builds(
        lambda client, packet: lambda keeper: keeper.completed(client, packet), _clients, _ids
    ),
    st.builds(lambda which: lambda keeper: keeper.retain(SHARED[which]), st.integers(0, 3)),
    st.builds(lambda which: lambda keeper: keeper.unretain(f"topic/{which}"), st.integers(0, 3)),
)

ALWAYS_NEXT = -(1 << 20)
"""A `segment_bytes` that has the next segment begin as soon as one is whole."""


def lively(keeper: Keeper) -> None:
    """Have several things live, so that a segment takes several commits to fill."""
    for client in _CLIENTS:
        begun(client, 1, None)(keeper)
    for one in SHARED:
        keeper.retain(one)
