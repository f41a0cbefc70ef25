"""What neither botocore's models nor AWS's published tables say, for `tools/access_rows.py`.

Templates are those of `hedgerow.cloud.access.templates`.
`${Name}` is a published placeholder, for the member of that name in any case of letters.
Sources: guide pages security_iam_service-with-iam and tagging, AWS's service authorization
reference and the API references of the services.
"""

import re
from collections.abc import Mapping
from typing import Any

SERVICES: Mapping[str, str] = {
    "greengrass": "greengrass",
    "iot": "iot",
    "iot-data": "iot",
    "iot-jobs-data": "iotjobsdata",
    "iam": "iam",
    "sts": "sts",
    "cloudtrail": "cloudtrail",
    "organizations": "organizations",
    "secretsmanager": "secretsmanager",
    "kms": "kms",
    "lambda": "lambda",
    "logs": "logs",
}

_IAM = "arn:aws:iam::{account}:"
_TRAIL = "arn:aws:cloudtrail:{region}:{account}:"
_GROUPS = "arn:aws:greengrass:{region}:{account}:/greengrass/groups/"
_DEFINITION = "arn:aws:greengrass:{region}:{account}:/greengrass/definition/"
_VERSION_ID = "DefinitionVersionId"
_IOT = "arn:aws:iot:{region}:{account}:"
_LAMBDA = "arn:aws:lambda:{region}:{account}:"
_LOGS = "arn:aws:logs:{region}:{account}:"
_KEY = "arn:aws:kms:{region}:{account}:key/"

_DEFINITIONS = ("Connector", "Core", "Device", "Function", "Logger", "Resource", "Subscription")

WAYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "greengrass": {
        **{
            f"{kind.lower()}DefinitionVersion": (
                f"{_DEFINITION}{kind.lower()}s/{{{kind}DefinitionId}}/versions/{{{kind}{_VERSION_ID}}}",
            )
            for kind in _DEFINITIONS
        },
        "groupVersion": (f"{_GROUPS}{{GroupId}}/versions/{{GroupVersionId}}",),
        "*": ("{ResourceArn}",),
    },
    "iot": {
        "cert": (f"{_IOT}cert/{{certificateId}}", "{principal}", "{target}"),
        "cacert": (f"{_IOT}cacert/{{certificateId}}",),
        "thing": (
            f"{_IOT}thing/{{thingName|thingArn!arn}}",
            f"{_IOT}thing/{{thingName}}",
            "{targetArn}",
            "{targets}",
        ),
        "billinggroup": (f"{_IOT}billinggroup/{{billingGroupName|billingGroupArn!arn}}",),
        "thinggroup": (
            f"{_IOT}thinggroup/{{thingGroupName|thingGroupArn!arn}}",
            f"{_IOT}thinggroup/{{thingGroupName}}",
            "{target}",
            "{securityProfileTargetArn}",
            "{targets}",
        ),
        "client": (f"{_IOT}client/{{clientId}}", "{targetArn}"),
        "command": (f"{_IOT}command/{{commandId}}", "{commandArn}"),
        "destination": ("{arn}",),
        "dimension": (f"{_IOT}dimension/{{name}}",),
        "domainconfiguration": (f"{_IOT}domainconfiguration/{{domainConfigurationName}}/*",),
        "fleetmetric": (f"{_IOT}fleetmetric/{{metricName}}",),
        "index": (f"{_IOT}index/{{indexName=AWS_Things}}",),
        "jobtemplate": (
            f"{_IOT}jobtemplate/{{jobTemplateId}}",
            f"{_IOT}jobtemplate/{{templateName}}:{{templateVersion=*}}",
            "{jobTemplateArn}",
        ),
        "mitigationaction": (f"{_IOT}mitigationaction/{{actionName}}",),
        "provisioningtemplate": (f"{_IOT}provisioningtemplate/{{templateName}}",),
        "scheduledaudit": (f"{_IOT}scheduledaudit/{{scheduledAuditName}}",),
        "topic": (f"{_IOT}topic/{{topic}}",),
        "*": ("{resourceArn}",),
    },
    "iotjobsdata": {"thing": (f"{_IOT}thing/{{thingName}}",)},
    "iam": {
        "user": (
            f"{_IAM}user{{Path=/}}{{UserName}}",
            f"{_IAM}user{{UserName!user}}",
            "{PolicySourceArn}",
            "{Arn}",
        ),
        "group": (
            f"{_IAM}group{{Path=/}}{{GroupName}}",
            f"{_IAM}group{{GroupName!group}}",
            "{PolicySourceArn}",
            "{Arn}",
        ),
        "role": (
            f"{_IAM}role{{Path=/}}{{RoleName}}",
            f"{_IAM}role{{RoleName!role}}",
            "{PolicySourceArn}",
            "{Arn}",
        ),
        "policy": ("{PolicyArn}", f"{_IAM}policy{{Path=/}}{{PolicyName}}", "{Arn}"),
        "instance-profile": (
            f"{_IAM}instance-profile{{Path=/}}{{InstanceProfileName}}",
            f"{_IAM}instance-profile{{InstanceProfileName!instance-profile}}",
        ),
        "server-certificate": (
            f"{_IAM}server-certificate{{Path=/}}{{ServerCertificateName}}",
            f"{_IAM}server-certificate{{ServerCertificateName!server-certificate}}",
        ),
        "mfa": (f"{_IAM}mfa{{Path=/}}{{VirtualMFADeviceName}}", "{SerialNumber}"),
        "sms-mfa": ("{SerialNumber}",),
        "oidc-provider": ("{OpenIDConnectProviderArn}",),
        "saml-provider": ("{SAMLProviderArn}", f"{_IAM}saml-provider/{{Name}}"),
        "access-report": (f"{_IAM}access-report/{{EntityPath}}",),
    },
    "sts": {
        "role": ("{RoleArn}",),
        "federated-user": ("arn:aws:sts::{account}:federated-user/{Name}",),
        "root-user": ("{TargetPrincipal}",),
    },
    "cloudtrail": {
        "trail": (
            f"{_TRAIL}trail/{{TrailName!arn}}",
            f"{_TRAIL}trail/{{trailNameList!arn}}",
            "{ResourceId}",
            "{ResourceIdList}",
            f"{_TRAIL}trail/{{Name!arn}}",
        ),
        "channel": (f"{_TRAIL}channel/{{Channel!arn}}", "{ResourceId}", "{ResourceIdList}"),
        "dashboard": (
            f"{_TRAIL}dashboard/{{DashboardId!arn}}",
            "{ResourceId}",
            "{ResourceIdList}",
            f"{_TRAIL}dashboard/{{Name}}",
        ),
        "eventdatastore": (
            f"{_TRAIL}eventdatastore/{{EventDataStore!arn}}",
            "{ResourceId}",
            "{ResourceIdList}",
        ),
        "*": ("{ResourceArn}",),
    },
    "organizations": {
        "account": (
            "{AccountId!organization}",
            "{TargetId!organization}",
            "{ChildId!organization}",
        ),
        "organizationalunit": (
            "{OrganizationalUnitId!organization}",
            "{ParentId!organization}",
            "{TargetId!organization}",
            "{ChildId!organization}",
        ),
        "root": (
            "{RootId!organization}",
            "{ParentId!organization}",
            "{TargetId!organization}",
        ),
        "policy": ("{PolicyId!organization}",),
        "handshake": ("{HandshakeId!organization}",),
        "responsibilitytransfer": ("{Id!organization}",),
        "*": ("{ResourceId!organization}",),
    },
    "secretsmanager": {
        "Secret": (
            "arn:aws:secretsmanager:{region}:{account}:secret:{SecretId!arn}",
            "arn:aws:secretsmanager:{region}:{account}:secret:{Name}",
        ),
    },
    "kms": {
        "key": (f"{_KEY}{{KeyId!arn}}", f"{_KEY}{{TargetKeyId!arn}}"),
        "alias": ("arn:aws:kms:{region}:{account}:{AliasName}",),
    },
    "lambda": {
        "function": (f"{_LAMBDA}function:{{FunctionName!arn}}", "{EventSourceArn}", "{Resource}"),
        "layer": (f"{_LAMBDA}layer:{{LayerName!arn}}",),
        "layerVersion": (f"{_LAMBDA}layer:{{LayerName!arn}}:{{VersionNumber}}",),
        "function alias": (f"{_LAMBDA}function:{{FunctionName!arn}}:{{Qualifier}}",),
        "function version": (f"{_LAMBDA}function:{{FunctionName!arn}}:{{Qualifier}}",),
        "durable execution": ("{DurableExecutionArn}",),
        "code signing config": ("{CodeSigningConfigArn}",),
        "capacityProvider": (f"{_LAMBDA}capacity-provider:{{CapacityProviderName!arn}}",),
        "*": ("{Resource}",),
    },
    "logs": {
        "log-group": (
            f"{_LOGS}log-group:{{logGroupName}}",
            f"{_LOGS}log-group:{{logGroupIdentifier!arn}}",
            "{resourceIdentifier}",
            "{logGroupArn}",
            f"{_LOGS}log-group:{{logGroupNames}}",
            f"{_LOGS}log-group:{{logGroupIdentifiers!arn}}",
            "{logGroupArnList}",
        ),
        "log-stream": (f"{_LOGS}log-group:{{logGroupName}}:log-stream:{{logStreamName}}",),
        "delivery": (f"{_LOGS}delivery:{{id}}",),
        "delivery-source": (f"{_LOGS}delivery-source:{{name}}", "{deliverySourceName}"),
        "delivery-destination": (
            f"{_LOGS}delivery-destination:{{name}}",
            f"{_LOGS}delivery-destination:{{deliveryDestinationName}}",
            "{deliveryDestinationArn}",
        ),
        "anomaly-detector": ("{anomalyDetectorArn}",),
        "*": ("{resourceArn}",),
    },
}
"""How an input names a resource of a kind: the first way whose members the operation has."""

