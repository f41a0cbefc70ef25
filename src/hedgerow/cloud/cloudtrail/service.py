"""The service `cloudtrail`: looking events up, and trails that deliver them."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import msgspec

from hedgerow.aws import Answer, AwsError, Call, Service, operation
from hedgerow.aws.errors import InvalidPageTokenError
from hedgerow.aws.pagination import decode_token, encode_token
from hedgerow.cloud.cloudtrail import trails
from hedgerow.cloud.cloudtrail.deliverer import Deliverer
from hedgerow.cloud.cloudtrail.documents import TRAIL_SETTINGS
from hedgerow.cloud.cloudtrail.identity import iso_seconds
from hedgerow.cloud.cloudtrail.index import Entry, Wanted
from hedgerow.cloud.cloudtrail.keys import TrailKeys, fingerprint, public_key_der
from hedgerow.cloud.cloudtrail.naming import checked_tags, name_in, trail_arn
from hedgerow.cloud.cloudtrail.trail import RETENTION, Trail
from hedgerow.cloud.home import Home
from hedgerow.kernel import Clock, quoted
from hedgerow.store import Store

MAX_RESULTS: Final = 50
MAX_RESOURCES_LISTED: Final = 20
_KEY_VALID_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)
_KEY_VALID_UNTIL: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""The key is never changed, so it is the one for any time that is asked for."""


