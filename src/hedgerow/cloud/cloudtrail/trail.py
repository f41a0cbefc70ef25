"""The trail of one account: every record goes in here, and everything that reads them asks here.

Records are in the operating system's hands when `record_call` returns, so a killed process loses
none; they are flushed to disk at most `FLUSH_SECONDS` later. A call whose record cannot be kept is
not answered: the error goes to the gateway.
"""

import asyncio
import hmac
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import structlog

from hedgerow.aws import CallRecord
from hedgerow.cloud.cloudtrail.chain import Head
from hedgerow.cloud.cloudtrail.entries import entry_event, shared_call_event
from hedgerow.cloud.cloudtrail.events import (
    Event,
    encoded,
    refusal_event,
    trail_event,
)
from hedgerow.cloud.cloudtrail.index import Entry, Index, Wanted, entry_of
from hedgerow.cloud.cloudtrail.journal import FLUSH_SECONDS, SEGMENT_BYTES, Journal
from hedgerow.cloud.cloudtrail.keys import TrailKeys
from hedgerow.cloud.cloudtrail.lookup import Found, entries_of, look_up
from hedgerow.cloud.cloudtrail.meter import COUNT_SECONDS, Group, Meter
from hedgerow.cloud.cloudtrail.recovery import Finding
from hedgerow.cloud.cloudtrail.refusals import EVENT_NAMES, Refusal
from hedgerow.cloud.cloudtrail.segments import Frame
from hedgerow.cloud.cloudtrail.service_calls import ServiceCall, service_call_event
from hedgerow.cloud.home import Home
from hedgerow.kernel import Clock, Secret, UnavailableError

RETENTION: Final = timedelta(days=90)
"""How long events can be looked up, as in AWS's event history."""

_log = structlog.get_logger("hedgerow.cloud.cloudtrail")


