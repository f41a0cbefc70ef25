"""What the cloud itself says to the same question, by APIs that judge without `hedgerow why`."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT
from tests.support.why.plant import Plant, Words, greengrass

_TESTED: Final[Mapping[str, str]] = {
    "iot:Connect": "CONNECT",
    "iot:Publish": "PUBLISH",
    "iot:Subscribe": "SUBSCRIBE",
    "iot:Receive": "RECEIVE",
}
_KINDS: Final[Mapping[str, str]] = {
    "aws:CurrentTime": "date",
    "aws:SourceIp": "ip",
    "aws:MultiFactorAuthPresent": "boolean",
}
_FILES: Final = {"session-policy", "endpoint-policy"}


def allowed_by_cloud(plant: Plant, words: Words) -> bool | None:
    """Return what the cloud says, or None where it has no operation to ask."""
    options = dict(zip(words[2::2], words[3::2], strict=False))
    options = {name.removeprefix("--"): text for name, text in options.items()}
    if words[1] == "device":
        ask = _OF_DEVICES.get(options["action"])
        return None if ask is None else ask(plant, options)
    if words[1] == "role" and not options.get("for", "arn:").startswith("arn:"):
        return _assumed(plant, options)
    account = f":{ACCOUNT}:" in options.get("resource", "")
    if words[1] == "access" and account and not _FILES & options.keys():
        return _simulated(plant, options)
    return None


def _tested(plant: Plant, options: Mapping[str, str]) -> bool | None:
    """Ask iot:TestAuthorization about the certificate."""
    thing = options["thing"]
    client_id = options.get("client-id", thing)
    resource = options.get("resource", f"client/{client_id}")
    certificate = options.get("certificate")
    if certificate is None:
        try:
            attached = plant.call("iot", "list_thing_principals", thingName=thing)["principals"]
        except ClientError:
            return False
        (arn,) = attached
    else:
        region = plant.environment["AWS_DEFAULT_REGION"]
        arn = f"arn:aws:iot:{region}:{ACCOUNT}:cert/{certificate}"
    asked = {
        "actionType": _TESTED[options["action"]],
        "resources": [f"{arn.rpartition(':')[0]}:{resource}"],
    }
    try:
        tested = plant.call(
            "iot",
            "test_authorization",
            principal=arn,
            clientId=client_id,
            authInfos=[asked],
        )
    except ClientError:
        return False
    return bool(tested["authResults"][0]["authDecision"] == "ALLOWED")


def _simulated(plant: Plant, options: Mapping[str, str]) -> bool:
    """Ask iam:SimulatePrincipalPolicy about the user or role."""
    name = options["principal"]
    arn = f"arn:aws:iam::{ACCOUNT}:{name if '/' in name else f'user/{name}'}"
    now = f"{plant.clock.now():%Y-%m-%dT%H:%M:%SZ}"  # the simulator takes the time as given
    known = {"aws:CurrentTime": now}
    if options["resource"].startswith(greengrass("")):
        known.update(_tags(plant, options["resource"]))  # the simulator takes these as given too
    if "context" in options:
        key, _, value = options["context"].partition("=")
        known[key] = value
    entries = [
        {
            "ContextKeyName": key,
            "ContextKeyValues": [value],
            "ContextKeyType": _KINDS.get(key, "string"),
        }
        for key, value in known.items()
    ]
    simulated = plant.call(
        "iam",
        "simulate_principal_policy",
        PolicySourceArn=arn,
        ActionNames=[options["action"]],
        ResourceArns=[options["resource"]],
        ContextEntries=entries,
    )
    return bool(simulated["EvaluationResults"][0]["EvalDecision"] == "allowed")


def _tags(plant: Plant, resource: str) -> dict[str, str]:
    try:
        tags = plant.call("greengrass", "list_tags_for_resource", ResourceArn=resource)["tags"]
    except ClientError:
        return {}
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def _discovered(plant: Plant, options: Mapping[str, str]) -> bool:
    """Let the device ask for its cores."""
    asked = options.get("resource", f"thing/{options['thing']}").removeprefix("thing/")
    who = plant.identities[options["thing"]]
    return plant.attempt(who, "GET", f"/greengrass/discover/thing/{asked}") == HTTPStatus.OK


def _given_credentials(plant: Plant, options: Mapping[str, str]) -> bool:
    """Let the device ask for credentials of a role alias."""
    path = f"/role-aliases/{options['resource'].removeprefix('rolealias/')}/credentials"
    return plant.attempt(plant.identities[options["thing"]], "GET", path) == HTTPStatus.OK


def _updated(plant: Plant, options: Mapping[str, str]) -> bool | None:
    """Let the core ask for an update (of nothing) of another thing's shadow."""
    if options["thing"] != plant.group.core.name:
        return None
    path = f"/things/{options['resource'].removeprefix('thing/')}/shadow"
    return plant.attempt(plant.group.core.identity, "POST", path) != HTTPStatus.FORBIDDEN


def _assumed(plant: Plant, options: Mapping[str, str]) -> bool | None:
    """Let the user assume the role, in a way that a program can."""
    given = {}
    if "context" in options:
        key, _, value = options["context"].partition("=")
        if key != "sts:ExternalId":
            return None
        given = {"ExternalId": value}
    key_of_user = plant.known_key_of(options["for"])
    try:
        plant.call_as(
            key_of_user,
            "sts",
            "assume_role",
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{options['role']}",
            RoleSessionName="oracle",
            **given,
        )
    except ClientError:
        return False
    return True


_OF_DEVICES: Final[Mapping[str, Callable[[Plant, Mapping[str, str]], bool | None]]] = {
    "greengrass:Discover": _discovered,
    "iot:UpdateThingShadow": _updated,
    "iot:AssumeRoleWithCertificate": _given_credentials,
    **dict.fromkeys(_TESTED, _tested),
}
