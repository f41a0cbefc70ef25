"""Pages of lists: `MaxItems`, `Marker` and `IsTruncated`, as every list of this API has them.

A marker is the key of the last row that was given, so a list goes on rightly when rows come or
go meanwhile.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from hedgerow.cloud.iam.faults import validation_error

Row = TypeVar("Row")

DEFAULT_MAX_ITEMS: Final = 100


def page(
    rows: Iterable[Row], request: Mapping[str, Any], key: Callable[[Row], str]
) -> tuple[list[Row], dict[str, Any]]:
    """Return the rows of the page asked for, in order of their keys, and what the answer adds.

    `key` is different for every row.
    """
    marker, limit = request.get("Marker"), request.get("MaxItems", DEFAULT_MAX_ITEMS)
    after = None if marker is None else _position(marker)
    ordered = sorted(((key(row), row) for row in rows), key=lambda pair: pair[0])
    left = [pair for pair in ordered if after is None or pair[0] > after]
    shown = left[:limit]
    if len(left) == len(shown):
        return [row for _, row in shown], {"IsTruncated": False}
    return [row for _, row in shown], {"IsTruncated": True, "Marker": _marker(shown[-1][0])}


def _marker(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode()


def _position(marker: str) -> str:
    try:
        return base64.b64decode(marker.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise validation_error(
            "Invalid Marker: it is not one that a page of this list gave; "
            "ask for the first page again, without one."
        ) from None
