"""What the table of permissions says of an action: what it is judged on, what else it needs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.judged_on import Form, forms_of, meant
from hedgerow.cli.why.names import device_resource_begins, resource_arn
from hedgerow.cli.why.path import Step
from hedgerow.cloud.access import Need, Row, operations_of
from hedgerow.kernel import Arn, CallerError

_MEMBER: Final = re.compile(r"\{(\w+)[^}]*\}")
_ANYTHING: Final = "*"
_PASSING: Final = "iam:passrole"
"""The action that no operation has for its own."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An action with the resource that it is really judged on, and the row it stands in.

    `misfit` is the step that fails if no call with this action is ever judged on that resource.
    """

    action: str
    resource: str
    row: Row | None
    step: Step
    misfit: Step | None = None
    tagged: str | None = None
    """What carries the resource's tags; None if nothing does."""


def judged(api: CloudApi, action: str, resource: str) -> Judged:
    """Return what a call is judged on; raise `CallerError` if its resource was not named."""
    row = _row_of(action)
    if row is not None and not row.needs[0].targets:
        says = f"{action} has no resource of its own: it is judged on {_ANYTHING}"
        return Judged(action, _ANYTHING, row, _step(api, row, says))
    forms = forms_of(action)
    shown = _shown(api, row, action, resource)
    says = f"{action} is judged on {shown}"
    step = Step("permission", passed=None, says=says) if row is None else _step(api, row, says)
    if resource == _ANYTHING:
        targets = [form.target for form in forms] if row is None else row.needs[0].targets
        if not all(target.optional for target in targets):
            raise CallerError(f"{action} is judged on a resource; name it with --resource {shown}")
        return Judged(action, resource, row, step)
    if not _can_be(api, action, forms, resource):
        return Judged(action, resource, row, step, _misfit(api, forms, action, resource, shown))
    carriers = (form.carrier(resource) for form in forms)
    tagged = next((carrier for carrier in carriers if carrier is not None), None)
    return Judged(action, resource, row, step, tagged=tagged)


def _shown(api: CloudApi, row: Row | None, action: str, resource: str) -> str:
    """Return the forms that an action is judged on, for people."""
    if row is not None:
        return _forms(api, row.needs[0])
    if action.lower() == _PASSING:
        return f"arn:aws:iam::{api.account}:role/ROLE"
    begins = device_resource_begins(action)
    return resource if begins is None else resource_arn(api, f"{begins}NAME")


def _can_be(api: CloudApi, action: str, forms: Sequence[Form], resource: str) -> bool:
    """Tell whether any call is judged on a resource; of actions unknown here it may be."""
    begins = device_resource_begins(action)
    if (forms or begins) and Arn.parse(resource).region not in ("", api.region):
        return False
    if begins is not None and Arn.parse(resource).resource.startswith(begins):
        return True
    return any(form.fits(resource) for form in forms) or not (forms or begins)


def _misfit(api: CloudApi, forms: Sequence[Form], action: str, resource: str, shown: str) -> Step:
    known = {"region": api.region, "account": api.account}
    named = Arn.parse(resource)
    here = str(replace(named, region=api.region)) if named.region else resource
    instead = meant(forms, here, known) or shown
    return Step(
        "resource",
        passed=False,
        says=f"{action} is judged on {shown}, and never on {resource}: no call asks for that, "
        "whatever policies say to it",
        code="not-judged-on",
        change=f"ask with --resource {instead}, and name that in policies too",
    )


def _row_of(action: str) -> Row | None:
    """Return the row of the operation that has this action for its own."""
    for _, row in operations_of(action):
        if row.needs[0].action.lower() == action.lower():
            return row
    return None


def _step(api: CloudApi, row: Row, says: str) -> Step:
    step = Step("permission", passed=None, says=says)
    if row.judged == "never":
        return replace(step, says=f"{row.needs[0].action} needs no permission")
    if row.judged == "by-operation":
        return replace(
            step, says=f"{says}, and by the role's trust policy: ask 'hedgerow why role'"
        )
    always = [f"{need.action} on {_forms(api, need) or _ANYTHING}" for need in row.needs[1:]]
    if not always:
        return step
    return replace(step, says=f"{says}; a call can also need {', '.join(always)}")


def _forms(api: CloudApi, need: Need) -> str:
    """Return the forms of a permission's resources, with what is known filled in."""
    known = {"region": api.region, "account": api.account}

    def filled(member: re.Match[str]) -> str:
        return known.get(member[1], member[1].upper())

    return " or ".join(_MEMBER.sub(filled, target.name.text) for target in need.targets)
