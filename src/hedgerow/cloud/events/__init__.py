"""Events: what happened in an account, told to programs over the broker and to people in a log.

In come events, noted in the transaction of what they tell of; out they go, in order and at least
once, to a topic of the account's broker and to a file that can be followed (`tail -F`). It imports
`kernel`, `store` and `cloud.home`, and knows no service. What must never happen here: an event of
something that was not committed, a committed change without its event, or an event that ceases to
wait before it was told. Its tests are in `tests/unit/cloud/events`.
"""

from hedgerow.cloud.events.documents import EVENT, Event
from hedgerow.cloud.events.envelope import bridge_event, envelope
from hedgerow.cloud.events.log import EventLog, append_lines
from hedgerow.cloud.events.outbox import note
from hedgerow.cloud.events.teller import EventTeller, Publisher

__all__ = [
    "EVENT",
    "Event",
    "EventLog",
    "EventTeller",
    "Publisher",
    "append_lines",
    "bridge_event",
    "envelope",
    "note",
]
