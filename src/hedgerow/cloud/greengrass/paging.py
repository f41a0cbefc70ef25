"""Pages of lists: `MaxResults` and `NextToken` are strings in this API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.kernel import quoted
from hedgerow.store import Page

DEFAULT_RESULTS = 50
MAX_RESULTS = 200


@dataclass(frozen=True, slots=True)
class Paging:
    """How many rows a caller wants, and after which page."""

    limit: int
    after: str | None

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Paging":
        """Read the request's members, or raise `BadRequestException`."""
        text = request.get("MaxResults") or str(DEFAULT_RESULTS)
        if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_RESULTS):
            raise bad_request(f"MaxResults is from 1 to {MAX_RESULTS}, not {quoted(text)}")
        return cls(limit=int(text), after=request.get("NextToken") or None)


def page_answer(
    member: str, rows: Sequence[Mapping[str, Any]], page: Page[Any]
) -> Mapping[str, Any]:
    """Return the answer of a list operation."""
    answer: dict[str, Any] = {member: list(rows)}
    if page.next_token is not None:
        answer["NextToken"] = page.next_token
    return answer
