"""What is left of an old plant is read into an estate; what cannot be read is named."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.pki import new_authority, new_identity
from tests.support.v1_estate import (
    CORE,
    GROUP_ID,
    LAMP,
    OLD_ACCOUNT,
    OLD_REGION,
    PRESS,
    OldPlant,
    iot_arn,
    version_arn,
)

from hedgerow.cli.estate.files import source_of
from hedgerow.estate import Estate, Reading, Source
from hedgerow.estate.readers import READERS, read
from hedgerow.kernel import CallerError

PLANT = OldPlant.make()


def codes(reading: Reading) -> set[str]:
    return {finding.code for finding in reading.findings}


def core_folder(tmp_path: Path, **changes: Any) -> Source:
    """Return the files of the plant's core, with changes of `group.json`."""
    root = PLANT.write_core_folder(tmp_path / "root")
    path = root / "ggc/deployment/group/group.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return source_of(root, beside=PLANT.write_device_certificates(tmp_path / "pems"))


def estate_of(reading: Reading) -> Estate:
    assert reading.estate is not None, reading.findings
    return reading.estate


def test_a_core_folder_holds_its_group_with_core_devices_and_rows(tmp_path: Path) -> None:
    estate = estate_of(read(core_folder(tmp_path)))
    assert (estate.origin.account, estate.origin.region) == (OLD_ACCOUNT, OLD_REGION)
    (group,) = estate.groups
    assert (group.id, group.name) == (GROUP_ID, f"{CORE}-group")
    assert [one["ThingArn"] for one in group.entities("Core")] == [iot_arn(f"thing/{CORE}")]
    assert [one["CertificateArn"] for one in group.entities("Device")] == [
        PLANT.certificate_arn(PRESS),
        PLANT.certificate_arn(LAMP),
    ]
    assert list(group.entities("Subscription")) == PLANT.rows()
    assert group.entities("Function")[0]["FunctionArn"].endswith("GGIPDetector:1")
    assert "DeploymentConfiguration" not in group.entities("Function")[0]
    assert [thing.name for thing in estate.things] == [LAMP, CORE, PRESS]
    assert {one.id: one.pem for one in estate.certificates} == {
        one.certificate_id: one.certificate_pem for one in PLANT.identities.values()
    }


def test_who_has_no_known_policy_gets_the_least_one(tmp_path: Path) -> None:
    reading = read(core_folder(tmp_path))
    policies = {one.name: one.document for one in estate_of(reading).policies}
    assert set(policies) == {
        f"{CORE}-policy",
        f"{CORE}-messages",
        f"{PRESS}-policy",
        f"{LAMP}-policy",
    }
    assert f"/greengrass/groups/{GROUP_ID}/deployments/*" in policies[f"{CORE}-policy"]
    assert iot_arn("topic/plant/up") in policies[f"{CORE}-messages"]
    assert "POLICY_MADE" in codes(reading)


def test_devices_without_certificate_arns_are_known_by_the_names_of_their_files(
    tmp_path: Path,
) -> None:
    bare = [{"thingArn": iot_arn(f"thing/{name}")} for name in (PRESS, LAMP)]
    reading = read(core_folder(tmp_path, Devices=bare))
    attached = {one.name: one.certificates for one in estate_of(reading).things}
    assert attached[PRESS] == (PLANT.identities[PRESS].certificate_id,)
    assert attached[LAMP] == (PLANT.identities[LAMP].certificate_id,)
    assert "CERTIFICATE_BY_NAME" in codes(reading)
    (group,) = estate_of(reading).groups
    assert group.entities("Device")[0]["CertificateArn"] == PLANT.certificate_arn(PRESS)


