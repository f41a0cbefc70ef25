"""`hedgerow why device`: the whole way of a device's request in the cloud, step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import click

from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.decided import decision_step, policies_step
from hedgerow.cli.why.names import device_resource, known_action, nearest, resource_arn
from hedgerow.cli.why.own import (
    DISCOVER,
    WITHOUT_RESOURCE,
    Question,
    deployed_steps,
    ownership_steps,
)
from hedgerow.cli.why.path import Answer, Step, show
from hedgerow.cli.why.registry import Registered, found, registered
from hedgerow.cloud.iot.admission import bound_thing, needs_own_policy
from hedgerow.kernel import CallerError, Clock, SystemClock, quoted
from hedgerow.policy import Explanation, explain

CONNECT = "iot:Connect"
_ACTIVE = "ACTIVE"
_SEARCHED_THINGS = 1_000
"""How many things are looked through for a name that was mistyped."""
_NEW_STATEMENT = "add a statement that allows "
_CLIENT = "client/"
REGISTER_CERTIFICATE = (
    "register it with: aws iot register-certificate-without-ca --certificate-pem "
    "file://CERTIFICATE.pem --status ACTIVE"
)


@click.command()
@click.option("--thing", "thing_name", required=True, help="The thing's name.")
@click.option("--action", required=True, help="E.g. iot:Publish or greengrass:Discover.")
@click.option(
    "--resource",
    help="An ARN, or its last part: topic/a/b, topicfilter/a/#, client/NAME, thing/NAME. Left "
    "out, it is the device's own, where the action has one.",
)
@click.option("--client-id", help="The MQTT client id; without it the thing's name.")
@click.option("--certificate", help="The id or ARN of one certificate; without it, the thing's.")
@as_json
def device(
    thing_name: str,
    action: str,
    resource: str | None,
    client_id: str | None,
    certificate: str | None,
    *,
    as_json: bool,
) -> None:
    """Say how far a device's request gets in the cloud, and what stops it.

    Needs the environment that 'hedgerow env' prints.
    """
    api = CloudApi()
    question = question_of(api, thing_name, known_action(action), resource, client_id)
    answers = list(device_answers(api, question, certificate, SystemClock()))
    if as_json:
        print_json([answer.facts() for answer in answers])
    else:
        if len(answers) > 1:
            _show_all(thing_name, answers)
        show(answers, "Allowed", "Refused")


def _show_all(thing: str, answers: Sequence[Answer]) -> None:
    """Say first what holds for each certificate, before each is told at length."""
    click.echo(f"{quoted(thing)} has {len(answers)} certificates, and each is judged by itself:")
    for answer in answers:
        cause = answer.cause
        verdict = "allowed" if cause is None else f"refused: {cause.says.partition('; ')[0]}"
        click.echo(f"  {answer.subject}: {verdict}")
    click.echo()


def question_of(
    api: CloudApi, thing: str, action: str, resource: str | None, client_id: str | None
) -> Question:
    """Return the question with what goes without saying filled in.

    A connection is on its own client id, and discovery on the device's own thing.
    """
    if resource is None:
        resource = _resource_of(thing, action, client_id)
    arn = device_resource(api, action, resource)
    if client_id is None and action == CONNECT:
        client_id = arn.partition(f":{_CLIENT}")[2]
    return Question(thing, action, arn, client_id or thing)


def _resource_of(thing: str, action: str, client_id: str | None) -> str:
    if action == CONNECT:
        return f"{_CLIENT}{client_id or thing}"
    if action == DISCOVER:
        return f"thing/{thing}"
    if action in WITHOUT_RESOURCE:
        return "*"
    raise CallerError(f"{action} needs a --resource, e.g. topic/line/1")


def device_answers(
    api: CloudApi, question: Question, certificate: str | None, clock: Clock
) -> Iterator[Answer]:
    """Yield one answer for every certificate that the device may have, or for the one given."""
    thing = found(api, "iot", "describe_thing", thingName=question.thing)
    if thing is None:
        yield Answer((_no_thing(api, question.thing),))
        return
    attached = api.pages("iot", "list_thing_principals", "principals", thingName=question.thing)
    ids = [arn.rpartition("/")[2] for arn in attached]
    wanted = ids if certificate is None else [certificate.rpartition("/")[2]]
    if not wanted:
        yield Answer((_no_certificate(api, question.thing),))
    for one in wanted:
        yield Answer.of(certificate_steps(api, question, one, clock), f"certificate {one[:10]}…")


def certificate_steps(
    api: CloudApi, question: Question, certificate_id: str, clock: Clock
) -> Iterator[Step]:
    """Yield every step of a request with this certificate."""
    known = registered(api, certificate_id)
    yield _registration(known)
    if known is None:
        return
    yield _state(known.described["status"], certificate_id)
    yield _validity(known.described["validity"], clock.now())
    yield _attachment(question.thing, known)
    yield from ownership_steps(api, question)
    yield from _judged(question, known)
    yield from deployed_steps(api, question, clock)


def _registration(known: Registered | None) -> Step:
    if known is not None:
        return Step("certificate", passed=True, says="the certificate is registered")
    return Step(
        "certificate",
        passed=False,
        says="the certificate is not registered in this account",
        code="not-registered",
        change=REGISTER_CERTIFICATE,
    )


def _state(status: str, certificate_id: str) -> Step:
    if status == _ACTIVE:
        return Step("state", passed=True, says="it is ACTIVE")
    return Step(
        "state",
        passed=False,
        says=f"the certificate is {status}",
        code=f"certificate-{status.lower().replace('_', '-')}",
        change="give the device another certificate; a revoked one stays revoked"
        if status == "REVOKED"
        else "activate it with: aws iot update-certificate --certificate-id "
        f"{certificate_id} --new-status ACTIVE",
    )


def _validity(validity: dict[str, Any], now: datetime) -> Step:
    starts, ends = (validity[name].astimezone(UTC) for name in ("notBefore", "notAfter"))
    if now > ends:
        says = f"the certificate has ended on {_shown(ends)}"
        change = "give the device a new certificate, and attach its thing and policies to it"
        return Step("validity", passed=False, says=says, code="certificate-expired", change=change)
    if now < starts:
        says = f"the certificate is not valid before {_shown(starts)}"
        change = "set this machine's clock right, or wait until then"
        return Step("validity", passed=False, says=says, code="certificate-early", change=change)
    return Step("validity", passed=True, says=f"it is valid until {_shown(ends)}")


def _attachment(thing: str, known: Registered) -> Step:
    if thing in known.things:
        return Step("attachment", passed=True, says=f"it is attached to thing {quoted(thing)}")
    name = f"thing {quoted(thing)}" if thing else "any thing"
    return Step(
        "attachment",
        passed=False,
        says=f"the certificate is not attached to {name}",
        code="not-attached",
        change=f"attach it with: aws iot attach-thing-principal --thing-name {thing or 'NAME'} "
        f"--principal {known.described['certificateArn']}",
    )


def _judged(question: Question, known: Registered) -> Iterator[Step]:
    """Yield what the policies say, with the client id's part in it."""
    if not known.own_policies:
        says = "no policy is attached to the certificate, so nothing is allowed"
        change = (
            "attach one with: aws iot attach-policy --policy-name POLICY --target "
            f"{known.described['certificateArn']}"
        )
        yield Step("policies", passed=False, says=says, code="no-policy", change=change)
        return
    explanation = known.explain(question.action, question.resource, question.client_id)
    yield policies_step(explanation)
    if bound_thing(known.things, question.client_id) is not None:
        says = f"{quoted(question.client_id)} stands for its thing, whose variables have values"
        yield Step("client id", passed=True, says=says)
    else:
        allowed = explanation.decision.allowed
        yield _stranger(question, would_do=not allowed and _as_thing(question, known))
    decided = decision_step("decision", explanation)
    if decided.passed is False and _only_groups_allow(explanation, known):
        decided = replace(
            decided,
            says=f"{decided.says}; a thing group's policy cannot grant actions of greengrass",
            code="needs-own-policy",
        )
    if len(known.own_policies) == 1 and decided.change.startswith(_NEW_STATEMENT):
        wanted = decided.change.removeprefix(_NEW_STATEMENT)
        (own,) = known.own_policies
        change = f"add a statement to policy {own.name} that allows {wanted}"
        decided = replace(decided, change=change)
    yield decided


