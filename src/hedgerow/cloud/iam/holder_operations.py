"""Operations that users, groups and roles have alike, made from the table of holders.

Inline policies and attachments exist for all three; boundaries and tags for users and roles.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from hedgerow.aws import Answer, Call, Operation
from hedgerow.cloud.iam import attachments, inline_policies
from hedgerow.cloud.iam.holders import HOLDERS, ROLES, USERS, HolderKind, existing_holder
from hedgerow.cloud.iam.paging import page
from hedgerow.cloud.iam.policy_text import on_the_wire
from hedgerow.cloud.iam.service_base import IamOperations, attached_rows
from hedgerow.cloud.iam.tags import tag_page, tagged, untagged
from hedgerow.store import Record

_Method = Callable[[HolderKind, Call], Awaitable[Answer]]


class HolderOperations(IamOperations):
    """PutUserPolicy to ListRoleTags."""

    def operations(self) -> Mapping[str, Operation]:
        """Return those of the table beside all others."""
        of_all: Mapping[str, _Method] = {
            "Put{}Policy": self._put_inline,
            "Get{}Policy": self._get_inline,
            "Delete{}Policy": self._delete_inline,
            "List{}Policies": self._list_inline,
            "Attach{}Policy": self._attach,
            "Detach{}Policy": self._detach,
            "ListAttached{}Policies": self._list_attached,
        }
        of_identities: Mapping[str, _Method] = {
            "Put{}PermissionsBoundary": self._put_boundary,
            "Delete{}PermissionsBoundary": self._delete_boundary,
            "Tag{}": self._tag,
            "Untag{}": self._untag,
            "List{}Tags": self._list_tags,
        }
        made: dict[str, Operation] = {}
        for methods, holders in ((of_all, HOLDERS), (of_identities, (USERS, ROLES))):
            for holder in holders:
                for name, method in methods.items():
                    made[name.format(holder.word)] = partial(method, holder)
        return {**super().operations(), **made}

    async def _put_inline(self, holder: HolderKind, call: Call) -> Answer:
        policy, text = call.input["PolicyName"], call.input["PolicyDocument"]
        async with self._store.transaction() as tx:
            await inline_policies.put(
                tx, self._home.account, holder, _name(holder, call), policy, text
            )
        return None

    async def _get_inline(self, holder: HolderKind, call: Call) -> Answer:
        record = await self._holder(holder, call)
        policy = call.input["PolicyName"]
        text = inline_policies.existing_text(holder, record.document, policy)
        return {
            f"{holder.word}Name": record.document.name,
            "PolicyName": policy,
            "PolicyDocument": on_the_wire(text),
        }

    async def _delete_inline(self, holder: HolderKind, call: Call) -> Answer:
        async with self._store.transaction() as tx:
            await inline_policies.delete(
                tx, self._home.account, holder, _name(holder, call), call.input["PolicyName"]
            )
        return None

    async def _list_inline(self, holder: HolderKind, call: Call) -> Answer:
        record = await self._holder(holder, call)
        names, paging = page(record.document.inline, call.input, str)
        return {"PolicyNames": names, **paging}

    async def _attach(self, holder: HolderKind, call: Call) -> Answer:
        async with self._store.transaction() as tx:
            await attachments.attach(
                tx, await self._estate(), holder, _name(holder, call), call.input["PolicyArn"]
            )
        return None

    async def _detach(self, holder: HolderKind, call: Call) -> Answer:
        async with self._store.transaction() as tx:
            await attachments.detach(
                tx, self._home.account, holder, _name(holder, call), call.input["PolicyArn"]
            )
        return None

    async def _list_attached(self, holder: HolderKind, call: Call) -> Answer:
        record = await self._holder(holder, call)
        prefix = call.input.get("PathPrefix", "/")
        rows = attached_rows(await self._estate(), record.document, prefix)
        shown, paging = page(
            rows, call.input, lambda row: row["PolicyName"] + row["PolicyArn"][:16]
        )
        return {"AttachedPolicies": shown, **paging}

    async def _put_boundary(self, holder: HolderKind, call: Call) -> Answer:
        arn = call.input["PermissionsBoundary"]
        async with self._store.transaction() as tx:
            await attachments.put_boundary(
                tx, await self._estate(), holder, _name(holder, call), arn
            )
        return None

    async def _delete_boundary(self, holder: HolderKind, call: Call) -> Answer:
        async with self._store.transaction() as tx:
            await attachments.delete_boundary(tx, self._home.account, holder, _name(holder, call))
        return None

    async def _tag(self, holder: HolderKind, call: Call) -> Answer:
        async with self._store.transaction() as tx:
            record = await existing_holder(tx, holder, self._home.account, _name(holder, call))
            tags = tagged(record.document.tags, call.input["Tags"])
            await tx.update(record, msgspec.structs.replace(record.document, tags=tags))
        return None

    async def _untag(self, holder: HolderKind, call: Call) -> Answer:
        async with self._store.transaction() as tx:
            record = await existing_holder(tx, holder, self._home.account, _name(holder, call))
            tags = untagged(record.document.tags, call.input["TagKeys"])
            await tx.update(record, msgspec.structs.replace(record.document, tags=tags))
        return None

    async def _list_tags(self, holder: HolderKind, call: Call) -> Answer:
        record = await self._holder(holder, call)
        return tag_page(record.document.tags, call.input)

    async def _holder(self, holder: HolderKind, call: Call) -> Record[Any]:
        return await existing_holder(self._store, holder, self._home.account, _name(holder, call))


def _name(holder: HolderKind, call: Call) -> str:
    return str(call.input[f"{holder.word}Name"])
