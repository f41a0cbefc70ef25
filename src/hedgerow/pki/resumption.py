"""Resuming TLS sessions, if that is asked for: the client is judged again all the same.

A ticket is a session that the client keeps for us, its certificate in it, under keys of ours. Who
comes back with one is looked up in the list of clients as it is now, and by the clock as it is
now, before the ticket is taken: whoever is not on the list any more has to make a whole handshake,
which ends with the alert that is due. `handshake.py` looks a second time when it is complete, and
the protocol admits nobody but by the certificate's id.

INVARIANT: a ticket is worth nothing elsewhere or later: its keys are random, this context's alone,
an hour old at most and held in memory; a session ends an hour after its handshake. A context that
takes the place of another (a new server certificate) knows none of its tickets, so that every
client sees the new certificate.
"""

import secrets
import ssl
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from hedgerow.kernel import Clock, SystemClock
from hedgerow.pki.exact_clients import ExactContext, fault_of, numbered
from hedgerow.pki.openssl import (
    SESSION_ID_CONTEXT_BYTES,
    TICKET_KEY_BYTES,
    MakeTicketCallback,
    ReadTicketCallback,
    context_pointer,
    reachable_library,
    set_ticket_keys,
)

LIFETIME_S: Final = 3600
"""How long a session can be resumed, and how long one set of keys is used."""

_READ: Final = frozenset({5, 6})  # SSL_TICKET_SUCCESS, …_SUCCESS_RENEW
_PASS_OVER: Final = 2  # SSL_TICKET_RETURN_IGNORE_RENEW: a whole handshake, and a new ticket
_USE: Final = 3  # SSL_TICKET_RETURN_USE
_FAIL: Final = 0
_GO_ON: Final = 1
_SYSTEM: Final = SystemClock()


def resume_sessions(context: ExactContext, clock: Clock = _SYSTEM) -> bool:
    """Give each client one ticket, and take it back for an hour; return whether Python lets us.

    The context has to know its clients by a list alone.
    """
    library = reachable_library()
    if library is None or context.clients is None or context.admits_signed:
        return False
    pointer = context_pointer(context)
    library.SSL_CTX_set_session_id_context(
        pointer, secrets.token_bytes(SESSION_ID_CONTEXT_BYTES), SESSION_ID_CONTEXT_BYTES
    )
    library.SSL_CTX_set_timeout(pointer, LIFETIME_S)
    _keys[context] = _KeysAge(clock, clock.monotonic())
    set_ticket_keys(library, pointer, secrets.token_bytes(TICKET_KEY_BYTES))
    library.SSL_CTX_set_session_ticket_cb(pointer, _make, _read, context.number)
    context.resumes = True
    context.num_tickets = 1
    context.options &= ~ssl.OP_NO_TICKET
    return True


@dataclass(slots=True)
class _KeysAge:
    clock: Clock
    since: float


_keys: WeakKeyDictionary[ExactContext, _KeysAge] = WeakKeyDictionary()


def _before_making(_connection: int, number: int) -> int:
    """Make new keys if the ones in use are old. Without them no ticket can be made: go on."""
    try:
        library, context = reachable_library(), numbered(number)
        if library is not None and context is not None:
            age = _keys[context]
            now = age.clock.monotonic()
            if now - age.since >= LIFETIME_S:
                age.since = now
                fresh = secrets.token_bytes(TICKET_KEY_BYTES)
                set_ticket_keys(library, context_pointer(context), fresh)
    except BaseException:  # noqa: BLE001  # what is raised here would get lost in C
        return _FAIL
    return _GO_ON


def _after_reading(  # as OpenSSL calls it
    _connection: int, session: int, _name: int, _length: int, status: int, number: int
) -> int:
    """Take a ticket only of a client that would get in with its certificate this very moment."""
    try:
        library, context = reachable_library(), numbered(number)
        if status not in _READ or library is None or context is None:
            return _PASS_OVER
        certificate = library.SSL_SESSION_get0_peer(session)
        if not certificate or fault_of(library, certificate, context):
            return _PASS_OVER
    except BaseException:  # noqa: BLE001  # what is raised here would get lost in C
        return _PASS_OVER
    return _USE


_make = MakeTicketCallback(_before_making)  # both live as long as the process
_read = ReadTicketCallback(_after_reading)
