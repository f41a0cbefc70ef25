from pathlib import Path

import pytest
from tests.support.cloud_documents import GroupDouble, thing_arn
from tests.support.core import CloudPlace, write_root
from tests.support.pki import Identity

from hedgerow.core.config import LastGood, load_config
from hedgerow.core.config.last_good import damage_of
from hedgerow.kernel import ConfigurationError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    double = GroupDouble()
    core = double.keys.device(double.core)
    identity = Identity(core.key, core.certificate_pem)
    place = CloudPlace(1, 1, double.keys.root.certificate_pem, host="127.0.0.1")
    return write_root(tmp_path / "root", thing_arn(double.core), identity, place)


FILES = ("config/config.json", "certs/core.cert.pem", "certs/root.ca.pem")


def keep(root: Path) -> None:
    LastGood(root).keep(load_config(root))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["empty", "zeroed", "half", "zeros at the end"])
def test_a_file_that_a_power_cut_damaged_is_put_back(root: Path, name: str, damage: str) -> None:
    keep(root)
    path = root / name
    whole, mode = path.read_bytes(), path.stat().st_mode
    left = {
        "empty": b"",
        "zeroed": bytes(len(whole)),
        "half": whole[: len(whole) // 2],
        "zeros at the end": whole[:100] + bytes(len(whole) - 100),
    }[damage]
    path.write_bytes(left)
    (said,) = LastGood(root).mend()
    assert str(path) in said
    assert "put back" in said
    assert path.read_bytes() == whole
    assert path.stat().st_mode == mode
    assert path.with_name(f"{path.name}.damaged").read_bytes() == left
    assert load_config(root).thing_name == "core-1"
    assert LastGood(root).mend() == ()


def test_every_cut_of_a_configuration_is_found(root: Path) -> None:
    path = root / "config/config.json"
    whole = path.read_bytes().strip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert damage_of(path) is not None, length
    path.write_bytes(whole)
    assert damage_of(path) is None


@pytest.mark.parametrize("text", ['{"coreThing": }', '{"coreThing": {"thingArn": 1}}', "{}"])
def test_a_mistake_is_not_undone_but_refused(root: Path, text: str) -> None:
    """Whoever has edited the file is to hear of it, not to be overruled."""
    keep(root)
    (root / "config/config.json").write_text(text)
    assert LastGood(root).mend() == ()
    assert (root / "config/config.json").read_text() == text
    with pytest.raises(ConfigurationError):
        load_config(root)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_taken_away_stays_away(root: Path, name: str) -> None:
    keep(root)
    (root / name).unlink()
    assert LastGood(root).mend() == ()
    assert not (root / name).exists()


def test_changes_are_copied_at_the_next_good_start(root: Path) -> None:
    keep(root)
    path = root / "config/config.json"
    changed = path.read_text().replace('"keepAlive": 600', '"keepAlive": 700')
    path.write_text(changed)
    keep(root)
    path.write_bytes(b"")
    LastGood(root).mend()
    assert path.read_text() == changed


def test_a_root_that_was_carried_elsewhere_mends_itself_there(root: Path, tmp_path: Path) -> None:
    keep(root)
    there = tmp_path / "there"
    root.rename(there)
    (there / "certs/core.cert.pem").write_bytes(b"")
    LastGood(there).mend()
    assert (there / "certs/core.cert.pem").read_bytes().startswith(b"-----BEGIN")


@pytest.mark.promise(6)
def test_the_copies_hold_no_key_and_are_the_owners_only(root: Path) -> None:
    keep(root)
    slots = list((root / "ggc/var/state").glob("last-good.*"))
    assert len(slots) == 2
    assert {slot.stat().st_mode & 0o777 for slot in slots} == {0o600}
    key = (root / "certs/core.private.key").read_text().splitlines()[1]
    assert all(key.encode() not in slot.read_bytes() for slot in slots)


def test_without_copies_nothing_is_mended(root: Path) -> None:
    (root / "config/config.json").write_bytes(b"")
    assert LastGood(root).mend() == ()
