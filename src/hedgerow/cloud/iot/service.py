"""The `iot` service as a whole, as boto3 and the AWS CLI call it."""

from collections.abc import Mapping

from hedgerow.aws import Answer, Call, Operation, operation
from hedgerow.cloud.iot.authorization_operations import AuthorizationOperations
from hedgerow.cloud.iot.ca_certificate_operations import CaCertificateOperations
from hedgerow.cloud.iot.certificate_operations import CertificateOperations
from hedgerow.cloud.iot.event_operations import EventOperations
from hedgerow.cloud.iot.faults import invalid_request
from hedgerow.cloud.iot.policy_operations import PolicyOperations
from hedgerow.cloud.iot.role_alias_operations import RoleAliasOperations
from hedgerow.cloud.iot.thing_group_operations import ThingGroupOperations
from hedgerow.cloud.iot.thing_operations import ThingOperations
from hedgerow.cloud.iot.thing_type_operations import ThingTypeOperations
from hedgerow.kernel import quoted

ENDPOINT_TYPES = ("iot:Data-ATS", "iot:Data", "iot:CredentialProvider", "iot:Jobs")


class IotService(
    ThingOperations,
    ThingTypeOperations,
    ThingGroupOperations,
    CertificateOperations,
    CaCertificateOperations,
    PolicyOperations,
    AuthorizationOperations,
    EventOperations,
    RoleAliasOperations,
):
    """The registry's operations. Every write is known to every door before it is answered."""

    def operations(self) -> Mapping[str, Operation]:
        """Return the registry's operations and those of the parts."""
        built = dict(super().operations())
        for part in self._parts:
            built.update(part.operations())
        return built

    @operation("DescribeEndpoint")
    async def describe_endpoint(self, call: Call) -> Answer:
        """Return the host that devices connect to; it is one host for every purpose."""
        kind = call.input.get("endpointType", "iot:Data")
        if kind not in ENDPOINT_TYPES:
            raise invalid_request(
                f"Endpoint type {quoted(kind)} is none of {', '.join(ENDPOINT_TYPES)}."
            )
        return {"endpointAddress": self._endpoint}
