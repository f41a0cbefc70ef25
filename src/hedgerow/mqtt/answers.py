"""How each packet of a connected client is answered; a table by packet type."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from hedgerow.mqtt.authority import ALLOWED, SessionEvent, Verdict
from hedgerow.mqtt.codec import (
    PacketType,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    ReasonCode,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
    Unsubscribe,
)
from hedgerow.mqtt.route import Route
from hedgerow.mqtt.rules import (
    Refusal,
    number_refusal,
    publish_refusal,
    receive_refusal,
    subscribe_refusal,
    unexpected,
    verdict_refusal,
)
from hedgerow.mqtt.session import Session, Subscription

if TYPE_CHECKING:
    from hedgerow.mqtt.dialogue import Dialogue
    from hedgerow.mqtt.engine import Engine

_EXACTLY_ONCE: Final = 2


class NotNowError(Exception):
    """A message has to wait: one of those it goes to has too much waiting already."""


def _publish(dialogue: "Dialogue", session: Session, publish: Publish) -> None:
    engine = dialogue.engine
    if publish.properties.topic_alias is not None:
        topic = _aliased(dialogue, session, publish)
        if topic is None:
            return
        publish = replace(publish, topic=topic)
    refusal = publish_refusal(publish, engine.limits, dialogue.version)
    if refusal is None and publish.qos == _EXACTLY_ONCE:
        if publish.packet_id in session.received:
            dialogue.send(Pubrec(publish.packet_id))
            return
        refusal = receive_refusal(len(session.received), engine.limits)
    if refusal is not None:
        dialogue.end(refusal)
        return
    route = engine.router.route(session, publish.topic)
    verdict = engine.router.publish_verdict(session, route, retain=publish.retain)
    if verdict.allowed:
        if publish.qos:
            _see_room(dialogue, session, route)
        engine.counters.messages_received += 1
        delivered = engine.accept(route, session.ref, publish)
        _acknowledge(dialogue, session, publish, *_outcome(engine, delivered))
        return
    engine.counters.messages_received += 1
    refusal = verdict_refusal("publish", verdict, publish.topic)
    if verdict.disconnect:
        dialogue.end(refusal)
        return
    engine.refuse(refusal, session.ref)
    _acknowledge(dialogue, session, publish, refusal.reason, refusal.text)


def _outcome(engine: "Engine", delivered: int) -> tuple[ReasonCode, str]:
    """Return what an MQTT 5 publisher is told of an allowed message."""
    if delivered:
        return ReasonCode.SUCCESS, ""
    if engine.courier.found_full:
        return ReasonCode.QUOTA_EXCEEDED, "the queue of whoever it is for is full; send it later"
    return ReasonCode.NO_MATCHING_SUBSCRIBERS, ""


def _acknowledge(
    dialogue: "Dialogue", session: Session, publish: Publish, reason: ReasonCode, text: str = ""
) -> None:
    """Answer a message. 3.1.1 has no word for 'no': it is acknowledged all the same.

    [MQTT-3.3.5-2]
    """
    if not publish.qos:
        return
    properties = dialogue.explained(text)
    if publish.qos != _EXACTLY_ONCE:
        dialogue.send(Puback(publish.packet_id, reason, properties))
        return
    if not (reason.is_error and session.speaks_5):
        session.received.add(publish.packet_id)
        if session.is_kept:
            dialogue.engine.keeper.received(session.ref.client_id, publish.packet_id)
    dialogue.send(Pubrec(publish.packet_id, reason, properties))


def _see_room(dialogue: "Dialogue", session: Session, route: Route) -> None:
    """Raise `NotNowError` if a receiver should catch up first.

    Nobody waits for itself, nor for one that is made to wait: it could not even acknowledge.
    """
    for delivery in route.deliveries:
        other = delivery.session
        if not other.deliveries.is_crowded or not delivery.qos or other is session:
            continue
        link = other.link
        if link is not None and not link.is_held and dialogue.wait_for(other.deliveries, link):
            raise NotNowError
    dialogue.waited()


def _aliased(dialogue: "Dialogue", session: Session, publish: Publish) -> str | None:
    """Return the topic that an alias stands for, or end the conversation."""
    alias, highest = publish.properties.topic_alias or 0, dialogue.engine.limits.topic_aliases
    if alias > highest:
        text = f"topic alias {alias} is higher than {highest}"
        dialogue.end(Refusal("packet", ReasonCode.TOPIC_ALIAS_INVALID, text))
        return None
    if publish.topic:
        session.aliases[alias] = publish.topic
        return publish.topic
    if alias not in session.aliases:
        dialogue.end(unexpected(f"topic alias {alias} was not set before"))
        return None
    return session.aliases[alias]


def _puback(dialogue: "Dialogue", session: Session, puback: Puback) -> None:
    if _contradicts(dialogue, session, puback):
        return
    if session.deliveries.acknowledge(puback.packet_id):
        dialogue.wrote()


def _pubrec(dialogue: "Dialogue", session: Session, pubrec: Pubrec) -> None:
    if _without_exactly_once(dialogue, pubrec.type) or _contradicts(dialogue, session, pubrec):
        return
    refused = pubrec.reason.is_error
    known = session.deliveries.received(pubrec.packet_id, refused=refused)
    if not refused:
        reason = ReasonCode.SUCCESS if known else ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
        dialogue.send(Pubrel(pubrec.packet_id, reason))
    dialogue.wrote()


def _pubrel(dialogue: "Dialogue", session: Session, pubrel: Pubrel) -> None:
    if _without_exactly_once(dialogue, pubrel.type):
        return
    known = pubrel.packet_id in session.received
    session.received.discard(pubrel.packet_id)
    if known and session.is_kept:
        dialogue.engine.keeper.completed(session.ref.client_id, pubrel.packet_id)
    reason = ReasonCode.SUCCESS if known else ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
    dialogue.send(Pubcomp(pubrel.packet_id, reason))


def _pubcomp(dialogue: "Dialogue", session: Session, pubcomp: Pubcomp) -> None:
    if _without_exactly_once(dialogue, pubcomp.type) or _contradicts(dialogue, session, pubcomp):
        return
    if session.deliveries.complete(pubcomp.packet_id):
        dialogue.wrote()


def _contradicts(dialogue: "Dialogue", session: Session, answer: Puback | Pubrec | Pubcomp) -> bool:
    """End the conversation if an answer is of another QoS than its message [MQTT-4.8.0-1]."""
    if not session.deliveries.contradicts(answer.packet_id, answer.type):
        return False
    text = f"{answer.type.name} is no answer to the message with packet id {answer.packet_id}"
    dialogue.end(unexpected(text))
    return True


def _without_exactly_once(dialogue: "Dialogue", packet_type: PacketType) -> bool:
    """End the conversation if QoS 2 is not offered, and with it this packet."""
    if dialogue.engine.limits.maximum_qos >= _EXACTLY_ONCE:
        return False
    dialogue.end(unexpected(f"{packet_type.name} may not come without QoS 2"))
    return True


def _subscribe(dialogue: "Dialogue", session: Session, subscribe: Subscribe) -> None:
    engine = dialogue.engine
    refusal = number_refusal(len(subscribe.items), engine.limits)
    if refusal is not None:
        dialogue.end(refusal)
        return
    identifiers = subscribe.properties.subscription_identifier
    identifier = identifiers[0] if identifiers else None
    reasons, texts = [], []
    granted: list[tuple[Subscription, bool]] = []
    for item in subscribe.items:
        qos = min(item.qos, engine.limits.maximum_qos, engine.limits.granted_qos)
        subscription = Subscription(session, item, qos, identifier, engine.router.epoch)
        refusal, verdict = _judged(dialogue, session, item)
        if refusal is None:
            granted.append((subscription, engine.subscribe(subscription)))
            reasons.append(ReasonCode(qos))
            continue
        if verdict.disconnect:
            dialogue.end(refusal)
            return
        if verdict.dormant:
            subscription.allowed = False
            engine.subscribe(subscription)
        engine.refuse(refusal, session.ref)
        reasons.append(refusal.reason)
        texts.append(refusal.text)
    properties = dialogue.explained("; ".join(texts))
    dialogue.send(Suback(subscribe.packet_id, tuple(reasons), properties))
    for subscription, is_new in granted:
        engine.send_retained(subscription, is_new=is_new)
    _tell(dialogue, session, "subscribed", [held.item.topic_filter for held, _ in granted])


def _judged(
    dialogue: "Dialogue", session: Session, item: SubscribeItem
) -> tuple[Refusal | None, Verdict]:
    """Return why a filter is refused, if it is, and what the authority says to it."""
    engine = dialogue.engine
    others = len(session.subscriptions) - (item.topic_filter in session.subscriptions)
    refusal = subscribe_refusal(item, engine.limits, others)
    if refusal is not None:
        return refusal, ALLOWED
    verdict = engine.authority.may_subscribe(session.ref, item.topic_filter)
    if verdict.allowed:
        return None, verdict
    return verdict_refusal("subscribe", verdict, item.topic_filter), verdict


def _unsubscribe(dialogue: "Dialogue", session: Session, unsubscribe: Unsubscribe) -> None:
    filters = unsubscribe.topic_filters
    found = [dialogue.engine.unsubscribe(session, topic_filter) for topic_filter in filters]
    reasons = tuple(
        ReasonCode.SUCCESS if was_there else ReasonCode.NO_SUBSCRIPTION_EXISTED
        for was_there in found
    )
    dialogue.send(Unsuback(unsubscribe.packet_id, reasons))
    gone = [name for name, was_there in zip(filters, found, strict=True) if was_there]
    _tell(dialogue, session, "unsubscribed", gone)


def _tell(
    dialogue: "Dialogue",
    session: Session,
    kind: Literal["subscribed", "unsubscribed"],
    filters: Sequence[str],
) -> None:
    if filters:
        event = SessionEvent(kind, session.ref, topic_filters=tuple(filters))
        dialogue.engine.happened(event)


ANSWERS: Final[MappingProxyType[PacketType, Callable[["Dialogue", Session, Any], None]]] = (
    MappingProxyType(
        {
            PacketType.PUBLISH: _publish,
            PacketType.PUBACK: _puback,
            PacketType.PUBREC: _pubrec,
            PacketType.PUBREL: _pubrel,
            PacketType.PUBCOMP: _pubcomp,
            PacketType.SUBSCRIBE: _subscribe,
            PacketType.UNSUBSCRIBE: _unsubscribe,
        }
    )
)
"""What is not here may not come from a client in a session."""
