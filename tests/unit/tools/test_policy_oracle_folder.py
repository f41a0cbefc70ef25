"""Where the independent judge is looked for, and what is said if it is not there."""

import os
import shutil
from pathlib import Path

import pytest
from tools.policy_oracle import FOLDER_VARIABLE, PACKAGE, OracleAbsentError, oracle_folder


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a folder of programs that is all there is, and a cache of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    shell = shutil.which("sh", path=os.defpath)
    file = folder / name
    file.write_text(f"#!{shell}\n{script}\n")
    file.chmod(0o700)


@pytest.mark.usefixtures("programs")
def test_without_node_it_is_absent() -> None:
    with pytest.raises(OracleAbsentError, match="node is not installed"):
        oracle_folder()


def test_a_named_folder_must_have_the_package(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(programs, "node", "exit 0")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(OracleAbsentError, match=FOLDER_VARIABLE):
        oracle_folder()
    (tmp_path / PACKAGE).mkdir(parents=True)
    assert oracle_folder() == tmp_path


def test_without_npm_or_with_one_that_fails_it_is_absent(programs: Path) -> None:
    _program(programs, "node", "exit 0")
    with pytest.raises(OracleAbsentError, match="npm is not installed"):
        oracle_folder()
    _program(programs, "npm", "exit 1")
    with pytest.raises(OracleAbsentError, match="npm could not install"):
        oracle_folder()


def test_it_is_installed_once_from_the_lock(programs: Path, tmp_path: Path) -> None:
    _program(programs, "node", "exit 0")
    made = f"/bin/mkdir -p {PACKAGE} && [ -f package-lock.json ] && [ $1 = ci ]"
    _program(programs, "npm", made)
    folder = oracle_folder()
    assert folder.parent == tmp_path / "cache" / "hedgerow-tests"
    assert (folder / PACKAGE).is_dir()
    _program(programs, "npm", "exit 1")
    assert oracle_folder() == folder
