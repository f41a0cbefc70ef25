"""A recorded call of an API: who, what, from where, and what decided for or against it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.path import Step
from hedgerow.cli.why.signatures import signature_step
from hedgerow.cli.why.trail import Event, what, who
from hedgerow.cloud.iot import CREDENTIAL_PROVIDER

_BY_LAYER: Final[Mapping[str, str]] = {
    "resource": "other-account",
    "table": "no-permission-row",
    "credentials": "session-limit",
}
"""Codes of refusals that no policy made."""
_CHANGES: Final[Mapping[str, str]] = {
    "other-account": "assume a role of that account, and call with its credentials",
    "session-limit": "call with the credentials of a user or a role's own session",
    "no-role": "name a role that exists; aws iam list-roles lists them",
}
_MFA: Final = "MultiFactorAuthentication"
_ONE_CODE: Final = (
    "call with the next code of the MFA device: each is good once, and for half a minute"
)


def call_steps(api: CloudApi, event: Event) -> Iterator[Step]:
    """Yield what the record says of a call, and at last why it was answered or refused."""
    yield Step("call", passed=None, says=f"{what(event)} at {event['eventTime']}")
    yield Step("who", passed=None, says=who(event))
    yield Step("from", passed=None, says=f"{event['sourceIPAddress']} with {_agent(event)}")
    if event.get("vpcEndpointId"):
        says = f"it came through the private door {event['vpcEndpointId']}"
        yield Step("endpoint", passed=None, says=says)
    code, message = event.get("errorCode", ""), event.get("errorMessage", "")
    key_id = event["userIdentity"].get("accessKeyId", "")
    at = datetime.fromisoformat(event["eventTime"])
    unproven = None if not code else signature_step(api, code, message, key_id, at)
    if unproven is not None:
        yield unproven
        return
    more = event.get("additionalEventData") or {}
    if code and event["userIdentity"].get("type") == "AWSService":
        yield _service_refused(event, message, more.get("onBehalfOf", ""))
        return
    yield from _judgement(more.get("decision") or {}, code, message)


def _judgement(decision: Mapping[str, Any], code: str, message: str) -> Iterator[Step]:
    """Yield what was decided for a caller who is known, and how the call ended."""
    if code and _refuses(decision):
        yield _refusal(decision, message)
    elif code and not decision:
        yield Step(
            "request",
            passed=False,
            says=f"{message} ({code})",
            code="bad-request",
            change="change what the message says; permissions were not looked at yet",
        )
    else:
        yield _allowance(decision)
        yield _answer(code, message)


def _refuses(decision: Mapping[str, Any]) -> bool:
    return str(decision.get("effect", "")).endswith("deny")


def _refusal(decision: Mapping[str, Any], message: str) -> Step:
    code = decision.get("cause") or _BY_LAYER.get(decision["layer"], "not-allowed")
    nearest = decision.get("nearest") or {}
    says = decision.get("reason") or message
    if nearest:
        says += (
            f"; nearest is {nearest['statement']} of policy {nearest['policy']}, but "
            + "; ".join(decision.get("objections", ()))
        )
    return Step(
        "decision",
        passed=False,
        says=says,
        code=code,
        change=decision.get("advice") or _CHANGES.get(code, ""),
        policy=decision.get("policy") or nearest.get("policy"),
        statement=decision.get("statement") or nearest.get("statement"),
    )


def _service_refused(event: Event, message: str, source: str) -> Step:
    """Return why a service could not use a role of the account; its trust policy can be asked."""
    role = str((event.get("requestParameters") or {}).get("roleArn", "")).rpartition("/")[2]
    group = source.partition(":/greengrass/groups/")[2]
    question = f"hedgerow why role --role {role}" + (f" --group {group}" if group else "")
    if ":rolealias/" in source:
        question += f" --for {CREDENTIAL_PROVIDER} --context aws:SourceArn={source}"
    return Step(
        "trust",
        passed=False,
        says=message,
        code="role-refused",
        change=f"ask '{question}', which says what its trust policy lacks now",
    )


def _allowance(decision: Mapping[str, Any]) -> Step:
    """Return what allowed the call."""
    if not decision:
        return Step("decision", passed=None, says="nothing was recorded of a decision")
    if decision.get("root"):
        return Step("decision", passed=True, says="the account's root may do everything")
    if decision.get("judged") == "never":
        return Step("decision", passed=True, says=f"{decision['action']} needs no permission")
    statement, policy = decision.get("statement"), decision.get("policy")
    return Step(
        "decision",
        passed=True,
        says=f"{decision['action']} on {decision['resource']} is allowed by {statement} of policy "
        f"{policy}",
        policy=policy,
        statement=statement,
    )


def _answer(code: str, message: str) -> Step:
    """Return how an allowed call ended; what fails then is no matter of policies."""
    if not code:
        return Step("answer", passed=True, says="it was answered")
    if code.startswith("AccessDenied"):
        return Step(
            "answer",
            passed=False,
            says=f"no policy is in the way, but the operation itself refuses it: {message}",
            code="refused-by-operation",
            change=_ONE_CODE if _MFA in message else "change what the message says",
        )
    return Step(
        "answer",
        passed=False,
        says=f"it was allowed, but could not be done: {message} ({code})",
        code="not-done",
        change="change what the message says; no policy is in the way",
    )


def _agent(event: Event) -> str:
    return str(event.get("userAgent") or "no user agent").partition(" ")[0]
