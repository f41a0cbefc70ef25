"""How each packet of a connected client is answered; a table by packet type."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from hedgerow.mqtt.codec import (
    PacketType,
    Puback,
    Publish,
    ReasonCode,
    Suback,
    Subscribe,
    SubscribeItem,
    Unsuback,
    Unsubscribe,
)
from hedgerow.mqtt.rules import (
    Refusal,
    publish_refusal,
    subscribe_refusal,
    unexpected,
    verdict_refusal,
)
from hedgerow.mqtt.session import Session, Subscription

if TYPE_CHECKING:
    from hedgerow.mqtt.dialogue import Dialogue


def _publish(dialogue: "Dialogue", session: Session, publish: Publish) -> None:
    engine = dialogue.engine
    if publish.properties.topic_alias is not None:
        topic = _aliased(dialogue, session, publish)
        if topic is None:
            return
        publish = replace(publish, topic=topic)
    refusal = publish_refusal(publish, engine.limits, dialogue.version)
    if refusal is not None:
        dialogue.end(refusal)
        return
    engine.counters.messages_received += 1
    route = engine.router.route(session, publish.topic)
    verdict = engine.router.publish_verdict(session, route, retain=publish.retain)
    if verdict.allowed:
        delivered = engine.courier.deliver(route, session.ref, publish)
        reason = ReasonCode.SUCCESS if delivered else ReasonCode.NO_MATCHING_SUBSCRIBERS
        if publish.qos:
            dialogue.send(Puback(publish.packet_id, reason))
        return
    refusal = verdict_refusal("publish", verdict, publish.topic)
    if verdict.disconnect:
        dialogue.end(refusal)
        return
    engine.refuse(refusal, session.ref)
    if publish.qos:
        # 3.1.1 has no word for 'no': there it is an acknowledgement like any [MQTT-3.3.5-2].
        properties = dialogue.explained(refusal.text)
        dialogue.send(Puback(publish.packet_id, refusal.reason, properties))


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
    released = session.in_flight.acknowledge(puback.packet_id)
    if released:
        dialogue.send_frame(released)


def _subscribe(dialogue: "Dialogue", session: Session, subscribe: Subscribe) -> None:
    identifiers = subscribe.properties.subscription_identifier
    identifier = identifiers[0] if identifiers else None
    reasons, texts = [], []
    for item in subscribe.items:
        refusal, disconnect = _judged(dialogue, session, item)
        if refusal is None:
            qos = min(item.qos, dialogue.engine.limits.maximum_qos)
            epoch = dialogue.engine.router.epoch
            dialogue.engine.router.subscribe(Subscription(session, item, qos, identifier, epoch))
            reasons.append(ReasonCode(qos))
        elif disconnect:
            dialogue.end(refusal)
            return
        else:
            dialogue.engine.refuse(refusal, session.ref)
            reasons.append(refusal.reason)
            texts.append(refusal.text)
    properties = dialogue.explained("; ".join(texts))
    dialogue.send(Suback(subscribe.packet_id, tuple(reasons), properties))


def _judged(
    dialogue: "Dialogue", session: Session, item: SubscribeItem
) -> tuple[Refusal | None, bool]:
    """Return why a filter is refused, if it is, and whether that ends the conversation."""
    engine = dialogue.engine
    others = len(session.subscriptions.keys() - {item.topic_filter})
    refusal = subscribe_refusal(item, engine.limits, dialogue.version, others)
    if refusal is not None:
        return refusal, False
    verdict = engine.authority.may_subscribe(session.ref, item.topic_filter)
    if verdict.allowed:
        return None, False
    return verdict_refusal("subscribe", verdict, item.topic_filter), verdict.disconnect


def _unsubscribe(dialogue: "Dialogue", session: Session, unsubscribe: Unsubscribe) -> None:
    router = dialogue.engine.router
    reasons = tuple(
        ReasonCode.SUCCESS
        if router.unsubscribe(session, topic_filter)
        else ReasonCode.NO_SUBSCRIPTION_EXISTED
        for topic_filter in unsubscribe.topic_filters
    )
    dialogue.send(Unsuback(unsubscribe.packet_id, reasons))


ANSWERS: Final[MappingProxyType[PacketType, Callable[["Dialogue", Session, Any], None]]] = (
    MappingProxyType(
        {
            PacketType.PUBLISH: _publish,
            PacketType.PUBACK: _puback,
            PacketType.SUBSCRIBE: _subscribe,
            PacketType.UNSUBSCRIBE: _unsubscribe,
        }
    )
)
"""What is not here may not come from a client in a session (QoS 2's packets, since it is off)."""
