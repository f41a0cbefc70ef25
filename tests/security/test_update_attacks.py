"""Whoever is between the repository and the core, or has its online key, or writes packages."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.update_agent import UpdateStage, files_of, new_stage, update_of
from tests.support.updates import FACTS, UpdatePlace, make_archive, make_package, new_place
from tuf.api.metadata import Metadata, Targets, Timestamp

from hedgerow.cloud.updates.signing_keys import load_key
from hedgerow.contract import encode
from hedgerow.core.updates import VerifiedPackage
from hedgerow.core.updates.unpacking import unpack
from hedgerow.kernel import ConfigurationError, PeerError, UnavailableError

pytestmark = [pytest.mark.spec("T08"), pytest.mark.promise(11)]


@pytest.fixture
def stage(tmp_path: Path) -> UpdateStage:
    return new_stage(tmp_path)


def _fetched(stage: UpdateStage, version: str = "1.1.0") -> VerifiedPackage:
    return stage.client().fetch(update_of(version), "0.1.0")


def _target_file(place: UpdatePlace, version: str = "1.1.0") -> Path:
    (found,) = (place.files / "targets/core" / version).glob("*.tar.gz")
    return found


def test_what_the_keys_signed_is_taken(stage: UpdateStage) -> None:
    stage.place.publish()
    package = _fetched(stage)
    assert package.path.read_bytes() == _target_file(stage.place).read_bytes()
    with pytest.raises(TypeError):
        VerifiedPackage(package.path, package.facts, 1, "", object())


def test_a_changed_byte_is_noticed(stage: UpdateStage) -> None:
    stage.place.publish()
    file = _target_file(stage.place)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(PeerError, match="not trusted"):
        _fetched(stage)


@pytest.mark.parametrize("cut", [slice(0, -1), slice(1, None)])
def test_a_file_that_is_shorter_is_not_taken(stage: UpdateStage, cut: slice) -> None:
    stage.place.publish()
    file = _target_file(stage.place)
    file.write_bytes(file.read_bytes()[cut])
    with pytest.raises(PeerError, match="not trusted"):
        _fetched(stage)


def test_endless_data_ends_at_the_signed_length(stage: UpdateStage) -> None:
    stage.place.publish()
    read = 0

    def endless(kind: str, name: str) -> Iterator[bytes]:
        nonlocal read
        if kind == "metadata":
            yield from files_of(stage.place.files)(kind, name)
            return
        while True:
            read += 65_536
            yield bytes(65_536)

    stage.fetch = endless
    with pytest.raises((PeerError, UnavailableError)):
        _fetched(stage)
    assert read <= 2 * 65_536


@pytest.mark.parametrize("name", ["timestamp", "1.snapshot", "2.root"])
def test_endless_metadata_ends_at_its_limit(stage: UpdateStage, name: str) -> None:
    read = 0

    def endless(kind: str, asked: str) -> Iterator[bytes]:
        nonlocal read
        if asked != f"{name}.json":
            yield from files_of(stage.place.files)(kind, asked)
            return
        while True:
            read += 65_536
            yield b" " * 65_536

    stage.fetch = endless
    with pytest.raises((PeerError, UnavailableError)):
        _fetched(stage)
    assert read <= 3_000_000


def test_a_repository_under_other_keys_is_not_believed(stage: UpdateStage) -> None:
    other = new_place(stage.folder / "attacker")
    other.publish()
    stage.fetch = files_of(other.files)
    with pytest.raises(PeerError, match="not trusted"):
        _fetched(stage)


def test_the_online_key_alone_cannot_publish(stage: UpdateStage) -> None:
    """The attacker runs the cloud: everything but the offline keys is theirs."""
    stage.place.publish("1.0.0")
    keys = stage.folder / "stolen"
    keys.mkdir(mode=0o700)
    shutil.copy(stage.place.files / "online.key", keys / "targets.key")
    with pytest.raises(ConfigurationError):
        stage.place.repository.publish(make_package(stage.folder), keys)
    _forge_targets(stage.place)
    with pytest.raises(PeerError, match="not trusted"):
        _fetched(stage, "1.0.0")


def _forge_targets(place: UpdatePlace) -> None:
    """Change what the newest targets say, without their key."""
    (path,) = (place.files / "metadata").glob("2.targets.json")
    forged: Metadata[Targets] = Metadata.from_file(str(path))
    for target in forged.signed.targets.values():
        target.hashes["sha256"] = "0" * 64
    path.write_bytes(forged.to_bytes())


def test_an_older_state_is_refused_once_a_newer_one_was_seen(stage: UpdateStage) -> None:
    """Rollback: yesterday's repository, well signed, with yesterday's hole in its package."""
    stage.place.publish("1.1.0")
    old = stage.folder / "yesterday"
    shutil.copytree(stage.place.files, old)
    stage.place.publish("1.2.0")
    _fetched(stage, "1.2.0")
    stage.fetch = files_of(old)
    with pytest.raises(PeerError, match="not trusted"):
        _fetched(stage, "1.1.0")


def test_a_withdrawn_package_cannot_be_brought_back_by_an_old_targets_file(
    stage: UpdateStage,
) -> None:
    """Mix and match: the newest timestamp and snapshot, and targets of another day."""
    path = stage.place.publish("1.1.0")
    stage.place.repository.withdraw(path, stage.place.keys)
    metadata = stage.place.files / "metadata"
    shutil.copy(metadata / "2.targets.json", metadata / "3.targets.json")
    with pytest.raises(PeerError, match="not trusted"):
        _fetched(stage)


def test_a_state_that_is_held_back_for_too_long_is_not_believed(stage: UpdateStage) -> None:
    """Freeze: the attacker goes on giving what was true eight days ago."""
    frozen = new_stage(stage.folder / "frozen")
    frozen.place = frozen.place.at(timedelta(days=8))
    frozen.place.publish()
    with pytest.raises(PeerError, match="expired"):
        _fetched(frozen)
    frozen.place.at(timedelta(0)).repository.refresh()
    assert _fetched(frozen).facts.version == "1.1.0"


def test_cores_follow_new_keys_from_the_root_they_have_pinned(stage: UpdateStage) -> None:
    place, new = stage.place, stage.folder / "new"
    place.publish("1.1.0")
    place.repository.rotate(place.keys, new)
    place.repository.publish(make_package(stage.folder, "1.2.0"), new)
    assert _fetched(stage, "1.2.0").facts.version == "1.2.0"
    assert stage.folders.updates_root.read_bytes() == place.pinned


def test_after_a_stolen_online_key_was_replaced_its_versions_count_no_more(
    stage: UpdateStage,
) -> None:
    """Fast forward: a timestamp of a very high version, so that no later one is ever newer."""
    place = stage.place
    place.publish("1.1.0")
    file = place.files / "metadata/timestamp.json"
    honest = file.read_bytes()
    forged: Metadata[Timestamp] = Metadata.from_bytes(honest)
    forged.signed.version = 10**6
    forged.sign(load_key(place.files / "online.key"))
    file.write_bytes(forged.to_bytes())
    _fetched(stage)
    file.write_bytes(honest)
    with pytest.raises(PeerError, match="not trusted"):
        _fetched(stage)
    place.repository.rotate(place.keys, stage.folder / "new")
    assert _fetched(stage).facts.version == "1.1.0"


def test_a_new_root_that_the_old_keys_did_not_sign_is_not_followed(stage: UpdateStage) -> None:
    other = new_place(stage.folder / "attacker")
    other.repository.rotate(other.keys, stage.folder / "theirs")
    metadata = stage.place.files / "metadata"
    shutil.copy(other.files / "metadata/2.root.json", metadata / "2.root.json")
    with pytest.raises(PeerError, match="not trusted"):
        _fetched(stage)


def test_a_job_cannot_pass_one_package_off_as_another(stage: UpdateStage) -> None:
    """Whoever writes jobs may want an old version where the new one is expected."""
    old = stage.place.publish("1.0.0")
    stage.place.publish("1.1.0")
    with pytest.raises(PeerError, match="the job asks for"):
        stage.client().fetch(update_of("1.1.0", old), "0.1.0")
    with pytest.raises(PeerError, match="the job asks for"):
        stage.client().fetch(update_of("1.0.0", old, software="ota_agent"), "0.1.0")


def test_a_job_cannot_bring_back_an_older_version_that_is_published_still(
    stage: UpdateStage,
) -> None:
    """Downgrade: the old version is well signed, and has the hole that the new one mends."""
    stage.place.publish("1.0.0")
    newer = stage.place.publish("1.1.0")
    with pytest.raises(PeerError, match="is older than"):
        stage.client().fetch(update_of("1.0.0"), "1.1.0")
    stage.place.repository.withdraw(newer, stage.place.keys)
    assert stage.client().fetch(update_of("1.0.0"), "1.1.0").facts.version == "1.0.0"


def test_a_package_for_another_machine_is_not_taken(stage: UpdateStage) -> None:
    target = stage.place.publish("1.1.0", architecture="aarch64")
    with pytest.raises(PeerError, match="is for aarch64"):
        stage.client().fetch(update_of("1.1.0", target), "0.1.0")


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "", "core/1.1.0/x"])
def test_a_job_cannot_name_anything_but_a_target(stage: UpdateStage, target: str) -> None:
    with pytest.raises(PeerError, match="offers no"):
        stage.client().fetch(update_of("1.1.0", target or "?"), "0.1.0")


def test_without_a_pinned_root_nothing_is_believed(stage: UpdateStage) -> None:
    stage.place.publish()
    stage.folders.updates_root.unlink()
    with pytest.raises(ConfigurationError, match=r"1\.root\.json"):
        _fetched(stage)


def test_a_package_that_is_changed_between_check_and_use_is_not_unpacked(
    stage: UpdateStage,
) -> None:
    stage.place.publish()
    package = _fetched(stage)
    package.path.write_bytes(make_package(stage.folder, "6.6.6").read_bytes())
    into = stage.folder / "into"
    with pytest.raises(PeerError, match="changed on this disk"):
        unpack(package, into)
    assert not into.exists()


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, 0o755
    return member


_HOSTILE = {
    "leads out": [_member("../outside")],
    "leads out below": [_member("site/../../outside")],
    "absolute": [_member("/tmp/outside")],  # noqa: S108 - a name in an archive
    "a link out": [_member("site", tarfile.SYMTYPE, "/etc")],
    "a link, then through it": [_member("site", tarfile.SYMTYPE, ".."), _member("site/outside")],
    "a hard link": [_member("shadow", tarfile.LNKTYPE, "/etc/shadow")],
    "a device": [_member("zero", tarfile.CHRTYPE)],
    "a pipe": [_member("pipe", tarfile.FIFOTYPE)],
    "the same name twice": [_member("site/a.py"), _member("site/a.py")],
    "a file as a folder": [_member("site"), _member("site/a.py")],
    "an empty part": [_member("site//a.py")],
    "a control character": [_member("site/a\n.py")],
    "too deep": [_member("/".join("a" * 33))],
}


@pytest.mark.parametrize("kind", sorted(_HOSTILE))
def test_a_package_with_anything_but_plain_files_is_refused_whole(
    stage: UpdateStage, kind: str
) -> None:
    """Even signed: whoever signs may be deceived."""
    members = [(member, b"x") for member in _HOSTILE[kind]]
    package = _signed(stage, *members)
    into = stage.folder / "a" / "into"
    with pytest.raises(PeerError):
        unpack(package, into)
    assert not into.exists()
    assert not list(stage.folder.rglob("outside"))


def test_what_is_unpacked_is_nobody_elses_to_change_and_keeps_no_special_rights(
    stage: UpdateStage,
) -> None:
    special = _member("site/tool")
    special.mode, special.uid, special.gid = 0o6777, 4321, 4321
    into = stage.folder / "into"
    unpack(_signed(stage, (special, b"x")), into)
    for path in (into, *into.rglob("*")):
        found = path.stat()
        assert found.st_mode & 0o7022 == 0
        assert found.st_uid == os.getuid()


def test_a_package_that_is_not_what_was_signed_about_it_is_refused(stage: UpdateStage) -> None:
    package = _signed(stage, facts=encode(FACTS).replace(b"1.1.0", b"9.9.9"))
    with pytest.raises(PeerError, match="something else of itself"):
        unpack(package, stage.folder / "into")


def _signed(
    stage: UpdateStage, *members: tuple[tarfile.TarInfo, bytes], facts: bytes | None = None
) -> VerifiedPackage:
    """Sign a package of these members beside the usual ones, as a deceived publisher would."""
    archive = make_archive(
        stage.folder / "hostile.tar.gz",
        (_member("package.json"), facts or encode(FACTS)),
        (_member("greengrassd"), b"#!/bin/sh\n"),
        *members,
    )
    _publish_blindly(stage.place, archive)
    return _fetched(stage)


def _publish_blindly(place: UpdatePlace, archive: Path) -> None:
    """Publish without looking into the package."""
    repository = place.repository
    targets = repository._newest_targets()
    repository._add(targets.signed, "core/1.1.0/ubuntu-x86_64.tar.gz", archive, FACTS)
    repository._state(targets.signed, load_key(place.keys / "targets.key"))
