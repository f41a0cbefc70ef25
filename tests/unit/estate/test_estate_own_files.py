"""An estate in files of our own: readable line by line, safe to write, and read back the same."""

import json
from pathlib import Path, PurePosixPath

import msgspec
import pytest
from tests.support.v1_estate import OldPlant

from hedgerow.cli.estate.files import source_of
from hedgerow.estate import Estate, Group, Origin, Policy, Reading, Source
from hedgerow.estate.own_files import INDEX, OwnFiles
from hedgerow.estate.readers import read, writer

PLANT = OldPlant.make()


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    found = read(source_of(PLANT.write_answers(tmp_path))).estate
    assert found is not None
    return found


def codes(reading: Reading) -> list[str]:
    return [finding.code for finding in reading.findings]


def test_what_is_written_is_read_back_the_same(estate: Estate, tmp_path: Path) -> None:
    files = writer("files").write(estate)
    folder = tmp_path / "out"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    reading = read(source_of(folder))
    assert reading.estate == estate
    assert not reading.findings


def test_every_device_and_row_has_a_line(estate: Estate) -> None:
    files = writer("files").write(estate)
    rows = files["groups/plant/subscriptions.json"].decode().splitlines()
    assert sum('"Subject": "plant/' in line for line in rows) == 4
    things = files[INDEX].decode().splitlines()
    assert sum('{"name": "press"' in line for line in things) == 1
    assert files["policies/press-policy.json"].decode() == next(
        one.document for one in estate.policies if one.name == "press-policy"
    )


def test_names_never_lead_out_of_the_folder_and_never_meet() -> None:
    names = [
        "..",
        "../../etc/passwd",
        "/root",
        "a/b",
        "a_b",
        "A_B",
        "a b",
        "ä",
        "",
        "x" * 500,
        "CON",
    ]
    estate = Estate(
        origin=Origin(account="1", region="r"),
        policies=tuple(Policy(name=name, document=f'"{name}"') for name in names),
        groups=tuple(Group(id=str(number), name=name) for number, name in enumerate(names)),
    )
    files = OwnFiles().write(estate)
    assert len({name.casefold() for name in files}) == len(files) == 2 * len(names) + 1
    for name in files:
        path = PurePosixPath(name)
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert max(map(len, path.parts)) < 100
    assert OwnFiles().read(Source(files=files)).estate == estate.in_order()


def test_a_folder_that_is_not_whole_is_named_file_by_file(estate: Estate) -> None:
    files = dict(writer("files").write(estate))
    del files["policies/press-policy.json"]
    files["groups/plant/devices.json"] = b"{"
    reading = read(Source(files=files))
    assert reading.estate is None
    assert [(one.code, one.place) for one in reading.findings] == [
        ("FILE_MISSING", "policies/press-policy.json"),
        ("FILE_UNREADABLE", "groups/plant/devices.json"),
    ]


def test_a_certificate_whose_file_is_gone_is_for_the_plan_to_speak_of(estate: Estate) -> None:
    files = dict(writer("files").write(estate))
    lost = estate.certificates[0].id
    del files[f"certificates/{lost}.pem"]
    found = read(Source(files=files)).estate
    assert found is not None
    assert [one.pem for one in found.certificates if one.id == lost] == [""]


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b'{"format": 2, "origin": {"account": "1", "region": "r"}}',
        b'{"format": 1, "origin": {"account": "1", "region": "r"}, "keys": []}',
        b'{"format": 1, "origin": {"account": "1", "region": "r"}, "groups": [{"folder": "x"}]}',
    ],
)
def test_an_index_that_is_none_is_refused(index: bytes) -> None:
    reading = read(Source(files={INDEX: index}))
    assert reading.estate is None
    assert codes(reading) == ["FILE_UNREADABLE"]


def test_an_estate_of_nothing_is_one_file() -> None:
    nothing = Estate(origin=Origin(account="1", region="r"))
    files = OwnFiles().write(nothing)
    assert list(files) == [INDEX]
    assert json.loads(files[INDEX])["format"] == 1
    assert OwnFiles().read(Source(files=files)).estate == nothing
    assert msgspec.structs.asdict(nothing)["things"] == ()
