"""Packages made of what is installed."""

import json
import os
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest
from tests.support.updates import FACTS, make_package, replace_facts

from hedgerow.cloud.updates.package_file import read_facts
from hedgerow.cloud.updates.packing import PROGRAMS, bill_of_materials, pack
from hedgerow.contract.updates import ENTRIES, Software
from hedgerow.kernel import ConfigurationError


def test_the_same_files_make_the_same_package(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    packages = [make_package(tmp_path / name) for name in "ab"]
    assert packages[0].read_bytes() == packages[1].read_bytes()
    assert read_facts(packages[0]) == FACTS


def test_a_package_says_the_version_that_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="what is installed here is version"):
        pack(replace_facts("99.0.0", "core"), tmp_path / "out.tar.gz")


def test_the_bill_of_materials_names_every_part_with_its_version() -> None:
    bill = json.loads(bill_of_materials(FACTS, ["aiohttp", "msgspec"]))
    parts = {part["name"]: part["version"] for part in bill["components"]}
    assert parts == {name: metadata.version(name) for name in ("aiohttp", "msgspec")}
    assert bill["bomFormat"] == "CycloneDX"


@pytest.mark.parametrize("software", ["core", "ota_agent"])
def test_a_program_finds_its_root_by_the_documented_path_and_by_its_own(
    tmp_path: Path, software: Software
) -> None:
    folder, link = {"core": ("ggc", "core"), "ota_agent": ("ota", "ota_agent")}[software]
    slot = tmp_path / folder / "packages/1.1.0"
    slot.mkdir(parents=True)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.json").write_text("{}")
    (tmp_path / folder / link).symlink_to("packages/1.1.0")
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python3"
    python.write_text('#!/bin/sh\necho "$PYTHONPATH" "$@"\n')
    python.chmod(0o755)
    for place in (tmp_path / folder / link, slot):
        program = place / ENTRIES[software]
        program.write_text(PROGRAMS[software])
        program.chmod(0o755)
        said = subprocess.run(
            [program, "run"],
            env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert said.startswith(f"{slot}/site -P -m hedgerow.cli core ")
        assert f"--root {tmp_path} " in f"{said.strip()} "


@pytest.mark.skipif("HEDGEROW_PACK" not in os.environ, reason="packs everything, which takes long")
def test_what_is_installed_runs_from_its_package(tmp_path: Path) -> None:
    version = metadata.version("hedgerow")
    package = tmp_path / "package.tar.gz"
    pack(replace_facts(version, "core"), package)
    with tarfile.open(package) as archive:
        archive.extractall(tmp_path / "into", filter="data")
    said = subprocess.run(
        [sys.executable, "-S", "-m", "hedgerow.cli", "core", "run", "--help"],
        env={"PYTHONPATH": str(tmp_path / "into/site"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Serve client devices" in said
