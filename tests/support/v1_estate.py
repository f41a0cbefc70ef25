"""A plant as the old cloud left it: a core's folder in V1's form, saved answers, PEM files.

The forms are those of the guide (`config.json`, page gg-core), of the AWS CLI's output by
botocore's models, and for `group.json` what public tools read of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from tests.support.pki import Identity, new_authority, new_identity

OLD_ACCOUNT = "444455556666"
OLD_REGION = "us-west-2"
GROUP_ID = "d1f35e2d-9d1f-4c3a-9a44-2f1c0e8b7a10"
GROUP_VERSION = "0f2a3c55-6d8e-4b90-8a53-9f0e1d2c3b4a"
CORE, PRESS, LAMP = "plant-core", "press", "lamp"
ROWS = (
    (PRESS, "plant/press", LAMP),
    (LAMP, "plant/lamp", PRESS),
    (PRESS, "plant/up", "cloud"),
    ("cloud", "plant/down", LAMP),
)


def iot_arn(resource: str) -> str:
    """Return an ARN of the old account's registry."""
    return f"arn:aws:iot:{OLD_REGION}:{OLD_ACCOUNT}:{resource}"


def version_arn(kind: str) -> str:
    """Return the ARN of the version of a kind of definition."""
    number = f"{sum(kind.encode()):04x}"
    definition = f"1b2c3d4e-{number}-4f00-8000-000000000001"
    version = f"1b2c3d4e-{number}-4f00-8000-000000000002"
    return (
        f"arn:aws:greengrass:{OLD_REGION}:{OLD_ACCOUNT}:/greengrass/definition/{kind.lower()}s/"
        f"{definition}/versions/{version}"
    )


def group_arn() -> str:
    """Return the ARN of the group."""
    return f"arn:aws:greengrass:{OLD_REGION}:{OLD_ACCOUNT}:/greengrass/groups/{GROUP_ID}"


def party(name: str) -> str:
    """Return a row's end."""
    return name if name == "cloud" else iot_arn(f"thing/{name}")


