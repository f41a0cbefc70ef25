"""Policies for tests, in few words."""

import json
from typing import Any

from hedgerow.policy import (
    AccessRequest,
    Dialect,
    NamedPolicy,
    context,
    parse_policy,
)

TOPIC = "arn:aws:iot:us-east-1:111122223333:topic/"
FILTER = "arn:aws:iot:us-east-1:111122223333:topicfilter/"
CLIENT = "arn:aws:iot:us-east-1:111122223333:client/"


def statement(
    effect: str = "Allow", action: Any = "iot:Publish", resource: Any = "*", **more: Any
) -> dict[str, Any]:
    """Return a statement of a policy document."""
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def document(*statements: Any, version: str = "2012-10-17") -> str:
    """Return the text of a policy."""
    return json.dumps({"Version": version, "Statement": list(statements)})


def named(*statements: Any, name: str = "p", version: str = "2012-10-17") -> NamedPolicy:
    """Return a policy that was parsed."""
    return NamedPolicy(name, parse_policy(document(*statements, version=version)))


def publish(topic: str, **variables: str) -> AccessRequest:
    """Return a request to publish; variables by the end of their names, as in `ClientId="x"`."""
    names = {
        "ClientId": "iot:ClientId",
        "ThingName": "iot:Connection.Thing.ThingName",
        "IsAttached": "iot:Connection.Thing.IsAttached",
        "CertificateId": "iot:CertificateId",
    }
    values = {names[name]: value for name, value in variables.items()}
    return AccessRequest("iot:Publish", TOPIC + topic, context(values))


def attached(
    *statements: Any,
    name: str = "p",
    version: str = "2012-10-17",
    dialect: Dialect = Dialect.IDENTITY,
) -> NamedPolicy:
    """Return an IAM policy that was parsed."""
    return NamedPolicy(name, parse_policy(document(*statements, version=version), dialect))


def asking(
    action: str = "iot:CreateThing", resource: str = "*", principal: Any = None, **values: Any
) -> AccessRequest:
    """Return a request to an API; keys of its context as in `aws__SourceIp="10.0.0.1"`."""
    facts = {key.replace("__", ":"): value for key, value in values.items()}
    return AccessRequest(action, resource, context(facts), principal)
