"""Where events wait between the commit of what they tell of and their being told."""

from hedgerow.cloud.events.documents import EVENT, Event
from hedgerow.cloud.home import Home
from hedgerow.kernel import new_uuid
from hedgerow.store import Transaction


async def note(tx: Transaction, home: Home, event: Event) -> None:
    """Have an event told if, and as soon as, this transaction is committed."""
    await tx.insert(EVENT, home.account, new_uuid(), event)
