"""From a source and a topic to everyone who gets the message, resolved once per generation."""

from collections.abc import Callable

from hedgerow.mqtt.authority import ALLOWED, Authority, RefusalEvent, Source, Verdict
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.route import Delivery, Route
from hedgerow.mqtt.session import Session, Subscription
from hedgerow.mqtt.subscriptions import FilterTree


class Router:
    """Holds all subscriptions and the authority's answers.

    Two counts say how long an answer lives: verdicts live as long as the *epoch* (the authority
    starts a new one when its rows, policies or certificates change), routes as long as the
    *generation* (which also ends with every change of a subscription).
    """

    def __init__(
        self, authority: Authority, limits: Limits, refused: Callable[[RefusalEvent], None]
    ) -> None:
        self._authority = authority
        self._limits = limits
        self._refused = refused
        self._tree: FilterTree[int, Subscription] = FilterTree()
        self._labels: dict[str, dict[str, Route]] = {}
        self.epoch = 0
        self.generation = 0

    def new_epoch(self) -> None:
        """Forget everything the authority said."""
        self.epoch += 1
        self._new_generation()

    def _new_generation(self) -> None:
        self.generation += 1
        self._labels.clear()

    # ---- subscriptions

    def subscribe(self, subscription: Subscription) -> None:
        """Add or replace a session's subscription."""
        session = subscription.session
        session.subscriptions[subscription.item.topic_filter] = subscription
        self._tree.add(subscription.item.topic_filter, session.ref.id, subscription)
        self._new_generation()

    def unsubscribe(self, session: Session, topic_filter: str) -> bool:
        """Remove a session's subscription and return whether there was one."""
        if session.subscriptions.pop(topic_filter, None) is None:
            return False
        self._tree.remove(topic_filter, session.ref.id)
        self._new_generation()
        return True

    def forget(self, session: Session) -> None:
        """Remove all subscriptions of a session and all that was resolved for it."""
        for topic_filter in session.subscriptions:
            self._tree.remove(topic_filter, session.ref.id)
        if session.subscriptions:
            self._new_generation()
        session.subscriptions.clear()
        session.routes.clear()
        session.verdicts.clear()

    # ---- resolving

    def refresh(self, session: Session) -> None:
        """Drop what was resolved for the session in an earlier generation."""
        if session.generation != self.generation:
            session.generation = self.generation
            session.routes.clear()

    def route(self, session: Session, topic: str) -> Route:
        """Return where the session's messages on the topic go."""
        self.refresh(session)
        key = topic.encode()
        route = session.routes.get(key)
        if route is None:
            if len(session.routes) >= self._limits.cached_topics:
                session.routes.clear()
            verdict = self._publish_verdict(session, topic)
            route = self._resolve(session.ref, topic, verdict, session)
            session.routes[key] = route
        return route

    def label_route(self, label: str, topic: str) -> Route:
        """Return where messages go that come from inside, under a label."""
        routes = self._labels.setdefault(label, {})
        route = routes.get(topic)
        if route is None:
            if len(routes) >= self._limits.cached_topics:
                routes.clear()
            route = self._resolve(label, topic, ALLOWED, None)
            routes[topic] = route
        return route

    def publish_verdict(self, session: Session, route: Route, *, retain: bool) -> Verdict:
        """Return the verdict on one message of a route: to be retained is a right of its own."""
        if not (retain and route.verdict.allowed):
            return route.verdict
        return self._authority.may_retain(session.ref, route.topic)

    def _publish_verdict(self, session: Session, topic: str) -> Verdict:
        if session.epoch != self.epoch:
            session.epoch = self.epoch
            session.verdicts.clear()
        verdict = session.verdicts.get(topic)
        if verdict is None:
            if len(session.verdicts) >= self._limits.cached_topics:
                session.verdicts.clear()
            verdict = self._authority.may_publish(session.ref, topic)
            session.verdicts[topic] = verdict
        return verdict

    def _resolve(
        self, source: Source, topic: str, verdict: Verdict, publisher: Session | None
    ) -> Route:
        if not verdict.allowed:
            return Route(topic, verdict)
        deliveries = [
            _delivery(subscriptions)
            for session, subscriptions in self._matching(topic, source).items()
            if self._authority.may_receive(source, session.ref, topic)
        ]
        taps = tuple(self._authority.taps(source, topic))
        plain = not taps and all(self._is_twin(publisher, delivery) for delivery in deliveries)
        twins = tuple(delivery.session.outbox for delivery in deliveries) if plain else ()
        return Route(topic, verdict, tuple(deliveries), taps, twins, plain)

    def _matching(self, topic: str, source: Source) -> dict[Session, list[Subscription]]:
        found: dict[Session, list[Subscription]] = {}
        for subscription in self._tree.find(topic):
            session = subscription.session
            if subscription.item.no_local and session.ref is source:
                continue
            if self._still_allowed(subscription):
                found.setdefault(session, []).append(subscription)
        return found

    def _still_allowed(self, subscription: Subscription) -> bool:
        """Judge a subscription again that was allowed (or not) in an earlier epoch."""
        if subscription.epoch == self.epoch:
            return subscription.allowed
        subscription.epoch = self.epoch
        session, topic_filter = subscription.session.ref, subscription.item.topic_filter
        verdict = self._authority.may_subscribe(session, topic_filter)
        was_allowed, subscription.allowed = subscription.allowed, verdict.allowed
        if was_allowed and not verdict.allowed:
            self._refused(
                RefusalEvent(
                    action="receive",
                    code="subscription-no-longer-allowed",
                    reason=verdict.reason,
                    address=session.peer.address,
                    client_id=session.client_id,
                    topic=topic_filter,
                    identity=session.identity,
                )
            )
        return verdict.allowed

    def _is_twin(self, publisher: Session | None, delivery: Delivery) -> bool:
        session = delivery.session
        return (
            publisher is not None
            and session.speaks_5 == publisher.speaks_5
            and session.maximum_packet_bytes >= self._limits.packet_bytes
            and not delivery.identifiers
        )


def _delivery(subscriptions: list[Subscription]) -> Delivery:
    """Return the one delivery of overlapping subscriptions: the best QoS, every identifier."""
    return Delivery(
        session=subscriptions[0].session,
        qos=max(subscription.qos for subscription in subscriptions),
        identifiers=tuple(
            subscription.identifier
            for subscription in subscriptions
            if subscription.identifier is not None
        ),
    )
