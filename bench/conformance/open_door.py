"""A broker behind mutual TLS that lets every listed certificate do everything.

For suites, fuzzers and soaks: what is under test is the engine. The identity rule stays: a client
comes in only under the name that its certificate was listed with.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.pki import (
    Identity,
    mutual_context,
    new_identity,
    new_server,
    shared_authority,
)

from hedgerow.kernel import Clock, SystemClock
from hedgerow.mqtt import (
    ALLOWED,
    NO_KEEPER,
    Admission,
    Admitted,
    Broker,
    ConnectRequest,
    Keeper,
    Limits,
    Peer,
    ReasonCode,
    RefusalEvent,
    Refused,
    SessionEvent,
    SessionRef,
    Source,
    Tap,
    Verdict,
)
from hedgerow.pki import TlsListener, TlsPeer, TlsSlot

NAMELESS = ""
"""The name of the certificate for clients that have the broker choose their client id."""
_NOT_OURS = Verdict(allowed=False, reason="topics below $SYS and $share are the server's")
_MAY_NOT = Verdict(allowed=False, reason="nobody may subscribe to this filter")


@dataclass
class ListedAuthority:
    """Lets in who is listed, as who it is listed, and forbids only what is named here."""

    names: dict[str, str] = field(default_factory=dict)
    """By certificate id."""
    no_subscribe: frozenset[str] = frozenset()

    def admit(self, peer: Peer, client_id: str, connect: ConnectRequest) -> Admission:
        """Admit a client whose certificate is listed under its client id."""
        name = self.names.get(str(peer.identity))
        chosen_by_broker = name == NAMELESS and bool(connect.client_id)
        if name is None or (name != client_id and not chosen_by_broker):
            return Refused(ReasonCode.NOT_AUTHORIZED, "the certificate has another name")
        return Admitted(name)

    def may_publish(self, session: SessionRef, topic: str) -> Verdict:  # noqa: ARG002 - interface
        """Allow what is not the server's own."""
        return _NOT_OURS if topic.startswith(("$SYS", "$share")) else ALLOWED

    def may_retain(self, session: SessionRef, topic: str) -> Verdict:  # noqa: ARG002 - interface
        """Allow it."""
        return ALLOWED

    def may_subscribe(
        self,
        session: SessionRef,  # noqa: ARG002 - interface
        topic_filter: str,
    ) -> Verdict:
        """Allow what is not forbidden by name."""
        return _MAY_NOT if topic_filter in self.no_subscribe else ALLOWED

    def may_receive(
        self,
        source: Source,  # noqa: ARG002 - interface
        session: SessionRef,  # noqa: ARG002 - interface
        topic: str,  # noqa: ARG002 - interface
    ) -> bool:
        """Allow it."""
        return True

    def taps(self, source: Source, topic: str) -> Sequence[Tap]:  # noqa: ARG002 - interface
        """Return none."""
        return ()

    def refused(self, event: RefusalEvent) -> None:
        """Leave it to the broker's counters."""

    def happened(self, event: SessionEvent) -> None:
        """Follow nobody."""

    def source_name(self, source: Source) -> str:
        """Return the client id or the label."""
        return source if isinstance(source, str) else source.client_id

    def owner(self, session: SessionRef) -> str:
        """Return the client id: nobody shares."""
        return session.client_id

    def remembered(self, session: SessionRef) -> str:
        """Return the name."""
        return str(session.identity)

    def recalled(self, client_id: str, remembered: str) -> object | None:  # noqa: ARG002 - interface
        """Recall everyone."""
        return remembered


class OpenDoor:
    """The listener, the broker and the certificates of whoever is to come in."""

    def __init__(self, authority: ListedAuthority, broker: Broker) -> None:
        self.authority = authority
        self.broker = broker
        self._root = shared_authority()
        self._server = new_server(self._root)
        self._listed: list[Identity] = []
        self._clients: dict[str, ssl.SSLContext] = {}
        self._slot = TlsSlot(mutual_context(self._server))
        self.listener = TlsListener(self._slot, self._protocol)

    def _protocol(self, peer: TlsPeer) -> asyncio.BufferedProtocol:
        return self.broker.protocol(Peer(peer.certificate_id, peer.address))

    @property
    def root_pem(self) -> str:
        """Return the authority that vouches for the server."""
        return self._root.certificate_pem

    def identities(self, client_ids: Sequence[str]) -> list[Identity]:
        """Return new certificates that are listed under the client ids."""
        made = [new_identity(self._root) for _ in client_ids]
        for client_id, identity in zip(client_ids, made, strict=True):
            self.authority.names[identity.certificate_id] = client_id
        self._listed += made
        self._slot.replace(mutual_context(self._server, *self._listed))
        return made

    def context_of(self, client_id: str) -> ssl.SSLContext:
        """Return the TLS context of a client, with a certificate of its own."""
        if client_id not in self._clients:
            (identity,) = self.identities([client_id])
            self._clients[client_id] = identity.client_context(self._root.certificate_pem)
        return self._clients[client_id]


@asynccontextmanager
async def open_door(
    limits: Limits,
    *,
    authority: ListedAuthority | None = None,
    keeper: Keeper = NO_KEEPER,
    clock: Clock | None = None,
) -> AsyncIterator[OpenDoor]:
    """Serve on a free port of 127.0.0.1."""
    authority = authority or ListedAuthority()
    broker = Broker(
        authority, limits=limits, clock=clock or SystemClock(), name="open", keeper=keeper
    )
    door = OpenDoor(authority, broker)
    broker.recall()
    await door.listener.start("127.0.0.1", 0)
    try:
        yield door
    finally:
        await door.listener.stop()
        await broker.stop()
