"""Faults of devices in the cloud: certificates, things, client ids, policies, groups."""

import json
from collections.abc import Iterator
from datetime import timedelta

from tests.support.cloud import ACCOUNT, EnrolledThing
from tests.support.core_estate import CORE
from tests.support.pki import new_authority, new_identity
from tests.support.roles import trust_policy
from tests.support.why.fault import Faults
from tests.support.why.plant import Plant, Words, allow, deny, document, greengrass, iot

from hedgerow.cloud.iot import CREDENTIAL_PROVIDER
from hedgerow.pki import device_certificate

DEVICE = Faults("A device in the cloud")
_THING_NAME = "${iot:Connection.Thing.ThingName}"


def ask(thing: str, action: str, *more: str) -> Words:
    """Return the words of a question about a device."""
    return ("why", "device", "--thing", thing, "--action", action, *more)


def connect(thing: str, *more: str) -> Words:
    """Return the question whether a device may connect."""
    return ask(thing, "iot:Connect", *more)


def set_status(plant: Plant, thing: EnrolledThing, status: str) -> None:
    """Change the status of a device's certificate."""
    plant.call(
        "iot",
        "update_certificate",
        certificateId=thing.identity.certificate_id,
        newStatus=status,
    )


def may(plant: Plant, thing: EnrolledThing, *statements: dict[str, object]) -> None:
    """Put other statements in force for a device."""
    plant.run(plant.cloud.edit_policy(thing.name, document(*statements)))


