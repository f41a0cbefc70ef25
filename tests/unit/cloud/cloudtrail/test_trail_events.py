"""The shape of events: who, what, when, and what is hidden or left out."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.trail import (
    ACCESS_KEY,
    ACCOUNT,
    MOMENT,
    REGION,
    ROLE,
    ROOT,
    SESSION,
    USER,
    call,
    caller,
    events,
    running_trail,
)

from hedgerow.aws import CallRecord, Principal
from hedgerow.cloud.cloudtrail import Refusal
from hedgerow.cloud.cloudtrail.events import call_event, encoded, refusal_event


def event_of(record: CallRecord) -> dict[str, Any]:
    """Return the event of a call as it is kept."""
    event: dict[str, Any] = msgspec.json.decode(encoded(call_event(record, ACCOUNT)))
    return event


@pytest.mark.spec("R08")
def test_a_read_has_every_field_that_is_documented() -> None:
    event = event_of(call(input={"GroupVersionId": "v1", "GroupId": "group-1"}))
    assert len(event.pop("eventID")) == 36
    assert event == {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDACKCEVSQ6C2EXAMPLE",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/Mary_Major",
            "accountId": ACCOUNT,
            "accessKeyId": ACCESS_KEY,
            "userName": "Mary_Major",
        },
        "eventTime": "2026-10-07T12:00:00Z",
        "eventSource": "greengrass.amazonaws.com",
        "eventName": "GetGroupVersion",
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.12",
        "userAgent": "Boto3/1.43",
        "requestParameters": {"GroupVersionId": "v1", "GroupId": "group-1"},
        "responseElements": None,
        "requestID": "95dcffce-d238-11e8-9240-a39930000000",
        "readOnly": True,
        "eventType": "AwsApiCall",
        "apiVersion": "2017-06-07",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }


@pytest.mark.spec("R08")
def test_the_contents_of_definitions_are_hidden() -> None:
    record = call(
        "CreateFunctionDefinition",
        input={"Name": "f", "InitialVersion": {"Functions": [{"Id": "secret"}]}},
        output={"Id": "7a94", "CreationTimestamp": "2026-10-07T12:00:00.000Z"},
    )
    event = event_of(record)
    assert event["requestParameters"] == {"Name": "f", "InitialVersion": "***"}
    assert event["responseElements"]["Id"] == "7a94"
    assert event["readOnly"] is False
    version = call("CreateFunctionDefinitionVersion", input={"Functions": [{"Id": "secret"}]})
    assert event_of(version)["requestParameters"] == {"Functions": "***"}


@pytest.mark.spec("R08")
@pytest.mark.promise(9)
def test_secrets_are_hidden_wherever_they_are() -> None:
    record = call(
        "AssumeRole",
        service="sts",
        event_source="sts.amazonaws.com",
        input={"RoleArn": "arn", "TokenCode": "123456"},
        output={
            "Credentials": {
                "AccessKeyId": "ASIA1",
                "SecretAccessKey": "the-secret",
                "SessionToken": "the-token",
                "Expiration": datetime(2018, 10, 17, 17, 4, 2, tzinfo=UTC),
            }
        },
    )
    event = event_of(record)
    assert event["requestParameters"] == {"roleArn": "arn", "tokenCode": "***"}
    assert event["responseElements"]["credentials"] == {
        "accessKeyId": "ASIA1",
        "secretAccessKey": "***",
        "sessionToken": "***",
        "expiration": "Oct 17, 2018 5:04:02 PM",
    }


@pytest.mark.spec("R09")
def test_a_malformed_call_has_its_code_and_the_answer_as_documented() -> None:
    event = event_of(
        call(
            "AssociateServiceRoleToAccount",
            input=None,
            error_code="BadRequestException",
            error_message="That role ARN is invalid.",
            http_status=400,
        )
    )
    assert event["errorCode"] == "BadRequestException"
    assert event["errorMessage"] == "That role ARN is invalid."
    assert event["requestParameters"] is None
    assert event["responseElements"] == {"Message": "That role ARN is invalid."}


@pytest.mark.spec("R09")
def test_a_denied_call_has_the_decision() -> None:
    facts = {"effect": "Deny", "policy": "boundary", "action": "iot:CreateThing"}
    event = event_of(
        call(
            "CreateThing",
            event_source="iot.amazonaws.com",
            error_code="AccessDeniedException",
            error_message="not authorized",
            decision=facts,
        )
    )
    assert event["errorCode"] == "AccessDeniedException"
    assert event["additionalEventData"] == {"decision": facts}


def test_a_call_that_proved_nothing_says_what_it_claimed() -> None:
    event = event_of(call(caller=None, operation="", event_source="", service="iot"))
    assert event["userIdentity"] == {"type": "Unknown", "accessKeyId": ACCESS_KEY}
    assert (event["eventName"], event["eventSource"]) == ("UnidentifiedCall", "iot.amazonaws.com")


@pytest.mark.spec("R10")
def test_root_is_told_apart_and_flagged() -> None:
    event = event_of(call(caller=caller(ROOT)))
    assert event["userIdentity"] == {
        "type": "Root",
        "principalId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:root",
        "accountId": ACCOUNT,
        "accessKeyId": ACCESS_KEY,
    }
    assert event["additionalEventData"]["rootUse"] is True
    assert "additionalEventData" not in event_of(call())


@pytest.mark.spec("R10")
@pytest.mark.parametrize(("mfa_at", "shown"), [(None, "false"), (MOMENT, "true")])
def test_a_role_is_told_apart_with_its_issuer_and_mfa(mfa_at: datetime | None, shown: str) -> None:
    role = replace(ROLE, session=replace(SESSION, mfa_at=mfa_at, source_identity="mary"))
    identity = event_of(call(caller=caller(role)))["userIdentity"]
    assert identity == {
        "type": "AssumedRole",
        "principalId": "AROACKCEVSQ6C2EXAMPLE:night-shift",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Operator/night-shift",
        "accountId": ACCOUNT,
        "accessKeyId": ACCESS_KEY,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROACKCEVSQ6C2EXAMPLE",
                "arn": f"arn:aws:iam::{ACCOUNT}:role/ops/Operator",
                "accountId": ACCOUNT,
                "userName": "Operator",
            },
            "webIdFederationData": {},
            "attributes": {"creationDate": "2026-10-07T12:00:00Z", "mfaAuthenticated": shown},
            "sourceIdentity": "mary",
        },
    }


@pytest.mark.spec("R10")
def test_a_user_with_temporary_credentials_has_a_session_and_its_own_name() -> None:
    session = replace(SESSION, name="", issuer_arn=USER.arn, issuer_id=USER.id, mfa_at=MOMENT)
    identity = event_of(call(caller=caller(replace(USER, session=session))))["userIdentity"]
    assert identity["type"] == "IAMUser"
    assert identity["userName"] == "Mary_Major"
    assert identity["sessionContext"] == {
        "attributes": {"creationDate": "2026-10-07T12:00:00Z", "mfaAuthenticated": "true"}
    }


@pytest.mark.spec("R10")
def test_a_federated_user_is_told_apart_by_its_issuer() -> None:
    session = replace(SESSION, name="guest", issuer_arn=USER.arn, issuer_id=USER.id)
    guest = Principal(
        kind="FederatedUser",
        account=ACCOUNT,
        arn=f"arn:aws:sts::{ACCOUNT}:federated-user/guest",
        id=f"{ACCOUNT}:guest",
        name="guest",
        session=session,
    )
    identity = event_of(call(caller=caller(guest)))["userIdentity"]
    assert identity["type"] == "FederatedUser"
    assert identity["sessionContext"]["sessionIssuer"]["type"] == "IAMUser"
    assert identity["sessionContext"]["sessionIssuer"]["userName"] == "Mary_Major"


@pytest.mark.spec("R10")
def test_a_service_is_told_apart_alone_and_behind_a_role() -> None:
    service = Principal(
        kind="AWSService", account=ACCOUNT, arn="", id="", name="greengrass.amazonaws.com"
    )
    assert event_of(call(caller=caller(service)))["userIdentity"] == {
        "type": "AWSService",
        "invokedBy": "greengrass.amazonaws.com",
    }
    role = replace(ROLE, session=replace(SESSION, invoked_by="greengrass.amazonaws.com"))
    identity = event_of(call(caller=caller(role)))["userIdentity"]
    assert (identity["type"], identity["invokedBy"]) == ("AssumedRole", "greengrass.amazonaws.com")


def test_a_session_of_roots_is_flagged_too() -> None:
    session = replace(SESSION, issuer_arn=ROOT.arn, issuer_id=ACCOUNT)
    event = event_of(call(caller=caller(replace(ROLE, kind="FederatedUser", session=session))))
    assert event["additionalEventData"]["rootUse"] is True


@pytest.mark.parametrize("field", ["requestParameters", "responseElements"])
def test_a_field_that_is_too_large_is_left_out_and_said_so(field: str) -> None:
    large = {"Description": "x" * 110_000}
    changes = {"requestParameters": {"input": large}, "responseElements": {"output": large}}
    event = event_of(call("CreateGroup", **changes[field]))
    assert event[field]["omitted"] is True
    assert event[field]["originalSize"] > 110_000
    other = ({*changes} - {field}).pop()
    assert event[other] is None or event[other] == {"GroupId": "group-1"}


def test_a_long_decision_is_left_out_and_the_flag_of_root_stays() -> None:
    facts = {"statements": ["s" * 1000] * 40}
    event = event_of(call(caller=caller(ROOT), decision=facts))
    assert event["additionalEventData"]["rootUse"] is True
    assert event["additionalEventData"]["omitted"] is True


def test_texts_are_cut_to_their_size() -> None:
    record = call(user_agent="ä" * 2000, error_code="E" * 2000, error_message="m" * 2000)
    event = event_of(record)
    for field in ("userAgent", "errorCode", "errorMessage"):
        assert len(event[field].encode()) <= 1024
        assert event[field].endswith("...")


@dataclass(frozen=True)
class Door:
    """Stands for the private door that a call came through."""

    id: str


@dataclass(frozen=True)
class Through:
    """Stands for the peer of such a call."""

    endpoint: Door | None


def test_a_private_door_is_named() -> None:
    assert event_of(call(peer=Through(Door("vpce-1"))))["vpcEndpointId"] == "vpce-1"
    assert "vpcEndpointId" not in event_of(call(peer=Through(None)))


def test_a_refused_device_is_recorded_with_its_certificate_and_reason() -> None:
    refusal = Refusal(
        "Publish",
        "publish-denied",
        "iot:Publish is not allowed",
        "192.0.2.1",
        certificate_id="ab" * 32,
        details={"topic": "t" * 3000, "clientId": "lamp"},
    )
    event = msgspec.json.decode(encoded(refusal_event(refusal, ACCOUNT, REGION, MOMENT)))
    assert event["eventName"] == "MqttPublishRefused"
    assert event["eventType"] == "AwsServiceEvent"
    assert event["userIdentity"] == {"type": "Certificate", "principalId": "ab" * 32}
    assert event["errorCode"] == "publish-denied"
    assert event["sourceIPAddress"] == "192.0.2.1"
    assert event["serviceEventDetails"]["clientId"] == "lamp"
    assert len(event["serviceEventDetails"]["topic"]) <= 1024


async def test_every_record_has_an_event_id_of_its_own(tmp_path: Path) -> None:
    async with running_trail(tmp_path) as trail:
        for _ in range(20):
            trail.record_call(call())
        assert len({event["eventID"] for event in events(trail)}) == 20