@dataclass
class OldPlant:
    """A core and two devices with certificates that the old cloud's authority signed."""

    identities: dict[str, Identity] = field(default_factory=dict)

    @classmethod
    def make(cls) -> "OldPlant":
        """Make the keys and certificates."""
        authority = new_authority("the old cloud")
        return cls({name: new_identity(authority) for name in (CORE, PRESS, LAMP)})

    def certificate_arn(self, name: str) -> str:
        """Return the ARN that the old cloud had for a thing's certificate."""
        return iot_arn(f"cert/{self.identities[name].certificate_id}")

    def rows(self) -> list[dict[str, str]]:
        """Return the rows as definitions have them."""
        return [
            {"Id": f"row-{number}", "Source": party(source), "Subject": topic, "Target": party(to)}
            for number, (source, topic, to) in enumerate(ROWS, 1)
        ]

    def member(self, name: str) -> dict[str, Any]:
        """Return a thing as definitions have it."""
        return {
            "Id": f"{name}-1",
            "ThingArn": iot_arn(f"thing/{name}"),
            "CertificateArn": self.certificate_arn(name),
            "SyncShadow": False,
        }

    def write_core_folder(self, root: Path, **core_thing: Any) -> Path:
        """Write a Greengrass root as GGC 1.11 left it, and return it."""
        certificate, key = self.identities[CORE].write(root / "certs", "9a1b2c3d4e")
        (root / "certs").chmod(0o700)
        key.chmod(0o600)
        (root / "certs/root.ca.pem").write_text(
            new_identity(new_authority("Amazon Root CA 1")).certificate_pem
        )
        _write(root / "config/config.json", _config(root, certificate, key, core_thing))
        _write(root / "ggc/deployment/group/group.json", self.group_file())
        return root

    def group_file(self) -> dict[str, Any]:
        """Return V1's `group.json`."""
        return {
            "Arn": f"{group_arn()}/versions/{GROUP_VERSION}",
            "Region": OLD_REGION,
            "Cores": [{"thingArn": iot_arn(f"thing/{CORE}"), "certificateArn": self._arn(CORE)}],
            "Devices": [
                {"thingArn": iot_arn(f"thing/{name}"), "certificateArn": self._arn(name)}
                for name in (PRESS, LAMP)
            ],
            "GroupDefinitions": {
                "Lambdas": {
                    "Content": [
                        {
                            "Id": "ip-detector",
                            "FunctionArn": "arn:aws:lambda:::function:GGIPDetector:1",
                            "FunctionConfiguration": {
                                "Pinned": True,
                                "MemorySize": 32768,
                                "Timeout": 3,
                            },
                            "DeploymentConfiguration": {"CodeSize": 0},
                        }
                    ]
                },
                "Subscriptions": {"Content": self.rows()},
                "Resources": {"Content": []},
                "Logging": {
                    "Content": [
                        {
                            "Id": "log-1",
                            "Component": "GreengrassSystem",
                            "Level": "INFO",
                            "Space": 1024,
                            "Type": "FileSystem",
                        }
                    ]
                },
            },
        }

    def write_device_certificates(self, folder: Path) -> Path:
        """Write the devices' certificates, and beside them the keys that nobody may take along."""
        for name in (PRESS, LAMP):
            self.identities[name].write(folder, name)
        return folder

    def write_answers(self, folder: Path) -> Path:
        """Write what `aws greengrass get-*` and `aws iot` calls answered, a file each."""
        for name, body in self.answers().items():
            _write(folder / f"{name}.json", body)
        return folder

    def answers(self) -> dict[str, Mapping[str, Any]]:
        """Return the answers by their files' names."""
        found: dict[str, Mapping[str, Any]] = {
            "group": {
                "Arn": group_arn(),
                "CreationTimestamp": "2019-06-18T16:21:21.457Z",
                "Id": GROUP_ID,
                "LastUpdatedTimestamp": "2019-06-18T16:21:21.457Z",
                "LatestVersion": GROUP_VERSION,
                "LatestVersionArn": f"{group_arn()}/versions/{GROUP_VERSION}",
                "Name": "plant",
                "tags": {"site": "north"},
            },
            "group-version": {
                "Arn": f"{group_arn()}/versions/{GROUP_VERSION}",
                "CreationTimestamp": "2019-06-18T16:32:41.234Z",
                "Id": GROUP_ID,
                "Version": GROUP_VERSION,
                "Definition": {
                    f"{kind}DefinitionVersionArn": version_arn(kind)
                    for kind in ("Core", "Device", "Subscription")
                },
            },
            "cores": self._version("Core", [self.member(CORE)]),
            "devices": self._version("Device", [self.member(PRESS), self.member(LAMP)]),
            "subscriptions": self._version("Subscription", self.rows()),
            "get-connectivity-info": {
                "ConnectivityInfo": [
                    {
                        "Id": "lan",
                        "HostAddress": "127.0.0.1",
                        "PortNumber": 8883,
                        "Metadata": "hall",
                    }
                ]
            },
        }
        for name, identity in self.identities.items():
            found[f"things/{name}"] = {
                "defaultClientId": name,
                "thingName": name,
                "thingId": "5c1f3f0a-0000-4000-8000-000000000000",
                "thingArn": iot_arn(f"thing/{name}"),
                "attributes": {"hall": "7"},
                "version": 3,
            }
            found[f"list-thing-principals/{name}"] = {"principals": [self.certificate_arn(name)]}
            found[f"certificates/{name}"] = {
                "certificateDescription": {
                    "certificateArn": self.certificate_arn(name),
                    "certificateId": identity.certificate_id,
                    "status": "ACTIVE",
                    "certificatePem": identity.certificate_pem,
                    "ownedBy": OLD_ACCOUNT,
                    "creationDate": 1_560_000_000.0,
                }
            }
            found[f"list-attached-policies-{identity.certificate_id}"] = {
                "policies": [
                    {"policyName": f"{name}-policy", "policyArn": iot_arn(f"policy/{name}-policy")}
                ]
            }
            found[f"policies/{name}"] = {
                "policyName": f"{name}-policy",
                "policyArn": iot_arn(f"policy/{name}-policy"),
                "policyDocument": json.dumps(
                    core_policy() if name == CORE else device_policy(name)
                ),
                "defaultVersionId": "1",
            }
        return found

    def write_template(self, path: Path) -> Path:
        """Write a CloudFormation template of the plant; certificates are parameters, as usual.

        It is YAML in a file that is named so, and else JSON.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".yaml":
            path.write_text(yaml.safe_dump(self.template()))
        else:
            path.write_text(json.dumps(self.template(), indent=2))
        return path

    def template_parameters(self) -> list[str]:
        """Return what a person gives for the template's parameters."""
        return [f"{name.title()}Cert={self.certificate_arn(name)}" for name in (PRESS, LAMP)] + [
            f"CoreCert={self.certificate_arn(CORE)}"
        ]

    def template(self) -> dict[str, Any]:
        """Return the template, with all that refers to something by a function."""
        things = {name: {"ThingName": name} for name in (CORE, PRESS, LAMP)}
        parameters = {CORE: "CoreCert", PRESS: "PressCert", LAMP: "LampCert"}
        logical = {CORE: "Core", PRESS: "Press", LAMP: "Lamp"}

        def member(name: str) -> dict[str, Any]:
            return {
                "Id": f"{name}-1",
                "ThingArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:iot:${{AWS::Region}}:"
                             f"${{AWS::AccountId}}:thing/${{{logical[name]}}}"},
                "CertificateArn": {"Ref": parameters[name]},
                "SyncShadow": "false",
            }  # fmt: skip

        def end(name: str) -> Any:
            return name if name == "cloud" else {"Fn::GetAtt": [logical[name], "Arn"]}

        resources: dict[str, Any] = {
            logical[name]: {"Type": "AWS::IoT::Thing", "Properties": properties}
            for name, properties in things.items()
        }
        for kind, entities in (
            ("Core", [member(CORE)]),
            ("Device", [member(PRESS), member(LAMP)]),
            (
                "Subscription",
                [
                    {
                        "Id": f"row-{number}",
                        "Source": end(source),
                        "Subject": topic,
                        "Target": end(to),
                    }
                    for number, (source, topic, to) in enumerate(ROWS, 1)
                ],
            ),
        ):
            resources[f"{kind}s"] = {
                "Type": f"AWS::Greengrass::{kind}Definition",
                "Properties": {"Name": f"the {kind.lower()}s"},
            }
            resources[f"{kind}Version"] = {
                "Type": f"AWS::Greengrass::{kind}DefinitionVersion",
                "Properties": {
                    f"{kind}DefinitionId": {"Fn::GetAtt": [f"{kind}s", "Id"]},
                    f"{kind}s": entities,
                },
            }
        resources["Plant"] = {
            "Type": "AWS::Greengrass::Group",
            "Properties": {"Name": "plant", "Tags": {"site": "north"}},
        }
        resources["PlantVersion"] = {
            "Type": "AWS::Greengrass::GroupVersion",
            "Properties": {
                "GroupId": {"Ref": "Plant"},
                **{
                    f"{kind}DefinitionVersionArn": {"Ref": f"{kind}Version"}
                    for kind in ("Core", "Device", "Subscription")
                },
            },
        }
        return {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Parameters": {name: {"Type": "String"} for name in parameters.values()},
            "Resources": resources,
        }

    def _version(self, kind: str, entities: list[dict[str, Any]]) -> Mapping[str, Any]:
        arn = version_arn(kind)
        return {
            "Arn": arn,
            "CreationTimestamp": "2019-06-18T16:21:21.457Z",
            "Definition": {f"{kind}s": entities},
            "Id": arn.split("/")[-3],
            "Version": arn.split("/")[-1],
        }

    def _arn(self, name: str) -> str:
        return self.certificate_arn(name)