@DEVICE.named("its certificate is inactive", step="state", code="certificate-inactive")
def inactive(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    yield connect(press.name)
    set_status(plant, press, "INACTIVE")
    yield connect(press.name)


@DEVICE.named("its certificate is revoked", step="state", code="certificate-revoked")
def revoked(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    yield connect(press.name)
    set_status(plant, press, "REVOKED")
    yield connect(press.name)


@DEVICE.named(
    "the certificate it shows is not registered", step="certificate", code="not-registered"
)
def not_registered(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    yield connect(press.name, "--certificate", press.identity.certificate_id)
    stranger = new_identity(new_authority("somebody"))
    yield connect(press.name, "--certificate", stranger.certificate_id)


@DEVICE.named("its certificate has ended", step="validity", code="certificate-expired")
def expired(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    yield connect(press.name, "--certificate", press.identity.certificate_id)
    a_day = timedelta(days=1)
    yesterday = new_authority("the old cloud", -a_day - timedelta(minutes=2))
    ended = new_identity(yesterday, device_certificate(a_day))
    with plant.clock.behind(timedelta(minutes=10)):  # as it was still good when it was registered
        made = plant.call(
            "iot",
            "register_certificate_without_ca",
            certificatePem=ended.certificate_pem,
            status="ACTIVE",
        )
    arn = made["certificateArn"]
    plant.call("iot", "attach_thing_principal", thingName=press.name, principal=arn)
    plant.call("iot", "attach_policy", policyName=f"{press.name}-policy", target=arn)
    yield connect(press.name, "--certificate", ended.certificate_id)


@DEVICE.named("its certificate is attached to no thing", step="attachment", code="not-attached")
def not_attached(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    words = connect(press.name, "--certificate", press.identity.certificate_id)
    yield words
    plant.call(
        "iot",
        "detach_thing_principal",
        thingName=press.name,
        principal=press.certificate_arn,
    )
    yield words


@DEVICE.named("there is no thing of this name", step="thing", code="no-thing")
def no_thing(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    yield connect(press.name)
    yield connect("pres")


@DEVICE.named("no policy is attached to its certificate", step="policies", code="no-policy")
def no_policy(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    yield connect(press.name)
    plant.call(
        "iot", "detach_policy", policyName=f"{press.name}-policy", target=press.certificate_arn
    )
    yield connect(press.name)


@DEVICE.named(
    "it connects with another client id than its thing's name",
    step="client id",
    code="wrong-client-id",
)
def wrong_client_id(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    yield connect(press.name)
    yield connect(press.name, "--client-id", "press-of-line-7")


@DEVICE.named("no statement allows it to connect", step="decision", code="no-policy-allows")
def connect_missing(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    yield connect(press.name)
    may(plant, press, allow("greengrass:Discover", iot(f"thing/{press.name}")))
    yield connect(press.name)


@DEVICE.named("the statement for connecting names another client", step="decision", code="resource")
def connect_resource(plant: Plant) -> Iterator[Words]:
    press = plant.device()
    yield connect(press.name)
    may(plant, press, allow("iot:Connect", iot("client/panel")))
    yield connect(press.name)


@DEVICE.named("no statement allows it to publish", step="decision", code="no-policy-allows")
def publish_missing(plant: Plant) -> Iterator[Words]:
    name = plant.device(
        allow("iot:Connect", iot(f"client/{_THING_NAME}")),
        allow("iot:Publish", iot("topic/line/1")),
    )
    words = ask(name.name, "iot:Publish", "--resource", "topic/line/1")
    yield words
    may(plant, name, allow("iot:Connect", iot(f"client/{_THING_NAME}")))
    yield words


@DEVICE.named("the statement for publishing names another topic", step="decision", code="resource")
def publish_resource(plant: Plant) -> Iterator[Words]:
    press = plant.device(allow("iot:Publish", iot("topic/line/1")))
    yield ask(press.name, "iot:Publish", "--resource", "topic/line/1")
    may(plant, press, allow("iot:Publish", iot("topic/lines/1")))
    yield ask(press.name, "iot:Publish", "--resource", "topic/line/1")


@DEVICE.named(
    "the topic policy stands under topicfilter/ where topic/ is meant",
    step="decision",
    code="resource",
)
def publish_filter(plant: Plant) -> Iterator[Words]:
    press = plant.device(allow("iot:Publish", iot("topic/line/1")))
    yield ask(press.name, "iot:Publish", "--resource", "topic/line/1")
    may(plant, press, allow("iot:Publish", iot("topicfilter/line/1")))
    yield ask(press.name, "iot:Publish", "--resource", "topic/line/1")


@DEVICE.named(
    "the statement for publishing has MQTT's + in it, which is no wildcard in a policy",
    step="decision",
    code="resource",
)
def publish_plus(plant: Plant) -> Iterator[Words]:
    press = plant.device(allow("iot:Publish", iot("topic/line/?")))
    yield ask(press.name, "iot:Publish", "--resource", "topic/line/1")
    may(plant, press, allow("iot:Publish", iot("topic/line/+")))
    yield ask(press.name, "iot:Publish", "--resource", "topic/line/1")


@DEVICE.named(
    "a variable of its thing has no value, since the client id is not the thing's name",
    step="client id",
    code="wrong-client-id",
)
def variable_by_client_id(plant: Plant) -> Iterator[Words]:
    press = plant.device(allow("iot:Publish", iot(f"topic/{_THING_NAME}/state")))
    words = ask(press.name, "iot:Publish", "--resource", f"topic/{press.name}/state")
    yield words
    yield (*words, "--client-id", "somebody")


@DEVICE.named(
    "a variable asks for an attribute that the thing does not have",
    step="decision",
    code="variable",
)
def variable_without_value(plant: Plant) -> Iterator[Words]:
    hall = "${iot:Connection.Thing.Attributes[hall]}"
    press = plant.device(allow("iot:Publish", iot(f"topic/{hall}/state")))
    words = ask(press.name, "iot:Publish", "--resource", "topic/7/state")
    plant.call(
        "iot",
        "update_thing",
        thingName=press.name,
        attributePayload={"attributes": {"hall": "7"}},
    )
    yield words
    plant.call("iot", "update_thing", thingName=press.name, attributePayload={"attributes": {}})
    yield words


@DEVICE.named("a statement denies it to publish", step="decision", code="explicit-deny")
def publish_denied(plant: Plant) -> Iterator[Words]:
    every = allow("iot:Publish", iot("topic/line/*"))
    press = plant.device(every)
    words = ask(press.name, "iot:Publish", "--resource", "topic/line/1")
    yield words
    may(plant, press, every, deny("iot:Publish", iot("topic/line/1"), Sid="NotTheFirst"))
    yield words


@DEVICE.named("the policy of a thing group denies it", step="decision", code="explicit-deny")
def denied_by_group(plant: Plant) -> Iterator[Words]:
    press = plant.device(allow("iot:Publish", iot("topic/line/*")))
    words = ask(press.name, "iot:Publish", "--resource", "topic/line/1")
    yield words
    _join_group(plant, press, deny("iot:Publish", iot("topic/line/1")))
    yield words


@DEVICE.named(
    "only the policy of a thing group allows it to discover",
    step="decision",
    code="needs-own-policy",
)
def discover_by_group_only(plant: Plant) -> Iterator[Words]:
    words = ask("press", "greengrass:Discover")
    yield words
    gauge = plant.device(allow("iot:Connect", iot(f"client/{_THING_NAME}")), name="gauge")
    _join_group(plant, gauge, allow("greengrass:Discover", iot(f"thing/{gauge.name}")))
    yield ask(gauge.name, "greengrass:Discover")


@DEVICE.named("no statement allows it to subscribe", step="decision", code="no-policy-allows")
def subscribe_missing(plant: Plant) -> Iterator[Words]:
    receive = allow("iot:Receive", iot("topic/set/1"))
    panel = plant.device(receive, allow("iot:Subscribe", iot("topicfilter/set/+")), name="panel")
    words = ask(panel.name, "iot:Subscribe", "--resource", "topicfilter/set/+")
    yield words
    may(plant, panel, receive)
    yield words


@DEVICE.named("the statement for subscribing names a topic", step="decision", code="resource")
def subscribe_resource(plant: Plant) -> Iterator[Words]:
    panel = plant.device(allow("iot:Subscribe", iot("topicfilter/set/+")), name="panel")
    words = ask(panel.name, "iot:Subscribe", "--resource", "topicfilter/set/+")
    yield words
    may(plant, panel, allow("iot:Subscribe", iot("topic/set/+")))
    yield words


@DEVICE.named("it may subscribe, but not receive", step="decision", code="no-policy-allows")
def receive_missing(plant: Plant) -> Iterator[Words]:
    subscribe = allow("iot:Subscribe", iot("topicfilter/set/+"))
    panel = plant.device(subscribe, allow("iot:Receive", iot("topic/set/1")), name="panel")
    words = ask(panel.name, "iot:Receive", "--resource", "topic/set/1")
    yield words
    may(plant, panel, subscribe)
    yield words


@DEVICE.named("a condition of the policy is not met", step="decision", code="condition")
def condition(plant: Plant) -> Iterator[Words]:
    only = {"StringEquals": {"iot:ClientId": "press-of-line-7"}}
    press = plant.device(allow("iot:Publish", iot("topic/line/1")))
    words = ask(press.name, "iot:Publish", "--resource", "topic/line/1")
    yield words
    may(plant, press, allow("iot:Publish", iot("topic/line/1"), Condition=only))
    yield words


@DEVICE.named("it is a device of no group", step="group", code="in-no-group")
def in_no_group(plant: Plant) -> Iterator[Words]:
    yield ask("press", "greengrass:Discover")
    yield ask(plant.device().name, "greengrass:Discover")


@DEVICE.named(
    "it was added to its group, but the group was not deployed",
    step="group",
    code="group-not-deployed",
)
def group_not_deployed(plant: Plant) -> Iterator[Words]:
    yield ask("press", "greengrass:Discover")
    gauge = plant.device(name="gauge")
    plant.run(plant.group.new_version(plant.press, plant.panel, gauge))
    yield ask(gauge.name, "greengrass:Discover")


@DEVICE.named("the deployments of its group were reset", step="group", code="group-not-deployed")
def group_reset(plant: Plant) -> Iterator[Words]:
    gauge = plant.device(name="gauge")
    group = plant.run(plant.cloud.group(plant.fresh("other-core"), gauge))
    plant.run(group.deploy())
    yield ask(gauge.name, "greengrass:Discover")
    plant.call("greengrass", "reset_deployments", GroupId=group.group_id, Force=True)
    yield ask(gauge.name, "greengrass:Discover")


@DEVICE.named("it asks for another thing's cores", step="own thing", code="not-own-thing")
def not_own_thing(plant: Plant) -> Iterator[Words]:
    press = plant.device(allow("greengrass:Discover", iot("thing/*")))
    yield ask("press", "greengrass:Discover")
    yield ask(press.name, "greengrass:Discover", "--resource", "thing/panel")


@DEVICE.named(
    "it asks for another thing's cores, and its policy does not allow that either",
    step="own thing",
    code="not-own-thing",
)
def not_own_thing_nor_allowed(plant: Plant) -> Iterator[Words]:
    press = plant.press.name
    yield ask(press, "greengrass:Discover")
    yield ask(press, "greengrass:Discover", "--resource", "thing/panel")


@DEVICE.named(
    "the core's policy lacks fetching its deployments",
    step="decision",
    code="no-policy-allows",
)
def core_lacks_get_deployment(plant: Plant) -> Iterator[Words]:
    resource = _deployment(plant)
    yield ask(CORE, "greengrass:GetDeployment", "--resource", resource)
    core = plant.device(allow("iot:Connect", iot("client/edge-*")), name="edge")
    yield ask(core.name, "greengrass:GetDeployment", "--resource", resource)


@DEVICE.named("no statement allows it to discover", step="decision", code="no-policy-allows")
def discover_missing(plant: Plant) -> Iterator[Words]:
    yield ask("press", "greengrass:Discover")
    gauge = plant.device(allow("iot:Connect", iot(f"client/{_THING_NAME}")), name="gauge")
    yield ask(gauge.name, "greengrass:Discover")


@DEVICE.named(
    "a core asks for the deployment of another group", step="own group", code="not-own-group"
)
def other_group(plant: Plant) -> Iterator[Words]:
    words = ("greengrass:GetDeployment", "--resource", _deployment(plant))
    yield ask(CORE, *words)
    other = plant.device(allow("greengrass:*"), name="other-core")
    yield ask(other.name, *words)


@DEVICE.named(
    "a core of no group asks for a server certificate", step="own group", code="core-of-no-group"
)
def core_of_no_group(plant: Plant) -> Iterator[Words]:
    yield ask(CORE, "greengrass:CreateCertificate")
    other = plant.device(allow("greengrass:*"), name="other-core")
    yield ask(other.name, "greengrass:CreateCertificate")


@DEVICE.named(
    "a core asks for its group's role, and the group has none",
    step="association",
    code="no-group-role",
)
def core_without_role(plant: Plant) -> Iterator[Words]:
    group = plant.group.group_id
    yield ask(CORE, "greengrass:AssumeRoleForGroup")
    plant.call("greengrass", "disassociate_role_from_group", GroupId=group)
    yield ask(CORE, "greengrass:AssumeRoleForGroup")
    plant.call("greengrass", "associate_role_to_group", GroupId=group, RoleArn=plant.group_role)


def _deployment(plant: Plant) -> str:
    """Return the ARN of the group's deployment."""
    deployment = plant.group.deployment_id
    return greengrass(f"groups/{plant.group.group_id}/deployments/{deployment}")


def _join_group(plant: Plant, thing: EnrolledThing, statement: dict[str, object]) -> None:
    """Put a thing into a thing group with a policy of one statement."""
    name = plant.fresh("hall")
    made = plant.call("iot", "create_thing_group", thingGroupName=name)
    plant.call(
        "iot", "create_policy", policyName=f"{name}-policy", policyDocument=document(statement)
    )
    plant.call("iot", "attach_policy", policyName=f"{name}-policy", target=made["thingGroupArn"])
    plant.call("iot", "add_thing_to_thing_group", thingGroupName=name, thingName=thing.name)


@DEVICE.named(
    "it asks for credentials by a role alias that does not exist",
    step="role alias",
    code="no-role-alias",
)
def no_role_alias(plant: Plant) -> Iterator[Words]:
    words, alias, _ = _credentials(plant)
    yield words
    plant.call("iot", "delete_role_alias", roleAlias=alias)
    yield words


@DEVICE.named(
    "the role of its role alias trusts another alias only", step="trust", code="trust-condition"
)
def role_of_other_alias(plant: Plant) -> Iterator[Words]:
    words, alias, role = _credentials(plant)
    yield words
    trust = _trust_of_alias(f"{alias}-of-line-2")
    plant.call("iam", "update_assume_role_policy", RoleName=role, PolicyDocument=json.dumps(trust))
    yield words


def _credentials(plant: Plant) -> tuple[Words, str, str]:
    """Make a device with a role alias that it may use; return the question, alias and role."""
    alias = plant.fresh("line")
    role = plant.role(_trust_of_alias(alias))
    arn = plant.call("iam", "get_role", RoleName=role)["Role"]["Arn"]
    plant.call("iot", "create_role_alias", roleAlias=alias, roleArn=arn)
    press = plant.device(allow("iot:AssumeRoleWithCertificate", iot(f"rolealias/{alias}")))
    action = "iot:AssumeRoleWithCertificate"
    return ask(press.name, action, "--resource", f"rolealias/{alias}"), alias, role


def _trust_of_alias(alias: str) -> dict[str, object]:
    return trust_policy(
        service=CREDENTIAL_PROVIDER, account=ACCOUNT, source=iot(f"rolealias/{alias}")
    )
