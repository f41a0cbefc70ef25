"""What the doctor finds about software updates."""

from pathlib import Path

from tests.support.core import CloudPlace, write_root
from tests.support.pki import new_authority, new_identity

from hedgerow.cli.doctor.updates import update_findings
from hedgerow.core.config import CoreConfig, load_config
from hedgerow.core.updates import InstalledSoftware, Journal
from hedgerow.core.updates.journal import Entry

_THING = "arn:aws:iot:eu-west-1:123456789012:thing/edge"


def _core(folder: Path, *, managed: bool = False) -> CoreConfig:
    identity = new_identity(new_authority("somebody"))
    root = write_root(folder, _THING, identity, CloudPlace(1, 1, identity.certificate_pem))
    file = root / "config/config.json"
    if managed:
        file.write_text(file.read_text().rstrip()[:-1] + ', "managedRespawn": true}')
    return load_config(root)


def _found(config: CoreConfig) -> dict[str, str]:
    return {finding.subject: finding.found for finding in update_findings(config)}


def test_a_core_without_a_pinned_root_takes_no_updates_and_lacks_nothing(tmp_path: Path) -> None:
    assert _found(_core(tmp_path)) == {}


def test_it_says_which_version_is_in_force_and_which_is_under_way(tmp_path: Path) -> None:
    config = _core(tmp_path)
    config.folders.updates_root.write_text("{}")
    assert _found(config)["software updates"] == "the agent has not run here yet"
    InstalledSoftware(tmp_path, "core").adopt_host()
    assert _found(config)["software updates"] == "ggc/core is installed"
    entry = Entry(job_id="j", software="core", version="1.1.0", from_slot="installed")
    Journal(config.folders.updates / "journal.json").write(entry)
    assert _found(config)["software updates"] == "1.1.0 is under way (begun)"


def test_missing_scripts_are_found_before_an_update_fails_for_them(tmp_path: Path) -> None:
    config = _core(tmp_path, managed=True)
    config.folders.updates_root.write_text("{}")
    (finding,) = (f for f in update_findings(config) if f.subject == "managedRespawn")
    assert not finding.ok
    assert "ggc_pre_update.sh is missing" in finding.advice
