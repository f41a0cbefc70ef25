"""Random trust policies, and who asks to assume the role: the other half of the comparison."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeVar

from tests.support.policy_differential.cases import ACCOUNT, Document, GivenContext

from hedgerow.policy import (
    AccessRequest,
    Decision,
    Dialect,
    NamedPolicy,
    Requester,
    context,
    decide,
    decide_trust,
    parse_policy,
)

T = TypeVar("T")

_ACTION: Final = "sts:AssumeRole"
_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/target"
_ELSEWHERE: Final = "444455556666"
_VERSION: Final = "2012-10-17"

_ASKERS: Final = (
    Requester(account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/ines"),
    Requester(account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/olga"),
    Requester(
        account=ACCOUNT,
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/operators/ines",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/operators",
    ),
    Requester(account=_ELSEWHERE, arn=f"arn:aws:iam::{_ELSEWHERE}:user/ines"),
    Requester(account="", arn="", service="greengrass.amazonaws.com"),
    Requester(account="", arn="", service="lambda.amazonaws.com"),
)
_NAMED: Final = (
    *(one.arn for one in _ASKERS if one.arn),
    f"arn:aws:iam::{ACCOUNT}:role/operators",
    f"arn:aws:iam::{ACCOUNT}:root",
    ACCOUNT,
    _ELSEWHERE,
    f"arn:aws:iam::{_ELSEWHERE}:root",
)
_SERVICES: Final = ("greengrass.amazonaws.com", "lambda.amazonaws.com", "iot.amazonaws.com")
_SOURCES: Final = (
    f"arn:aws:greengrass:eu-west-1:{ACCOUNT}:/greengrass/groups/g1",
    f"arn:aws:greengrass:eu-west-1:{ACCOUNT}:/greengrass/groups/g2",
    f"arn:aws:greengrass:us-east-1:{_ELSEWHERE}:/greengrass/groups/g1",
)
_CONDITIONS: Final[Sequence[Mapping[str, Any]]] = (
    {"StringEquals": {"sts:ExternalId": "secret"}},
    {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    {"ArnLike": {"aws:SourceArn": f"arn:aws:greengrass:*:{ACCOUNT}:*"}},
    {"ArnEquals": {"aws:SourceArn": _SOURCES[0]}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
    {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}},
    {"StringLike": {"sts:RoleSessionName": ["ines*", "*-x"]}},
    {"Null": {"sts:ExternalId": "true"}},
)
_CONTEXT: Final = (
    ("sts:ExternalId", ("secret", "guess")),
    ("aws:SourceAccount", (ACCOUNT, _ELSEWHERE)),
    ("aws:SourceArn", _SOURCES),
    ("aws:MultiFactorAuthPresent", ("true", "false")),
    ("aws:MultiFactorAuthAge", ("60", "7200")),
    ("sts:RoleSessionName", ("ines", "ines-1", "job-x", "job")),
)


@dataclass(frozen=True, slots=True)
class TrustCase:
    """A trust policy, what the asker's own policies say, and the question."""

    trust: Document
    identity: Document | None
    asker: Requester
    context: GivenContext

    def simulation(self) -> str:
        """Return the case as the oracle reads it, on one line."""
        identity = [] if self.identity is None else [{"name": "own", "policy": self.identity}]
        request = {
            "principal": self.asker.service or self.asker.arn,
            "action": _ACTION,
            "resource": {"resource": _ROLE, "accountId": ACCOUNT},
            "contextVariables": self.context,
        }
        return json.dumps(
            {
                "request": request,
                "identityPolicies": identity,
                "serviceControlPolicies": [],
                "resourceControlPolicies": [],
                "resourcePolicy": self.trust,
            }
        )

    def shown(self) -> str:
        """Return the case for people."""
        asker = self.asker.service or self.asker.arn
        return json.dumps([self.trust, self.identity, asker, self.context], indent=1)


def effect_of_trust(case: TrustCase) -> str:
    """Return our decision: the trust policy's, with the asker's own where that has to allow."""
    request = AccessRequest(_ACTION, _ROLE, context(case.context), case.asker)
    trust = parse_policy(json.dumps(case.trust), Dialect.TRUST)
    decision = decide_trust(NamedPolicy("trust", trust), request)
    own = _own_decision(case, request)
    if "explicit-deny" in (decision.effect, own.effect if own else ""):
        return "explicit-deny"
    needs_own = decision.by_account or case.asker.account == _ELSEWHERE
    if decision.allowed and needs_own and not (own and own.allowed):
        return "implicit-deny"
    return decision.effect


def _own_decision(case: TrustCase, request: AccessRequest) -> Decision | None:
    if case.identity is None:
        return None
    own = parse_policy(json.dumps(case.identity), Dialect.IDENTITY)
    return decide([NamedPolicy("own", own)], request)


class TrustGenerator:
    """Makes cases from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - for tests, and the same every time

    def cases(self, number: int) -> list[TrustCase]:
        """Return that many cases."""
        return [self._case() for _ in range(number)]

    def _case(self) -> TrustCase:
        asker = self._pick(_ASKERS)
        # What `*` says of services, or of those whose own policies are silent, AWS leaves open.
        anybody = not asker.service and self._chance(0.2)
        trust: Document = {
            "Version": _VERSION,
            "Statement": [self._statement() for _ in range(self._pick((1, 1, 2, 3)))],
        }
        identity: Document | None = None
        if anybody:
            trust["Statement"][0]["Principal"] = "*"
        if not asker.service and (anybody or self._chance(0.6)):
            identity = self._identity(always=anybody)
        return TrustCase(trust, identity, asker, self._context())

    def _statement(self) -> dict[str, Any]:
        statement: dict[str, Any] = {
            "Effect": self._pick(("Allow", "Allow", "Allow", "Deny")),
            "Principal": self._principal(),
            "Action": self._pick((_ACTION, "sts:*", [_ACTION, "sts:TagSession"], "sts:Tag*")),
        }
        if self._chance(0.5):
            statement["Condition"] = self._pick(_CONDITIONS)
        return statement

    def _principal(self) -> dict[str, str | list[str]]:
        if self._chance(0.3):
            return {"Service": self._several(lambda: self._pick(_SERVICES))}
        return {"AWS": self._several(lambda: self._pick(_NAMED))}

    def _identity(self, *, always: bool) -> Document:
        effect = "Allow" if always else self._pick(("Allow", "Allow", "Deny"))
        resource = "*" if always else self._pick(("*", _ROLE, _ROLE + "-other"))
        statement = {"Effect": effect, "Action": "sts:AssumeRole", "Resource": resource}
        return {"Version": _VERSION, "Statement": [statement]}

    def _context(self) -> GivenContext:
        return {key: self._pick(pool) for key, pool in _CONTEXT if self._chance(0.6)}

    def _several(self, make: Callable[[], str]) -> str | list[str]:
        number = self._pick((1, 1, 2))
        return make() if number == 1 else [make() for _ in range(number)]

    def _pick(self, pool: Sequence[T]) -> T:
        return self._random.choice(pool)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
