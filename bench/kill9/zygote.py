"""Lives that are cut short: a process forks, its child works until it is killed, and again.

The child tells over a pipe what it is about to do and what was acknowledged; both keep the same
account of it. The next child inherits the account, finds what is on the disk, and compares. What
was written to a pipe before a kill is read after it, so the account never knows less than a client
would.

It must run in a process with one thread: a fork takes no other along.
"""

import gc
import os
import random
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

Entry = list[Any]
Tell = Callable[..., None]
_PATIENCE_S = 30.0
_READ_BYTES = 1 << 16
FAILED = "failed"
READY = "ready"


class FailedError(Exception):
    """Something acknowledged was lost, something was invented, or a start did not work."""


class Subject(Protocol):
    """What is killed: an account of what it was told, and a life."""

    name: str

    @property
    def acknowledged(self) -> int:
        """Return how many things were acknowledged so far."""

    def take(self, entry: Entry) -> None:
        """Take what was told into the account."""

    def settle(self) -> None:
        """Forget what is over, after a life."""

    def live(self, tell: Tell, chance: random.Random) -> None:
        """Open what is on the disk, compare it with the account, tell `READY`, work for ever."""

    def end(self, tell: Tell) -> None:
        """Open once more, compare, work off everything that is left, compare, and return."""


@dataclass(slots=True)
class Tally:
    """What a run came to."""

    name: str
    cycles: int = 0
    early: int = 0
    """Kills before the child was ready."""
    acknowledged: int = 0
    seconds: float = 0.0
    start_s: float = 0.01
    """How long a start takes, about."""


def run(subject: Subject, cycles: int, chance: random.Random) -> Tally:
    """Run so many lives and one to the end. Raises `FailedError`."""
    tally = Tally(subject.name)
    begun = time.monotonic()
    gc.collect()
    gc.freeze()
    for _ in range(cycles):
        _life(subject, tally, chance)
    _last_life(subject)
    tally.acknowledged = subject.acknowledged
    tally.seconds = time.monotonic() - begun
    return tally


def _life(subject: Subject, tally: Tally, chance: random.Random) -> None:
    seed = chance.getrandbits(64)
    child, pipe = _fork(subject, lambda tell: subject.live(tell, random.Random(seed)))  # noqa: S311
    born = time.monotonic()
    told = _Told(pipe)
    if chance.random() < 0.35:
        told.read_until(born + chance.random() * 1.5 * tally.start_s)
    else:
        told.read_until(born + _PATIENCE_S, word=READY)
        tally.start_s += 0.1 * (time.monotonic() - born - tally.start_s)
        told.read_until(time.monotonic() + chance.random() ** 2 * 0.03)
    os.kill(child, signal.SIGKILL)
    told.read_to_the_end()
    _, status = os.waitpid(child, 0)
    tally.early += not told.has(READY)
    tally.cycles += 1
    told.give_to(subject)
    subject.settle()
    if not os.WIFSIGNALED(status):
        raise FailedError(f"{subject.name}: the child ended by itself in cycle {tally.cycles}")


def _last_life(subject: Subject) -> None:
    child, pipe = _fork(subject, subject.end)
    told = _Told(pipe)
    told.read_until(time.monotonic() + _PATIENCE_S, word=None)
    told.read_to_the_end()
    _, status = os.waitpid(child, 0)
    told.give_to(subject)
    if status:
        raise FailedError(f"{subject.name}: the last life ended with status {status}")


def _fork(subject: Subject, live: Callable[[Tell], None]) -> tuple[int, int]:
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    code = 1
    try:
        os.close(read)

        def tell(*entry: Any) -> None:
            # Short enough to be whole in the pipe or not there (PIPE_BUF).
            os.write(write, msgspec.json.encode(entry) + b"\n")
            try:
                subject.take(list(entry))
            except BaseException:  # noqa: BLE001 - a broker that called would go on
                _fail(write)

        live(tell)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is to hear of it
        _fail(write)
    finally:
        os._exit(code)


def _fail(pipe: int) -> None:
    text = traceback.format_exc()[-3000:]
    os.write(pipe, msgspec.json.encode([FAILED, text]) + b"\n")
    os._exit(1)


class _Told:
    """What comes over the pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._data = bytearray()
        self._at_end = False

    def has(self, word: str) -> bool:
        """Return whether an entry begins with this word."""
        return b'["' + word.encode() + b'"' in self._data

    def read_until(self, moment: float, *, word: str | None = None) -> None:
        """Read until the moment, an entry that begins with the word, a failure or the end."""
        while not self._at_end and (word is None or not self.has(word)) and not self.has(FAILED):
            left = moment - time.monotonic()
            if left <= 0:
                return
            if select.select([self._pipe], [], [], left)[0]:
                self._read()

    def read_to_the_end(self) -> None:
        """Read everything; the writer is dead or dying."""
        while not self._at_end:
            self._read()
        os.close(self._pipe)

    def give_to(self, subject: Subject) -> None:
        """Take every entry into the account. Raises `FailedError` if one is a failure."""
        for line in bytes(self._data).splitlines():
            entry = msgspec.json.decode(line)
            if entry[0] == FAILED:
                raise FailedError(f"{subject.name}: {entry[1]}")
            if entry[0] != READY:
                subject.take(entry)

    def _read(self) -> None:
        chunk = os.read(self._pipe, _READ_BYTES)
        self._data += chunk
        self._at_end = not chunk
