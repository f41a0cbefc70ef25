"""`hedgerow why role`: may a service, a user or a role assume a role, and what may it do then."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import click
import msgspec

from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.access import ASSUME_ROLE, Asked, given, judged_steps, known_of
from hedgerow.cli.why.account import Account, Holder, account_in
from hedgerow.cli.why.decided import decision_step
from hedgerow.cli.why.names import nearest
from hedgerow.cli.why.path import Answer, Step, show
from hedgerow.cli.why.registry import found
from hedgerow.cloud.access.keys import OF_PRINCIPAL, principal_values, wanted_keys
from hedgerow.cloud.greengrass.trust import GREENGRASS, trust_findings
from hedgerow.cloud.iam import RoleFacts
from hedgerow.cloud.iot import CREDENTIAL_PROVIDER
from hedgerow.cloud.sts import explain_assumption, service_request
from hedgerow.kernel import Arn, CallerError, Clock, SystemClock, quoted
from hedgerow.policy import (
    AccessRequest,
    Context,
    Explanation,
    Requester,
    context,
    explain_trust,
)

_SERVICE = ".amazonaws.com"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Question:
    """Who wants to assume a role: a service (for a group), a user or a role."""

    asker: str
    group_id: str | None
    known: Context
    """What conditions can know of a call that is made now."""
    given: Context
    """What of it was given by hand."""


@click.command()
@click.option("--role", "name", help="The role's name or ARN; without it, the one of Greengrass.")
@click.option("--for", "asker", default=GREENGRASS, help="A service, a user or a role.")
@click.option("--group", "group_id", help="The Greengrass group of the service: name or id.")
@click.option("--context", "pairs", multiple=True, help="E.g. sts:ExternalId=plant-7. Repeat.")
@click.option("--action", help="Then also: may the role do this, e.g. s3:GetObject.")
@click.option("--resource", default="*", help="On this resource, an ARN.")
@as_json
def role(
    name: str | None,
    asker: str,
    group_id: str | None,
    pairs: tuple[str, ...],
    action: str | None,
    resource: str,
    *,
    as_json: bool,
) -> None:
    """Say whether a role can be assumed, and what its trust policy lacks.

    Without --role it is the group's role where --group names a group, else the service role of
    the account. Needs the environment that 'hedgerow env' prints, and
    iam:GetAccountAuthorizationDetails.
    """
    api, clock = CloudApi(), SystemClock()
    more = given(pairs)
    known = known_of(api, more, clock)
    wanted = None
    if action is not None:
        wanted = Asked.of(api, action, resource, known)
    group_id = None if group_id is None else _group_id(api, group_id)
    question = Question(asker, group_id, known, context(more))
    answer = Answer.of(role_steps(api, name, question, wanted, clock))
    if as_json:
        print_json(answer.facts())
    else:
        show([answer], "Can be assumed" if wanted is None else "Allowed", "Refused")


def group_role_steps(api: CloudApi, group_id: str, clock: Clock) -> Iterator[Step]:
    """Yield whether Greengrass can assume the role of a group for its core."""
    question = Question(GREENGRASS, group_id, known_of(api, {}, clock), context({}))
    yield from role_steps(api, None, question, None, clock)


def service_role_steps(api: CloudApi, group_id: str, clock: Clock) -> Iterator[Step]:
    """Yield whether Greengrass can assume the account's service role for work on a group."""
    question = Question(GREENGRASS, group_id, known_of(api, {}, clock), context({}))
    name = service_role_of(api)
    yield _association(api, name, None)
    yield from role_steps(api, name, question, None, clock)


def alias_role_steps(api: CloudApi, role_arn: str, alias_arn: str, clock: Clock) -> Iterator[Step]:
    """Yield whether the credential provider can assume the role of an alias for a device."""
    source = context({"aws:SourceArn": alias_arn})
    question = Question(CREDENTIAL_PROVIDER, None, known_of(api, {}, clock), source)
    yield from role_steps(api, role_arn, question, None, clock)


def service_role_of(api: CloudApi) -> str | None:
    """Return the ARN of the account's service role."""
    return _associated(api, None)


def role_steps(
    api: CloudApi, name: str | None, question: Question, wanted: Asked | None, clock: Clock
) -> Iterator[Step]:
    """Yield every step of assuming a role, and of what it may do then."""
    typed = name is not None
    if name is None:
        name = _associated(api, question.group_id)
        yield _association(api, name, question.group_id)
    account = Account.read(api, clock)
    holder = None if name is None else _role_of(account, name)
    if holder is None or holder.role is None:
        yield _no_role(name or "", account.roles if typed else ())
        return
    yield Step("role", passed=True, says=holder.role.arn)
    yield Step("asker", passed=None, says=question.asker)
    if question.asker.endswith(_SERVICE):
        if question.asker == GREENGRASS:
            yield _care(api, holder.role, question.group_id)
        yield decision_step("trust", _for_service(api, holder.role, question, clock))
    else:
        yield from _for_people(account, holder.role, question)
    if wanted is not None:
        yield from judged_steps(holder, holder.grants, wanted)


