"""Operations on thing groups, and on what is in them."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iot import thing_groups, things
from hedgerow.cloud.iot.documents import THING_GROUP, THING_GROUP_MEMBER
from hedgerow.cloud.iot.service_base import IotOperations, page_of, with_token


class ThingGroupOperations(IotOperations):
    """CreateThingGroup to ListThingGroupsForThing."""

    @operation("CreateThingGroup")
    async def create_thing_group(self, call: Call) -> Answer:
        """Make an empty group."""
        async with self._writing() as tx:
            return await thing_groups.create(tx, self._home, call.input)

    @operation("DescribeThingGroup")
    async def describe_thing_group(self, call: Call) -> Answer:
        """Return a group with its properties."""
        return await thing_groups.describe(self._store, self._home, call.input["thingGroupName"])

    @operation("ListThingGroups")
    async def list_thing_groups(self, call: Call) -> Answer:
        """Return a page of groups; a prefix can leave a page short of the number asked for."""
        page = await self._page(
            THING_GROUP, call.input.get("maxResults"), call.input.get("nextToken")
        )
        prefix = call.input.get("namePrefixFilter") or ""
        rows = [
            thing_groups.listed(self._home, record.id)
            for record in page.records
            if record.id.startswith(prefix)
        ]
        return with_token({"thingGroups": rows}, "nextToken", page.next_token)

    @operation("UpdateThingGroup")
    async def update_thing_group(self, call: Call) -> Answer:
        """Change a group's properties."""
        async with self._writing() as tx:
            return await thing_groups.update(tx, self._home, call.input)

    @operation("DeleteThingGroup")
    async def delete_thing_group(self, call: Call) -> Answer:
        """Delete a group that no policy is attached to."""
        async with self._writing() as tx:
            await thing_groups.delete(tx, self._home, call.input)
        return {}

    @operation("AddThingToThingGroup")
    async def add_thing_to_thing_group(self, call: Call) -> Answer:
        """Put a thing into a group."""
        name, thing = self._names(call)
        async with self._writing() as tx:
            await thing_groups.add(tx, self._home, name, thing)
        return {}

    @operation("RemoveThingFromThingGroup")
    async def remove_thing_from_thing_group(self, call: Call) -> Answer:
        """Take a thing out of a group."""
        name, thing = self._names(call)
        async with self._writing() as tx:
            await thing_groups.remove(tx, self._home, name, thing)
        return {}

    @operation("ListThingsInThingGroup")
    async def list_things_in_thing_group(self, call: Call) -> Answer:
        """Return the names of a group's things."""
        group = await thing_groups.existing(self._store, self._home, call.input["thingGroupName"])
        page = await self._page(
            THING_GROUP_MEMBER,
            call.input.get("maxResults"),
            call.input.get("nextToken"),
            parent=group.id,
        )
        names = [record.document.thing_name for record in page.records]
        return with_token({"things": names}, "nextToken", page.next_token)

    @operation("ListThingGroupsForThing")
    async def list_thing_groups_for_thing(self, call: Call) -> Answer:
        """Return the groups that a thing is in."""
        thing = await things.existing(self._store, self._home, call.input["thingName"])
        shown, token = page_of(
            thing.document.groups, call.input.get("maxResults"), call.input.get("nextToken")
        )
        rows = [thing_groups.listed(self._home, name) for name in shown]
        return with_token({"thingGroups": rows}, "nextToken", token)

    def _names(self, call: Call) -> tuple[str, str]:
        return (
            thing_groups.group_name(call.input, self._home),
            things.thing_name(call.input, self._home),
        )
