"""Operations on things, and on what is attached to them."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iot import attachments, things
from hedgerow.cloud.iot.arns import certificate_arn
from hedgerow.cloud.iot.documents import THING
from hedgerow.cloud.iot.service_base import IotOperations, page_of, with_token


class ThingOperations(IotOperations):
    """CreateThing to ListPrincipalThings."""

    @operation("CreateThing")
    async def create_thing(self, call: Call) -> Answer:
        """Register a thing."""
        async with self._writing() as tx:
            return await things.create(tx, self._home, call.input)

    @operation("DescribeThing")
    async def describe_thing(self, call: Call) -> Answer:
        """Return a thing with its attributes and version."""
        return await things.describe(self._store, self._home, call.input["thingName"])

    @operation("ListThings")
    async def list_things(self, call: Call) -> Answer:
        """Return a page of things; a filter can leave a page short of the number asked for."""
        page = await self._page(THING, call.input.get("maxResults"), call.input.get("nextToken"))
        rows = [
            things.listed(self._home, record)
            for record in page.records
            if things.matches(record.document, call.input)
        ]
        return with_token({"things": rows}, "nextToken", page.next_token)

    @operation("UpdateThing")
    async def update_thing(self, call: Call) -> Answer:
        """Change a thing's attributes."""
        async with self._writing() as tx:
            await things.update(tx, self._home, call.input)
        return {}

    @operation("DeleteThing")
    async def delete_thing(self, call: Call) -> Answer:
        """Delete a thing that nothing is attached to."""
        async with self._writing() as tx:
            await things.delete(tx, self._home, call.input)
        return {}

    @operation("AttachThingPrincipal")
    async def attach_thing_principal(self, call: Call) -> Answer:
        """Attach a certificate to a thing."""
        async with self._writing() as tx:
            await attachments.attach_thing(tx, self._home, call.input)
        return {}

    @operation("DetachThingPrincipal")
    async def detach_thing_principal(self, call: Call) -> Answer:
        """Detach a certificate from a thing."""
        async with self._writing() as tx:
            await attachments.detach_thing(tx, self._home, call.input)
        return {}

    @operation("ListThingPrincipals")
    async def list_thing_principals(self, call: Call) -> Answer:
        """Return the ARNs of a thing's certificates."""
        record = await things.existing(self._store, self._home, call.input["thingName"])
        shown, token = page_of(
            record.document.principals, call.input.get("maxResults"), call.input.get("nextToken")
        )
        arns = [certificate_arn(self._home, certificate_id) for certificate_id in shown]
        return with_token({"principals": arns}, "nextToken", token)

    @operation("ListPrincipalThings")
    async def list_principal_things(self, call: Call) -> Answer:
        """Return the names of the things a certificate is attached to."""
        record = await attachments.principal(self._store, self._home, call.input["principal"])
        shown, token = page_of(
            record.document.things, call.input.get("maxResults"), call.input.get("nextToken")
        )
        return with_token({"things": list(shown)}, "nextToken", token)
