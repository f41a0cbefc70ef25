"""Key files are private from their first moment, and a loose one is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import pki

from hedgerow.kernel import CallerError, ConfigurationError, Secret
from hedgerow.pki import FileKey, read_private, write_private, write_public

pytestmark = pytest.mark.promise(6)

LOOSE_MASK = """
import os, pathlib, sys
os.umask(0)
from hedgerow.pki import write_private
write_private(pathlib.Path(sys.argv[1]), b"k" * 100)
"""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_key_file_is_0600_in_a_0700_folder_even_under_a_loose_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "key.pem"
    subprocess.run([sys.executable, "-c", LOOSE_MASK, str(path)], check=True)
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert mode(path.parent.parent) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["key.pem"]


def test_no_moment_of_writing_is_readable_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    real_open = os.open

    def watching(path: os.PathLike[str], flags: int, mode: int = 0o777) -> int:
        descriptor = real_open(path, flags, mode)
        if flags & os.O_CREAT:
            opened.append(os.fstat(descriptor).st_mode & 0o777)
        return descriptor

    old = os.umask(0)
    monkeypatch.setattr(os, "open", watching)
    try:
        FileKey.generate_ec(tmp_path / "key.pem")
    finally:
        os.umask(old)
    assert opened == [0o600]


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.pem"
    write_private(path, b"old")

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.pem"]


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    link = tmp_path / "key.pem"
    link.symlink_to(target)
    write_private(link, b"secret")
    assert target.read_bytes() == b"mine"
    assert not link.is_symlink()


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_loose_mode_is_an_error_that_says_what_to_run(tmp_path: Path, loose: int) -> None:
    path = tmp_path / "key.pem"
    FileKey.generate_ec(path)
    path.chmod(loose)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        FileKey.load(path)


def test_a_folder_others_can_write_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    path = folder / "key.pem"
    FileKey.generate_ec(path)
    folder.chmod(0o777)
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        FileKey.load(path)


def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a regular file"):
        read_private(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_private(tmp_path / "absent")


def test_a_key_that_is_exchanged_between_look_and_read_is_judged_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, loose = tmp_path / "key.pem", tmp_path / "loose.pem"
    FileKey.generate_ec(path)
    FileKey.generate_ec(loose)
    loose.chmod(0o644)
    real_open = os.open

    def exchanging(name: os.PathLike[str], flags: int, mode: int = 0o777) -> int:
        if Path(name) == path and loose.exists():
            loose.replace(path)
        return real_open(name, flags, mode)

    monkeypatch.setattr(os, "open", exchanging)
    with pytest.raises(ConfigurationError, match="0644"):
        FileKey.load(path)


def test_a_pipe_in_the_place_of_a_key_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        FileKey.load(path)


@pytest.mark.promise(9)
def test_neither_the_object_nor_its_errors_show_the_key(tmp_path: Path) -> None:
    key = pki.new_key()
    body = key.pem().reveal().decode().splitlines()[1]
    assert body not in repr(key)
    assert body not in repr(vars(key))
    broken = key.pem().reveal().replace(b"MH", b"!!", 1)
    path = tmp_path / "key.pem"
    write_private(path, broken)
    with pytest.raises(ConfigurationError) as refusal:
        FileKey.load(path)
    assert body not in str(refusal.value)
    assert refusal.value.__cause__ is not None
    assert body not in str(refusal.value.__cause__)


def test_a_public_file_can_be_read_by_all_and_written_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "config" / "config.json"
    write_public(path, b"{}")
    assert mode(path) == 0o644


@pytest.mark.spec("A09")
def test_weak_keys_are_refused() -> None:
    weak = FileKey.generate_rsa_in_memory(1024)
    with pytest.raises(CallerError, match="2048"):
        FileKey.from_pem(weak.pem())
    with pytest.raises(CallerError, match="PEM"):
        FileKey.from_pem(Secret("nonsense"))
