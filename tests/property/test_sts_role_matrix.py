"""Who may assume a role, in every combination of policies, against the rules as AWS writes them."""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from hedgerow.aws import AccessDeniedError, Principal, Session
from hedgerow.cloud.access.decider import Grants
from hedgerow.cloud.access.keys import wanted_keys
from hedgerow.cloud.iam.facts import PrincipalPolicies, RoleFacts
from hedgerow.cloud.sts.role_judge import RoleJudge
from hedgerow.policy import Dialect, NamedPolicy, PolicySet, Requester, context, parse_policy

HOME, AWAY = "123456789012", "210987654321"
ROLE = f"arn:aws:iam::{HOME}:role/target"
BEGUN = datetime(2026, 10, 7, tzinfo=UTC)

Kind = Literal["user", "role"]
Says = Literal["allow", "deny", "nothing", "absent"]
Trusts = Literal["by-name", "by-account", "anybody", "nobody", "denies"]


@dataclass(frozen=True)
class Situation:
    """One combination."""

    kind: Kind
    account: str
    trust: Trusts
    identity: Says
    boundary: Says
    session: Says


def expected(it: Situation) -> bool:
    """Return whether the role may be assumed.

    IAM User Guide, "Evaluating identity-based policies with resource-based policies" (a user that
    a resource's policy names is not limited by an implicit denial elsewhere; a role is limited by
    its boundary and session policies) and "Cross-account policy evaluation logic" (both allow).
    """
    own = (it.identity, it.boundary, it.session)
    if "deny" in own or it.trust in ("nobody", "denies"):
        return False
    within = {it.boundary, it.session} <= {"allow", "absent"}
    if it.account == HOME and it.trust == "by-name":
        return within if it.kind == "role" else True
    return it.identity == "allow" and within


def situations() -> list[Situation]:
    """Return every combination; only a role's session has session policies here."""
    every = itertools.product(
        get_args(Kind),
        (HOME, AWAY),
        get_args(Trusts),
        get_args(Says),
        get_args(Says),
        get_args(Says),
    )
    return [
        made
        for made in (Situation(*values) for values in every)
        if made.kind == "role" or made.session == "absent"
    ]


class Held:
    """Gives out the policies that a caller holds, as `AccessDecider` does."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    async def grants(self, _principal: Principal) -> Grants:
        return self._grants


async def test_every_combination_is_decided_by_the_rules() -> None:
    wrong: list[Situation] = []
    for situation in situations():
        caller = principal(situation)
        judge = RoleJudge(Held(grants(situation, caller)))  # type: ignore[arg-type]  # of the same form
        try:
            await judge.require(caller, target(situation, caller), "sts:AssumeRole", context({}))
            allowed = True
        except AccessDeniedError:
            allowed = False
        if allowed is not expected(situation):
            wrong.append(situation)
    assert len(situations()) == 800
    assert wrong == []


def principal(it: Situation) -> Principal:
    """Return who asks."""
    if it.kind == "user":
        arn = f"arn:aws:iam::{it.account}:user/ada"
        return Principal("IAMUser", it.account, arn, "AIDAADA", name="ada")
    session = Session(
        issued_at=BEGUN,
        expires_at=BEGUN + timedelta(hours=1),
        name="shift",
        issuer_arn=f"arn:aws:iam::{it.account}:role/source",
        issuer_id="AROASOURCE",
    )
    arn = f"arn:aws:sts::{it.account}:assumed-role/source/shift"
    return Principal("AssumedRole", it.account, arn, "AROASOURCE:shift", "source", session)


def grants(it: Situation, caller: Principal) -> Grants:
    """Return what the caller holds."""
    identity = () if it.identity == "absent" else (policy(it.identity, Dialect.IDENTITY),)
    session = caller.session
    return Grants(
        principal=caller,
        endpoint=None,
        held=PrincipalPolicies(identity=identity),
        policies=PolicySet(
            identity=identity,
            boundary=limiting(it.boundary, Dialect.BOUNDARY),
            session=limiting(it.session, Dialect.SESSION),
        ),
        wanted=wanted_keys(()),
        requester=Requester(
            account=caller.account,
            arn=caller.arn,
            role_arn=session.issuer_arn if session is not None else "",
        ),
        known=context({}),
    )


def limiting(says: Says, dialect: Dialect) -> tuple[NamedPolicy, ...] | None:
    """Return policies that limit, None for none."""
    return None if says == "absent" else (policy(says, dialect),)


def policy(says: Says, dialect: Dialect) -> NamedPolicy:
    """Return a policy that says this about assuming the role."""
    statement: dict[str, Any] = {
        "Effect": "Deny" if says == "deny" else "Allow",
        "Action": "iot:*" if says == "nothing" else "sts:AssumeRole",
        "Resource": "*" if says == "nothing" else ROLE,
    }
    statements = [statement]
    if says == "deny":
        statements.append({"Effect": "Allow", "Action": "*", "Resource": "*"})
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return NamedPolicy(dialect.value, parse_policy(text, dialect))


def target(it: Situation, caller: Principal) -> RoleFacts:
    """Return the role, with a trust policy that trusts so."""
    session = caller.session
    name = session.issuer_arn if session is not None else caller.arn
    trusted = {
        "by-name": {"AWS": name},
        "by-account": {"AWS": f"arn:aws:iam::{it.account}:root"},
        "anybody": "*",
        "nobody": {"AWS": f"arn:aws:iam::{it.account}:role/other"},
        "denies": {"AWS": name},
    }[it.trust]
    statement = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    statements = [statement]
    if it.trust == "denies":
        statements.append({**statement, "Effect": "Deny"})
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return RoleFacts(
        account=HOME,
        name="target",
        arn=ROLE,
        id="AROATARGET",
        path="/",
        trust=NamedPolicy("role/target#trust", parse_policy(text, Dialect.TRUST)),
        trust_text=text,
        max_session_s=3600,
        tags={},
        created_at=BEGUN,
    )
