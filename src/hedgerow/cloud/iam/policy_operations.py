"""Operations on managed policies, their versions, and what they are attached to."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iam import managed_policies
from hedgerow.cloud.iam.attachable import attachable_policy, own_policy
from hedgerow.cloud.iam.aws_managed import AWS_MANAGED
from hedgerow.cloud.iam.estate import Estate
from hedgerow.cloud.iam.paging import page
from hedgerow.cloud.iam.service_base import IamOperations
from hedgerow.cloud.iam.tags import tag_page, tagged, untagged


class PolicyOperations(IamOperations):
    """CreatePolicy to ListPolicyTags."""

    @operation("CreatePolicy")
    async def create_policy(self, call: Call) -> Answer:
        """Make a managed policy from a sound document."""
        async with self._store.transaction() as tx:
            made = await managed_policies.create(tx, await self._estate(), self._clock, call.input)
        return {"Policy": managed_policies.new_policy_row(*made)}

    @operation("GetPolicy")
    async def get_policy(self, call: Call) -> Answer:
        """Return a policy, its own account's or one of AWS."""
        estate, arn = await self._estate(), call.input["PolicyArn"]
        row = managed_policies.policy_row(estate, arn)
        return {"Policy": {**row, **managed_policies.described(attachable_policy(estate, arn))}}

    @operation("ListPolicies")
    async def list_policies(self, call: Call) -> Answer:
        """Return a page of policies."""
        estate = await self._estate()
        found = [arn for arn in _arns(estate, call.input) if _matches(estate, arn, call.input)]
        shown, paging = page(found, call.input, _sort_key)
        rows = [managed_policies.policy_row(estate, arn) for arn in shown]
        return {"Policies": rows, **paging}

    @operation("DeletePolicy")
    async def delete_policy(self, call: Call) -> Answer:
        """Delete a policy that is used nowhere."""
        async with self._store.transaction() as tx:
            await managed_policies.delete(tx, await self._estate(), call.input["PolicyArn"])
        return None

    @operation("CreatePolicyVersion")
    async def create_policy_version(self, call: Call) -> Answer:
        """Add a version, up to five."""
        async with self._store.transaction() as tx:
            row = await managed_policies.create_version(
                tx, await self._estate(), self._clock, call.input
            )
        return {"PolicyVersion": row}

    @operation("GetPolicyVersion")
    async def get_policy_version(self, call: Call) -> Answer:
        """Return a version with its text."""
        arn = call.input["PolicyArn"]
        policy = attachable_policy(await self._estate(), arn)
        version = managed_policies.existing_version(policy, arn, call.input["VersionId"])
        row = managed_policies.version_row(version, policy.default, text=True)
        return {"PolicyVersion": row}

    @operation("ListPolicyVersions")
    async def list_policy_versions(self, call: Call) -> Answer:
        """Return a page of versions, newest first."""
        policy = attachable_policy(await self._estate(), call.input["PolicyArn"])
        shown, paging = page(
            policy.versions, call.input, lambda version: f"{policy.last - version.number:06}"
        )
        rows = [managed_policies.version_row(version, policy.default) for version in shown]
        return {"Versions": rows, **paging}

    @operation("SetDefaultPolicyVersion")
    async def set_default_policy_version(self, call: Call) -> Answer:
        """Put a version in force."""
        arn, version = call.input["PolicyArn"], call.input["VersionId"]
        async with self._store.transaction() as tx:
            await managed_policies.set_default_version(
                tx, await self._estate(), self._clock, arn, version
            )
        return None

    @operation("DeletePolicyVersion")
    async def delete_policy_version(self, call: Call) -> Answer:
        """Delete a version that is not in force."""
        arn, version = call.input["PolicyArn"], call.input["VersionId"]
        async with self._store.transaction() as tx:
            await managed_policies.delete_version(tx, await self._estate(), arn, version)
        return None

    @operation("TagPolicy")
    async def tag_policy(self, call: Call) -> Answer:
        """Add tags to a policy."""
        async with self._store.transaction() as tx:
            record = own_policy(await self._estate(), call.input["PolicyArn"])
            tags = tagged(record.document.tags, call.input["Tags"])
            await tx.update(record, msgspec.structs.replace(record.document, tags=tags))
        return None

    @operation("UntagPolicy")
    async def untag_policy(self, call: Call) -> Answer:
        """Take tags from a policy."""
        async with self._store.transaction() as tx:
            record = own_policy(await self._estate(), call.input["PolicyArn"])
            tags = untagged(record.document.tags, call.input["TagKeys"])
            await tx.update(record, msgspec.structs.replace(record.document, tags=tags))
        return None

    @operation("ListPolicyTags")
    async def list_policy_tags(self, call: Call) -> Answer:
        """Return a page of a policy's tags."""
        policy = attachable_policy(await self._estate(), call.input["PolicyArn"])
        return tag_page(policy.tags, call.input)

    @operation("ListEntitiesForPolicy")
    async def list_entities_for_policy(self, call: Call) -> Answer:
        """Return a page of what a policy is attached to or the boundary of."""
        estate, arn = await self._estate(), call.input["PolicyArn"]
        attachable_policy(estate, arn)
        usage = call.input.get("PolicyUsageFilter")
        found = {} if usage == "PermissionsBoundary" else dict(_keyed(estate.attached_to(arn)))
        if usage != "PermissionsPolicy":
            found.update(_keyed(estate.bounded_by(arn)))
        rows = [entry for entry in found.items() if _is_asked_for(entry, call.input)]
        shown, paging = page(rows, call.input, lambda entry: "/".join(entry[0]))
        return {
            f"Policy{word}s": [
                {f"{word}Name": record.document.name, f"{word}Id": record.id}
                for (kind, _), record in shown
                if kind == word.lower()
            ]
            for word in ("Group", "User", "Role")
        } | paging


_Entity = tuple[tuple[str, str], Any]


def _keyed(found: tuple[tuple[str, Any], ...]) -> Iterator[_Entity]:
    return (((kind, record.document.name), record) for kind, record in found)


def _is_asked_for(entry: _Entity, request: Mapping[str, Any]) -> bool:
    (kind, _), record = entry
    path: str = record.document.path
    of_kind = request.get("EntityFilter", kind).lower() == kind
    return bool(of_kind) and path.startswith(request.get("PathPrefix", "/"))


def _arns(estate: Estate, request: Mapping[str, Any]) -> Iterator[str]:
    scope = request.get("Scope", "All")
    if scope != "AWS":
        yield from estate.policies
    if scope != "Local":
        yield from AWS_MANAGED


def _matches(estate: Estate, arn: str, request: Mapping[str, Any]) -> bool:
    policy = estate.policy(arn)
    if policy is None or not policy.path.startswith(request.get("PathPrefix", "/")):
        return False
    attached, bounded = estate.usage(arn)
    usage = request.get("PolicyUsageFilter")
    used = {"PermissionsPolicy": attached, "PermissionsBoundary": bounded}
    if usage is not None and not used[usage]:
        return False
    return not request.get("OnlyAttached", False) or attached > 0


def _sort_key(arn: str) -> str:
    """Return a policy's name and then whose it is: both together are one policy's alone."""
    name = arn.rpartition("/")[2]
    return f"{name} {'aws' if managed_policies.is_aws(arn) else 'own'}"
