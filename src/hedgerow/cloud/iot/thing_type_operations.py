"""Operations on thing types."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iot import thing_types
from hedgerow.cloud.iot.documents import THING_TYPE
from hedgerow.cloud.iot.service_base import IotOperations, with_token


class ThingTypeOperations(IotOperations):
    """CreateThingType to DeleteThingType."""

    @operation("CreateThingType")
    async def create_thing_type(self, call: Call) -> Answer:
        """Make a thing type."""
        async with self._writing() as tx:
            return await thing_types.create(tx, self._home, call.input)

    @operation("DescribeThingType")
    async def describe_thing_type(self, call: Call) -> Answer:
        """Return a thing type."""
        record = await thing_types.existing(self._store, self._home, call.input["thingTypeName"])
        return {
            **thing_types.described(self._home, record),
            "thingTypeId": record.document.type_id,
        }

    @operation("ListThingTypes")
    async def list_thing_types(self, call: Call) -> Answer:
        """Return a page of thing types, or the one of a name."""
        page = await self._page(
            THING_TYPE, call.input.get("maxResults"), call.input.get("nextToken")
        )
        wanted = call.input.get("thingTypeName")
        rows = [
            thing_types.described(self._home, record)
            for record in page.records
            if wanted in (None, record.id)
        ]
        return with_token({"thingTypes": rows}, "nextToken", page.next_token)

    @operation("UpdateThingType")
    async def update_thing_type(self, call: Call) -> Answer:
        """Change a thing type's properties."""
        async with self._writing() as tx:
            await thing_types.update(tx, self._home, call.input)
        return {}

    @operation("DeprecateThingType")
    async def deprecate_thing_type(self, call: Call) -> Answer:
        """Let no new thing have the type, or let them again."""
        async with self._writing() as tx:
            await thing_types.deprecate(tx, self._home, call.input, self._clock.now())
        return {}

    @operation("DeleteThingType")
    async def delete_thing_type(self, call: Call) -> Answer:
        """Delete a deprecated thing type that no thing has."""
        async with self._writing() as tx:
            await thing_types.delete(tx, self._home, call.input["thingTypeName"], self._clock.now())
        return {}
