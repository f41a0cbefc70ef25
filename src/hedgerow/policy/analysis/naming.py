"""Principals side by side: whether this statement speaks of everybody that one speaks of."""

from typing import Final

from hedgerow.policy.principals import Principals

_ACCOUNT: Final = 4
"""The account's place in an ARN."""


def names_at_least(
    larger: Principals | None, smaller: Principals | None, *, directly: bool
) -> bool:
    """Tell whether whoever `smaller` speaks of, `larger` speaks of as well. True is certain.

    `directly`, as matters for trust policies: and no less directly, where naming somebody is
    more than naming the account.
    """
    if larger is None or larger == smaller:
        return True
    if larger.anybody and not larger.negated and not directly:
        return True
    if smaller is None or larger.negated != smaller.negated:
        return False
    if larger.negated:
        larger, smaller = smaller, larger
    arns = {arn for arn in smaller.arns if directly or account_of(arn) not in larger.accounts}
    return (
        arns <= larger.arns
        and smaller.services <= larger.services
        and smaller.federated <= larger.federated
        and (larger.anybody or smaller.accounts <= larger.accounts)
        and (larger.anybody or not smaller.anybody)
    )


def account_of(arn: str) -> str:
    """Return the account in a principal's ARN, nothing if there is none."""
    return arn.split(":", _ACCOUNT + 1)[_ACCOUNT] if arn.count(":") > _ACCOUNT else ""