def _group_id(api: CloudApi, text: str) -> str:
    """Return the id of a group that may be given by its name; raise `CallerError` without one."""
    if _ID.fullmatch(text):
        return text
    groups = list(api.pages("greengrass", "list_groups", "Groups"))
    ids = [group["Id"] for group in groups if group.get("Name") == text]
    if len(ids) == 1:
        return str(ids[0])
    if ids:
        raise CallerError(
            f"{len(ids)} groups are called {quoted(text)}; name one by its id: {', '.join(ids)}"
        )
    near = nearest(text, [group["Name"] for group in groups if group.get("Name")])
    hint = f"; did you mean {quoted(near)}?" if near else "; aws greengrass list-groups lists them"
    raise CallerError(f"there is no group {quoted(text)}{hint}")


def _associated(api: CloudApi, group_id: str | None) -> str | None:
    """Return the ARN of the role that Greengrass was given for a group, or for the account."""
    if group_id is None:
        answer = found(api, "greengrass", "get_service_role_for_account")
    else:
        answer = found(api, "greengrass", "get_associated_role", GroupId=group_id)
    return None if answer is None else answer["RoleArn"]


def _association(api: CloudApi, arn: str | None, group_id: str | None) -> Step:
    role = f"--role-arn arn:aws:iam::{api.account}:role/ROLE"
    whose = "the account" if group_id is None else f"group {group_id}"
    if arn is not None:
        return Step("association", passed=True, says=f"{whose} has the role {arn}")
    if group_id is None:
        change = f"associate one with: aws greengrass associate-service-role-to-account {role}"
        says = "no service role is associated with the account, so nothing can be deployed"
        return Step("association", passed=False, says=says, code="no-service-role", change=change)
    change = (
        f"associate one with: aws greengrass associate-role-to-group --group-id {group_id} {role}"
    )
    says = f"{whose} has no role, so its core gets no credentials"
    return Step("association", passed=False, says=says, code="no-group-role", change=change)


def _role_of(account: Account, name: str) -> Holder | None:
    """Return the role, or None without one; raise for what is a user."""
    if ":user/" in name or name.startswith("user/"):
        raise CallerError(f"{name} is a user; only roles can be assumed")
    plain = name.rpartition("/")[2]
    if plain not in account.roles and account_in(name) in ("", account.number):
        return None
    return account.holder(name if name.startswith("arn:") else f"role/{plain}")


def _for_service(api: CloudApi, wanted: RoleFacts, question: Question, clock: Clock) -> Explanation:
    """Judge as the cloud does when a service assumes a role for a group."""
    group = question.group_id
    resource = "*" if group is None else f"/greengrass/groups/{group}"
    request = service_request(
        wanted.arn,
        service=question.asker,
        source_account=api.account,
        source_arn=str(Arn("greengrass", api.region, api.account, resource)),
        at=clock.now(),
    )
    known = context({**request.variables, **question.given})
    return explain_trust(wanted.trust, msgspec.structs.replace(request, variables=known))


def _for_people(account: Account, wanted: RoleFacts, question: Question) -> Iterator[Step]:
    """Yield what is decided for a user or a role: both sides, as far as this account has them."""
    theirs = account_in(question.asker)
    if theirs not in ("", account.number):
        request = AccessRequest(
            action=ASSUME_ROLE,
            resource=wanted.arn,
            variables=context({**question.known, "aws:PrincipalArn": question.asker}),
            principal=Requester(account=theirs, arn=question.asker),
        )
        yield decision_step("trust", explain_trust(wanted.trust, request))
        says = f"of account {theirs}, which has to allow {ASSUME_ROLE} too: ask there"
        yield Step("own policies", passed=None, says=says)
        return
    explanation = _for_own(account, wanted, question)
    side = "trust" if explanation.decision.layer == "trust" else "own policies"
    yield decision_step(side, explanation)


def _for_own(account: Account, wanted: RoleFacts, question: Question) -> Explanation:
    """Judge as STS does when a user or a role of the account asks for the role."""
    who = account.holder(question.asker)
    of_principal = principal_values(wanted_keys(OF_PRINCIPAL), who.principal, who.held.tags)
    known = context({**of_principal, **who.grants.known, **question.known})
    return explain_assumption(who.grants, wanted, ASSUME_ROLE, known)


def _care(api: CloudApi, wanted: RoleFacts, group_id: str | None) -> Step:
    """Return how the trust policy holds Greengrass to its work, as doctor tells it too."""
    group = "*" if group_id is None else f"/greengrass/groups/{group_id}"
    findings = trust_findings(
        wanted.trust_text,
        role_arn=wanted.arn,
        account=api.account,
        source=str(Arn("greengrass", api.region, api.account, group)),
    )
    said = "; ".join(findings.warnings)
    return Step("care", passed=None, says=said or "the trust policy holds Greengrass to its work")


def _no_role(name: str, known: Collection[str]) -> Step:
    """Return the step for a role that is not there; `known` are those that may have been meant."""
    plain = name.rpartition("/")[2]
    near = nearest(plain, known)
    hint = f"; perhaps {quoted(near)} is meant" if near else ""
    return Step(
        "role",
        passed=False,
        says=f"there is no role {plain}{hint}",
        code="no-role",
        change=f"make it with: aws iam create-role --role-name {plain} "
        "--assume-role-policy-document file://TRUST.json",
    )
