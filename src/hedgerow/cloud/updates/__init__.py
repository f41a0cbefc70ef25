"""The repository of software updates: made, published to, kept fresh, and looked up.

In come packages and keys; out go TUF metadata that cores verify, and the newest version of each
software. It may import kernel, contract, pki and `tuf`; the data plane serves its files and the
services ask its catalogue. What must never happen here: a signature of an offline key (root,
targets) while the cloud serves, or a package that is published without being looked into. Its
tests are in `tests/unit/cloud/updates`, the attacks in `tests/security/test_update_attacks.py`.
"""

from hedgerow.cloud.updates.catalogue import Published, UpdateCatalogue
from hedgerow.cloud.updates.freshener import Freshener
from hedgerow.cloud.updates.repository import UpdateRepository

__all__ = ["Freshener", "Published", "UpdateCatalogue", "UpdateRepository"]