class Trail:
    """One account's record. `start` it, give it every call and refusal, `stop` it."""

    def __init__(
        self,
        home: Home,
        keys: TrailKeys,
        clock: Clock,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        index: Index | None = None,
    ) -> None:
        self._home = home
        self._keys = keys
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._index = index or Index()
        self._meter = Meter()
        self._journal: Journal | None = None
        self._token_key: Secret[bytes] | None = None
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def account(self) -> str:
        """Whose record it is."""
        return self._home.account

    async def start(self) -> None:
        """Open the journal, repair what a loss of power has left, and begin to flush."""
        self._journal, findings = await asyncio.to_thread(self._open)
        for finding in findings:
            _log.error("trail", event_name=finding.event_name, **finding.details)
            self.record_event(finding.event_name, finding.details)
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._flush_on(), name=f"trail flush {self.account}"),
            loop.create_task(self._count_on(), name=f"trail counts {self.account}"),
        ]

    async def stop(self) -> None:
        """Record what was only counted so far, flush, and close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._journal is not None:
            self._try_to_settle()
            journal, self._journal = self._journal, None
            await asyncio.to_thread(journal.close)

    def record_call(self, record: CallRecord) -> bool:
        """Keep the record of a call; say whether it has one of its own, or was only counted.

        Raises `UnavailableError` if it cannot be kept.

        A caller who proved nothing can make calls for nothing: records of those are bounded like
        those of any refusal.
        """
        event = shared_call_event(record, self.account)
        if record.caller is None:
            code = record.error_code or ""
            return self._bounded((event["eventName"], code, record.source_ip), event)
        self._append(event)
        return True

    def record_refusal(self, refusal: Refusal) -> bool:
        """Keep the record of a device's refused attempt; say whether it has one of its own.

        It does not raise: a refusal whose record cannot be kept is a refusal all the same, and
        the log says so.
        """
        group = (EVENT_NAMES[refusal.attempt], refusal.code, refusal.address)
        event = refusal_event(refusal, self.account, self._home.region, self._clock.now())
        try:
            return self._bounded(group, event)
        except UnavailableError as error:
            _log.error("a refusal could not be recorded", reason=error.message, refusal=group)
            return True

    def record_entry(self, record: CallRecord) -> None:
        """Keep the record of a call by which somebody of another account came into this one."""
        self._append(entry_event(record, self.account))

    def record_service_call(self, call: ServiceCall) -> None:
        """Keep the record of a call by a service. Raises `UnavailableError` if it cannot be.

        What a service is refused, a device can ask of it again and again: that is bounded.
        """
        event = service_call_event(call, self.account, self._home.region, self._clock.now())
        if call.error_code:
            self._bounded((call.operation, call.error_code, call.on_behalf_of), event)
        else:
            self._append(event)

    def record_event(self, name: str, details: Mapping[str, Any]) -> None:
        """Keep the record of something that concerns the record itself."""
        now = self._clock.now()
        self._append(trail_event(name, details, self.account, self._home.region, now))

    def settle_counts(self) -> None:
        """Put what was only counted into the record."""
        count = self._meter.current()
        if count is None:
            return
        seconds = self._clock.monotonic() - count.since
        rows = [
            {"eventName": name, "errorCode": code, "sourceIPAddress": address, "count": number}
            for (name, code, address), number in sorted(count.groups.items())
        ]
        details = {"count": count.total, "seconds": round(seconds, 3), "refusals": rows}
        self.record_event("RefusalsCounted", details)
        _log.warning("refusals counted", count=count.total, seconds=details["seconds"])
        self._meter.settle()

    @property
    def head(self) -> Head:
        """Where the chain of records stands."""
        return self._opened().head

    @property
    def token_key(self) -> Secret[bytes]:
        """The key of this account's page tokens; they stay good over a restart."""
        if self._token_key is None:
            raise UnavailableError("the record of calls is not open")
        return self._token_key

    def frames(self, after: int = 0) -> Iterator[Frame]:
        """Give the records after a number, oldest first; it reads from disk."""
        return self._opened().frames(after)

    def next_start(self, sequence: int) -> Head:
        """Return the head that the next file of the journal after a number begins with.

        That is where reading can go on if what comes before cannot be read.
        """
        journal = self._opened()
        starts = (info.header.before for info in journal.segments)
        return next((start for start in starts if start.sequence > sequence), journal.head)

    def last_start(self) -> Head:
        """Return the head that the newest file of the journal begins with."""
        segments = self._opened().segments
        return segments[-1].header.before if segments else self.head

    def flush(self) -> None:
        """Wait until everything recorded so far is on disk."""
        self._opened().flush()

    def find(self, wanted: Wanted, before: int | None, limit: int) -> Found:
        """Return the newest events that are wanted and were recorded before a number.

        It may read from disk: call it in a thread.
        """
        return look_up(self._opened(), self._index, wanted, before, limit)

    def forget_old(self, delivered: int) -> int:
        """Remove files whose events are past the retention and were delivered."""
        return self._opened().forget_before(self._clock.now() - RETENTION, delivered)

    def _opened(self) -> Journal:
        if self._journal is None:
            raise UnavailableError("the record of calls is not open, so no call is answered")
        return self._journal

    def _open(self) -> tuple[Journal, list[Finding]]:
        key = self._keys.journal_key(self.account)
        self._token_key = Secret(hmac.digest(key.reveal(), b"page tokens", "sha256"))
        journal = Journal(
            self._keys.journal_folder(self.account),
            self.account,
            key,
            self._clock,
            segment_bytes=self._segment_bytes,
        )
        findings = list(journal.open())
        findings.extend(self._load_index(journal))
        return journal, findings

    def _load_index(self, journal: Journal) -> list[Finding]:
        """Fill the index with the newest events; return what is damaged among them."""
        findings: list[Finding] = []
        newest: list[list[Entry]] = []
        missing = self._index.limit
        for info in reversed(journal.segments):
            if missing <= 0:
                break
            entries, damage = entries_of(journal, info)
            newest.append(entries)
            missing -= len(entries)
            findings.extend([] if damage is None else [damage])
        for entries in reversed(newest):
            for entry in entries:
                self._index.add(entry)
        return findings

    def _bounded(self, group: Group, event: Event) -> bool:
        """Record a refusal, or count it if there were too many; the first one counted is said."""
        now = self._clock.monotonic()
        due = self._meter.due_at()
        if due is not None and now >= due:
            self.settle_counts()
        if self._meter.admits(group, now):
            self._append(event)
            return True
        if not self._meter.counting:
            self.record_event(
                "RefusalsCounting",
                {"eventName": group[0], "errorCode": group[1], "sourceIPAddress": group[2]},
            )
        self._meter.count(group, now)
        return False

    def _append(self, event: Event) -> None:
        journal = self._opened()
        place = journal.append(encoded(event))
        self._index.add(entry_of(journal.head.sequence, place, event))
        self._dirty.set()

    async def _flush_on(self) -> None:
        """Flush a little after records came, so that many share one flush."""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            self._dirty.clear()
            try:
                await asyncio.to_thread(self.flush)
            except (OSError, UnavailableError) as error:
                _log.error("records are not on disk yet", reason=str(error))
                self._dirty.set()

    async def _count_on(self) -> None:
        """End counts that are due, also when no further refusal comes."""
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            due = self._meter.due_at()
            if due is not None and self._clock.monotonic() >= due:
                self._try_to_settle()

    def _try_to_settle(self) -> None:
        try:
            self.settle_counts()
        except UnavailableError as error:
            _log.error("a count of refusals could not be recorded", reason=error.message)