def test_a_certificate_named_by_hand_takes_the_place_of_one_that_is_lost(tmp_path: Path) -> None:
    root = PLANT.write_core_folder(tmp_path / "root")
    newer = new_identity(new_authority("somebody"))
    certificate, _ = newer.write(tmp_path, "new")
    reading = read(source_of(root, devices=[f"{PRESS}={certificate}"]))
    (group,) = estate_of(reading).groups
    arns = {one["ThingArn"]: one["CertificateArn"] for one in group.entities("Device")}
    assert arns[iot_arn(f"thing/{PRESS}")] == iot_arn(f"cert/{newer.certificate_id}")
    assert "CERTIFICATE_REPLACED" in codes(reading)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Arn": ""}, "GROUP_UNKNOWN"),
        ({"Cores": [{"thingArn": iot_arn("thing/another")}]}, "CORE_DIFFERS"),
        ({"GroupDefinitions": {"Subscriptions": {"Content": [{"Id": "1"}]}}}, "ENTRY_LEFT_OUT"),
        (
            {"GroupDefinitions": {"Resources": {"Content": [{"Id": "1", "Type": "Moon"}]}}},
            "ENTRY_LEFT_OUT",
        ),
        ({"Devices": [{"Id": "1"}]}, "DEVICE_UNNAMED"),
    ],
)
def test_what_is_wrong_with_a_group_file_is_said(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    assert code in codes(read(core_folder(tmp_path, **changes)))


def test_resources_are_read_in_both_forms(tmp_path: Path) -> None:
    content = [
        {"Id": "1", "Name": "dri", "Type": "Device", "Data": {"SourcePath": "/dev/dri"}},
        {
            "Id": "2",
            "Name": "data",
            "ResourceDataContainer": {"LocalVolumeResourceData": {"SourcePath": "/data"}},
        },
    ]
    source = core_folder(tmp_path, GroupDefinitions={"Resources": {"Content": content}})
    (group,) = estate_of(read(source)).groups
    assert [one["ResourceDataContainer"] for one in group.entities("Resource")] == [
        {"LocalDeviceResourceData": {"SourcePath": "/dev/dri"}},
        {"LocalVolumeResourceData": {"SourcePath": "/data"}},
    ]


def test_saved_answers_hold_everything_as_it_was(tmp_path: Path) -> None:
    reading = read(source_of(PLANT.write_answers(tmp_path)))
    estate = estate_of(reading)
    (group,) = estate.groups
    assert (group.name, group.tags) == ("plant", {"site": "north"})
    assert [one.kind for one in group.definitions] == ["Core", "Device", "Subscription"]
    assert [(one.id, one.host, one.port) for one in group.addresses] == [("lan", "127.0.0.1", 8883)]
    assert {one.name: one.attributes for one in estate.things} == {
        name: {"hall": "7"} for name in (CORE, PRESS, LAMP)
    }
    assert [one.policies for one in estate.certificates] == [
        (f"{name}-policy",)
        for name in sorted(PLANT.identities, key=lambda name: PLANT.identities[name].certificate_id)
    ]
    assert len(estate.policies) == 3
    assert not reading.findings


def test_an_answer_that_was_saved_twice_counts_once_and_of_groups_the_newest(
    tmp_path: Path,
) -> None:
    folder = PLANT.write_answers(tmp_path)
    whole = estate_of(read(source_of(folder)))
    for name in (f"certificates/{PRESS}", f"policies/{PRESS}", f"things/{PRESS}"):
        (folder / f"{name}-again.json").write_text((folder / f"{name}.json").read_text())
    group = json.loads((folder / "group.json").read_text())
    older = {**group, "Name": "was", "LastUpdatedTimestamp": "2018-01-01T00:00:00.000Z"}
    (folder / "older-group.json").write_text(json.dumps(older))
    assert estate_of(read(source_of(folder))) == whole


def test_an_answer_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = PLANT.write_answers(tmp_path)
    (folder / "devices.json").unlink()
    (folder / "notes.json").write_text('{"seen": true}')
    older = json.loads((folder / "cores.json").read_text())
    older["Definition"] = {"Cores": []}
    (folder / "old-cores.json").write_text(json.dumps({**older, "Arn": older["Arn"] + "0"}))
    reading = read(source_of(folder))
    missing = [one for one in reading.findings if one.code == "DEFINITION_MISSING"]
    assert "get-device-definition-version" in missing[0].message
    assert [one.place for one in reading.findings if one.code == "FILE_PASSED_OVER"] == [
        "notes.json",
        "old-cores.json",
    ]


def test_what_is_written_as_json_is_read_back_the_same(tmp_path: Path) -> None:
    estate = estate_of(read(source_of(PLANT.write_answers(tmp_path))))
    (reader,) = [one for one in READERS if one.name == "json"]
    files = reader.write(estate)  # type: ignore[attr-defined]  # this one writes, too
    assert estate_of(read(Source(files=files))) == estate


def test_files_of_no_format_are_refused_with_the_formats_there_are() -> None:
    reading = read(Source(files={"a.json": b"{}"}))
    assert reading.estate is None
    assert "core-folder" in reading.findings[0].message
    with pytest.raises(CallerError, match="no format 'yml'"):
        read(Source(files={}), "yml")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000, b"\xff\xfe"])
def test_files_that_are_no_json_never_raise(data: bytes) -> None:
    for reader in READERS:
        names = ["estate.json", "config/config.json", "ggc/deployment/group/group.json"]
        source = Source(files=dict.fromkeys(names, data))
        reader.recognises(source)
        assert reader.read(source).estate is None


