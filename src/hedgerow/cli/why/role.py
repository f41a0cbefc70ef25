"""`hedgerow why role`: may a service, a user or a role assume a role."""

from collections.abc import Iterator, Mapping

import click

from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.access import given, known_of, requester_of
from hedgerow.cli.why.account import Account, Holder
from hedgerow.cli.why.decided import decision_step
from hedgerow.cli.why.path import Answer, Step, show
from hedgerow.kernel import Arn, CallerError, Clock, SystemClock
from hedgerow.policy import (
    AccessRequest,
    Explanation,
    NamedPolicy,
    PolicySet,
    Requester,
    context,
    explain,
    explain_trust,
)

_ASSUME = "sts:AssumeRole"
_SERVICE = ".amazonaws.com"


@click.command()
@click.option("--role", "role_name", required=True, help="The role's name or ARN.")
@click.option(
    "--for", "asker", default="greengrass.amazonaws.com", help="A service, a user or a role."
)
@click.option("--group", "group_id", help="The Greengrass group that the service works for.")
@click.option("--context", "pairs", multiple=True, help="E.g. sts:ExternalId=plant-7. Repeat.")
@as_json
def role(
    role_name: str, asker: str, group_id: str | None, pairs: tuple[str, ...], *, as_json: bool
) -> None:
    """Say whether a role can be assumed, and what its trust policy lacks.

    Needs the environment that 'hedgerow env' prints, and iam:GetAccountAuthorizationDetails.
    """
    api, clock = CloudApi(), SystemClock()
    account = Account.read(api, clock)
    if not role_name.startswith("arn:") and role_name not in account.roles:
        answer = Answer((_no_role(role_name),))
    else:
        wanted = account.holder(role_name if "/" in role_name else f"role/{role_name}")
        steps: list[Step] = []
        for step in _steps(api, account, wanted, asker, group_id, given(pairs), clock):
            steps.append(step)
            if step.passed is False:
                break
        answer = Answer(tuple(steps))
    if as_json:
        print_json(answer.facts())
    else:
        show([answer], "Can be assumed", "Cannot be assumed")


def _steps(
    api: CloudApi,
    account: Account,
    wanted: Holder,
    asker: str,
    group_id: str | None,
    more: Mapping[str, str],
    clock: Clock,
) -> Iterator[Step]:
    if wanted.trust is None or wanted.principal.session is None:
        raise CallerError(f"{wanted.principal.arn} is a user; only roles can be assumed")
    arn = wanted.principal.session.issuer_arn
    yield Step("role", passed=None, says=arn)
    if asker.endswith(_SERVICE):
        yield _warnings(wanted.trust)
        yield decision_step("trust", _for_service(api, wanted.trust, arn, asker, group_id, more))
        return
    who = account.holder(asker)
    policies = PolicySet(identity=who.identity, boundary=who.boundary)
    both = PolicySet(identity=(*who.identity, wanted.trust), boundary=who.boundary)
    request = AccessRequest(
        action=_ASSUME,
        resource=arn,
        variables=known_of(api, who, both, more, clock),
        principal=requester_of(who),
    )
    trust = explain_trust(wanted.trust, request)
    yield decision_step("trust", trust)
    own = explain(policies, request)
    if trust.decision.by_account or own.decision.effect == "explicit-deny":
        yield decision_step("own policies", own)


def _for_service(
    api: CloudApi,
    trust: NamedPolicy,
    arn: str,
    service: str,
    group_id: str | None,
    more: Mapping[str, str],
) -> Explanation:
    """Judge as the cloud does when a service assumes a role for a group."""
    resource = "*" if group_id is None else f"/greengrass/groups/{group_id}"
    source = Arn("greengrass", api.region, api.account, resource)
    known = context(
        {
            "aws:SourceAccount": api.account,
            "aws:SourceArn": str(source),
            "aws:PrincipalIsAWSService": "true",
            "aws:PrincipalServiceName": service,
            "aws:SecureTransport": "true",
            **more,
        }
    )
    requester = Requester(account="", arn="", service=service)
    request = AccessRequest(action=_ASSUME, resource=arn, variables=known, principal=requester)
    return explain_trust(trust, request)


def _warnings(trust: NamedPolicy) -> Step:
    said = "; ".join(trust.policy.warnings)
    return Step("care", passed=None, says=said or "the trust policy holds the service to its work")


def _no_role(name: str) -> Step:
    return Step(
        "role",
        passed=False,
        says=f"there is no role {name}",
        code="no-role",
        change="make it with: aws iam create-role",
    )
