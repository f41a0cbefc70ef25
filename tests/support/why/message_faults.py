"""Faults of messages on a core: its deployed files, certificates, rows, and the core's policy."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from tests.support.cloud import EnrolledThing
from tests.support.core_estate import CORE, core_policy, without
from tests.support.why.fault import Faults
from tests.support.why.plant import Plant, Words, allow, document

from hedgerow.contract import (
    SHADOW_SERVICE,
    GroupDeployment,
    Membership,
    SignedDocument,
    decode,
    encode,
)

MESSAGE = Faults("A message on a core")
_UPDATE = "$aws/things/press/shadow/update"


def ask(root: Path, source: str, target: str, topic: str, *more: str) -> Words:
    """Return the words of a question about a message."""
    return (
        "why",
        "message",
        *("--root", str(root), "--from", source, "--to", target, "--topic", topic),
        *more,
    )


def line(root: Path, *more: str) -> Words:
    """Return the question about the message that the sound table lets pass."""
    return ask(root, "press", "panel", "line/1", *more)


def _certificate(plant: Plant, thing: EnrolledThing) -> str:
    certificate, _ = thing.identity.write(plant.folder / plant.fresh("identity"), "device")
    return str(certificate)


def _with_group(root: Path, change: Callable[[GroupDeployment], GroupDeployment]) -> None:
    """Change what is deployed to a copied root."""
    path = root / "ggc" / "deployment" / "group" / "group.json"
    path.write_bytes(encode(change(decode(path.read_bytes(), GroupDeployment))))


def _without_certificate(root: Path, thing: EnrolledThing) -> None:
    """Take a certificate off the list that a copied root has."""
    (path,) = (root / "ggc" / "deployment" / "membership").iterdir()
    signed = msgspec.json.decode(path.read_bytes(), type=SignedDocument)
    before = decode(signed.payload, Membership)
    left = tuple(
        one for one in before.certificates if one.certificate_id != thing.identity.certificate_id
    )
    after = msgspec.structs.replace(before, certificates=left)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(signed, payload=encode(after))))


def _with_first_row(root: Path, **changes: Any) -> None:
    """Change the row for the message, and leave the others out."""

    def change(group: GroupDeployment) -> GroupDeployment:
        row = msgspec.structs.replace(group.subscriptions[0], **changes)
        return msgspec.structs.replace(group, subscriptions=(row,))

    _with_group(root, change)


@MESSAGE.named("no group is deployed to the core", step="deployment", code="not-deployed")
def not_deployed(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield line(root)
    (root / "ggc" / "deployment" / "group" / "group.json").write_text("{}")
    yield line(root)


@MESSAGE.named("the source is not a device of the group", step="source", code="not-in-group")
def source_not_in_group(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield line(root)
    _with_group(root, lambda group: msgspec.structs.replace(group, devices=group.devices[1:]))
    yield line(root)


@MESSAGE.named("the target is not a device of the group", step="target", code="not-in-group")
def target_not_in_group(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield line(root)
    _with_group(root, lambda group: msgspec.structs.replace(group, devices=group.devices[:1]))
    yield line(root)


@MESSAGE.named(
    "no certificate of the source is on the core's list",
    step="source's certificate",
    code="no-certificate-listed",
)
def off_the_list(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield line(root)
    _without_certificate(root, plant.press)
    yield line(root)


@MESSAGE.named(
    "the target cannot connect: no certificate of it is on the core's list",
    step="target's certificate",
    code="no-certificate-listed",
)
def target_off_the_list(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield line(root)
    _without_certificate(root, plant.panel)
    yield line(root)


@MESSAGE.named(
    "the source shows a certificate that is not on the list",
    step="this certificate",
    code="certificate-not-listed",
)
def another_certificate(plant: Plant) -> Iterator[Words]:
    yield line(plant.root, "--certificate", _certificate(plant, plant.press))
    yield line(plant.root, "--certificate", _certificate(plant, plant.device()))


@MESSAGE.named(
    "the source shows the certificate of another device",
    step="this certificate",
    code="certificate-of-another",
)
def swapped_certificate(plant: Plant) -> Iterator[Words]:
    yield line(plant.root, "--certificate", _certificate(plant, plant.press))
    yield line(plant.root, "--certificate", _certificate(plant, plant.panel))


@MESSAGE.named(
    "the source connects with another client id", step="client id", code="wrong-client-id"
)
def local_client_id(plant: Plant) -> Iterator[Words]:
    yield line(plant.root, "--client-id", "press")
    yield line(plant.root, "--client-id", "press-7")


@MESSAGE.named("no row comes near", step="rows", code="no-row")
def no_row(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield line(root)
    _with_group(root, lambda group: msgspec.structs.replace(group, subscriptions=()))
    yield line(root)


def _own_shadow(root: Path, *subjects: str) -> Words:
    """Deploy rows from the press to the shadow service; return the question about its shadow."""

    def change(group: GroupDeployment) -> GroupDeployment:
        [first, *_] = group.subscriptions
        rows = tuple(
            msgspec.structs.replace(first, id=subject, subject=subject, target=SHADOW_SERVICE)
            for subject in subjects
        )
        return msgspec.structs.replace(group, subscriptions=rows)

    _with_group(root, change)
    return ("why", "message", "--root", str(root), "--from", "press", "--topic", _UPDATE)


@MESSAGE.named(
    "no row leads a request to the shadow service", step="shadow service", code="no-row-to-shadows"
)
def no_row_to_shadows(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield _own_shadow(root, _UPDATE)
    yield _own_shadow(root, _UPDATE.replace("update", "get"))


@MESSAGE.named("the shadow is of no member of the group", step="shadow", code="no-shadow-here")
def shadow_of_a_stranger(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield _own_shadow(root, "$aws/things/+/shadow/#")
    *words, _ = _own_shadow(root, "$aws/things/+/shadow/#")
    yield (*words, _UPDATE.replace("press", "stranger"))


@MESSAGE.named("the row has another source", step="rows", code="source-differs")
def other_source(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield line(root)
    _with_first_row(root, source="arn:aws:lambda:eu-west-1:123456789012:function:press:1")
    yield line(root)


@MESSAGE.named("the row's subject does not match", step="rows", code="subject-differs")
def other_subject(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield line(root)
    _with_first_row(root, subject="lines/+")
    yield line(root)


@MESSAGE.named("the row has another target", step="rows", code="target-differs")
def other_target(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    yield line(root)
    _with_first_row(root, target="cloud")
    yield line(root)


@MESSAGE.named("the topic has a wildcard in it", step="rows", code="bad-topic")
def wildcard_in_topic(plant: Plant) -> Iterator[Words]:
    yield line(plant.root)
    yield ask(plant.root, "press", "panel", "line/+")


def core_may(plant: Plant, policy: str) -> None:
    """Put another policy in force for the core; a policy has at most five versions."""
    plant.run(plant.cloud.edit_policy(CORE, policy))
    listed = plant.call("iot", "list_policy_versions", policyName=f"{CORE}-policy")
    for version in listed["policyVersions"]:
        if not version["isDefaultVersion"]:
            plant.call(
                "iot",
                "delete_policy_version",
                policyName=f"{CORE}-policy",
                policyVersionId=version["versionId"],
            )


def _core_loses(plant: Plant, words: Words, action: str) -> Iterator[Words]:
    """Take an action out of the core's policy while the question is asked again."""
    sound = core_policy(plant.group.group_id, "line/*", "set/*")
    yield words
    core_may(plant, without(sound, action))
    yield words
    core_may(plant, sound)


