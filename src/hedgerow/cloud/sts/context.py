"""What is known of a call to STS, as both sides' policies see it: the role's and the caller's.

The keys of the caller and of the call are those of every other API; here stand only those that
STS adds. Source: IAM User Guide, "IAM and AWS STS condition context keys".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hedgerow.aws import Asked
from hedgerow.cloud.access.keys import (
    OF_CALL,
    OF_PRINCIPAL,
    TAG_KEYS,
    by_key,
    call_values,
    principal_values,
    wanted_keys,
)
from hedgerow.cloud.iam.facts import RoleFacts
from hedgerow.policy import Context, Values, context

_EVERY_KEY: Final = wanted_keys((*OF_PRINCIPAL, *OF_CALL))
_MFA_PRESENT: Final = "aws:multifactorauthpresent"
_MFA_AGE: Final = "aws:multifactorauthage"
_RESOURCE_TAGS: Final = ("aws:resourcetag/", "iam:resourcetag/")


@dataclass(frozen=True, slots=True)
class Passed:
    """What a caller passes for the session it asks for; `mfa_at`: a code was proven just now."""

    mfa_at: datetime | None = None
    tags: Mapping[str, str] | None = None
    transitive: Sequence[str] = ()
    source_identity: str = ""


def call_context(asked: Asked, role: RoleFacts, tags: Mapping[str, str], passed: Passed) -> Context:
    """Return all that conditions can know of a call about a role, on either side.

    `tags` are the caller's own (its user's or role's); its session's win over them.
    """
    caller = asked.caller.principal
    known: dict[str, Values] = principal_values(_EVERY_KEY, caller, {})
    known.update(by_key("aws:principaltag/", tags.items()))
    if caller.session is not None:
        known.update(by_key("aws:principaltag/", caller.session.tags.items()))
    known.update(call_values(_EVERY_KEY, asked))
    known["aws:resourceaccount"] = role.account
    for prefix in _RESOURCE_TAGS:
        known.update(by_key(prefix, role.tags.items()))
    known.update(_passed_values(passed))
    return context(known)


def _passed_values(passed: Passed) -> dict[str, Values]:
    values: dict[str, Values] = {}
    if passed.mfa_at is not None:
        values[_MFA_PRESENT] = "true"
        values[_MFA_AGE] = "0"
    if passed.tags:
        values.update(by_key("aws:requesttag/", passed.tags.items()))
        values[TAG_KEYS] = tuple(passed.tags)
    if passed.transitive:
        values["sts:transitivetagkeys"] = tuple(passed.transitive)
    if passed.source_identity:
        values["sts:sourceidentity"] = passed.source_identity
    return values
