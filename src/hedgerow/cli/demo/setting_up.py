"""Set the place up as a script of an administrator would: the hedgerow command, and boto3."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hedgerow.cli.demo import site as names
from hedgerow.cli.demo.device_v1 import DeviceV1
from hedgerow.cli.demo.device_v2 import DeviceV2
from hedgerow.cli.demo.identity import DeviceFiles
from hedgerow.cli.demo.processes import Daemon, hedgerow
from hedgerow.cli.demo.site import Aws, Ports, Site
from hedgerow.cli.demo.waiting import until
from hedgerow.cli.provision.service_role import SERVICE_ROLE, SERVICE_ROLE_POLICY, service_trust

Say = Callable[[str], None]

_ANY_PORTS = (
    "--api-port=0",
    "--device-https-port=0",
    "--device-mqtt-port=0",
    "--combined-port=0",
)


def start_cloud(folder: Path, say: Say, running: list[Daemon]) -> tuple[Daemon, Ports, Aws]:
    """Make a cloud, start it, and return boto3 clients of it.

    `running` gets every process before it is started, so that none is forgotten.
    """
    data = folder / "cloud"
    say("hedgerow cloud init: an account, its certificate authorities, an administrator")
    hedgerow("cloud", "init", "--data", str(data))
    say("hedgerow cloud run: the AWS-compatible APIs, discovery, the message broker")
    run = ("cloud", "run", "--data", str(data), "--host", "127.0.0.1")
    cloud = Daemon("the cloud", run, data / "endpoints.json", folder / "cloud.log")
    running.append(cloud)
    said = cloud.start(*_ANY_PORTS)
    ports = Ports(
        said["host"],
        said["api_port"],
        said["device_https_port"],
        said["device_mqtt_port"],
        said["combined_port"],
    )
    environment = json.loads(hedgerow("env", "--data", str(data), "--json"))
    return cloud, ports, Aws.of(environment)


def build(
    folder: Path, cloud: Daemon, ports: Ports, aws: Aws, say: Say, running: list[Daemon]
) -> Site:
    """Make the core, three devices and their group, deploy it, and start the core."""
    say(f"hedgerow core provision: {names.CORE} with key, certificate, policy, group, config.json")
    root = folder / "core"
    provisioned = json.loads(
        hedgerow(
            *("core", "provision", "--root", str(root), "--name", names.CORE, "--no-deploy"),
            *("--mqtt-port", "0", "--daemon-port", "0", "--json"),
            environment=aws.environment,
        )
    )
    _shorten_reconnect(root)
    say("boto3: things, certificates and policies for press (A), panel (B) and meter (C)")
    maker = _Maker(folder, aws, Path(provisioned["core"]["rootCa"]))
    a, b, c = (maker.device(name) for name in (names.DEVICE_A, names.DEVICE_B, names.DEVICE_C))
    spare = maker.device(names.SPARE)
    dashboard = maker.dashboard()
    maker.let_core_speak(provisioned["core"]["certificateArn"])
    say("boto3: the service role that deployments need, held to this account")
    _service_role(aws, provisioned["core"]["thingArn"])
    say("boto3: device and subscription definitions, a group version, a deployment")
    group_id = provisioned["groupId"]
    deployment = _deploy(aws.greengrass, group_id, provisioned["groupVersionId"], (a, b, c, spare))
    say("hedgerow core run: fetches the deployment, gets its server certificate, serves")
    core = Daemon(
        "the core",
        ("core", "run", "-i", "--root", str(root)),
        root / "ggc" / "var" / "state" / "endpoints.json",
        folder / "core.log",
    )
    running.append(core)
    core.start()
    until(lambda: _succeeded(aws.greengrass, group_id, deployment), "the deployment to succeed", 30)
    return Site(
        folder=folder,
        cloud=cloud,
        core=core,
        ports=ports,
        aws=aws,
        root_ca_pem=maker.root_ca.read_text(),
        group_id=group_id,
        a=DeviceV2(a),
        b=DeviceV1(b),
        c=DeviceV2(c),
        dashboard=DeviceV2(dashboard),
        spare=spare,
    )


class _Maker:
    """Makes things with boto3, and files for those that are to use them."""

    def __init__(self, folder: Path, aws: Aws, root_ca: Path) -> None:
        self._folder = folder
        self._iot = aws.iot
        self.root_ca = root_ca

    def device(self, name: str) -> DeviceFiles:
        """Make a client device that may discover its core, and nothing else in the cloud."""
        thing_arn = self._iot.create_thing(thingName=name)["thingArn"]
        policy = _policy(
            _allow("greengrass:Discover", thing_arn),
            _allow("iot:Connect", _beside(thing_arn, f"client/{name}")),
        )
        return self._files(name, thing_arn, policy)

    def dashboard(self) -> DeviceFiles:
        """Make a program that may listen at the cloud's broker."""
        name = names.DASHBOARD
        thing_arn = self._iot.create_thing(thingName=name)["thingArn"]
        policy = _policy(
            _allow("iot:Connect", _beside(thing_arn, f"client/{name}")),
            _allow("iot:Subscribe", _beside(thing_arn, "topicfilter/line/#")),
            _allow("iot:Receive", _beside(thing_arn, "topic/line/*")),
        )
        return self._files(name, thing_arn, policy)

    def let_core_speak(self, certificate_arn: str) -> None:
        """Let the core publish its devices' messages, beside its minimal policy."""
        policy = _policy(
            _allow(
                "iot:Publish",
                _beside(certificate_arn, "topic/line/*"),
                _beside(certificate_arn, f"topic/{names.SHADOW_UPDATE}"),
            )
        )
        self._iot.create_policy(policyName=f"{names.CORE}-messages", policyDocument=policy)
        self._iot.attach_policy(policyName=f"{names.CORE}-messages", target=certificate_arn)

    def _files(self, name: str, thing_arn: str, policy: str) -> DeviceFiles:
        made = self._iot.create_keys_and_certificate(setAsActive=True)
        arn = made["certificateArn"]
        self._iot.create_policy(policyName=f"{name}-policy", policyDocument=policy)
        self._iot.attach_policy(policyName=f"{name}-policy", target=arn)
        self._iot.attach_thing_principal(thingName=name, principal=arn)
        place = self._folder / name
        place.mkdir(mode=0o700)
        files = DeviceFiles(
            thing_name=name,
            thing_arn=thing_arn,
            certificate_arn=arn,
            certificate_id=made["certificateId"],
            certificate=place / "device.cert.pem",
            key=place / "device.private.key",
            root_ca=place / "root.ca.pem",
        )
        files.certificate.write_text(made["certificatePem"])
        files.key.touch(mode=0o600)
        files.key.write_text(made["keyPair"]["PrivateKey"])
        files.root_ca.write_bytes(self.root_ca.read_bytes())
        return files


