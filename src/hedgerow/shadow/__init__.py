"""A shadow of a thing, classic or named, as a pure machine, for the cloud and for the core alike.

In come a shadow and a request as bytes; out come the new shadow and every answer and notice as
bytes, or a `ShadowError` in AWS's words. It imports `kernel` only. What must never happen here:
I/O, a clock, a stale version that overwrites a newer one, or untrusted JSON that gets through
unchecked. Its tests are in `tests/unit/shadow` and `tests/property/test_shadow_merging.py`.
"""

from hedgerow.shadow.documents import NO_SHADOW, Json, Section, Shadow
from hedgerow.shadow.errors import (
    BAD_REQUEST,
    CONFLICT,
    INTERNAL_FAILURE,
    NOT_FOUND,
    TOO_LARGE,
    TOO_MANY_REQUESTS,
    ShadowError,
)
from hedgerow.shadow.machine import (
    ShadowChange,
    apply_delete,
    apply_update,
    get_answer,
    state_of,
    times_of,
)
from hedgerow.shadow.merging import difference, merged, same, stamped
from hedgerow.shadow.requests import (
    ShadowRemoval,
    ShadowUpdate,
    parse_client_token,
    parse_removal,
    parse_update,
    require_shadow_name,
    require_thing_name,
)

__all__ = [
    "BAD_REQUEST",
    "CONFLICT",
    "INTERNAL_FAILURE",
    "NOT_FOUND",
    "NO_SHADOW",
    "TOO_LARGE",
    "TOO_MANY_REQUESTS",
    "Json",
    "Section",
    "Shadow",
    "ShadowChange",
    "ShadowError",
    "ShadowRemoval",
    "ShadowUpdate",
    "apply_delete",
    "apply_update",
    "difference",
    "get_answer",
    "merged",
    "parse_client_token",
    "parse_removal",
    "parse_update",
    "require_shadow_name",
    "require_thing_name",
    "same",
    "stamped",
    "state_of",
    "times_of",
]