class CloudTrailService(Service):
    """One account's events and trails."""

    model_name: ClassVar[str] = "cloudtrail"
    invalid_code: ClassVar[str] = "InvalidParameterException"

    def __init__(
        self,
        store: Store,
        home: Home,
        clock: Clock,
        *,
        trail: Trail,
        deliverer: Deliverer,
        keys: TrailKeys,
    ) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._trail = trail
        self._deliverer = deliverer
        self._keys = keys
        self._looking = asyncio.Lock()

    @operation("LookupEvents")
    async def lookup_events(self, call: Call) -> Answer:
        """Return events of the last 90 days, newest first."""
        wanted = self._wanted(call.input)
        scope = json.dumps(
            ["LookupEvents", self._home.account, call.input.get("LookupAttributes")]
            + [str(call.input.get(end)) for end in ("StartTime", "EndTime")]
        )
        key = self._trail.token_key
        token = call.input.get("NextToken")
        try:
            before = int(decode_token(key, scope, token)) if token else None
        except InvalidPageTokenError as error:
            raise AwsError("InvalidNextTokenException", error.message) from error
        limit = call.input.get("MaxResults") or MAX_RESULTS
        async with self._looking:  # one at a time: the threads are for flushing records, too
            found = await asyncio.to_thread(self._trail.find, wanted, before, limit)
        answer: dict[str, Any] = {"Events": [_shown(entry, body) for entry, body in found.events]}
        if found.go_on_before is not None:
            answer["NextToken"] = encode_token(key, scope, str(found.go_on_before))
        return answer

    @operation("CreateTrail")
    async def create_trail(self, call: Call) -> Answer:
        """Make a trail; it logs after StartLogging."""
        now = self._clock.now()
        async with self._store.transaction() as tx:
            return await trails.create(tx, self._home, call.input, now, self._trail.head)

    @operation("UpdateTrail")
    async def update_trail(self, call: Call) -> Answer:
        """Change a trail; before it moves, what it has is delivered where it was."""
        name = name_in(call.input["Name"], self._home)
        async with self._deliverer.paused():
            before = (await trails.existing(self._store, self._home, name)).document
            settings = trails.changed(before, call.input)
            if trails.moves(before, settings):
                await self._deliverer.conclude(name)
            async with self._store.transaction() as tx:
                return await trails.update(tx, self._home, name, settings, self._clock.now())

    @operation("DeleteTrail")
    async def delete_trail(self, call: Call) -> Answer:
        """Delete a trail, after delivering what it has."""
        name = name_in(call.input["Name"], self._home)
        async with self._deliverer.paused():
            await self._deliverer.conclude(name)
            async with self._store.transaction() as tx:
                await trails.delete(tx, self._home, name)
        return {}

    @operation("DescribeTrails")
    async def describe_trails(self, call: Call) -> Answer:
        """Return the settings of all trails, or of those named that exist."""
        asked = call.input.get("trailNameList") or ()
        names = {name_in(name, self._home) for name in asked}
        found = await self._store.all(TRAIL_SETTINGS, self._home.account)
        return {
            "trailList": [
                trails.described(self._home, record.id, record.document)
                for record in found
                if not names or record.id in names
            ]
        }

    @operation("GetTrail")
    async def get_trail(self, call: Call) -> Answer:
        """Return one trail's settings."""
        name = name_in(call.input["Name"], self._home)
        record = await trails.existing(self._store, self._home, name)
        return {"Trail": trails.described(self._home, name, record.document)}

    @operation("ListTrails")
    async def list_trails(self, call: Call) -> Answer:  # noqa: ARG002 - an account has few trails
        """Return the names of all trails."""
        found = await self._store.all(TRAIL_SETTINGS, self._home.account)
        rows = [
            {
                "TrailARN": trail_arn(self._home, record.id),
                "Name": record.id,
                "HomeRegion": self._home.region,
            }
            for record in found
        ]
        return {"Trails": rows}

    @operation("StartLogging")
    async def start_logging(self, call: Call) -> Answer:
        """Begin to deliver."""
        name = name_in(call.input["Name"], self._home)
        async with self._deliverer.paused():
            await self._deliverer.conclude(name, only_if_stopped=True)
            async with self._store.transaction() as tx:
                now, head = self._clock.now(), self._trail.head
                await trails.start_logging(tx, self._home, name, now, head)
        self._deliverer.wake()
        return {}

    @operation("StopLogging")
    async def stop_logging(self, call: Call) -> Answer:
        """Stop delivering; the record of this call is the last one delivered."""
        name = name_in(call.input["Name"], self._home)
        async with self._deliverer.paused(), self._store.transaction() as tx:
            await trails.stop_logging(tx, self._home, name, self._clock.now())
        self._deliverer.wake()
        return {}

    @operation("GetTrailStatus")
    async def get_trail_status(self, call: Call) -> Answer:
        """Return what a trail has done."""
        name = name_in(call.input["Name"], self._home)
        return await trails.status(self._store, self._home, name)

    @operation("GetEventSelectors")
    async def get_event_selectors(self, call: Call) -> Answer:
        """Return what every trail here delivers: everything."""
        name = name_in(call.input["TrailName"], self._home)
        await trails.existing(self._store, self._home, name)
        everything = {
            "ReadWriteType": "All",
            "IncludeManagementEvents": True,
            "DataResources": [],
            "ExcludeManagementEventSources": [],
        }
        return {"TrailARN": trail_arn(self._home, name), "EventSelectors": [everything]}

    @operation("ListPublicKeys")
    async def list_public_keys(self, call: Call) -> Answer:
        """Return the key that digests are verified with; there is one, and it does not change."""
        _require_order(call.input.get("StartTime"), call.input.get("EndTime"))
        public = self._keys.signing.public_key
        key = {
            "Value": public_key_der(public),
            "ValidityStartTime": _KEY_VALID_FROM,
            "ValidityEndTime": _KEY_VALID_UNTIL,
            "Fingerprint": fingerprint(public),
        }
        return {"PublicKeyList": [key]}

    @operation("AddTags")
    async def add_tags(self, call: Call) -> Answer:
        """Add tags to a trail, or change their values."""
        name = self._tagged(call.input["ResourceId"])
        async with self._store.transaction() as tx:
            record = await trails.existing(tx, self._home, name)
            tags = checked_tags(call.input["TagsList"], record.document.tags)
            await tx.update(record, msgspec.structs.replace(record.document, tags=tags))
        return {}

    @operation("RemoveTags")
    async def remove_tags(self, call: Call) -> Answer:
        """Take tags from a trail; one that it does not have is passed over."""
        name = self._tagged(call.input["ResourceId"])
        gone = {tag["Key"] for tag in call.input["TagsList"]}
        async with self._store.transaction() as tx:
            record = await trails.existing(tx, self._home, name)
            kept = {key: text for key, text in record.document.tags.items() if key not in gone}
            await tx.update(record, msgspec.structs.replace(record.document, tags=kept))
        return {}

    @operation("ListTags")
    async def list_tags(self, call: Call) -> Answer:
        """Return the tags of some trails."""
        asked = call.input["ResourceIdList"]
        if len(asked) > MAX_RESOURCES_LISTED:
            raise AwsError(
                "InvalidParameterException", f"Ask for at most {MAX_RESOURCES_LISTED} resources."
            )
        rows = []
        for arn in asked:
            name = self._tagged(arn)
            tags = (await trails.existing(self._store, self._home, name)).document.tags
            pairs = [{"Key": key, "Value": text} for key, text in tags.items()]
            rows.append({"ResourceId": arn, "TagsList": pairs})
        return {"ResourceTagList": rows}

    def _tagged(self, arn: str) -> str:
        if not arn.startswith("arn:"):
            raise AwsError(
                "CloudTrailARNInvalidException", f"{quoted(arn)} is not the ARN of a trail."
            )
        return name_in(arn, self._home)

    def _wanted(self, request: Mapping[str, Any]) -> Wanted:
        now = self._clock.now()
        start, end = request.get("StartTime"), request.get("EndTime")
        _require_order(start, end)
        if request.get("EventCategory"):
            raise AwsError(
                "InvalidEventCategoryException", "There are no insight events here, only events."
            )
        attributes = request.get("LookupAttributes") or ()
        if len(attributes) > 1:
            raise AwsError(
                "InvalidLookupAttributesException",
                "Events are looked up by one attribute at a time.",
            )
        only = attributes[0] if attributes else {}
        oldest = now - RETENTION
        return Wanted(
            attribute=only.get("AttributeKey"),
            value=only.get("AttributeValue", ""),
            start=iso_seconds(max(start or oldest, oldest)),
            end=iso_seconds(end or now + timedelta(days=1)),
        )


def _require_order(start: datetime | None, end: datetime | None) -> None:
    if start is not None and end is not None and start > end:
        raise AwsError("InvalidTimeRangeException", "The start of the time range is after its end.")


def _shown(entry: Entry, body: bytes) -> Mapping[str, Any]:
    """Return an event as `LookupEvents` gives it."""
    event: dict[str, Any] = {
        "EventId": entry.event_id,
        "EventName": entry.event_name,
        "ReadOnly": "true" if entry.read_only else "false",
        "EventTime": datetime.fromisoformat(entry.time).astimezone(UTC),
        "EventSource": entry.event_source,
        "Resources": [
            {"ResourceType": kind, "ResourceName": name} for kind, name in entry.resources
        ],
        "CloudTrailEvent": body.decode(),
    }
    if entry.access_key_id:
        event["AccessKeyId"] = entry.access_key_id
    if entry.user_name:
        event["Username"] = entry.user_name
    return event