@MESSAGE.named(
    "a row leads to the cloud, but the core's own policy does not let it publish there",
    step="core's policy",
    code="no-policy-allows",
)
def core_may_not_publish(plant: Plant) -> Iterator[Words]:
    sound = json.loads(core_policy(plant.group.group_id, "line/*", "set/*"))
    words = ask(plant.root, "press", "cloud", "line/1")
    yield words
    # The statement for shadows allows to publish as well; only that on messages goes.
    sound["Statement"] = [
        {**one, "Action": "iot:Receive"} if one["Resource"][0].endswith("line/*") else one
        for one in sound["Statement"]
    ]
    core_may(plant, json.dumps(sound))
    yield words
    core_may(plant, core_policy(plant.group.group_id, "line/*", "set/*"))


@MESSAGE.named(
    "the only row leads to the cloud, where the core may not publish, and no target was named",
    step="core's policy",
    code="no-policy-allows",
)
def core_may_not_publish_anywhere(plant: Plant) -> Iterator[Words]:
    root = plant.copied_root()
    _with_first_row(root, target="cloud")
    words = ("why", "message", "--root", str(root), "--from", "press", "--topic", "line/1")
    yield from _core_only_may(plant, words, "iot:Connect")


@MESSAGE.named(
    "a row leads from the cloud, but the core may neither subscribe nor receive",
    step="core's policy",
    code="no-policy-allows",
)
def core_may_not_hear(plant: Plant) -> Iterator[Words]:
    yield from _core_only_may(plant, ask(plant.root, "cloud", "panel", "set/1"), "iot:Connect")


def _core_only_may(plant: Plant, words: Words, action: str) -> Iterator[Words]:
    """Leave the core one action alone while the question is asked again."""
    yield words
    core_may(plant, document(allow(action)))
    yield words
    core_may(plant, core_policy(plant.group.group_id, "line/*", "set/*"))


@MESSAGE.named(
    "a row leads from the cloud, but the core's own policy does not let it subscribe",
    step="core's policy",
    code="no-policy-allows",
)
def core_may_not_subscribe(plant: Plant) -> Iterator[Words]:
    words = ask(plant.root, "cloud", "panel", "set/1")
    yield from _core_loses(plant, words, "iot:Subscribe")


@MESSAGE.named(
    "the core's own certificate is inactive", step="core's policy", code="certificate-inactive"
)
def core_inactive(plant: Plant) -> Iterator[Words]:
    words = ask(plant.root, "press", "cloud", "line/1")
    certificate = plant.group.core.identity.certificate_id
    yield words
    plant.call("iot", "update_certificate", certificateId=certificate, newStatus="INACTIVE")
    yield words
    plant.call("iot", "update_certificate", certificateId=certificate, newStatus="ACTIVE")
