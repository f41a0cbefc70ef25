"""What the service role has to allow for a deployment of a group: one action on one resource each.

Pure. The actions are those of AWS's managed policy for this role, on the resources that the
group's definitions name (guide page service-role). A group with `SyncShadow` takes both shadow
actions, or it is not deployed and nothing is synchronised (security_iam_troubleshoot); the core's
calls for it are then judged by the core's own policy (device-auth).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hedgerow.cloud.greengrass.resolve import (
    Content,
    certificates_named_in,
    synchronises,
    things_named_in,
)
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import certificate_arn, thing_arn
from hedgerow.contract import deployment_thing


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that Greengrass does in the name of the account."""

    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A need that the service role does not allow, and why."""

    need: Need
    role_arn: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Greengrass is not authorized to perform: {self.need.action} on resource: "
            f"{self.need.resource} with the service role {self.role_arn}: {self.reason}"
        )


def deployment_needs(contents: Mapping[str, Content], home: Home) -> tuple[Need, ...]:
    """Return what deploying these definition versions takes, in a fixed order."""
    things = sorted(things_named_in(contents, home))
    certificates = sorted(certificates_named_in(contents, home))
    cores = sorted(things_named_in(contents, home, ("Core",)))
    shadows = [thing_arn(home, deployment_thing(name)) for name in cores]
    return (
        *(Need("iot:DescribeThing", thing_arn(home, name)) for name in things),
        *(Need("iot:DescribeCertificate", certificate_arn(home, one)) for one in certificates),
        *(Need("iot:UpdateThingShadow", shadow) for shadow in shadows),
        *(Need("iot:GetThingShadow", shadow) for shadow in shadows if synchronises(contents)),
    )