def core_policy() -> dict[str, Any]:
    """Return the guide's minimal policy of a core, and what its rows to and from the cloud need."""
    deployments = f"{group_arn()}/deployments/*"
    core = quote(iot_arn(f"thing/{CORE}"), safe="")
    return _policy(
        (["iot:Connect"], iot_arn(f"client/{CORE}-*")),
        (["iot:Publish", "iot:Receive"], iot_arn(f"topic/$aws/things/{CORE}-*")),
        (["iot:Subscribe"], iot_arn(f"topicfilter/$aws/things/{CORE}-*")),
        (
            ["iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"],
            iot_arn(f"thing/{CORE}-*"),
        ),
        (["greengrass:AssumeRoleForGroup", "greengrass:CreateCertificate"], "*"),
        (["greengrass:GetDeployment"], deployments),
        (["greengrass:GetDeploymentArtifacts"], deployments),
        (["greengrass:UpdateCoreDeploymentStatus"], f"{deployments}/cores/{core}"),
        (
            ["greengrass:GetConnectivityInfo", "greengrass:UpdateConnectivityInfo"],
            iot_arn(f"thing/{CORE}-*"),
        ),
        (["iot:Publish", "iot:Receive"], iot_arn("topic/plant/*")),
        (["iot:Subscribe"], iot_arn("topicfilter/plant/*")),
    )


def device_policy(name: str) -> dict[str, Any]:
    """Return a client device's policy."""
    return _policy(
        (["greengrass:Discover"], iot_arn(f"thing/{name}")),
        (["iot:Connect"], iot_arn(f"client/{name}")),
    )


def policy_of(name: str) -> dict[str, Any]:
    """Return the policy that a thing had."""
    return core_policy() if name == CORE else device_policy(name)


def _policy(*allowed: tuple[list[str], str]) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": [resource]}
            for actions, resource in allowed
        ],
    }


def _config(
    root: Path, certificate: Path, key: Path, core_thing: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "coreThing": {
            "caPath": "root.ca.pem",
            "certPath": certificate.name,
            "keyPath": key.name,
            "thingArn": iot_arn(f"thing/{CORE}"),
            "iotHost": f"abcdefghijklmn-ats.iot.{OLD_REGION}.amazonaws.com",
            "ggHost": f"greengrass-ats.iot.{OLD_REGION}.amazonaws.com",
            "keepAlive": 600,
            **core_thing,
        },
        "runtime": {"cgroup": {"useSystemd": "yes"}},
        "managedRespawn": False,
        "crypto": {
            "principals": {
                "SecretsManager": {"privateKeyPath": f"file://{key}"},
                "IoTCertificate": {
                    "privateKeyPath": f"file://{key}",
                    "certificatePath": f"file://{certificate}",
                },
            },
            "caPath": f"file://{root}/certs/root.ca.pem",
        },
    }


def _write(path: Path, body: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=4))
