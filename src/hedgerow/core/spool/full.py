"""What a publisher wants if the queue is full: the SDK's `queueFullPolicy`. Pure."""

from enum import Enum
from typing import Self

from hedgerow.kernel import UnavailableError


class QueueFullError(UnavailableError):
    """The queue for the cloud is full, and the publisher wanted to be told instead of served."""


class QueueFullPolicy(Enum):
    """Source: guide page what-is-gg (1.10 features) and the SDK's `IoTDataPlane.py`."""

    BEST_EFFORT = "BestEffort"
    """The oldest messages make room."""

    ALL_OR_EXCEPTION = "AllOrException"
    """Nothing makes room: `QueueFullError`, and the message goes to no target."""

    @classmethod
    def of(cls, text: str | None) -> Self:
        """Return the policy of an SDK's call; none or an empty one is `BestEffort`.

        Another value raises `ValueError`, as the SDK does.
        """
        if not text:
            return cls("BestEffort")
        try:
            return cls(text)
        except ValueError:
            raise ValueError(
                f"queueFullPolicy is {text[:40]!r}; it is BestEffort or AllOrException"
            ) from None
