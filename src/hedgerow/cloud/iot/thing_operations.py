"""Operations on things, and on what is attached to them."""

from collections.abc import Mapping
from typing import Final

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iot import attachments, certificates, things
from hedgerow.cloud.iot.arns import certificate_arn
from hedgerow.cloud.iot.documents import THING
from hedgerow.cloud.iot.service_base import (
    DEFAULT_PAGE_SIZE,
    IotOperations,
    Members,
    page_of,
    with_token,
)

LOOKED_THROUGH: Final = 2_500
"""Things that one call with a filter looks through at most."""


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
        """Return a page of things, with a filter those that pass it.

        A page can be short of the number asked for if so many things were looked through.
        """
        wanted = call.input.get("maxResults") or DEFAULT_PAGE_SIZE
        token, looked_at = call.input.get("nextToken"), 0
        rows: list[Members] = []
        while True:
            page = await self._page(THING, wanted - len(rows), token)
            rows += [
                things.listed(self._home, record)
                for record in page.records
                if things.matches(record.document, call.input)
            ]
            token, looked_at = page.next_token, looked_at + len(page.records)
            if token is None or len(rows) >= wanted or looked_at >= LOOKED_THROUGH:
                return with_token({"things": rows}, "nextToken", token)

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

    @operation("ListThingPrincipalsV2")
    async def list_thing_principals_v2(self, call: Call) -> Answer:
        """Return the ARNs of a thing's certificates, and whether each is for this thing alone."""
        record = await things.existing(self._store, self._home, call.input["thingName"])
        kinds = {
            identifier: attachments.kind_of(
                await certificates.existing(self._store, self._home, identifier)
            )
            for identifier in record.document.principals
        }
        found = _of_kind(kinds, call.input)
        shown, token = page_of(found, call.input.get("maxResults"), call.input.get("nextToken"))
        rows = [
            {
                "principal": certificate_arn(self._home, identifier),
                "thingPrincipalType": kinds[identifier],
            }
            for identifier in shown
        ]
        return with_token({"thingPrincipalObjects": rows}, "nextToken", token)

    @operation("ListPrincipalThings")
    async def list_principal_things(self, call: Call) -> Answer:
        """Return the names of the things a certificate is attached to."""
        record = await attachments.principal(self._store, self._home, call.input["principal"])
        shown, token = page_of(
            record.document.things, call.input.get("maxResults"), call.input.get("nextToken")
        )
        return with_token({"things": list(shown)}, "nextToken", token)

    @operation("ListPrincipalThingsV2")
    async def list_principal_things_v2(self, call: Call) -> Answer:
        """Return the things a certificate is attached to, and whether it is for one alone."""
        record = await attachments.principal(self._store, self._home, call.input["principal"])
        kind = attachments.kind_of(record)
        found = _of_kind(dict.fromkeys(record.document.things, kind), call.input)
        shown, token = page_of(found, call.input.get("maxResults"), call.input.get("nextToken"))
        rows = [{"thingName": name, "thingPrincipalType": kind} for name in shown]
        return with_token({"principalThingObjects": rows}, "nextToken", token)


def _of_kind(kinds: Mapping[str, str], request: Members) -> list[str]:
    """Return those that are attached in the way that is asked for."""
    wanted = request.get("thingPrincipalType")
    return [name for name, kind in kinds.items() if wanted in (None, kind)]
