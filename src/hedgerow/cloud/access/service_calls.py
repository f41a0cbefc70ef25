"""What an AWS service may do in an account with a role that it assumed.

A service's calls do not come in by the API, so nobody asks about them there; they are judged by the
same policies, and conditions know of them what they know of a call without an address.
"""

from hedgerow.aws import Principal
from hedgerow.cloud.access.decider import AccessDecider
from hedgerow.cloud.access.keys import resource_tag_values
from hedgerow.cloud.access.tags import ResourceTags
from hedgerow.cloud.home import Home
from hedgerow.kernel import Clock
from hedgerow.policy import Decision, Values, decide


class ServiceCalls:
    """Judges the calls of services for one account; `tags` are those of its resources."""

    def __init__(
        self, decider: AccessDecider, tags: ResourceTags, home: Home, clock: Clock
    ) -> None:
        self._decider = decider
        self._tags = tags
        self._home = home
        self._clock = clock

    async def judge(
        self, principal: Principal, action: str, resource: str, *, tagged: str | None = None
    ) -> Decision:
        """Decide whether a role's session may do an action on a resource.

        `tagged` is the ARN of what has the resource's tags, None for a resource without any.
        """
        grants = await self._decider.grants(principal)
        now = self._clock.now()
        known: dict[str, Values] = {
            "aws:currenttime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "aws:epochtime": str(int(now.timestamp())),
            "aws:requestedregion": self._home.region,
            "aws:resourceaccount": self._home.account,
            "aws:securetransport": "true",
            "aws:viaawsservice": "false",
        }
        if grants.wanted.resource_tags and tagged is not None:
            tags = await self._tags.tags_of(tagged)
            if tags:
                service = action.partition(":")[0]
                known.update(resource_tag_values(grants.wanted, service, tags))
        return decide(grants.policies, grants.request(action, resource, known))
