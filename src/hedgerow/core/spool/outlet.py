"""The link to the cloud, as the queue needs it."""

from asyncio import Future
from dataclasses import dataclass, field
from typing import Protocol

from hedgerow.kernel import UnavailableError


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published at QoS 1. `expires_in_s` is what is left of its time; None: no end."""

    topic: str
    payload: bytes = field(repr=False)
    properties: bytes = field(default=b"", repr=False)
    expires_in_s: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """The cloud's answer to a publication: accepted, or refused with its reason."""

    accepted: bool
    reason: str = ""


class BusyError(UnavailableError):
    """The cloud has taken too much for now; the same message may pass later."""


class EndedOverThisError(UnavailableError):
    """The cloud ended the connection over something; this is the oldest it had not answered.

    The message is the cloud's reason.
    """


class Outlet(Protocol):
    """One connection to the cloud. What is published on it arrives in the order of the calls."""

    @property
    def receive_maximum(self) -> int:
        """How many publications the cloud takes before it has answered the first of them."""

    def publish(self, publication: Publication) -> "Future[Published]":
        """Begin to publish; the cloud's answer comes later.

        Raises `UnavailableError`, here or in the answer, if the connection has ended (in the
        answer `EndedOverThisError` if that may be the message's fault), and `BusyError` in the
        answer if the cloud wants less.
        """


class Retry(Protocol):
    """Growing pauses of the queue (`link.Backoff`)."""

    def next_delay(self) -> float:
        """Return the seconds to wait now."""

    def ease(self) -> None:
        """Let the next pause be shorter."""


class Publisher(Protocol):
    """Where outlets come from."""

    async def outlet(self) -> Outlet:
        """Return the connection that stands, once there is one."""
