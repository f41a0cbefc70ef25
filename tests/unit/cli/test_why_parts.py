"""What `hedgerow why` says of signatures and of records, and how answers are put together."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from hedgerow.aws.signature_errors import SignatureError, SignatureFault, aws_signature_error
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.called import call_steps
from hedgerow.cli.why.names import DEVICE_ACTIONS, known_action, known_api_action
from hedgerow.cli.why.path import Answer, Step
from hedgerow.cli.why.signatures import signature_step
from hedgerow.cli.why.trail import is_count, what
from hedgerow.cloud.access import operations_of
from hedgerow.cloud.dataplane import ROUTES
from hedgerow.kernel import CallerError

_MESSAGES = {
    SignatureFault.DATE_SKEW: "Signature expired: 1 is now earlier than 2 (3 - 15 min.)",
    SignatureFault.WRONG_SCOPE: "Credential should be scoped to a valid region.",
}


class NoCalls(CloudApi):
    """An API that nobody may call: what is answered without it takes nothing from it."""

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        raise AssertionError((service, operation, members))


@pytest.mark.parametrize("protocol", ["query", "json", "rest-json"])
@pytest.mark.parametrize(
    "fault", [one for one in SignatureFault if one is not SignatureFault.UNKNOWN_KEY]
)
def test_every_fault_of_a_signature_has_a_meaning_in_every_protocol(
    fault: SignatureFault, protocol: str
) -> None:
    error = aws_signature_error(SignatureError(fault, _MESSAGES.get(fault, "said")), protocol)
    step = signature_step(NoCalls(), error.code, error.message, "AKIAEXAMPLE", _AT)
    assert step is not None
    assert step.passed is False
    assert step.code
    assert step.change
    assert "AKIAEXAMPLE" in step.says


_AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_other_codes_are_not_taken_for_a_fault_of_a_signature() -> None:
    for code in ("AccessDenied", "AccessDeniedException", "ResourceNotFoundException", ""):
        assert signature_step(NoCalls(), code, "said", "AKIAEXAMPLE", _AT) is None


def event(**more: Any) -> dict[str, Any]:
    return {
        "eventTime": "2026-10-07T12:00:00Z",
        "eventSource": "greengrass.amazonaws.com",
        "eventName": "GetGroup",
        "sourceIPAddress": "127.0.0.1",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/a", "accessKeyId": "K"},
        **more,
    }


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        ("resource", "other-account"),
        ("table", "no-permission-row"),
        ("credentials", "session-limit"),
        ("identity", "not-allowed"),
    ],
)
def test_refusals_that_no_statement_made_have_codes_too(layer: str, code: str) -> None:
    decision = {"effect": "implicit-deny", "layer": layer, "reason": "said so"}
    denied = event(
        errorCode="AccessDenied", errorMessage="no", additionalEventData={"decision": decision}
    )
    cause = Answer.of(call_steps(NoCalls(), denied)).cause
    assert cause is not None
    assert (cause.name, cause.code, cause.says) == ("decision", code, "said so")


def test_a_refusal_of_an_older_record_is_told_by_its_message() -> None:
    decision = {"effect": "explicit-deny", "layer": "identity", "policy": "p", "statement": "s"}
    denied = event(
        errorCode="AccessDenied", errorMessage="no", additionalEventData={"decision": decision}
    )
    cause = Answer.of(call_steps(NoCalls(), denied)).cause
    assert cause is not None
    assert (cause.says, cause.policy, cause.statement) == ("no", "p", "s")


def test_a_call_by_root_needed_no_policy() -> None:
    decision = {"effect": "allow", "layer": "identity", "root": True}
    answer = Answer.of(call_steps(NoCalls(), event(additionalEventData={"decision": decision})))
    assert answer.allowed
    assert any("root may do everything" in step.says for step in answer.steps)


def test_steps_after_the_first_that_fails_are_not_looked_at() -> None:
    looked_at: list[str] = []

    def steps() -> Iterator[Step]:
        for name, passed in (("a", True), ("b", None), ("c", False), ("d", True)):
            looked_at.append(name)
            yield Step(name, passed=passed, says=name)

    answer = Answer.of(steps(), "it")
    assert looked_at == ["a", "b", "c"]
    assert answer.cause == answer.steps[-1]
    assert not answer.allowed
    assert answer.facts()["cause"]["name"] == "c"


def test_the_actions_of_devices_are_those_of_the_data_plane_and_the_broker() -> None:
    assert {route.action for route in ROUTES} <= set(DEVICE_ACTIONS)


def test_actions_are_known_in_any_case_and_else_refused_with_the_nearest() -> None:
    assert known_action("IOT:publish") == "iot:Publish"
    assert known_api_action("GREENGRASS:getgroup") == "greengrass:GetGroup"
    assert known_api_action("s3:GetObject") == "s3:GetObject"
    assert known_api_action("never-heard-of:Thing") == "never-heard-of:Thing"
    with pytest.raises(CallerError, match="did you mean greengrass:GetGroup"):
        known_api_action("greengrass:GetGrup")


def test_every_action_of_the_table_of_permissions_can_be_asked_about() -> None:
    for action in ("iam:PassRole", "sts:TagSession", "greengrass:GetGroup", "cloudtrail:AddTags"):
        assert operations_of(action)
        assert known_api_action(action) == action


def test_refusals_that_were_only_counted_are_told_as_such() -> None:
    row = {"eventName": "DeviceRequestRefused", "errorCode": "403", "sourceIPAddress": "192.0.2.7"}
    flood = event(
        eventName="RefusalsCounted",
        serviceEventDetails={"count": 37, "refusals": [{**row, "count": 37}]},
    )
    assert is_count(flood)
    assert not is_count(event())
    assert what(flood) == (
        "37 more were only counted: 37 DeviceRequestRefused with 403 from 192.0.2.7"
    )
