"""`hedgerow why device`: what the IoT policies of a thing's certificates allow."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.provision.api import CloudApi
from hedgerow.kernel import Arn, CallerError, quoted
from hedgerow.policy import AccessRequest, NamedPolicy, connection_variables, parse_policy
from hedgerow.policy.explain import Explanation, explain

_ACTIVE = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one certificate of the thing is allowed, and why."""

    certificate_id: str
    status: str
    explanation: Explanation

    @property
    def allowed(self) -> bool:
        """Whether a device with this certificate may do it."""
        return self.status == _ACTIVE and self.explanation.decision.allowed

    @property
    def reason(self) -> str:
        """One sentence."""
        if self.status != _ACTIVE:
            return f"the certificate is {self.status}, so nothing is allowed"
        return self.explanation.decision.reason


@click.command()
@click.option("--thing", "thing_name", required=True, help="The thing's name.")
@click.option("--action", required=True, help="E.g. iot:Publish or greengrass:Discover.")
@click.option(
    "--resource",
    required=True,
    help="An ARN, or its last part: topic/a/b, client/NAME, thing/NAME.",
)
@click.option("--client-id", help="The MQTT client id; without it the thing's name.")
@as_json
def device(
    thing_name: str, action: str, resource: str, client_id: str | None, *, as_json: bool
) -> None:
    """Say which statement of a device's policies decides, or what is missing.

    Needs the environment that 'hedgerow env' prints.
    """
    api = CloudApi()
    wanted = (action, arn_of(api, resource), client_id or thing_name)
    principals = api.call("iot", "list_thing_principals", thingName=thing_name)["principals"]
    if not principals:
        raise CallerError(
            f"no certificate is attached to {quoted(thing_name)}, so it cannot connect; "
            "attach one with 'aws iot attach-thing-principal'"
        )
    verdicts = [_judge(api, thing_name, principal, *wanted) for principal in principals]
    if as_json:
        print_json([_facts(verdict) for verdict in verdicts])
    else:
        _show(verdicts)


def arn_of(api: CloudApi, resource: str) -> str:
    """Return the ARN of a resource that is given by its last part."""
    if resource.startswith("arn:"):
        return str(Arn.parse(resource))
    if resource == "*":
        return resource
    service = "greengrass" if resource.startswith("/greengrass/") else "iot"
    return str(Arn(service, api.region, api.account, resource))


def _judge(
    api: CloudApi, thing_name: str, principal: str, action: str, resource: str, client_id: str
) -> Verdict:
    certificate_id = principal.rpartition("/")[2]
    described = api.call("iot", "describe_certificate", certificateId=certificate_id)
    variables = connection_variables(
        client_id=client_id, thing_name=thing_name, certificate_id=certificate_id, attached=True
    )
    return Verdict(
        certificate_id=certificate_id,
        status=described["certificateDescription"]["status"],
        explanation=explain(_policies(api, principal), AccessRequest(action, resource, variables)),
    )


def _policies(api: CloudApi, principal: str) -> list[NamedPolicy]:
    attached = api.pages("iot", "list_attached_policies", "policies", target=principal)
    return [
        NamedPolicy(
            name, parse_policy(api.call("iot", "get_policy", policyName=name)["policyDocument"])
        )
        for name in (policy["policyName"] for policy in attached)
    ]


def _facts(verdict: Verdict) -> dict[str, object]:
    explanation = verdict.explanation
    return {
        "certificateId": verdict.certificate_id,
        "status": verdict.status,
        "allowed": verdict.allowed,
        "reason": verdict.reason,
        "policy": explanation.decision.policy,
        "statement": explanation.decision.statement,
        "advice": explanation.advice,
        "statements": [str(statement) for statement in explanation.statements],
    }


def _show(verdicts: Sequence[Verdict]) -> None:
    for verdict in verdicts:
        word = "Allowed" if verdict.allowed else "Refused"
        click.echo(f"{word} with certificate {verdict.certificate_id[:10]}…: {verdict.reason}.")
        for statement in verdict.explanation.statements:
            click.echo(f"  {statement}")
        if not verdict.allowed and verdict.explanation.advice:
            click.echo(f"  To change it: {verdict.explanation.advice}.")
