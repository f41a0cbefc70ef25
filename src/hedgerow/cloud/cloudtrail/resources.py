"""Which resources an event is about: what `LookupEvents` finds by type and name.

They are read from the event itself, so that an event found on disk tells the same as a new one.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

Members = Mapping[str, Any]
Resource = tuple[str, str]
"""(type, name)."""

MAX_RESOURCES: Final = 10
_GREENGRASS: Final = "greengrass.amazonaws.com"
_IDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        _GREENGRASS: {
            "GroupId": "AWS::Greengrass::Group",
            "CoreDefinitionId": "AWS::Greengrass::CoreDefinition",
            "DeviceDefinitionId": "AWS::Greengrass::DeviceDefinition",
            "FunctionDefinitionId": "AWS::Greengrass::FunctionDefinition",
            "ConnectorDefinitionId": "AWS::Greengrass::ConnectorDefinition",
            "LoggerDefinitionId": "AWS::Greengrass::LoggerDefinition",
            "ResourceDefinitionId": "AWS::Greengrass::ResourceDefinition",
            "SubscriptionDefinitionId": "AWS::Greengrass::SubscriptionDefinition",
            "DeploymentId": "AWS::Greengrass::Deployment",
            "ThingName": "AWS::IoT::Thing",
            "RoleArn": "AWS::IAM::Role",
        },
        "iot.amazonaws.com": {
            "thingName": "AWS::IoT::Thing",
            "thingGroupName": "AWS::IoT::ThingGroup",
            "policyName": "AWS::IoT::Policy",
            "certificateId": "AWS::IoT::Certificate",
        },
        "iam.amazonaws.com": {
            "userName": "AWS::IAM::User",
            "groupName": "AWS::IAM::Group",
            "roleName": "AWS::IAM::Role",
            "policyArn": "AWS::IAM::Policy",
            "policyName": "AWS::IAM::Policy",
            "accessKeyId": "AWS::IAM::AccessKey",
            "serialNumber": "AWS::IAM::MfaDevice",
        },
        "sts.amazonaws.com": {"roleArn": "AWS::IAM::Role"},
        "cloudtrail.amazonaws.com": {"name": "AWS::CloudTrail::Trail"},
        "organizations.amazonaws.com": {"accountId": "AWS::Organizations::Account"},
    }
)
_CREATE: Final = "Create"
_MADE: Mapping[str, str] = MappingProxyType(
    {f"{_CREATE}{name.rpartition('::')[2]}": name for name in _IDS[_GREENGRASS].values()}
)


def resources_of(event: Members) -> tuple[Resource, ...]:
    """Return the (type, name) of what an event is about, each once."""
    source = str(event.get("eventSource", ""))
    ids = _IDS.get(source)
    if ids is None:
        return ()
    found: dict[Resource, None] = {}
    for part in (event.get("requestParameters"), event.get("responseElements")):
        if isinstance(part, Mapping):
            found.update(dict.fromkeys(_found(part, ids)))
    made = _MADE.get(str(event.get("eventName", ""))) if source == _GREENGRASS else None
    answer = event.get("responseElements")
    if made is not None and isinstance(answer, Mapping) and isinstance(answer.get("Id"), str):
        found[made, answer["Id"]] = None
    return tuple(found)[:MAX_RESOURCES]


def _found(part: Members, ids: Mapping[str, str]) -> Iterator[Resource]:
    for name, value in part.items():
        if isinstance(value, str):
            if name in ids:
                yield ids[name], value
        elif isinstance(value, Mapping):
            # An answer wraps what it made: {"user": {"userName": …}}.
            yield from (
                (ids[key], text)
                for key, text in value.items()
                if key in ids and isinstance(text, str)
            )
