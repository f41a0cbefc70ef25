"""From a source and a topic to everyone who gets the message, resolved once per generation."""

from collections.abc import Callable
from itertools import count

from hedgerow.mqtt.authority import ALLOWED, Authority, RefusalEvent, Source, Verdict
from hedgerow.mqtt.limits import Limits
from hedgerow.mqtt.route import Delivery, Route, Share
from hedgerow.mqtt.session import Session, Subscription
from hedgerow.mqtt.subscriptions import FilterTree
from hedgerow.mqtt.topics import matches

_Key = tuple[int, str]


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
        self._tree: FilterTree[_Key, Subscription] = FilterTree()
        self._labels: dict[str, dict[str, Route]] = {}
        self._turns = count()
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
        key = (session.number, subscription.group)
        self._tree.add(subscription.topic_filter, key, subscription)
        self._new_generation()

    def unsubscribe(self, session: Session, topic_filter: str) -> bool:
        """Remove a session's subscription and return whether there was one."""
        subscription = session.subscriptions.pop(topic_filter, None)
        if subscription is None:
            return False
        self._tree.remove(subscription.topic_filter, (session.number, subscription.group))
        self._new_generation()
        return True

    def forget(self, session: Session) -> None:
        """Remove all subscriptions of a session and all that was resolved for it."""
        for subscription in session.subscriptions.values():
            self._tree.remove(subscription.topic_filter, (session.number, subscription.group))
        self.came_or_went(session)
        session.subscriptions.clear()
        session.routes.clear()
        session.verdicts.clear()

    def came_or_went(self, session: Session) -> None:
        """Resolve anew where messages go, now that a client with subscriptions is here or away."""
        if session.subscriptions:
            self._new_generation()

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
        if label not in self._labels and len(self._labels) >= self._limits.cached_topics:
            self._labels.clear()
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
            return Route(topic, verdict, plain=not verdict.disconnect)
        deliveries, shares = self._receivers(topic, source)
        taps = tuple(self._authority.taps(source, topic))
        twins = tuple(
            delivery.session.outbox
            for delivery in deliveries
            if delivery.session.outbox is not None
        )
        plain = not (taps or shares) and all(
            _is_twin(publisher, delivery, self._limits) for delivery in deliveries
        )
        if not plain:
            return Route(topic, verdict, deliveries, shares, taps)
        return Route(
            topic,
            verdict,
            deliveries,
            twins=twins,
            plain=True,
            queues=tuple(one.session.deliveries for one in deliveries if one.qos),
            others=tuple(
                one.session.outbox
                for one in deliveries
                if not one.qos and one.session.outbox is not None
            ),
            # What may have to be kept or sent again needs a closer look.
            swift=bool(twins) and not any(one.session.expiry_s for one in deliveries),
        )

    def _receivers(
        self, topic: str, source: Source
    ) -> tuple[tuple[Delivery, ...], tuple[Share, ...]]:
        """Return who gets a message, and the shared subscriptions one of whose members does."""
        by_session: dict[Session, list[Subscription]] = {}
        by_group: dict[tuple[str, str], list[Delivery]] = {}
        for subscription in self._matching(topic, source):
            if subscription.group:
                members = by_group.setdefault((subscription.group, subscription.topic_filter), [])
                members.append(_delivery([subscription]))
            else:
                by_session.setdefault(subscription.session, []).append(subscription)
        return (
            tuple(map(_delivery, by_session.values())),
            tuple(
                Share(tuple(members), next(self._turns) % len(members))
                for members in by_group.values()
            ),
        )

    def _matching(self, topic: str, source: Source) -> list[Subscription]:
        """Return the subscriptions whose sessions may have the message."""
        found: list[Subscription] = []
        receivers: dict[Session, bool] = {}
        for subscription in self._tree.find(topic):
            session = subscription.session
            if subscription.item.no_local and session.ref is source:
                continue
            if not self._still_allowed(subscription):
                continue
            may_receive = receivers.get(session)
            if may_receive is None:
                may_receive = self._authority.may_receive(source, session.ref, topic)
                receivers[session] = may_receive
            if may_receive:
                found.append(subscription)
        return found

    def lost_topics(self, session: Session) -> Callable[[str], bool]:
        """Return what tells whether a topic belongs to filters alone that may not be held now."""
        lost: list[str] = []
        kept: list[str] = []
        for held in tuple(session.subscriptions.values()):
            (kept if self._still_allowed(held) else lost).append(held.topic_filter)

        def is_lost(topic: str) -> bool:
            return any(matches(one, topic) for one in lost) and not any(
                matches(one, topic) for one in kept
            )

        return is_lost

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


def _is_twin(publisher: Session | None, delivery: Delivery, limits: Limits) -> bool:
    """Tell whether a client takes the very bytes of the publisher, or nothing as it is away."""
    session = delivery.session
    return session.outbox is None or (
        publisher is not None
        and session.speaks_5 == publisher.speaks_5
        and session.maximum_packet_bytes >= limits.packet_bytes
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
        keeps_retain=any(subscription.item.retain_as_published for subscription in subscriptions),
    )
