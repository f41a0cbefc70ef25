"""Faults of calls and attempts that were made: what the trail has of them."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from tests.support.cloud import (
    ACCOUNT,
    SERVICE_ROLE,
    CloudGroup,
    EnrolledThing,
    in_boto3_words,
)
from tests.support.pki import new_authority, new_identity
from tests.support.roles import trust_policy
from tests.support.why.fault import Faults
from tests.support.why.plant import Plant, Words, allow, document, iot

CALLS = Faults("A call or an attempt that was refused")
_LIST = ("greengrass", "list_groups")
_MAY_LIST = allow("greengrass:ListGroups")
_RECORDED_SECONDS = 5


def ask(request_id: str) -> Words:
    """Return the question about a call."""
    return ("why", "call", request_id)


def _attempted(plant: Plant, name: str, device: EnrolledThing | None = None) -> str:
    """Return the id of the newest attempt with this name (of this device), once it is recorded."""
    until = time.monotonic() + _RECORDED_SECONDS
    while time.monotonic() < until:
        found = plant.call(
            "cloudtrail",
            "lookup_events",
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
            MaxResults=1,
        )
        for event in found["Events"]:
            who = json.loads(event["CloudTrailEvent"])["userIdentity"].get("principalId")
            if device is None or who == device.identity.certificate_id:
                return str(event["EventId"])
    raise AssertionError(f"no {name} was recorded")


def _sound(plant: Plant) -> Words:
    """Return the question about a call that was answered."""
    return ask(plant.request_of({}, *_LIST))


@CALLS.named("the access key is inactive", step="signature", code="key-inactive")
def key_inactive(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_LIST)
    key = plant.key_of(alice)
    yield ask(plant.request_of(key, *_LIST))
    plant.call(
        "iam",
        "update_access_key",
        UserName=alice,
        AccessKeyId=key["aws_access_key_id"],
        Status="Inactive",
    )
    yield ask(plant.request_of(key, *_LIST))


@CALLS.named("the access key was deleted", step="signature", code="key-unknown")
def key_deleted(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_LIST)
    key = plant.key_of(alice)
    yield ask(plant.request_of(key, *_LIST))
    plant.call("iam", "delete_access_key", UserName=alice, AccessKeyId=key["aws_access_key_id"])
    yield ask(plant.request_of(key, *_LIST))


@CALLS.named(
    "a session's token is left over beside a lasting key",
    step="signature",
    code="token-with-lasting-key",
)
def token_left_over(plant: Plant) -> Iterator[Words]:
    key = plant.key_of(plant.user(_MAY_LIST))
    session = in_boto3_words(plant.call_as(key, "sts", "get_session_token")["Credentials"])
    yield ask(plant.request_of(key, *_LIST))
    left = {"aws_session_token": session["aws_session_token"]}
    yield ask(plant.request_of({**key, **left}, *_LIST))


@CALLS.named("the access key was made after the call", step="signature", code="key-was-unknown")
def key_made_later(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_LIST)
    key = plant.key_of(alice)
    yield ask(plant.request_of(key, *_LIST))
    with plant.clock.behind(-timedelta(minutes=5)):
        later = plant.key_of(alice)
    left = {"aws_session_token": "none"}
    yield ask(plant.request_of({**later, **left}, *_LIST))


@CALLS.named("the secret key is another one's", step="signature", code="wrong-secret")
def wrong_secret(plant: Plant) -> Iterator[Words]:
    key = plant.key_of(plant.user(_MAY_LIST))
    yield ask(plant.request_of(key, *_LIST))
    yield ask(plant.request_of({**key, "aws_secret_access_key": "wrong"}, *_LIST))


@CALLS.named("the session has ended", step="signature", code="session-expired")
def session_expired(plant: Plant) -> Iterator[Words]:
    key = plant.key_of(plant.user(_MAY_LIST))
    with plant.clock.behind(timedelta(minutes=14)):
        made = plant.call_as(key, "sts", "get_session_token", DurationSeconds=900)
        session = in_boto3_words(made["Credentials"])
        yield ask(plant.request_of(session, *_LIST))
    with plant.clock.behind(-timedelta(minutes=14)):
        refused = plant.request_of(session, *_LIST)
    yield ask(refused)


@CALLS.named("the session's token is another one's", step="signature", code="session-unknown")
def session_unknown(plant: Plant) -> Iterator[Words]:
    key = plant.key_of(plant.user(_MAY_LIST))
    sessions = [
        in_boto3_words(plant.call_as(key, "sts", "get_session_token")["Credentials"])
        for _ in range(2)
    ]
    yield ask(plant.request_of(sessions[0], *_LIST))
    token = sessions[1]["aws_session_token"]
    yield ask(plant.request_of({**sessions[0], "aws_session_token": token}, *_LIST))


@CALLS.named("the caller's clock is behind", step="signature", code="clock-skew")
def clock_behind(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    with plant.clock.behind(-timedelta(minutes=20)):
        refused = plant.request_of({}, *_LIST)
    yield ask(refused)


@CALLS.named("the caller's clock is ahead", step="signature", code="clock-skew")
def clock_ahead(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    with plant.clock.behind(timedelta(minutes=20)):
        refused = plant.request_of({}, *_LIST)
    yield ask(refused)


@CALLS.named("it was signed for another region", step="signature", code="wrong-scope")
def wrong_region(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    yield ask(plant.request_of({"region_name": "us-west-2"}, *_LIST))


@CALLS.named("the caller has no policy for it", step="decision", code="no-policy-allows")
def call_without_policy(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_LIST)
    key = plant.key_of(alice)
    yield ask(plant.request_of(key, *_LIST))
    plant.grant(alice, allow("iot:ListThings"))
    yield ask(plant.request_of(key, *_LIST))


@CALLS.named("the caller's boundary does not allow it", step="decision", code="boundary")
def call_beyond_boundary(plant: Plant) -> Iterator[Words]:
    alice = plant.user(_MAY_LIST)
    key = plant.key_of(alice)
    yield ask(plant.request_of(key, *_LIST))
    plant.call(
        "iam",
        "put_user_permissions_boundary",
        UserName=alice,
        PermissionsBoundary="arn:aws:iam::aws:policy/AWSGreengrassReadOnlyAccess",
    )
    plant.grant(alice, allow("iot:ListThings"))
    yield ask(plant.request_of(key, "iot", "list_things"))


@CALLS.named("the session was narrowed by its policy", step="decision", code="session-policy")
def call_beyond_session(plant: Plant) -> Iterator[Words]:
    alice = plant.user(allow("iot:ListThings"))
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{alice}"}}
    trusting = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    role = plant.role(trusting, _MAY_LIST, allow("iot:ListThings"))
    made = plant.call_as(
        plant.key_of(alice),
        "sts",
        "assume_role",
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}",
        RoleSessionName="narrow",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [_MAY_LIST]}),
    )
    session = in_boto3_words(made["Credentials"])
    yield ask(plant.request_of(session, *_LIST))
    yield ask(plant.request_of(session, "iot", "list_things"))


@CALLS.named("the private door's policy does not allow it", step="decision", code="endpoint-policy")
def call_through_door(plant: Plant) -> Iterator[Words]:
    yield ask(plant.request_of(plant.through_door, *_LIST))
    yield ask(plant.request_of(plant.through_door, "iot", "list_things"))


@CALLS.named("the role does not trust the caller", step="decision", code="trust-policy")
def role_refused(plant: Plant) -> Iterator[Words]:
    alice = plant.user(allow("iot:ListThings"))
    key = plant.key_of(alice)
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{alice}"}}
    trusting = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    role = plant.role(trusting)
    asked: dict[str, Any] = {
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
        "RoleSessionName": "alice",
    }
    yield ask(plant.request_of(key, "sts", "assume_role", **asked))
    bob = plant.user(allow("iot:ListThings"), name="bob")
    trust["Principal"] = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{bob}"}
    plant.call(
        "iam",
        "update_assume_role_policy",
        RoleName=role,
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
        ),
    )
    yield ask(plant.request_of(key, "sts", "assume_role", **asked))


@CALLS.named(
    "Greengrass could not assume the service role for a deployment",
    step="trust",
    code="role-refused",
)
def deployment_without_trust(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    sound = plant.call("iam", "get_role", RoleName=SERVICE_ROLE)["Role"]
    other = json.dumps(trust_policy(service="lambda.amazonaws.com"))
    plant.call("iam", "update_assume_role_policy", RoleName=SERVICE_ROLE, PolicyDocument=other)
    plant.run(_failed_deployment(plant))
    yield ask(_attempted(plant, "AssumeRole"))
    before = json.dumps(sound["AssumeRolePolicyDocument"])
    plant.call("iam", "update_assume_role_policy", RoleName=SERVICE_ROLE, PolicyDocument=before)


async def _failed_deployment(plant: Plant) -> None:
    made = await plant.cloud.greengrass(
        "create_deployment",
        GroupId=plant.group.group_id,
        DeploymentType="NewDeployment",
        GroupVersionId=plant.group.version_id,
    )
    failing = CloudGroup(plant.cloud, plant.group.group_id, plant.group.core)
    failing.deployment_id = made["DeploymentId"]
    await failing.wait_for("Failure")


@CALLS.named("the request itself is malformed", step="request", code="bad-request")
def malformed(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    yield ask(plant.request_of({}, "iot", "create_thing", thingName="press!"))


@CALLS.named("the code of the MFA device is wrong", step="answer", code="refused-by-operation")
def wrong_code(plant: Plant) -> Iterator[Words]:
    alice = plant.user(allow("iot:ListThings"))
    key = plant.key_of(alice)
    yield ask(plant.request_of(key, "sts", "get_session_token"))
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/{alice}"
    wrong = {"SerialNumber": serial, "TokenCode": "000000"}
    yield ask(plant.request_of(key, "sts", "get_session_token", **wrong))


@CALLS.named("what was called for does not exist", step="answer", code="not-done")
def not_there(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    yield ask(plant.request_of({}, "iot", "describe_thing", thingName="nix"))


def _tried(plant: Plant, device: EnrolledThing) -> None:
    status = plant.attempt(device.identity, "GET", f"/greengrass/discover/thing/{device.name}")
    assert status in (401, 403), status


@CALLS.named(
    "a device asked for its cores without a policy for it", step="decision", code="no-policy-allows"
)
def attempt_without_policy(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    press = plant.device(allow("iot:Connect", iot("client/press")))
    _tried(plant, press)
    yield ask(_attempted(plant, "DeviceRequestRefused", press))


@CALLS.named(
    "a device asked for another device's cores, which its policy does not allow either",
    step="own thing",
    code="not-own-thing",
)
def attempt_for_another(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    press = plant.device()
    plant.attempt(press.identity, "GET", f"/greengrass/discover/thing/{plant.panel.name}")
    yield ask(_attempted(plant, "DeviceRequestRefused", press))


@CALLS.named(
    "a device asked for its cores with an inactive certificate",
    step="state",
    code="certificate-inactive",
)
def attempt_inactive(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    press = plant.device()
    plant.call(
        "iot",
        "update_certificate",
        certificateId=press.identity.certificate_id,
        newStatus="INACTIVE",
    )
    _tried(plant, press)
    yield ask(_attempted(plant, "DeviceRequestRefused", press))


@CALLS.named("a device was refused, and has been put right since", step="now", code="refused-then")
def attempt_put_right(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    press = plant.device(allow("iot:Connect", iot("client/press")))
    path = f"/things/{press.name}/shadow"
    assert plant.attempt(press.identity, "GET", path) == HTTPStatus.FORBIDDEN
    may = allow("iot:GetThingShadow", iot(f"thing/{press.name}"))
    plant.run(plant.cloud.edit_policy(press.name, document(may)))
    yield ask(_attempted(plant, "DeviceRequestRefused", press))


@CALLS.named("a device connected with another client id", step="client id", code="wrong-client-id")
def attempt_client_id(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    press = plant.device()
    plant.says(press, "line/1", "press-of-line-7")
    yield ask(_attempted(plant, "MqttConnectRefused", press))


@CALLS.named(
    "a device published to a topic that its policy does not name",
    step="decision",
    code="resource",
)
def attempt_topic(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    press = plant.device(
        allow("iot:Connect", iot("client/${iot:Connection.Thing.ThingName}")),
        allow("iot:Publish", iot("topic/line/1")),
    )
    plant.says(press, "line/2")
    yield ask(_attempted(plant, "MqttPublishRefused", press))


@CALLS.named(
    "a device showed a certificate that the cloud does not know",
    step="handshake",
    code="certificate-not-accepted",
)
def unknown_certificate(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    plant.handshake(new_identity(new_authority("somebody")))
    yield ask(_attempted(plant, "TlsHandshakeRefused"))


@CALLS.named("a device showed no certificate", step="handshake", code="no-certificate")
def no_certificate(plant: Plant) -> Iterator[Words]:
    yield _sound(plant)
    plant.handshake(None)
    yield ask(_attempted(plant, "TlsHandshakeRefused"))
