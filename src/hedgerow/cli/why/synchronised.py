"""What the account's service role says to a core's call on the shadow of another thing."""

from collections.abc import Iterator
from dataclasses import replace

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.access import known_of
from hedgerow.cli.why.account import Account
from hedgerow.cli.why.decided import decision_step
from hedgerow.cli.why.deployed import core_of
from hedgerow.cli.why.names import resource_arn
from hedgerow.cli.why.path import Step
from hedgerow.cli.why.role import service_role_of, service_role_steps
from hedgerow.cloud.greengrass.permissions import Need
from hedgerow.cloud.greengrass.synchronisation import enough, is_judged, may_forbid
from hedgerow.cloud.home import Home
from hedgerow.contract import CLASSIC, ShadowId
from hedgerow.kernel import Clock
from hedgerow.policy import Explanation, explain

SHADOW_ACTIONS = frozenset({"iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"})
"""What the data plane asks the service role about, where the resource says whose shadow it is."""

_STEP = "service role"


def synchronisation_steps(
    api: CloudApi, thing: str, action: str, resource: str, clock: Clock
) -> Iterator[Step]:
    """Yield whether Greengrass may synchronise a shadow; nothing for a thing's own shadow."""
    name, _, shadow_name = resource.partition(":thing/")[2].partition("/")
    if name == thing:
        return
    for group_id in core_of(api, resource_arn(api, f"thing/{thing}")):
        if is_judged(name, (thing,), thing):
            yield from service_role_steps(api, group_id, clock)
            shadow = ShadowId(name, shadow_name or CLASSIC)
            yield _judged(api, thing, action, shadow, clock)


def _judged(api: CloudApi, core: str, action: str, shadow: ShadowId, clock: Clock) -> Step:
    home = Home(api.account, api.region)
    grants = Account.read(api, clock).holder(service_role_of(api) or "").grants
    known = known_of(api, {}, clock)

    def asked(need: Need) -> Explanation:
        return explain(grants.policies, grants.request(need.action, need.resource, known))

    own = asked(may_forbid(action, shadow, home))
    step = decision_step(_STEP, own)
    if own.decision.allowed or own.decision.effect == "explicit-deny":
        return step
    for need in enough(action, shadow, core, home):
        other = asked(need)
        if other.decision.allowed:
            return decision_step(_STEP, other)
    return replace(step, says=f"{step.says}; nor is it allowed on any other shadow of the group")
