"""What a reset removes of folders, and what it leaves."""

from pathlib import Path

import pytest

from hedgerow.core.app.wiping import wipe_folders


def test_everything_inside_goes_and_the_folder_stays(tmp_path: Path) -> None:
    logs = tmp_path / "user"
    (logs / "region/account").mkdir(parents=True)
    (logs / "region/account/f.log").write_text("x")
    (logs / ".hidden").write_text("x")
    assert list(wipe_folders([logs])) == []
    assert list(logs.iterdir()) == []


def test_links_inside_are_removed_and_never_followed(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    (others / "file").write_text("not the core's")
    logs = tmp_path / "user"
    logs.mkdir()
    (logs / "folder").symlink_to(others)
    (logs / "file").symlink_to(others / "file")
    assert list(wipe_folders([logs])) == []
    assert list(logs.iterdir()) == []
    assert (others / "file").read_text() == "not the core's"


def test_a_folder_that_is_a_link_to_another_disk_is_emptied_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "f.log").write_text("x")
    (tmp_path / "user").symlink_to(disk)
    assert list(wipe_folders([tmp_path / "user"])) == []
    assert list(disk.iterdir()) == []
    assert (tmp_path / "user").is_symlink()


def test_what_is_not_there_is_wiped(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert list(wipe_folders([tmp_path / "nothing", tmp_path / "file"])) == []


def test_what_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stays").write_text("x")
    (tmp_path / "goes").write_text("x")
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path.name == "stays":
            raise PermissionError(1, "Operation not permitted")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    (said,) = wipe_folders([tmp_path])
    assert said == f"{tmp_path / 'stays'} cannot be removed: Operation not permitted"
    assert not (tmp_path / "goes").exists()
