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


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a thing as others want it (`desired`) and as it says it is (`reported`).

    A section that is None is not there. A deleted shadow stays as a tombstone, because AWS
    counts its versions on if it is made again.
    """

    version: int = 0
    desired: Section | None = None
    reported: Section | None = None
    desired_times: Section = {}
    reported_times: Section = {}
    deleted: bool = True


NO_SHADOW = Shadow()
"""What a thing has before its first update."""
