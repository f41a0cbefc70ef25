"""What the cloud lets a core itself do for a message: its own policy, if the cloud can be asked."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.device import certificate_steps, question_of
from hedgerow.cli.why.path import Answer, Step
from hedgerow.contract import CLOUD, GroupDeployment, SubscriptionRow
from hedgerow.kernel import Clock, ConfigurationError, DeniedError, UnavailableError

Need = tuple[str, str]
"""An action, and the last part of the resource that it is judged on."""

_STEP: Final = "core's policy"
_ALLOWS: Final = " that allows "


def core_needs(topic: str, rows: Sequence[SubscriptionRow]) -> tuple[Need, ...]:
    """Return what the core needs to carry a message on this topic along these rows."""
    needs: dict[Need, None] = {}
    for row in rows:
        if row.source == CLOUD:
            needs |= dict.fromkeys(
                [("iot:Subscribe", f"topicfilter/{row.subject}"), ("iot:Receive", f"topic/{topic}")]
            )
        if row.target == CLOUD:
            needs[("iot:Publish", f"topic/{topic}")] = None
    return tuple(needs)


def core_policy_step(group: GroupDeployment, needs: Sequence[Need], clock: Clock) -> Step:
    """Return whether the core may do all of this; where the cloud cannot be asked, that is open."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        return _not_asked("the environment that 'hedgerow env' prints is not here")
    try:
        api = CloudApi()
        if api.account != group.account:
            return _not_asked(f"the environment is of account {api.account}, not {group.account}")
        return _judged(api, group, needs, clock)
    except UnavailableError as error:
        return _not_asked(f"the cloud does not answer ({error.message})")
    except (ConfigurationError, DeniedError) as error:
        return _not_asked(error.message)


def _not_asked(why: str) -> Step:
    return Step(_STEP, passed=None, says=f"not asked: {why}")


def _judged(api: CloudApi, group: GroupDeployment, needs: Sequence[Need], clock: Clock) -> Step:
    refusals = [cause for need in needs for cause in _refusal(api, group, need, clock)]
    if not refusals:
        allowed = " and ".join(f"{action} on {resource}" for action, resource in needs)
        return Step(_STEP, passed=True, says=f"the core's own policy allows {allowed}")
    return replace(
        refusals[0],
        name=_STEP,
        says="; ".join(dict.fromkeys(cause.says for cause in refusals)),
        change=_all_changes([cause.change for cause in refusals]),
    )


def _refusal(api: CloudApi, group: GroupDeployment, need: Need, clock: Clock) -> Iterator[Step]:
    """Yield what stops the core from this one thing, if anything does."""
    name = group.core.thing_name
    question = question_of(api, name, *need, name)
    answer = Answer.of(certificate_steps(api, question, group.core.certificate_id, clock))
    if answer.cause is not None:
        yield answer.cause


def _all_changes(changes: Sequence[str]) -> str:
    """Return one sentence for all; what is to be added to one policy is said in one go."""
    different = list(dict.fromkeys(changes))
    places = {change.partition(_ALLOWS)[0] for change in different}
    if len(places) > 1 or not all(_ALLOWS in change for change in different):
        return "; and ".join(different)
    return places.pop() + _ALLOWS + " and ".join(one.partition(_ALLOWS)[2] for one in different)
