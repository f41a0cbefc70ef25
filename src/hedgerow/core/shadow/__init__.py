"""The local shadow service, and its synchronisation with the cloud.

In come requests along rows to `GGShadowService`, plain calls of the core's own parts, and messages
of the cloud; out go answers along rows from it, and calls to the cloud under the core's own
certificate. It imports `kernel`, `shadow`, `contract`, `mqtt` and `core.link`. What must never
happen here: a shadow that is read or changed without a row, one of a thing outside the group, a
copy in the cloud that changes although `SyncShadow` is false, or a local request that waits for the
cloud. Its tests are in
`tests/unit/core/shadow`, `tests/property/test_core_shadow_*.py` and
`tests/interop/test_core_shadow_sync.py`.

**When both sides changed.** The core remembers what both last agreed on. Against that, value by
value (an array is one value), under `desired` and under `reported`:

1. What only one side changed is taken from that side; what is as it was agreed is no change.
2. What both set differently is taken from the side whose timestamp of it is newer, by the core's
   clock for the local copy and the cloud's for its own, in whole seconds. On equal ones the
   cloud's stands.
3. A removal loses against a value that the other side set, and a removed object or a deleted
   shadow loses as a whole: removals carry no time, and what somebody set is not lost.
4. Before the first agreement everything counts as set by whoever has it, so both are united.

What the core itself wrote to the cloud is never taken for a change by somebody else, also if the
answer was lost or the core stopped before it came: what is about to be written is noted first.
Every write there is for the version that was read, deletions and creations too, so nothing is
overwritten unseen; a lost race is a new round. A local change while the cloud is asked stays, and
goes there in the next round. What cannot be united within the limits of a shadow is not
synchronised; `ShadowSync.problem` says so.
"""

from hedgerow.core.shadow.cloud_copy import CloudCopies, CloudShadows
from hedgerow.core.shadow.database import Agreed, Kept, ShadowDatabase
from hedgerow.core.shadow.local import LocalShadows
from hedgerow.core.shadow.reconcile import Copy, State, changes_between, reconciled
from hedgerow.core.shadow.requests import ShadowRequests
from hedgerow.core.shadow.sync import ShadowSync

__all__ = [
    "Agreed",
    "CloudCopies",
    "CloudShadows",
    "Copy",
    "Kept",
    "LocalShadows",
    "ShadowDatabase",
    "ShadowRequests",
    "ShadowSync",
    "State",
    "changes_between",
    "reconciled",
]
