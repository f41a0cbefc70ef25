"""Operations on policies, their versions, and what they are attached to."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iot import attachments, policies
from hedgerow.cloud.iot.documents import IOT_POLICY, POLICY_TARGET
from hedgerow.cloud.iot.service_base import IotOperations, Members, page_of, with_token


class PolicyOperations(IotOperations):
    """CreatePolicy to ListPolicyPrincipals."""

    @operation("CreatePolicy")
    async def create_policy(self, call: Call) -> Answer:
        """Make a policy from a sound document."""
        async with self._writing() as tx:
            return await policies.create(tx, self._home, self._clock, call.input)

    @operation("GetPolicy")
    async def get_policy(self, call: Call) -> Answer:
        """Return a policy with the text in force."""
        return await policies.get(self._store, self._home, call.input["policyName"])

    @operation("ListPolicies")
    async def list_policies(self, call: Call) -> Answer:
        """Return a page of policies, oldest first."""
        page = await self._page(IOT_POLICY, call.input.get("pageSize"), call.input.get("marker"))
        rows = [policies.listed(self._home, record.id) for record in page.records]
        return with_token({"policies": rows}, "nextMarker", page.next_token)

    @operation("DeletePolicy")
    async def delete_policy(self, call: Call) -> Answer:
        """Delete a policy that is attached nowhere."""
        async with self._writing() as tx:
            await policies.delete(tx, self._home, call.input["policyName"])
        return None

    @operation("CreatePolicyVersion")
    async def create_policy_version(self, call: Call) -> Answer:
        """Add a version, up to five."""
        async with self._writing() as tx:
            return await policies.create_version(tx, self._home, self._clock, call.input)

    @operation("GetPolicyVersion")
    async def get_policy_version(self, call: Call) -> Answer:
        """Return one version with its text."""
        return await policies.get_version(
            self._store, self._home, call.input["policyName"], call.input["policyVersionId"]
        )

    @operation("ListPolicyVersions")
    async def list_policy_versions(self, call: Call) -> Answer:
        """Return all versions of a policy."""
        return await policies.list_versions(self._store, self._home, call.input["policyName"])

    @operation("SetDefaultPolicyVersion")
    async def set_default_policy_version(self, call: Call) -> Answer:
        """Put a version in force."""
        async with self._writing() as tx:
            await policies.set_default_version(
                tx, self._home, call.input["policyName"], call.input["policyVersionId"]
            )
        return None

    @operation("DeletePolicyVersion")
    async def delete_policy_version(self, call: Call) -> Answer:
        """Delete a version that is not in force."""
        async with self._writing() as tx:
            await policies.delete_version(
                tx, self._home, call.input["policyName"], call.input["policyVersionId"]
            )
        return None

    @operation("AttachPolicy")
    async def attach_policy(self, call: Call) -> Answer:
        """Attach a policy to a certificate or a thing group."""
        await self._attach(call.input["policyName"], call.input["target"])
        return None

    @operation("DetachPolicy")
    async def detach_policy(self, call: Call) -> Answer:
        """Detach a policy from a certificate or a thing group."""
        await self._detach(call.input["policyName"], call.input["target"])
        return None

    @operation("AttachPrincipalPolicy")
    async def attach_principal_policy(self, call: Call) -> Answer:
        """Attach a policy to a certificate: the older name of `AttachPolicy`."""
        await self._attach(call.input["policyName"], call.input["principal"])
        return None

    @operation("DetachPrincipalPolicy")
    async def detach_principal_policy(self, call: Call) -> Answer:
        """Detach a policy from a certificate: the older name of `DetachPolicy`."""
        await self._detach(call.input["policyName"], call.input["principal"])
        return None

    @operation("ListAttachedPolicies")
    async def list_attached_policies(self, call: Call) -> Answer:
        """Return the policies of a certificate or a thing group."""
        return await self._policies_of(call.input["target"], call.input)

    @operation("ListPrincipalPolicies")
    async def list_principal_policies(self, call: Call) -> Answer:
        """Return the policies of a certificate: the older name of `ListAttachedPolicies`."""
        return await self._policies_of(call.input["principal"], call.input)

    @operation("ListTargetsForPolicy")
    async def list_targets_for_policy(self, call: Call) -> Answer:
        """Return the ARNs of what a policy is attached to."""
        arns, token = await self._targets_of(call.input)
        return with_token({"targets": arns}, "nextMarker", token)

    @operation("ListPolicyPrincipals")
    async def list_policy_principals(self, call: Call) -> Answer:
        """Return what a policy is attached to: the older name of `ListTargetsForPolicy`."""
        arns, token = await self._targets_of(call.input)
        return with_token({"principals": arns}, "nextMarker", token)

    async def _attach(self, policy_name: str, target: str) -> None:
        async with self._writing() as tx:
            await attachments.attach_policy(tx, self._home, policy_name, target)

    async def _detach(self, policy_name: str, target: str) -> None:
        async with self._writing() as tx:
            await attachments.detach_policy(tx, self._home, policy_name, target)

    async def _policies_of(self, target: str, request: Members) -> Members:
        holder = await attachments.policy_holder(self._store, self._home, target)
        shown, token = page_of(
            holder.document.policies, request.get("pageSize"), request.get("marker")
        )
        rows = [policies.listed(self._home, name) for name in shown]
        return with_token({"policies": rows}, "nextMarker", token)

    async def _targets_of(self, request: Members) -> tuple[list[str], str | None]:
        policy = await policies.existing(self._store, self._home, request["policyName"])
        page = await self._page(
            POLICY_TARGET, request.get("pageSize"), request.get("marker"), parent=policy.id
        )
        return [record.document.arn for record in page.records], page.next_token
