"""The listener and the broker, and what changes them while they serve."""

import asyncio

from structlog.typing import FilteringBoundLogger

from hedgerow.contract import CLOUD, SHADOW_SERVICE
from hedgerow.core.certificates import ServerCertificate
from hedgerow.core.server.authority import CoreAuthority
from hedgerow.core.server.door import MODERN_TLS, Door, LocalTls
from hedgerow.core.server.limits import AS_V1, LocalOffer, local_limits
from hedgerow.core.server.old_tls import OldTlsWatch
from hedgerow.core.server.refusals import RefusalLog
from hedgerow.core.server.serving import NOBODY, Serving
from hedgerow.kernel import CallerError, Clock, ConfigurationError, UnavailableError
from hedgerow.mqtt import NO_KEEPER, Broker, Keeper, Peer, SessionRef, Tap
from hedgerow.mqtt.codec import NO_PROPERTIES, Properties
from hedgerow.pki import TlsListener, TlsPeer

_ALL_ADDRESSES = ""
_RECEIVE_BYTES = 64 * 1024
"""What a device may have sent that was not read yet: a turn of the loop reads all of it, so that
more would have others wait, and who publishes too fast is to notice at once."""
_LOOK_SECONDS = 1.0
"""How long after its certificate has ended a connection may still stand."""


class LocalServer:
    """MQTT for the client devices of the group.

    The port is open from the start; until there is a group and a server certificate, and again
    after the certificate has ended, every handshake is refused. Connections that stand are never
    touched by a new certificate (statement C05, better than the original).
    """

    def __init__(
        self,
        to_cloud: Tap,
        to_shadows: Tap,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        offer: LocalOffer = AS_V1,
        keeper: Keeper = NO_KEEPER,
        tls: LocalTls = MODERN_TLS,
    ) -> None:
        """`keeper` keeps sessions and retained messages; with one, `broker.recall` is due once."""
        self._log = log
        self._clock = clock
        self._certificate: ServerCertificate | None = None
        self._recalled = False
        self._door = Door(tls)
        self.old_tls = OldTlsWatch(tls.legacy, clock=clock, log=log)

        self.refusals = RefusalLog(clock, log)
        self.authority = CoreAuthority(to_cloud, to_shadows, self.refusals)
        self._qos = offer.qos
        self.broker = Broker(
            self.authority, limits=local_limits(offer), clock=clock, name="local", keeper=keeper
        )
        self._listener = TlsListener(
            self._door.slot,
            self._protocol,
            on_refusal=self.refusals.handshake_refused,
            receive_bytes=_RECEIVE_BYTES,
        )

    @property
    def port(self) -> int:
        """The port in force."""
        return self._listener.port

    @property
    def is_open(self) -> bool:
        """Tell whether new connections are let in."""
        return self.authority.closed_because is None

    @property
    def is_listening(self) -> bool:
        """Tell whether connections are accepted, if only to be refused."""
        return self._listener.is_listening

    def shown_certificate(self) -> bytes | None:
        """Return the certificate (DER) that new connections see, None while it is made ready."""
        return self._door.shows()

    def recall(self) -> None:
        """Let sessions of devices that are in no group now go, once what was kept is judged."""
        if not self._recalled:
            self._recalled = True
            self.broker.recall()

    async def start(self, port: int) -> None:
        """Listen on the port, on all addresses of the host."""
        try:
            await self._listener.start(_ALL_ADDRESSES, port)
        except UnavailableError as error:
            raise ConfigurationError(f"{error.message} (coreThing.ggMqttPort)") from error

    async def stop(self) -> None:
        """Stop listening, say goodbye to every client, and wait until all are gone."""
        await self._listener.stop()
        self._door.shut()
        await self.broker.stop()

    async def run(self) -> None:
        """Cut connections whose client certificate ends, until cancelled.

        TLS has looked at it when they began, and never looks again.
        """
        while True:
            self.cut_ended()
            self.end_old_tls()
            await asyncio.sleep(_LOOK_SECONDS)

    def end_old_tls(self) -> None:
        """Offer old suites no more once their end has come."""
        if self._door.look(self._clock.now()):
            self._log.warning(
                "old TLS suites are off: the day that hedgerow.legacyTls names is over"
            )

    def cut_ended(self) -> None:
        """Cut the connections whose client certificate has ended."""
        now = self._clock.now()

        def has_ended(session: SessionRef) -> bool:
            end = self.authority.ends_at(session)
            return end is not None and end < now

        if any(map(has_ended, self.broker.sessions)):  # to cut nobody would cost a new epoch
            cut = self.broker.disconnect(has_ended, "the certificate of this connection has ended")
            self._log.warning("connections were cut: their certificates have ended", count=cut)

    def serve(self, serving: Serving) -> None:
        """Go by another table and list from now on, in one step.

        Devices that are no longer in, or whose certificate is gone, are cut at once, and what
        waits for a device without any certificate is let go. Nobody else notices more than that
        messages go other ways: subscriptions that no row served begin to be served.
        """
        self.authority.serving = serving
        self.broker.new_epoch()
        self._cut_departed()
        self._set_door()

    def stop_serving(self) -> None:
        """Let nobody in any more and cut everybody, as a reset asks."""
        self.serve(NOBODY)

    def forget_retained(self) -> None:
        """Retain no message any more, as a reset asks; `UnavailableError` if the disk does not."""
        for message in self.broker.retained_topics():
            self.broker.publish(CLOUD, message.topic, b"", retain=True)

    def serve_certificate(self, certificate: ServerCertificate | None) -> None:
        """Prove ourselves with this certificate to new connections; with none refuse them."""
        self._certificate = certificate
        self._set_door()

    def publish_from_cloud(
        self, topic: str, payload: bytes, properties: Properties = NO_PROPERTIES
    ) -> None:
        """Deliver a message of the cloud along the rows whose source it is."""
        self._publish(CLOUD, topic, payload, properties)

    def publish_from_shadows(self, topic: str, payload: bytes) -> None:
        """Deliver a message of the shadow service along the rows whose source it is."""
        self._publish(SHADOW_SERVICE, topic, payload)

    def _publish(
        self, source: str, topic: str, payload: bytes, properties: Properties = NO_PROPERTIES
    ) -> None:
        try:
            self.broker.publish(source, topic, payload, qos=self._qos, properties=properties)
        except (CallerError, UnavailableError) as error:
            self._log.warning("a message was dropped", source=source, reason=error.message)

    def _cut_departed(self) -> None:
        authority = self.authority
        reason = "the certificate of this connection is no longer one of a device in the group"
        forgotten = self.broker.disconnect(
            lambda session: not authority.is_member(session), reason, forget=True
        )
        cut = self.broker.disconnect(lambda session: not authority.is_current(session), reason)
        if forgotten or cut:
            self._log.info("connections were cut", count=cut, sessions_forgotten=forgotten)

    def _set_door(self) -> None:
        """Let new connections meet the newest certificate and trust; those that stand go on."""
        serving, certificate = self.authority.serving, self._certificate
        if serving is NOBODY:
            self.authority.closed_because = "no group is deployed to this core"
        elif certificate is None:
            self.authority.closed_because = "this core has no valid server certificate now"
        else:
            self.authority.closed_because = None
            self._door.open(certificate, serving.certificates_pem, self._clock.now())
            return
        self._door.shut()

    def _protocol(self, peer: TlsPeer) -> asyncio.BufferedProtocol:
        self.old_tls.connected(peer)
        return self.broker.protocol(Peer(identity=peer.certificate_id, address=peer.address))
