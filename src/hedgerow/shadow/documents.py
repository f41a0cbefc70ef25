"""A shadow as it is kept, and its limits."""

from typing import Any

import msgspec

Json = Any
Section = dict[str, Json]
"""One of the two halves of a shadow's state, or the timestamps that mirror it."""

MAX_DOCUMENT_BYTES = 8 * 1024
"""Of a request, and of the state (without metadata) that results from it."""
MAX_DEPTH = 8
"""Levels of objects and arrays under `desired` or `reported`, these included."""
MAX_CLIENT_TOKEN_BYTES = 64
VERSIONS_KEPT_S = 48 * 3600
"""How long a deleted shadow's versions are counted on if it is made again.

Source: AWS IoT Core Developer Guide, Interacting with shadows.
"""


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a thing as others want it (`desired`) and as it says it is (`reported`).

    A section that is None is not there. A deleted shadow stays as a tombstone, because its
    versions are counted on for a while if it is made again; `deleted_at` is in seconds since 1970.
    """

    version: int = 0
    desired: Section | None = None
    reported: Section | None = None
    desired_times: Section = {}
    reported_times: Section = {}
    deleted: bool = True
    deleted_at: int = 0


NO_SHADOW = Shadow()
"""What a thing has before its first update."""