def _stranger(question: Question, *, would_do: bool) -> Step:
    """Return the step for a client id that is not the thing's; it fails if that is the cause."""
    thing = quoted(question.thing)
    if would_do:
        return Step(
            "client id",
            passed=False,
            says=f"the client id is {quoted(question.client_id)}, and its policies allow it as "
            f"{thing} only",
            code="wrong-client-id",
            change=f"let the device connect with the client id {thing}, the name of its thing",
        )
    says = (
        f"{quoted(question.client_id)} is not the name of its thing, so variables of "
        "iot:Connection.Thing have no value"
    )
    return Step("client id", passed=None, says=says)


def _as_thing(question: Question, known: Registered) -> bool:
    """Tell whether the same request is allowed under the thing's name as client id."""
    base, client, _ = question.resource.partition(f":{_CLIENT}")
    resource = f"{base}{client}{question.thing}" if client else question.resource
    return known.explain(question.action, resource, question.thing).decision.allowed


def _only_groups_allow(refused: Explanation, known: Registered) -> bool:
    """Tell whether a thing group's policy allows what only the certificate's own can grant."""
    request = refused.request
    own = needs_own_policy(request.action)
    return own and explain(known.group_policies, request).decision.allowed


def _no_thing(api: CloudApi, name: str) -> Step:
    things = islice(api.pages("iot", "list_things", "things"), _SEARCHED_THINGS)
    near = nearest(name, [thing["thingName"] for thing in things])
    hint = f"; perhaps {quoted(near)} is meant" if near else ""
    return Step(
        "thing",
        passed=False,
        says=f"there is no thing {quoted(name)}{hint}",
        code="no-thing",
        change=f"register it with: aws iot create-thing --thing-name {name}",
    )


def _no_certificate(api: CloudApi, thing: str) -> Step:
    certificate = resource_arn(api, "cert/CERTIFICATE")
    return Step(
        "attachment",
        passed=False,
        says=f"no certificate is attached to {quoted(thing)}, so it cannot connect",
        code="not-attached",
        change=f"attach one with: aws iot attach-thing-principal --thing-name {thing} --principal "
        f"{certificate}",
    )


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
