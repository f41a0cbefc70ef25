"""`hedgerow why access`: what an IAM user or role may do, layer by layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.account import Account, Holder
from hedgerow.cli.why.decided import decision_step, policies_step
from hedgerow.cli.why.names import known_api_action, resource_arn
from hedgerow.cli.why.path import Answer, Step, show
from hedgerow.cloud.access.keys import principal_arn, principal_values, wanted_keys
from hedgerow.kernel import CallerError, Clock, SystemClock, quoted
from hedgerow.policy import (
    AccessRequest,
    Context,
    Dialect,
    NamedPolicy,
    PolicySet,
    Requester,
    context,
    explain,
    parse_policy,
)

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


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

    Needs the environment that 'hedgerow env' prints, and iam:GetAccountAuthorizationDetails.
    """
    api, clock = CloudApi(), SystemClock()
    holder = Account.read(api, clock).holder(principal)
    policies = PolicySet(
        identity=holder.identity,
        boundary=holder.boundary,
        session=_read(session_policy, Dialect.SESSION) or None,
        endpoint=_read([endpoint_policy] if endpoint_policy else [], Dialect.ENDPOINT) or None,
    )
    known = known_of(api, holder, policies, given(pairs), clock)
    asked = AccessRequest(
        action=known_api_action(action),
        resource=resource_arn(api, resource),
        variables=known,
        principal=requester_of(holder),
    )
    explanation = explain(policies, asked)
    answer = Answer(
        (
            Step("principal", passed=None, says=holder.principal.arn),
            policies_step(explanation),
            decision_step("decision", explanation),
        )
    )
    if as_json:
        print_json(answer.facts())
    else:
        show([answer], "Allowed", "Refused")


def requester_of(holder: Holder) -> Requester:
    """Return a user or role as trust and endpoint policies name it."""
    who = holder.principal
    role_arn = principal_arn(who) if who.session is not None else ""
    return Requester(account=who.account, arn=who.arn, role_arn=role_arn)


def given(pairs: Sequence[str]) -> dict[str, str]:
    """Return condition keys and values of the command line."""
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or ":" not in key:
            raise CallerError(f"{quoted(pair)} is not KEY=VALUE, as aws:ResourceTag/env=beta")
        values[key] = value
    return values


def known_of(
    api: CloudApi, holder: Holder, policies: PolicySet, more: Mapping[str, str], clock: Clock
) -> Context:
    """Return what conditions can know now: of the principal, of the time, and what was given."""
    layers = (policies.identity, policies.boundary, policies.session, policies.endpoint)
    keys = {key for layer in layers for named in layer or () for key in named.policy.keys}
    now = clock.now()
    return context(
        {
            **principal_values(wanted_keys(keys), holder.principal, holder.tags),
            "aws:CurrentTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "aws:EpochTime": str(int(now.timestamp())),
            "aws:SecureTransport": "true",
            "aws:RequestedRegion": api.region,
            "aws:ResourceAccount": api.account,
            **more,
        }
    )


def _read(files: Sequence[Path], dialect: Dialect) -> tuple[NamedPolicy, ...]:
    return tuple(NamedPolicy(file.name, parse_policy(file.read_text(), dialect)) for file in files)