def _deploy(
    greengrass: Any, group_id: str, version_id: str, devices: tuple[DeviceFiles, ...]
) -> str:
    a, b, c, _ = (device.thing_arn for device in devices)
    rows = [
        (a, names.TEMPERATURE, b),
        (a, names.TEMPERATURE, "cloud"),
        (a, names.SHADOW_UPDATE, "cloud"),
        (a, names.FENCE, c),
    ]
    device_version = greengrass.create_device_definition(
        InitialVersion={
            "Devices": [
                {
                    "Id": device.thing_name,
                    "ThingArn": device.thing_arn,
                    "CertificateArn": device.certificate_arn,
                    "SyncShadow": False,
                }
                for device in devices
            ]
        }
    )["LatestVersionArn"]
    row_version = greengrass.create_subscription_definition(
        InitialVersion={
            "Subscriptions": [
                {"Id": f"row-{number}", "Source": source, "Subject": subject, "Target": target}
                for number, (source, subject, target) in enumerate(rows)
            ]
        }
    )["LatestVersionArn"]
    current = greengrass.get_group_version(GroupId=group_id, GroupVersionId=version_id)
    version = greengrass.create_group_version(
        GroupId=group_id,
        **{
            **current["Definition"],
            "DeviceDefinitionVersionArn": device_version,
            "SubscriptionDefinitionVersionArn": row_version,
        },
    )["Version"]
    deployment: str = greengrass.create_deployment(
        GroupId=group_id, GroupVersionId=version, DeploymentType="NewDeployment"
    )["DeploymentId"]
    return deployment


def _service_role(aws: Aws, core_arn: str) -> None:
    region, account = core_arn.split(":")[3:5]
    role = aws.iam.create_role(
        RoleName=SERVICE_ROLE, AssumeRolePolicyDocument=service_trust(region, account)
    )["Role"]
    aws.iam.attach_role_policy(RoleName=SERVICE_ROLE, PolicyArn=SERVICE_ROLE_POLICY)
    aws.greengrass.associate_service_role_to_account(RoleArn=role["Arn"])


def _succeeded(greengrass: Any, group_id: str, deployment_id: str) -> bool:
    status = greengrass.get_deployment_status(GroupId=group_id, DeploymentId=deployment_id)
    if status["DeploymentStatus"] == "Failure":
        raise RuntimeError(f"the deployment failed: {status.get('ErrorMessage')}")
    return bool(status["DeploymentStatus"] == "Success")


def _shorten_reconnect(root: Path) -> None:
    """Let the core try the cloud again every two seconds, so that no one has to wait long."""
    path = root / "config" / "config.json"
    document = json.loads(path.read_text())
    document["coreThing"]["mqttMaxConnectionRetryInterval"] = 2
    path.write_text(json.dumps(document, indent=2))


def _beside(arn: str, resource: str) -> str:
    """Return the ARN of another resource in the same account and region."""
    return f"{arn.rpartition(':')[0]}:{resource}"


def _allow(action: str, *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [action], "Resource": list(resources)}


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
