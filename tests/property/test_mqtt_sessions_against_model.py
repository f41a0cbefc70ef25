"""Whatever clients do, everyone gets what a naive model of MQTT sessions says, in that order."""

import asyncio
import os
from collections.abc import Callable
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.support.mqtt_session_model import Held, LastWords, Model, ModelSession, Sent
from tests.support.mqtt_stage import V5, Player, Stage

from hedgerow.mqtt import Limits, ProtocolVersion, ReasonCode
from hedgerow.mqtt.codec import (
    Disconnect,
    Packet,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    SubscribeItem,
    Unsubscribe,
    Will,
)

_LIMITS = Limits(
    maximum_qos=2,
    retain_available=True,
    session_expiry_s=3600,
    keep_alive_s=65535,
    in_flight=1000,
    receive_maximum=1000,
)
_VERSIONS = {"a": V5, "b": V5, "c": ProtocolVersion.V311}
_KEEPS_RETAIN = "b"
_clients = st.sampled_from(sorted(_VERSIONS))
_topics = st.sampled_from(["t", "t/u", "v", "$d"])
_filters = st.sampled_from(["t", "t/#", "+", "t/+", "#", "v", "$d"])
_qos = st.sampled_from([2, 1, 0])
_SCALE = int(os.environ.get("HEDGEROW_SESSIONS_SCALE", "1"))


