"""A slot whose context follows who is trusted, and by which certificate the server proves itself.

Where Python lets us judge clients by a list, one context serves as long as the server's certificate
does: a certificate that comes or goes is in the next handshake's list. Elsewhere
`anchored_doorway.py` does the same with certificates that are loaded into contexts.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hedgerow.pki.anchored_doorway import AnchoredDoorway
from hedgerow.pki.contexts import Trust, server_context
from hedgerow.pki.exact_clients import ClientList, can_judge_clients
from hedgerow.pki.keys import PrivateKey
from hedgerow.pki.slot import TlsSlot, refusing_context
from hedgerow.pki.suites import LegacyTls


@dataclass(frozen=True, slots=True, eq=False)
class ServerProof:
    """What a server proves itself with, and what it negotiates. Compared by identity."""

    key: PrivateKey
    chain_pem: str
    """The server's certificate, and what leads from it to the root."""
    alpn: tuple[str, ...] = ()
    resume: bool = False
    legacy: LegacyTls | None = None

    def context(self, trust: Trust, clients: ClientList | None = None) -> ssl.SSLContext:
        """Return a context that proves the server so."""
        return server_context(
            self.key,
            self.chain_pem,
            trust,
            clients=clients,
            alpn=self.alpn,
            resume=self.resume,
            legacy=self.legacy,
        )


class Doorway(Protocol):
    """Keeps `slot` current. It is shut until it is opened.

    INVARIANT: when `open` returns, a handshake with every trusted certificate succeeds, and when
    `shut` returns, none does. Connections that stand are not touched.
    """

    slot: TlsSlot

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing is being built."""

    def open(self, proof: ServerProof, trust: Trust) -> None:
        """Prove the server so, and let whom `trust` names finish handshakes."""

    def shut(self) -> None:
        """Refuse every handshake from now on."""


def doorway() -> Doorway:
    """Return the doorway that this Python is able to keep."""
    return ListedDoorway() if can_judge_clients() else AnchoredDoorway()


class ListedDoorway:
    """Keeps the promises of `Doorway` at once, without loading a client's certificate.

    A certificate that is trusted no more is refused by the handshakes already begun, too.
    """

    is_settled = True

    def __init__(self) -> None:
        self.slot = TlsSlot(refusing_context())
        self._clients = ClientList()
        self._proof: ServerProof | None = None
        self._authorities: Sequence[str] = ()

    def open(self, proof: ServerProof, trust: Trust) -> None:
        """Prove the server so, and let whom `trust` names finish handshakes."""
        authorities, ids = trust.split()
        self._clients.replace(ids)
        if proof is not self._proof or authorities != self._authorities:
            self._proof, self._authorities = proof, authorities
            self.slot.replace(proof.context(Trust(authorities=authorities), self._clients))

    def shut(self) -> None:
        """Refuse every handshake from now on."""
        self._clients.replace(())
        self._proof = None
        self.slot.replace(refusing_context())
