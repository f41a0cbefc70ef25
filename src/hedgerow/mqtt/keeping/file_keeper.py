"""The keeper in files: sessions and retained messages that outlive the broker's process."""

import errno
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from hedgerow.kernel import Clock
from hedgerow.mqtt.keeper import (
    KeptDelivery,
    KeptMessage,
    KeptSession,
    KeptSubscription,
    SessionFacts,
)
from hedgerow.mqtt.keeping.changes import Change
from hedgerow.mqtt.keeping.folder import KeeperFolder
from hedgerow.mqtt.keeping.journal import SEGMENT_BYTES, Journal
from hedgerow.mqtt.keeping.live import Live
from hedgerow.mqtt.keeping.seal import Sealer

_PENDING_CHANGES: Final = 10_000
"""How many changes are held for a disk that refuses; more, and all that lives is written anew."""
_log: Final = logging.getLogger(__name__)


class FileKeeper:
    """Keeps sessions and retained messages in a folder of its own; keeps the promises of `Keeper`.

    What is told is collected and written by `commit` with one system call, as one frame that is
    found whole or not at all. When `commit` has returned, killing this process loses nothing. A
    loss of power can take what was committed in the last 50 ms or so: a thread syncs the file
    that often while there is something to sync. With `sync="always"` it can take nothing: each
    commit waits for the disk. What is found after either is the state after one of the commits.

    When a segment has grown by `segment_bytes` over twice what lives, the next one is begun; every
    commit then restates a little of what lives, and the old one is deleted once the new one has
    everything and is on the disk.

    If the disk does not take what was told, `commit` raises `OSError`. What was told stays told: it
    is written with the next commit that has something to tell, and a commit that has nothing new
    to tell does nothing. So whoever answers only what a commit took has promised nothing that is
    not kept, and it goes on by itself when there is room again.

    `open` it, use it, `close` it: never in two threads at a time. Opening never fails for what lies
    in the folder: what is damaged is set aside and told in `findings` and in the log.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seal: Sealer | None,
        clock: Clock,
        sync: Literal["soon", "always"] = "soon",
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._path = folder
        self._seal = seal
        self._clock = clock
        self._sync = sync
        self._segment_bytes = segment_bytes
        self._live = Live()
        self._pending: list[Change] = []
        self._refused = 0
        """How many of the pending changes the disk has refused."""
        self._folder: KeeperFolder | None = None
        self._journal: Journal | None = None
        self.findings: tuple[str, ...] = ()
        """What was not as it was left: a sentence for every file that was set aside."""

    def open(self) -> None:
        """Find what was kept and go on with it.

        Raises `UnavailableError` if the folder cannot be used, or is used by another process. A
        disk that takes nothing now is no error here: `commit` raises then, until it does.
        """
        self._folder = KeeperFolder(self._path)
        found = self._folder.recover(self._seal)
        self._live = Live(found.next_session, found.next_message)
        self._live.adopt(found.sessions, found.retained)
        self._journal = Journal(
            self._folder,
            self._live,
            found,
            self._seal,
            self._clock,
            always=self._sync == "always",
            segment_bytes=self._segment_bytes,
        )
        self.findings = found.findings
        for finding in found.findings:
            _log.warning(finding)
        try:
            self._journal.begin()
        except OSError as error:
            _log.warning("sessions cannot be kept in %s now: %s", self._path, error.strerror)

    def close(self) -> None:
        """Commit, bring everything to the disk, and let the folder go.

        A disk that refuses is no error here: what `commit` took before is kept all the same.
        """
        if self._folder is None or self._journal is None:
            return
        try:
            self.commit()
            self._journal.close()
        except OSError as error:
            _log.warning("the last changes of sessions are not kept: %s", error.strerror)
            self._journal.give_up()
        finally:
            self._folder.close()

    def sessions(self) -> Iterable[KeptSession]:
        """Return what was kept."""
        return self._live.sessions()

    def retained(self) -> Iterable[KeptMessage]:
        """Return the retained messages that were kept."""
        return self._live.retained()

    def session(self, facts: SessionFacts) -> None:
        """Begin a session, or take note of what changed of it; what it holds stays."""
        self._tell(self._live.session(facts))

    def forget(self, client_id: str) -> None:
        """Let a session go with everything it holds."""
        self._tell(self._live.forget(client_id))

    def subscribed(self, client_id: str, subscription: KeptSubscription) -> None:
        """Add a subscription, or replace the one of the same filter."""
        self._tell(self._live.subscribed(client_id, subscription))

    def unsubscribed(self, client_id: str, topic_filter: str) -> None:
        """Take a subscription away."""
        self._tell(self._live.unsubscribed(client_id, topic_filter))

    def queued(self, client_id: str, number: int, delivery: KeptDelivery) -> None:
        """Put a delivery at the end of a session's queue."""
        self._tell(self._live.queued(client_id, number, delivery))

    def sent(self, client_id: str, number: int, packet_id: int) -> None:
        """Note that a delivery was sent under a packet id."""
        self._tell(self._live.sent(client_id, number, packet_id))

    def released(self, client_id: str, number: int) -> None:
        """Note that the client has a QoS 2 message."""
        self._tell(self._live.released(client_id, number))

    def settled(self, client_id: str, number: int) -> None:
        """Let a delivery go: acknowledged, expired or dropped."""
        self._tell(self._live.settled(client_id, number))

    def received(self, client_id: str, packet_id: int) -> None:
        """Note the packet id of a QoS 2 message that came in."""
        self._tell(self._live.received(client_id, packet_id))

    def completed(self, client_id: str, packet_id: int) -> None:
        """Forget a packet id of a QoS 2 message that came in."""
        self._tell(self._live.completed(client_id, packet_id))

    def retain(self, message: KeptMessage) -> None:
        """Keep a topic's retained message in the place of the one before."""
        self._tell(self._live.retain(message))

    def unretain(self, topic: str) -> None:
        """Let a topic's retained message go."""
        self._tell(self._live.unretain(topic))

    def commit(self) -> None:
        """Make what was told safe from kill -9. Raises `OSError` if that cannot be."""
        pending, journal = self._pending, self._journal
        if len(pending) == self._refused:
            return
        if journal is None:
            raise OSError(errno.EBADF, f"{self._path} was not opened")
        try:
            journal.write(pending)
        except OSError:
            if len(pending) > _PENDING_CHANGES:
                journal.give_up()
            if journal.is_broken:
                pending.clear()
            self._refused = len(pending)
            raise
        pending.clear()
        self._refused = 0

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            self._pending.append(change)