@pytest.mark.promise(6)
def test_a_file_with_a_private_key_is_not_taken(tmp_path: Path) -> None:
    source = core_folder(tmp_path)
    assert all(b"PRIVATE KEY" not in data for data in source.files.values())
    assert any(name.endswith(".pem") for name in source.files)
    both = tmp_path / "both.pem"
    identity = PLANT.identities[PRESS]
    both.write_bytes(identity.certificate_pem.encode() + identity.key.pem().reveal())
    with pytest.raises(CallerError, match="private key"):
        source_of(tmp_path / "root", devices=[f"{PRESS}={both}"])
    assert b"PRIVATE" not in msgspec.json.encode(estate_of(read(source)))


@pytest.mark.promise(6)
def test_links_that_lead_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.json").write_text('{"secret": 1}')
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "folder").symlink_to(outside)
    (inside / "file.json").symlink_to(outside / "secret.json")
    (inside / "again").symlink_to(inside)
    (inside / "own.json").write_text("{}")
    assert set(source_of(inside).files) == {"own.json"}


def test_answers_are_read_as_windows_and_text_editors_save_them(tmp_path: Path) -> None:
    folder = PLANT.write_answers(tmp_path)
    whole = estate_of(read(source_of(folder)))
    group, cores = folder / "group.json", folder / "cores.json"
    group.write_bytes(group.read_text().encode("utf-16"))
    cores.write_bytes(cores.read_text().encode("utf-8-sig"))
    (folder / "devices.json").rename(folder / "devices.txt")
    assert estate_of(read(source_of(folder))) == whole


def test_attachments_are_read_from_either_side(tmp_path: Path) -> None:
    folder = PLANT.write_answers(tmp_path)
    whole = estate_of(read(source_of(folder)))
    for name, identity in PLANT.identities.items():
        own = identity.certificate_id
        (folder / f"list-thing-principals/{name}.json").unlink()
        (folder / f"list-attached-policies-{own}.json").unlink()
        (folder / f"things/{name}.json").unlink()
        for file, body in {
            f"list-principal-things-{own}": {"things": [name]},
            f"list-policy-principals-{name}-policy": {"principals": [PLANT.certificate_arn(name)]},
        }.items():
            (folder / f"{file}.json").write_text(json.dumps(body))
    listed = [{"thingName": name, "attributes": {"hall": "7"}} for name in PLANT.identities]
    (folder / "list-things.json").write_text(json.dumps({"things": listed}))
    assert estate_of(read(source_of(folder))) == whole


def test_types_groups_role_and_settings_are_read_from_answers(tmp_path: Path) -> None:
    folder = PLANT.write_answers(tmp_path)
    policy = {"policies": [{"policyName": f"{PRESS}-policy", "policyArn": "x"}]}
    for name, body in {
        "describe-thing-type": {
            "thingTypeName": "machine",
            "thingTypeProperties": {
                "thingTypeDescription": "makes",
                "searchableAttributes": ["hall"],
            },
        },
        "describe-thing-group": {
            "thingGroupName": "north",
            "thingGroupProperties": {
                "thingGroupDescription": "d",
                "attributePayload": {"attributes": {"a": "b"}},
            },
        },
        "list-attached-policies-north": policy,
        f"list-thing-groups-for-thing-{PRESS}": {
            "thingGroups": [{"groupName": "north", "groupArn": "x"}]
        },
        "get-associated-role": {
            "AssociatedAt": "2019-06-18T16:21:21.457Z",
            "RoleArn": f"arn:aws:iam::{OLD_ACCOUNT}:role/r",
        },
        "get-group-certificate-configuration": {
            "CertificateAuthorityExpiryInMilliseconds": "1",
            "CertificateExpiryInMilliseconds": "1000000000",
            "GroupId": GROUP_ID,
        },
        "get-core-definition": {
            "Arn": version_arn("Core").partition("/versions/")[0],
            "Name": "the cores",
            "tags": {"x": "y"},
        },
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(body))
    estate = estate_of(read(source_of(folder)))
    (group,) = estate.groups
    assert group.role_arn == f"arn:aws:iam::{OLD_ACCOUNT}:role/r"
    assert group.certificate_validity_ms == 1_000_000_000
    assert (group.definitions[0].name, group.definitions[0].tags) == ("the cores", {"x": "y"})
    assert [(one.name, one.searchable) for one in estate.thing_types] == [("machine", ("hall",))]
    assert [(one.policies, one.attributes) for one in estate.thing_groups] == [
        ((f"{PRESS}-policy",), {"a": "b"})
    ]
    assert [one.thing_groups for one in estate.things if one.name == PRESS] == [("north",)]
