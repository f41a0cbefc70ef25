"""What a role's trust policy says of Greengrass: whether it trusts it, and how loosely. Pure.

A trust policy that lets `greengrass.amazonaws.com` in whoever it works for can be misused: another
account or another group makes the service act with a role that was never meant for it. The two
keys that prevent this are `aws:SourceAccount` and `aws:SourceArn` (guide page
cross-service-confused-deputy-prevention). Without them a role is accepted, and told about here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hedgerow.kernel import Arn, CallerError, quoted

GREENGRASS = "greengrass.amazonaws.com"
"""The service principal that both roles have to trust."""

_SOURCE_ACCOUNT = "aws:sourceaccount"
_SOURCE_ARN = "aws:sourcearn"
_ASSUME = frozenset({"sts:assumerole", "sts:*", "*"})
_PINNING = frozenset(
    {"stringequals", "stringlike", "stringequalsignorecase", "arnequals", "arnlike"}
)
"""Operators under which a key holds a request to what is written; `…IfExists` does not."""


@dataclass(frozen=True, slots=True)
class TrustFindings:
    """What was found in a trust policy.

    `trusts_greengrass` is about the principal alone: whether the conditions hold is decided when
    the role is assumed. `warnings` are sentences that say what to change.
    """

    trusts_greengrass: bool
    warnings: tuple[str, ...]


def trust_findings(trust_text: str, *, role_arn: str, account: str, source: str) -> TrustFindings:
    """Look at a trust policy as the role of this account for a Greengrass resource.

    `source` is the form of `aws:SourceArn` to advise: a group's ARN, or
    `arn:aws:greengrass:<region>:<account>:*`.
    """
    statements = [each for each in _statements(trust_text) if _lets_greengrass_in(each)]
    if not statements:
        warning = (
            f"{role_arn} does not trust {GREENGRASS}, so Greengrass cannot use it; allow "
            f"sts:AssumeRole to the service principal {GREENGRASS} in its trust policy"
        )
        return TrustFindings(trusts_greengrass=False, warnings=(warning,))
    found: list[str] = []
    for statement in statements:
        found.extend(_warnings(_pins(statement), role_arn, account, source))
    return TrustFindings(trusts_greengrass=True, warnings=tuple(dict.fromkeys(found)))


def _warnings(
    pins: Mapping[str, Sequence[str]], role_arn: str, account: str, source: str
) -> Iterator[str]:
    accounts, arns = pins.get(_SOURCE_ACCOUNT, ()), pins.get(_SOURCE_ARN, ())
    where = f"the trust policy of {role_arn}"
    if not accounts:
        yield (
            f"{where} does not hold Greengrass to one account; add the condition StringEquals "
            f"aws:SourceAccount {account}"
        )
    if not arns:
        yield (
            f"{where} does not hold Greengrass to the resource it works for; add the condition "
            f"ArnLike aws:SourceArn {source}"
        )
    for arn in arns:
        theirs = _account_of(arn)
        if accounts and theirs and theirs not in accounts:
            yield (
                f"{where} can never match: aws:SourceArn {quoted(arn)} is of another account than "
                f"aws:SourceAccount {', '.join(map(quoted, accounts))}"
            )


def _statements(trust_text: str) -> Iterator[Mapping[str, Any]]:
    document = json.loads(trust_text)
    for statement in _listed(document.get("Statement")):
        if isinstance(statement, dict):
            yield statement


def _lets_greengrass_in(statement: Mapping[str, Any]) -> bool:
    if statement.get("Effect") != "Allow":
        return False
    if not any(str(action).lower() in _ASSUME for action in _listed(statement.get("Action"))):
        return False
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        return GREENGRASS in _listed(principal.get("Service"))
    return principal == "*"


def _pins(statement: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """Return the values that each of the two keys is held to, all operators together."""
    pins: dict[str, list[str]] = {}
    for operator, keys in (statement.get("Condition") or {}).items():
        if operator.lower() not in _PINNING:
            continue
        for key, values in keys.items():
            pins.setdefault(key.lower(), []).extend(
                str(value) for value in _listed(values) if value != "*"
            )
    return pins


def _account_of(arn: str) -> str:
    """Return the account an ARN pattern names, or nothing where it leaves that open."""
    try:
        account = Arn.parse(arn).account
    except CallerError:
        return ""
    return "" if set(account) & {"*", "?", "$"} else account


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)
