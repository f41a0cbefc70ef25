"""How long a deployment may take before it counts as failed: the group's tag says it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from hedgerow.cloud.greengrass.documents import DEFAULT_DEPLOYMENT_MINUTES
from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.kernel import quoted

DEADLINE_TAG: Final = "hedgerow:deployment-deadline-minutes"
"""The tag by which an administrator gives a group's deployments another deadline."""
MAX_MINUTES: Final = 30 * 24 * 60


def allowed_minutes(tags: Mapping[str, str]) -> int:
    """Return how long the deployments of a group with these tags may take.

    Raises `BadRequestException` for a tag that says nothing of the kind.
    """
    text = tags.get(DEADLINE_TAG)
    if text is None:
        return DEFAULT_DEPLOYMENT_MINUTES
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) <= len("99999") else 0
    if not 1 <= minutes <= MAX_MINUTES:
        raise bad_request(
            f"the group's tag {DEADLINE_TAG} is {quoted(text)}; it has to be a number of minutes "
            f"from 1 to {MAX_MINUTES}: correct or remove it, then deploy again"
        )
    return minutes


def in_words(allowance: timedelta) -> str:
    """Return a length of time as people say it."""
    minutes = int(allowance.total_seconds()) // 60
    for unit, size in (("day", 24 * 60), ("hour", 60)):
        if minutes % size == 0:
            return _counted(minutes // size, unit)
    return _counted(minutes, "minute")


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
