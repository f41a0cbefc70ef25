"""The repository: what is published, in which order, under whose keys."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.updates import UpdatePlace, make_package, new_place
from tuf.api.metadata import Metadata, TargetFile, Timestamp

from hedgerow.cloud.updates import Published, UpdateCatalogue
from hedgerow.cloud.updates.repository import facts_of
from hedgerow.kernel import CallerError, ConfigurationError, Secret


def test_a_published_package_is_in_the_catalogue_with_the_newest_version_first(
    tmp_path: Path,
) -> None:
    place = new_place(tmp_path)
    for version in ("1.9.4", "1.10.0", "1.9.10"):
        place.publish(version)
    catalogue = UpdateCatalogue(place.files, place.clock)
    newest = catalogue.newest("core", "ubuntu", "x86_64")
    assert newest == Published("1.10.0", "core/1.10.0/ubuntu-x86_64.tar.gz")
    assert catalogue.newest("core", "ubuntu", "aarch64") is None
    assert catalogue.newest("ota_agent", "ubuntu", "x86_64") is None


def test_a_folder_without_a_repository_has_nothing_published(tmp_path: Path) -> None:
    assert UpdateCatalogue(tmp_path, ManualClock()).newest("core", "ubuntu", "x86_64") is None


def test_a_version_is_published_once(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    place.publish()
    with pytest.raises(CallerError, match="published already"):
        place.publish()


def test_a_withdrawn_package_is_no_longer_offered(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    path = place.publish()
    place.repository.withdraw(path, place.keys)
    assert place.repository.packages() == []


def test_publishing_needs_the_offline_key_of_the_newest_root(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    other = new_place(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="not the targets key"):
        place.repository.publish(make_package(tmp_path), other.keys)
    assert place.repository.packages() == []


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    keys = [*place.keys.iterdir(), place.files / "online.key"]
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    (place.keys / "targets.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="others"):
        place.publish()


def test_offline_keys_can_be_closed_with_a_passphrase(tmp_path: Path) -> None:
    place = UpdatePlace(tmp_path, ManualClock())
    repository, right = place.repository, Secret(b"correct horse")
    repository.create(place.keys, passphrase=right)
    assert all(b"ENCRYPTED" in key.read_bytes() for key in place.keys.iterdir())
    package = make_package(tmp_path)
    with pytest.raises(ConfigurationError, match="is closed with a passphrase"):
        repository.publish(package, place.keys)
    with pytest.raises(ConfigurationError, match="not under this passphrase") as wrong:
        repository.publish(package, place.keys, Secret(b"battery staple"))
    assert "staple" not in str(wrong.value)
    repository.publish(package, place.keys, right)
    assert repository.rotate(place.keys, tmp_path / "new", right) == 2
    assert repository.refresh() is False


def test_the_online_state_is_signed_anew_before_it_ends_and_by_the_online_key_alone(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    place = new_place(tmp_path, clock)
    place.publish()
    for key in place.keys.iterdir():
        key.unlink()
    assert not place.repository.refresh()
    for _ in range(20):
        clock.advance(timedelta(days=4))
        assert place.repository.refresh()
    newest: Metadata[Timestamp] = Metadata.from_file(str(place.files / "metadata/timestamp.json"))
    assert newest.signed.expires > clock.now() + timedelta(days=6)
    assert len(place.repository.packages()) == 1


def test_after_a_rotation_the_new_keys_publish_and_the_old_do_not(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    place.publish("1.1.0")
    assert place.repository.rotate(place.keys, tmp_path / "new") == 2
    with pytest.raises(ConfigurationError, match="not the targets key"):
        place.publish("1.2.0")
    place.repository.publish(make_package(tmp_path, "1.2.0"), tmp_path / "new")
    assert {facts.version for facts in place.repository.packages()} == {"1.1.0", "1.2.0"}


def test_what_is_no_package_is_not_published(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    odd = tmp_path / "odd.tar.gz"
    odd.write_bytes(b"no archive")
    with pytest.raises(ConfigurationError, match="not a package"):
        place.repository.publish(odd, place.keys)


def test_a_package_that_nobody_described_is_named() -> None:
    target = TargetFile(1, {"sha256": "0" * 64}, "core/7.1.0/ubuntu-x86_64.tar.gz")
    with pytest.raises(ConfigurationError, match=r"tar\.gz' .* withdraw"):
        facts_of(target)


def test_a_repository_without_a_root_is_named(tmp_path: Path) -> None:
    place = new_place(tmp_path, ManualClock())
    target = place.publish()
    for root in (place.files / "metadata").glob("*.root.json"):
        root.unlink()
    with pytest.raises(ConfigurationError, match=r"1\.root\.json"):
        place.repository.withdraw(target, place.keys)
