"""The discovery document: which cores a client device may connect to, where, and whom to trust.

`discovery_document` is pure; `Discovery` keeps its answers. Source: guide page gg-discover-api;
names are as in its cURL output and the SDKs (statement E04).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.answers import MissingError, ok
from hedgerow.cloud.dataplane.authorized import Authorized, require_own_thing
from hedgerow.cloud.dataplane.pace import Pace
from hedgerow.cloud.greengrass import (
    MAX_GROUPS_OF_A_DEVICE,
    TOO_MANY_GROUPS,
    GroupIndex,
    GroupView,
    trusted,
    usable_certificates,
)
from hedgerow.cloud.iot import DeviceDirectory
from hedgerow.contract import ConnectivityEntry
from hedgerow.kernel import CallerError, Clock, quoted

DOCUMENTS_KEPT = 10_000
"""How many answers are kept ready; the least lately made one gives way."""


class TooManyGroupsError(CallerError):
    """The thing is a device of more groups than a device may be in."""

    code = "TooManyGroups"


def discovery_document(
    thing_name: str,
    views: Sequence[GroupView],
    certificates_of: Callable[[str], Collection[str]],
    now: datetime,
) -> bytes:
    """Return the answer for a device of these groups.

    `certificates_of` gives the ids of a core thing's usable certificates. Raises
    `MissingError` and `TooManyGroupsError`.
    """
    if len(views) > MAX_GROUPS_OF_A_DEVICE:
        raise TooManyGroupsError(TOO_MANY_GROUPS)
    groups = [_group(view, certificates_of, now) for view in views if view.core is not None]
    if not groups:
        raise MissingError(
            f"the thing {quoted(thing_name)} is a device of no deployed group; add it to a group's "
            "device definition and deploy the group"
        )
    return msgspec.json.encode({"GGGroups": groups})


def _group(
    view: GroupView, certificates_of: Callable[[str], Collection[str]], now: datetime
) -> dict[str, Any]:
    core = view.core
    if core is None:
        raise ValueError("only a group with a core is shown")
    return {
        "GGGroupId": view.group_id,
        "Cores": [
            {
                "thingArn": core.thing_arn,
                "Connectivity": [_entry(entry) for entry in view.connectivity.connectivity_info],
            }
        ],
        "CAs": trusted(view.authorities, certificates_of(core.thing_name), now),
    }


def _entry(entry: ConnectivityEntry) -> dict[str, Any]:
    return {
        "Id": entry.id,
        "HostAddress": entry.host_address,
        "PortNumber": entry.port_number,
        "Metadata": entry.metadata,
    }


@dataclass(frozen=True, slots=True)
class _Kept:
    document: bytes
    epochs: tuple[int, int]
    until: datetime | None


class Discovery:
    """Answers discovery; an answer is kept until a group, a certificate or the time changes it."""

    def __init__(self, index: GroupIndex, directory: DeviceDirectory, clock: Clock) -> None:
        self._index = index
        self._directory = directory
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._pace = Pace(clock)

    async def discover(self, request: Authorized) -> HttpAnswer:
        """Return the document of the caller's own thing."""
        thing_name = require_own_thing(request)
        self._pace.spend(thing_name)
        views = await self._index.groups_serving(thing_name)
        now, epochs = self._clock.now(), (self._index.epoch, self._directory.epoch)
        kept = self._kept.get(thing_name)
        if kept is None or kept.epochs != epochs or (kept.until is not None and now >= kept.until):
            document = discovery_document(thing_name, views, self._certificates_of, now)
            kept = _Kept(document, epochs, _next_change(views, now))
            self._kept.pop(thing_name, None)
            if len(self._kept) >= DOCUMENTS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[thing_name] = kept
        return ok(kept.document)

    def _certificates_of(self, core_thing_name: str) -> tuple[str, ...]:
        return usable_certificates(self._directory, core_thing_name)


def _next_change(views: Sequence[GroupView], now: datetime) -> datetime | None:
    """Return when the first overlap of authorities ends by itself."""
    ends = (record.document.trusted_until for view in views for record in view.authorities)
    return min((end for end in ends if end is not None and end > now), default=None)
