"""The master key's file: for its owner's eyes only, from the first moment, or not used at all."""

import os
import stat
from pathlib import Path

import pytest

from hedgerow.kernel import ConfigurationError, Secret
from hedgerow.store import MasterKey

pytestmark = pytest.mark.promise(6)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "master.key"
    MasterKey.create_file(path)
    return path


def test_a_new_key_file_is_private_in_a_private_folder_whatever_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        MasterKey.create_file(tmp_path / "keys" / "master.key")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "keys" / "master.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["master.key"]


def test_a_key_wraps_and_unwraps_and_another_does_not(key_file: Path, tmp_path: Path) -> None:
    data_key = Secret(b"d" * 32)
    wrapped = MasterKey.from_file(key_file).wrap(data_key, "data")
    assert b"dddd" not in wrapped
    assert MasterKey.from_file(key_file).unwrap(wrapped, "data") == data_key
    with pytest.raises(ConfigurationError, match="does not open"):
        MasterKey.from_file(key_file).unwrap(wrapped, "index")
    with pytest.raises(ConfigurationError, match="does not open"):
        MasterKey.create_file(tmp_path / "other.key").unwrap(wrapped, "data")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601])
def test_a_loose_key_file_is_refused_with_the_cure(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"mode {mode:04o}.*chmod 600"):
        MasterKey.from_file(key_file)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(key_file: Path, mode: int) -> None:
    key_file.parent.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        MasterKey.from_file(key_file)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        MasterKey.create_file(key_file.with_name("another.key"))
    assert not key_file.with_name("another.key").exists()


def test_a_link_in_place_of_the_key_is_refused(key_file: Path) -> None:
    link = key_file.with_name("link.key")
    link.symlink_to(key_file)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        MasterKey.from_file(link)


def test_a_folder_in_place_of_the_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        MasterKey.from_file(tmp_path)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused(key_file: Path, length: int) -> None:
    key_file.write_bytes(b"k" * length)
    with pytest.raises(ConfigurationError, match="32 bytes") as caught:
        MasterKey.from_file(key_file)
    assert "kkk" not in str(caught.value)


def test_a_key_file_is_never_replaced(key_file: Path) -> None:
    before = key_file.read_bytes()
    with pytest.raises(ConfigurationError, match="exists already"):
        MasterKey.create_file(key_file)
    assert key_file.read_bytes() == before
    assert [path.name for path in key_file.parent.iterdir()] == ["master.key"]


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.key.*No such file"):
        MasterKey.from_file(tmp_path / "nothing.key")