class Sessions(RuleBasedStateMachine):
    """Three clients, of which one speaks 3.1.1 and one wants retain flags as published."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model = Model()
        self.players: dict[str, Player] = {}
        self.numbers = count(1)
        self.packet_ids = count(1)
        self.answers: dict[str, list[Packet]] = {}
        self.ids: dict[str, dict[bytes, int]] = {name: {} for name in _VERSIONS}
        self.unreleased: dict[str, list[tuple[int, Publish]]] = {name: [] for name in _VERSIONS}
        self.order_matters = True
        self.stage: Stage = self._do(Stage, _LIMITS)

    def teardown(self) -> None:
        self._do(self._part_all)
        self.loop.close()

    def _part_all(self) -> None:
        for player in self.players.values():
            player.vanish()

    def _do(self, act: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        async def acted() -> Any:
            result = act(*arguments, **more)
            await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(acted())

    def _session(self, name: str) -> ModelSession | None:
        session = self.model.sessions.get(name)
        return session if session is not None and session.is_connected else None

    # ---- coming and going

    @initialize(qos=st.tuples(_qos, _qos, _qos))
    def begin(self, qos: tuple[int, int, int]) -> None:
        """Begin where something happens: everyone is there, listens, and has a session."""
        for name, granted in zip(_VERSIONS, qos, strict=True):
            self.connect(name, clean=False, expiry_s=60, will=None)
            self.subscribe(name, "#", granted, no_local=False, retain_handling=0)

    @rule(
        name=_clients,
        clean=st.sampled_from([False, False, True]),
        expiry_s=st.sampled_from([0, 60]),
        will=st.none() | st.tuples(_topics, _qos, st.booleans(), st.sampled_from([0, 10])),
    )
    def connect(
        self, name: str, *, clean: bool, expiry_s: int, will: tuple[str, int, bool, int] | None
    ) -> None:
        version = _VERSIONS[name]
        session = ModelSession(name, version, name == _KEEPS_RETAIN)
        session.expiry_s = expiry_s
        testament, asked = None, None
        if version is not V5:
            session.expiry_s = 0 if clean else _LIMITS.session_expiry_s
        if will is not None:
            topic, qos, retain, delay_s = will
            delay_s = delay_s if version is V5 else 0
            payload = b"will %d" % next(self.numbers)
            testament = LastWords(topic, payload, qos, retain, delay_s)
            properties = Properties(will_delay_interval=delay_s or None)
            asked = Will(topic, payload, qos, retain, properties)
        session.will = testament
        before = self.players.get(name)
        was_there = self.model.connect(session, clean=clean)
        player = self._do(self.stage.player, name, version)
        answer = self._do(player.connect, clean=clean, expiry_s=expiry_s or None, will=asked)
        assert answer.session_present == was_there
        if before is not None:
            assert before.transport.is_closing()
        self.players[name] = player
        if not was_there:
            self.unreleased[name].clear()

    @precondition(lambda self: self.players)
    @rule(name=_clients, how=st.sampled_from(["goodbye", "with will", "lost"]))
    def part(self, name: str, how: str) -> None:
        session = self._session(name)
        if session is None:
            return
        player = self.players.pop(name)
        will_is_due = how == "lost" or (how == "with will" and session.version is V5)
        self.model.part(session, will_is_due=will_is_due)
        if how == "lost":
            self._do(player.vanish)
        else:
            with_will = ReasonCode.DISCONNECT_WITH_WILL
            reason = with_will if will_is_due else ReasonCode.SUCCESS
            self._do(player.goodbye, Disconnect(reason))

    @rule(seconds=st.sampled_from([7, 31, 64]))
    def time_passes(self, seconds: int) -> None:
        self.model.pass_time(seconds)
        self._do(self.stage.pass_time, seconds)
        self.order_matters = False

    # ---- subscriptions

    @rule(
        name=_clients,
        topic_filter=_filters,
        qos=_qos,
        no_local=st.booleans(),
        retain_handling=st.integers(0, 2),
    )
    def subscribe(
        self, name: str, topic_filter: str, qos: int, *, no_local: bool, retain_handling: int
    ) -> None:
        session = self._session(name)
        if session is None:
            return
        if session.version is not V5:
            no_local, retain_handling = False, 0
        item = SubscribeItem(topic_filter, qos, no_local, session.keeps_retain, retain_handling)
        self.model.subscribe(session, Held(topic_filter, qos, no_local), retain_handling)
        answer = self._do(self.players[name].subscribe, item)
        assert answer.reasons == (ReasonCode(qos),)
        self.order_matters = False

    @rule(name=_clients, topic_filter=_filters)
    def unsubscribe(self, name: str, topic_filter: str) -> None:
        session = self._session(name)
        if session is None:
            return
        session.subscriptions.pop(topic_filter, None)
        self._do(self.players[name].give, Unsubscribe(next(self.packet_ids), (topic_filter,)))

    # ---- messages

    @rule(
        name=_clients,
        topic=_topics,
        qos=_qos,
        retain=st.booleans(),
        empty=st.booleans(),
        expires=st.booleans(),
    )
    def publish(
        self, name: str, topic: str, qos: int, *, retain: bool, empty: bool, expires: bool
    ) -> None:
        session = self._session(name)
        if session is None:
            return
        payload = b"" if retain and empty else b"%d" % next(self.numbers)
        lives_s = 20 if expires and session.version is V5 else None
        packet_id = next(self.packet_ids) if qos else 0
        packet = Publish(
            topic,
            payload,
            qos=qos,
            retain=retain,
            packet_id=packet_id,
            properties=Properties(message_expiry_interval=lives_s),
        )
        ends_at = None if lives_s is None else self.model.now + lives_s
        self.model.publish(name, Sent(topic, payload, qos, retain, ends_at))
        self._do(self.players[name].give, packet)
        if qos == 2:
            session.received.add(packet_id)
            self.unreleased[name].append((packet_id, packet))

    @rule(name=_clients)
    def publish_once_more(self, name: str) -> None:
        """Send a message of QoS 2 again before it was released: it is the same one."""
        session = self._session(name)
        again = [p for i, p in self.unreleased[name] if session and i in session.received]
        if again:
            packet = again[0]
            self._do(
                self.players[name].give,
                Publish(packet.topic, packet.payload, qos=2, packet_id=packet.packet_id, dup=True),
            )

    @rule(name=_clients)
    def release(self, name: str) -> None:
        session = self._session(name)
        if session is None or not self.unreleased[name]:
            return
        packet_id, _ = self.unreleased[name].pop(0)
        session.received.discard(packet_id)
        self._do(self.players[name].give, Pubrel(packet_id))

    @rule(name=_clients, which=st.integers(0, 3))
    def acknowledge(self, name: str, which: int) -> None:
        """Go one step on with one of the messages that the client was sent."""
        session = self._session(name)
        if session is None or not session.owed:
            return
        owed = session.owed[which % len(session.owed)]
        packet_id = self.ids[name][owed.sent.payload + owed.sent.topic.encode()]
        give = self.players[name].give
        if owed.sent.qos == 1:
            session.owed.remove(owed)
            self._do(give, Puback(packet_id))
        elif owed.is_released:
            session.owed.remove(owed)
            self._do(give, Pubcomp(packet_id))
        else:
            owed.is_released = True
            self._do(give, Pubrec(packet_id))

    # ---- what must hold

    @invariant()
    def everyone_got_what_they_should(self) -> None:
        ordered, self.order_matters = self.order_matters, True
        for name, player in self.players.items():
            session = self.model.sessions[name]
            got = [p for p in self._do(player.got) if isinstance(p, Publish)]
            for packet in got:
                if packet.qos:
                    self.ids[name][packet.payload + packet.topic.encode()] = packet.packet_id
            seen = [(p.topic, p.payload, p.qos, p.retain) for p in got]
            expected = [sent.seen() for sent in session.news]
            session.news.clear()
            if not ordered:
                seen, expected = sorted(seen), sorted(expected)
            assert seen == expected, f"{name} got {seen} instead of {expected}"

    @invariant()
    def the_broker_knows_the_same_sessions(self) -> None:
        broker = self.stage.broker
        here = {name for name, session in self.model.sessions.items() if session.is_connected}
        assert {ref.client_id for ref in broker.sessions} == here
        assert {ref.client_id for ref in broker.sessions_away} == set(self.model.sessions) - here
        for name, session in self.model.sessions.items():
            assert set(broker.subscriptions_of(name)) == set(session.subscriptions)


Sessions.TestCase.settings = settings(
    max_examples=60 * _SCALE,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    database=None,
)
TestSessions = Sessions.TestCase
