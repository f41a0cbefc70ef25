"""What the table of permissions says of an action: what it is judged on, what else it needs."""

import re
from dataclasses import dataclass, replace
from typing import Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.path import Step
from hedgerow.cloud.access import Need, Row, operations_of
from hedgerow.kernel import CallerError

_MEMBER: Final = re.compile(r"\{(\w+)[^}]*\}")
_ANYTHING: Final = "*"


@dataclass(frozen=True, slots=True)
class Judged:
    """An action with the resource that it is really judged on, and the row it stands in."""

    action: str
    resource: str
    row: Row | None
    step: Step


def judged(api: CloudApi, action: str, resource: str) -> Judged:
    """Return what a call is judged on; raise `CallerError` if its resource was not named."""
    row = _row_of(action)
    if row is None:
        says = f"{action} is judged on {resource}"
        return Judged(action, resource, None, Step("permission", passed=None, says=says))
    first, *further = row.needs
    if not first.targets:
        resource = _ANYTHING
        says = f"{action} has no resource of its own: it is judged on {_ANYTHING}"
    else:
        forms = _forms(api, first)
        if resource == _ANYTHING and not all(target.optional for target in first.targets):
            raise CallerError(f"{action} is judged on a resource; name it with --resource {forms}")
        says = f"{action} is judged on {forms}"
    return Judged(action, resource, row, _step(api, row, further, says))


def _row_of(action: str) -> Row | None:
    """Return the row of the operation that has this action for its own."""
    for _, row in operations_of(action):
        if row.needs[0].action.lower() == action.lower():
            return row
    return None


def _step(api: CloudApi, row: Row, further: list[Need], says: str) -> Step:
    step = Step("permission", passed=None, says=says)
    if row.judged == "never":
        return replace(step, says=f"{row.needs[0].action} needs no permission")
    if row.judged == "by-operation":
        return replace(
            step, says=f"{says}, and by the role's trust policy: ask 'hedgerow why role'"
        )
    always = [f"{need.action} on {_forms(api, need) or _ANYTHING}" for need in further]
    if not always:
        return step
    return replace(step, says=f"{says}; a call can also need {', '.join(always)}")


def _forms(api: CloudApi, need: Need) -> str:
    """Return the forms of a permission's resources, with what is known filled in."""
    known = {"region": api.region, "account": api.account}

    def filled(member: re.Match[str]) -> str:
        return known.get(member[1], member[1].upper())

    return " or ".join(_MEMBER.sub(filled, target.name.text) for target in need.targets)