UNTAGGED: Mapping[str, frozenset[str]] = {"greengrass": frozenset({"deployment"})}
"""Kinds that the published table calls taggable and version 1 of the service does not (tagging)."""

ROWS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "iam": {
        "ChangePassword": {
            "access": "Write",
            "on": [{"arn": f"{_IAM}user{{caller}}", "tagged": "same"}],
        },
    },
    "iot": {
        "Publish": {
            "access": "Write",
            "on": [{"arn": f"{_IOT}topic/{{topic}}"}],
            "also": [{"action": "iot:RetainPublish", "when": "retain"}],
        },
    },
    "iotjobsdata": {
        "StartCommandExecution": {
            "access": "Write",
            "action": "iot:StartCommandExecution",
            "on": [{"arn": "{commandArn}"}, {"arn": "{targetArn}"}],
        },
    },
    "sts": {
        "AssumeRole": {
            "access": "Write",
            "on": [{"arn": "{RoleArn}", "tagged": "same"}],
            "judged": "by-operation",
            "also": [{"action": "sts:SetSourceIdentity", "when": "SourceIdentity"}],
        },
        "GetCallerIdentity": {"access": "Read", "judged": "never"},
        "GetSessionToken": {"access": "Read", "judged": "never"},
    },
    "kms": {
        "ReEncrypt": {
            "access": "Write",
            "action": "kms:ReEncryptFrom",
            "on": [{"arn": f"{_KEY}{{SourceKeyId!arn}}", "tagged": "same"}],
            "also": [
                {
                    "action": "kms:ReEncryptTo",
                    "on": [{"arn": f"{_KEY}{{DestinationKeyId!arn}}", "tagged": "same"}],
                }
            ],
        },
    },
    "lambda": {
        "GetLayerVersionByArn": {
            "access": "Read",
            "action": "lambda:GetLayerVersion",
            "on": [{"arn": "{Arn}"}],
        },
        **{
            name: {
                "access": "Write",
                "action": "lambda:InvokeFunction",
                "on": [{"arn": f"{_LAMBDA}function:{{FunctionName!arn}}", "tagged": "same"}],
            }
            for name in ("Invoke", "InvokeWithResponseStream", "InvokeAsync")
        },
    },
}
"""Rows that differ from what the published table and the operation's name would give."""

