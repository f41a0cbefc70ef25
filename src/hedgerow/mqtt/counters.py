"""What a broker counts."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Totals since the broker was made; `refusals` by the stable code of each reason."""

    connections: int = 0
    sessions: int = 0
    messages_received: int = 0
    messages_delivered: int = 0
    messages_dropped: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
