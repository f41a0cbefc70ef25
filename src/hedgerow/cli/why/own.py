"""What a device can have of its own only, whatever its policy allows: its thing, its group."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.deployed import core_of, deployed_group_step, is_core_of
from hedgerow.cli.why.names import resource_arn
from hedgerow.cli.why.path import Step
from hedgerow.cli.why.registry import found
from hedgerow.cli.why.role import alias_role_steps, group_role_steps
from hedgerow.cli.why.synchronised import SHADOW_ACTIONS, synchronisation_steps
from hedgerow.contract import connectivity_thing
from hedgerow.kernel import Clock, quoted

DISCOVER: Final = "greengrass:Discover"
_ASSUME: Final = "greengrass:AssumeRoleForGroup"
_ASSUME_BY_CERTIFICATE: Final = "iot:AssumeRoleWithCertificate"
_CERTIFICATE: Final = "greengrass:CreateCertificate"
WITHOUT_RESOURCE: Final = frozenset({_ASSUME, _CERTIFICATE})
"""Actions of a core that are judged on `*`."""
_OF_DEPLOYMENT: Final = frozenset(
    {
        "greengrass:GetDeployment",
        "greengrass:GetDeploymentArtifacts",
        "greengrass:UpdateCoreDeploymentStatus",
    }
)
_CONNECTIVITY: Final = frozenset(
    {"greengrass:GetConnectivityInfo", "greengrass:UpdateConnectivityInfo"}
)
_STEP: Final = "own group"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a device: `resource` is an ARN."""

    thing: str
    action: str
    resource: str
    client_id: str


def ownership_steps(api: CloudApi, question: Question) -> Iterator[Step]:
    """Yield whether it is the device's own thing that is asked for: else no policy can help."""
    thing = question.thing
    if question.action == DISCOVER:
        yield _own_thing(question, thing, resource_arn(api, f"thing/{thing}"))
    elif question.action in _CONNECTIVITY:
        own = connectivity_thing(thing)
        yield _own_thing(question, own, resource_arn(api, f"thing/{own}"))


def deployed_steps(api: CloudApi, question: Question, clock: Clock) -> Iterator[Step]:
    """Yield what the data plane asks for beside a policy."""
    thing = question.thing
    arn = resource_arn(api, f"thing/{thing}")
    if question.action == DISCOVER:
        yield deployed_group_step(api, thing, arn)
    elif question.action in _OF_DEPLOYMENT:
        group_id = question.resource.partition("/groups/")[2].partition("/")[0]
        yield _own_group(thing, group_id, own=is_core_of(api, arn, group_id))
    elif question.action == _ASSUME_BY_CERTIFICATE:
        yield from _alias_steps(api, question.resource, clock)
    elif question.action in SHADOW_ACTIONS:
        yield from synchronisation_steps(api, thing, question.action, question.resource, clock)
    elif question.action in WITHOUT_RESOURCE:
        groups = core_of(api, arn)
        yield _core(thing, groups)
        if question.action == _ASSUME:
            yield from group_role_steps(api, groups[0], clock)


def _alias_steps(api: CloudApi, alias_arn: str, clock: Clock) -> Iterator[Step]:
    """Yield whether there is such a role alias, and whether its role can be assumed by it."""
    name = alias_arn.partition(":rolealias/")[2]
    alias = found(api, "iot", "describe_role_alias", roleAlias=name)
    if alias is None:
        yield Step(
            "role alias",
            passed=False,
            says=f"there is no role alias {quoted(name)}",
            code="no-role-alias",
            change=f"make it with: aws iot create-role-alias --role-alias {name} --role-arn "
            f"arn:aws:iam::{api.account}:role/ROLE",
        )
        return
    role_arn = alias["roleAliasDescription"]["roleArn"]
    yield Step("role alias", passed=True, says=f"it stands for {role_arn}")
    yield from alias_role_steps(api, role_arn, alias_arn, clock)


def _own_thing(question: Question, name: str, arn: str) -> Step:
    if question.resource == arn:
        return Step("own thing", passed=True, says="it asks for its own thing")
    return Step(
        "own thing",
        passed=False,
        says=f"a device can ask for its own thing {quoted(question.thing)} only",
        code="not-own-thing",
        change=f"ask for thing/{name}",
    )


def _own_group(thing: str, group_id: str, *, own: bool) -> Step:
    if own:
        return Step(_STEP, passed=True, says=f"{quoted(thing)} is the core of group {group_id}")
    return Step(
        _STEP,
        passed=False,
        says=f"{quoted(thing)} is not the core of group {group_id}, whatever its policy allows",
        code="not-own-group",
        change="let the core ask for deployments of its own group, or deploy the group with it",
    )


def _core(thing: str, groups: tuple[str, ...]) -> Step:
    if groups:
        says = f"{quoted(thing)} is the core of group {', '.join(groups)}"
        return Step(_STEP, passed=True, says=says)
    return Step(
        _STEP,
        passed=False,
        says=f"{quoted(thing)} is the core of no deployed group",
        code="core-of-no-group",
        change="put it into a group's core definition and deploy the group",
    )