NAMES_A_ROLE = re.compile(r"(\w*[rR]oleArn|Role|S3UrlSignerRole)")
PASSES_ROLES = re.compile(r"(?!Assume|Get|List|Describe|Delete|\w+AuditSuppression)")
"""Operations that hand a role on to the service; the others name one to find or assume it."""


def _moved(action: str, kind: str) -> tuple[Mapping[str, Any], ...]:
    """Return that a renamed or moved entity needs the permission on what it will be, as well."""
    name, new_name = f"{kind.title()}Name", f"New{kind.title()}Name"
    arn = f"{_IAM}{kind}{{NewPath|{name}!{kind}-path}}{{{new_name}|{name}}}"
    return ({"action": action, "when": f"{new_name}|NewPath", "on": [{"arn": arn}]},)


ALSO: Mapping[str, Mapping[str, tuple[Mapping[str, Any], ...]]] = {
    "greengrass": {"CreateSoftwareUpdateJob": ({"action": "iot:CreateJob", "on": []},)},
    "iam": {
        "AddRoleToInstanceProfile": (
            {
                "action": "iam:PassRole",
                "when": "RoleName",
                "on": [{"arn": f"{_IAM}role{{RoleName!role}}"}],
                "passed_to": "ec2.amazonaws.com",
            },
        ),
        "UpdateUser": _moved("iam:UpdateUser", "user"),
        "UpdateGroup": _moved("iam:UpdateGroup", "group"),
    },
}
"""Further permissions that an operation needs, beside those for tags and passed roles (page
core-ota-update for the first)."""

_PASSED_TO = {
    "CreateRoleAlias": "credentials.iot",
    "UpdateRoleAlias": "credentials.iot",
    "CreateSoftwareUpdateJob": "iot",
}

_TAGGING = {
    "greengrass": "greengrass:TagResource",
    "iot": "iot:TagResource",
    "cloudtrail": "cloudtrail:AddTags",
    "organizations": "organizations:TagResource",
    "secretsmanager": "secretsmanager:TagResource",
    "kms": "kms:TagResource",
    "lambda": "lambda:TagResource",
    "logs": "logs:TagResource",
    "sts": "sts:TagSession",
}
_IAM_TAGGING = re.compile(r"(?:Create|Upload)(?:Virtual)?(\w+)")


def arn_of(published: str, prefix: str) -> str:
    """Return the published ARN of a kind; greengrass lists those of version 1 first."""
    first = published.split(", ", maxsplit=1)[0] if prefix == "greengrass" else published
    return first.replace("${Partition}", "aws")


def passed_to(prefix: str, operation: str) -> str:
    """Return the service that a role is passed to, as `iam:PassedToService` reads it."""
    return f"{_PASSED_TO.get(operation, prefix)}.amazonaws.com"


def tagging_action(prefix: str, operation: str) -> str | None:
    """Return the further action that tags in a creating call need, None for tagging calls."""
    if operation.startswith(("Tag", "Untag", "AddTags", "RemoveTags")):
        return None
    if prefix != "iam":
        return _TAGGING.get(prefix)
    made = _IAM_TAGGING.fullmatch(operation)
    return None if made is None else f"iam:Tag{made[1]}"
