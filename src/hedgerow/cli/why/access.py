"""`hedgerow why access`: what an IAM user or role may do, layer by layer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

import click
import msgspec

from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.account import Account, Holder
from hedgerow.cli.why.decided import decision_step, policies_step
from hedgerow.cli.why.names import known_api_action, resource_arn
from hedgerow.cli.why.path import Answer, Step, show
from hedgerow.cli.why.permission import Judged, judged
from hedgerow.cli.why.tags import tags_of
from hedgerow.cloud.access import Grants
from hedgerow.cloud.access.every_call import policies_for
from hedgerow.cloud.access.keys import principal_values, resource_tag_values, wanted_keys
from hedgerow.kernel import Arn, CallerError, Clock, SystemClock, quoted
from hedgerow.policy import (
    Context,
    Dialect,
    NamedPolicy,
    PolicySet,
    Values,
    context,
    explain,
    parse_policy,
)

ASSUME_ROLE = "sts:AssumeRole"
_ADDRESS = "aws:sourceip"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is judged, and what conditions can know beside the principal."""

    judged: Judged
    known: Context
    api: CloudApi

    @classmethod
    def of(cls, api: CloudApi, action: str, resource: str, known: Context) -> "Asked":
        """Read what was typed; raise `CallerError` for what cannot be asked."""
        return cls(judged(api, known_api_action(action), resource_arn(api, resource)), known, api)


@click.command()
@click.option("--principal", required=True, help="A user or role: its name, user/NAME, or ARN.")
@click.option("--action", required=True, help="E.g. greengrass:CreateGroup.")
@click.option("--resource", default="*", help="An ARN; left out for actions without one.")
@click.option(
    "--context", "pairs", multiple=True, help="A condition key: aws:ResourceTag/env=beta. Repeat."
)
@click.option("--session-policy", type=_FILE, multiple=True, help="A session policy as a file.")
@click.option("--endpoint-policy", type=_FILE, help="The policy of a private API door, as a file.")
@as_json
def access(
    principal: str,
    action: str,
    resource: str,
    pairs: tuple[str, ...],
    session_policy: tuple[Path, ...],
    endpoint_policy: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say which of a user's or role's policies decides, and what would change it.

    Tags of the resource are read where a policy asks for them and --context does not give them.
    Needs the environment that 'hedgerow env' prints, and iam:GetAccountAuthorizationDetails.
    """
    api, clock = CloudApi(), SystemClock()
    holder = Account.read(api, clock).holder(principal)
    grants = narrowed(
        holder.grants,
        _read(session_policy, Dialect.SESSION),
        _read([endpoint_policy] if endpoint_policy else [], Dialect.ENDPOINT),
    )
    asked = Asked.of(api, action, resource, known_of(api, given(pairs), clock))
    answer = Answer.of(_steps(holder, grants, asked))
    if as_json:
        print_json(answer.facts())
    else:
        show([answer], "Allowed", "Refused")


def _steps(holder: Holder, grants: Grants, asked: Asked) -> Iterator[Step]:
    yield Step("principal", passed=None, says=holder.principal.arn)
    yield _account_step(holder, asked)
    yield from judged_steps(holder, grants, asked)


def judged_steps(holder: Holder, grants: Grants, asked: Asked) -> Iterator[Step]:
    """Yield which policies are asked, and what they decide."""
    # Conditions of other layers than the principal's own may ask for the principal as well.
    keys = {key for named in _all(grants.policies) for key in named.policy.keys}
    of_principal = principal_values(wanted_keys(keys), holder.principal, holder.held.tags)
    on = asked.judged
    policies = grants.policies
    if on.row is not None and on.row.judged == "never":
        policies = policies_for(on.row, grants)
    yield on.step
    if on.misfit is not None:
        yield on.misfit
        return
    of_resource: Mapping[str, Values] = {}
    wanted = wanted_keys(keys - asked.known.keys())
    if wanted.resource_tags and on.tagged is not None:
        tags = tags_of(asked.api, on.tagged)
        yield tags.step
        of_resource = resource_tag_values(wanted, Arn.parse(on.tagged).service, tags.of_resource)
    known = context({**of_principal, **of_resource, **asked.known})
    request = grants.request(on.action, on.resource, known)
    explanation = explain(policies, request)
    yield policies_step(explanation)
    yield decision_step("decision", explanation)


def narrowed(
    grants: Grants, session: tuple[NamedPolicy, ...], endpoint: tuple[NamedPolicy, ...]
) -> Grants:
    """Return grants under session policies and an endpoint's policy, where there are any."""
    policies = msgspec.structs.replace(
        grants.policies, session=session or None, endpoint=endpoint or None
    )
    return replace(grants, policies=policies)


def given(pairs: Sequence[str]) -> dict[str, str]:
    """Return condition keys and values of the command line."""
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or ":" not in key:
            raise CallerError(f"{quoted(pair)} is not KEY=VALUE, as aws:ResourceTag/env=beta")
        if key.lower() == _ADDRESS and not _is_address(value):
            raise CallerError(f"{quoted(value)} is not an address that a call can come from")
        values[key] = value
    return values


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def known_of(api: CloudApi, more: Mapping[str, str], clock: Clock) -> Context:
    """Return what conditions can know of a call that was made now, and what was given."""
    now = clock.now()
    return context(
        {
            "aws:CurrentTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "aws:EpochTime": str(int(now.timestamp())),
            "aws:SecureTransport": "true",
            "aws:ViaAWSService": "false",
            "aws:RequestedRegion": api.region,
            "aws:ResourceAccount": api.account,
            **more,
        }
    )


def _account_step(holder: Holder, asked: Asked) -> Step:
    """Return whether the resource is of the principal's own account; only roles may be others'."""
    mine = holder.principal.account
    theirs = (
        Arn.parse(asked.judged.resource).account if asked.judged.resource.startswith("arn:") else ""
    )
    if "*" in theirs or "?" in theirs:
        raise CallerError(
            f"{quoted(asked.judged.resource)} names no account; ask about one resource"
        )
    if theirs in ("", "aws", mine) or asked.judged.action == ASSUME_ROLE:
        return Step("account", passed=True, says=f"it is within account {mine}")
    return Step(
        "account",
        passed=False,
        says=f"the resource is of account {theirs}, the principal of {mine}",
        code="other-account",
        change=f"assume a role of account {theirs}, and call with its credentials",
    )


def _all(policies: PolicySet) -> Iterator[NamedPolicy]:
    for layer in (policies.identity, policies.boundary, policies.session, policies.endpoint):
        yield from layer or ()


def _read(files: Sequence[Path], dialect: Dialect) -> tuple[NamedPolicy, ...]:
    return tuple(NamedPolicy(file.name, parse_policy(file.read_text(), dialect)) for file in files)
