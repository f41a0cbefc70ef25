"""The Principal and NotPrincipal fields, read.

Source: IAM User Guide, "AWS JSON policy elements: Principal".
"""

from typing import Any, Final

from hedgerow.kernel import quoted
from hedgerow.policy.errors import MalformedPolicyError
from hedgerow.policy.fields import json_shown, require_texts
from hedgerow.policy.parse_patterns import ARN_PARTS
from hedgerow.policy.principals import Principals

_KINDS: Final = ("AWS", "Service", "Federated", "CanonicalUser")
_ACCOUNT_LENGTH: Final = 12
_ROOT: Final = "root"
_ARN_KINDS: Final = {
    "iam": ("user/", "role/"),
    "sts": ("assumed-role/", "federated-user/"),
}


def read_principals(given: Any, place: str, *, negated: bool) -> Principals:
    """Return whom a statement names, or raise `MalformedPolicyError`."""
    if given == "*":
        return Principals(anybody=True, negated=negated)
    if not isinstance(given, dict) or not given:
        raise MalformedPolicyError(
            place,
            f'{json_shown(given)} names nobody; write "*" or an object with one of '
            f"{', '.join(_KINDS)}",
        )
    accounts: set[str] = set()
    arns: set[str] = set()
    others: dict[str, frozenset[str]] = {}
    anybody = False
    for kind, listed in given.items():
        if kind not in _KINDS:
            raise MalformedPolicyError(
                place, f"{quoted(kind)} is no kind of principal; known are {', '.join(_KINDS)}"
            )
        names = require_texts(listed, f"{place}.{kind}")
        if kind != "AWS":
            _require_no_wildcard(names, f"{place}.{kind}")
            others[kind] = frozenset(names)
            continue
        for name in names:
            account = _account(name)
            if name == "*":
                anybody = True
            elif account is not None:
                accounts.add(account)
            else:
                arns.add(_principal(name, f"{place}.{kind}"))
    return Principals(
        accounts=frozenset(accounts),
        arns=frozenset(arns),
        services=others.get("Service", frozenset()),
        federated=others.get("Federated", frozenset()) | others.get("CanonicalUser", frozenset()),
        anybody=anybody,
        negated=negated,
    )


def _account(name: str) -> str | None:
    """Return the account if the principal is a whole account, by its number or its root's ARN."""
    parts = name.split(":", ARN_PARTS - 1)
    if len(parts) == ARN_PARTS and parts[2] == "iam" and parts[5] == _ROOT and not parts[3]:
        name = parts[4]
    return name if len(name) == _ACCOUNT_LENGTH and name.isascii() and name.isdigit() else None


def _principal(name: str, place: str) -> str:
    """Return the ARN of a user, role or session."""
    parts = name.split(":", ARN_PARTS - 1)
    if len(parts) == ARN_PARTS and parts[0] == "arn" and parts[1] and _account(parts[4]):
        kinds = _ARN_KINDS.get(parts[2], ())
        if kinds and parts[5].startswith(kinds) and not _has_wildcard(name):
            return name
    raise MalformedPolicyError(
        place,
        f"{quoted(name)} is not a principal; write an account's number, or the whole ARN of a "
        "user, role or session without wildcards",
    )


def _require_no_wildcard(names: list[str], place: str) -> None:
    for name in names:
        if not name or _has_wildcard(name):
            raise MalformedPolicyError(
                place, f"{quoted(name)} is not a name; wildcards are not allowed here"
            )


def _has_wildcard(name: str) -> bool:
    return "*" in name or "?" in name or "$" in name
