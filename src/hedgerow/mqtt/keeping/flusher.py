"""The thread that brings to the disk what the operating system has, a little after it was written.

It is the one place in this room with a thread; what runs on it are jobs that a journal gives it,
one at a time, in their order, and what failed is for the journal to ask.
"""

import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]


class Flusher:
    """Runs `flush` so many seconds after it was first asked to, and jobs as soon as it can."""

    def __init__(self, flush: Job, after_s: float) -> None:
        self._flush = flush
        self._after_s = after_s
        self._wanted = False
        self._jobs: deque[Job] = deque()
        self._bell = threading.Event()
        self._ending = threading.Event()
        self._failed: OSError | None = None
        self._thread: threading.Thread | None = None

    @property
    def failed(self) -> OSError | None:
        """What the last flush or job failed with, until `forgive`."""
        return self._failed

    def forgive(self) -> None:
        """Forget what failed: it was made good."""
        self._failed = None

    def want(self) -> None:
        """Have a flush come soon."""
        if not self._wanted:
            self._wanted = True
            self._ring()

    def give(self, job: Job) -> None:
        """Have a job done before the next flush."""
        self._jobs.append(job)
        self._ring()

    def stop(self) -> None:
        """Have the thread end, and wait until it has; what it had not begun is left."""
        self._ending.set()
        self._bell.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _ring(self) -> None:
        if self._ending.is_set():
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="session flusher", daemon=True)
            self._thread.start()
        self._bell.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._bell.wait()
            self._bell.clear()
            try:
                while self._jobs and not self._ending.is_set():
                    self._jobs.popleft()()
                if self._wanted and not self._ending.wait(self._after_s):
                    self._wanted = False
                    self._flush()
            except OSError as error:
                self._jobs.clear()
                self._failed = error
