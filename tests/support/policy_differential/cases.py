"""A case of the comparison: some documents, and a request that is put to them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    NamedPolicy,
    PolicySet,
    Requester,
    context,
    decide,
    parse_policy,
)

ACCOUNT: Final = "111122223333"
PRINCIPAL: Final = f"arn:aws:sts::{ACCOUNT}:assumed-role/operators/ines"

REQUESTER: Final = Requester(
    account=ACCOUNT, arn=PRINCIPAL, role_arn=f"arn:aws:iam::{ACCOUNT}:role/operators"
)

Document = Mapping[str, Any]
GivenContext = Mapping[str, str | list[str]]

_VERDICTS: Final = {
    "Allowed": "allow",
    "ExplicitlyDenied": "explicit-deny",
    "ImplicitlyDenied": "implicit-deny",
}


@dataclass(frozen=True, slots=True)
class Case:
    """Documents as JSON objects; a boundary, session and endpoint policy only if there is one."""

    identity: tuple[Document, ...]
    action: str
    resource: str
    context: GivenContext
    boundary: Document | None = None
    session: Document | None = None
    endpoint: Document | None = None

    def simulation(self) -> str:
        """Return the case as the oracle reads it, on one line."""
        asked: dict[str, Any] = {
            "request": {
                "principal": PRINCIPAL,
                "action": self.action,
                "resource": {"resource": self.resource, "accountId": ACCOUNT},
                "contextVariables": self.context,
            },
            "identityPolicies": _named(self.identity),
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
        }
        if self.boundary is not None:
            asked["permissionBoundaryPolicies"] = _named([self.boundary])
        if self.session is not None:
            asked["sessionPolicy"] = self.session
        if self.endpoint is not None:
            asked["vpcEndpointPolicies"] = _named([self.endpoint])
        return json.dumps(asked)

    def shown(self) -> str:
        """Return the case for people."""
        return json.dumps(
            {
                "identity": self.identity,
                "boundary": self.boundary,
                "session": self.session,
                "endpoint": self.endpoint,
                "request": {"action": self.action, "resource": self.resource},
                "context": self.context,
            },
            indent=1,
        )


def statements(document: Document) -> Sequence[Mapping[str, Any]]:
    """Return a document's statements."""
    listed: Sequence[Mapping[str, Any]] = document["Statement"]
    return listed


def effect_by_oracle(verdict: str) -> str:
    """Return the oracle's verdict in our words; errors as they are."""
    return _VERDICTS.get(verdict, verdict)


def effect_by_us(case: Case) -> str:
    """Return our decision. Raises `MalformedPolicyError` if a document is refused."""
    policies = PolicySet(
        identity=_parsed(case.identity, Dialect.IDENTITY),
        boundary=None if case.boundary is None else _parsed([case.boundary], Dialect.BOUNDARY),
        session=None if case.session is None else _parsed([case.session], Dialect.SESSION),
        endpoint=None if case.endpoint is None else _parsed([case.endpoint], Dialect.ENDPOINT),
    )
    request = AccessRequest(case.action, case.resource, context(case.context), REQUESTER)
    return decide(policies, request).effect


def _parsed(documents: Sequence[Document], dialect: Dialect) -> tuple[NamedPolicy, ...]:
    return tuple(
        NamedPolicy(f"{dialect.value}-{number}", parse_policy(json.dumps(one), dialect))
        for number, one in enumerate(documents)
    )


def _named(documents: Sequence[Document]) -> list[dict[str, Any]]:
    return [{"name": f"policy-{number}", "policy": one} for number, one in enumerate(documents)]
