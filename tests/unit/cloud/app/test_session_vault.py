"""Each account's sessions are sealed under a key of their own, which the master key wraps."""

import shutil
import stat
from pathlib import Path

import pytest
from tests.support.clock import ManualClock
from tests.support.mqtt_keeping import facts

from hedgerow.cloud.app.session_vault import SessionSealer, SessionVault
from hedgerow.kernel import ConfigurationError, Secret
from hedgerow.mqtt.keeping import BrokenSealError, FileKeeper
from hedgerow.store import MasterKey

_ONE, _OTHER = "111122223333", "444455556666"


@pytest.fixture
def vault(tmp_path: Path) -> SessionVault:
    return SessionVault(tmp_path / "sessions", MasterKey.create_file(tmp_path / "master.key"))


def _opened(vault: SessionVault, account: str) -> FileKeeper:
    keeper = vault.keeper(account, ManualClock())
    keeper.open()
    return keeper


def _clients(vault: SessionVault, account: str) -> tuple[list[str], tuple[str, ...]]:
    keeper = _opened(vault, account)
    clients = [kept.facts.client_id for kept in keeper.sessions()]
    keeper.close()
    return clients, keeper.findings


def _leave(vault: SessionVault, account: str, client_id: str) -> None:
    keeper = _opened(vault, account)
    keeper.session(facts(client_id))
    keeper.close()


def test_each_account_finds_its_own_sessions_again(vault: SessionVault) -> None:
    _leave(vault, _ONE, "lamp")
    _leave(vault, _OTHER, "pump")
    assert _clients(vault, _ONE) == (["lamp"], ())
    assert _clients(vault, _OTHER) == (["pump"], ())


@pytest.mark.promise(7)
def test_keys_and_files_are_for_their_owner_only_and_the_key_is_wrapped(
    vault: SessionVault,
) -> None:
    _leave(vault, _ONE, "lamp")
    folder = vault.folder / _ONE
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    wrapped = (folder / "sessions.key").read_bytes()
    assert len(wrapped) == 12 + 32 + 16
    assert b"lamp" not in b"".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.promise(7)
def test_sessions_of_one_account_do_not_open_in_another(vault: SessionVault) -> None:
    _leave(vault, _ONE, "lamp")
    _leave(vault, _OTHER, "pump")
    (stolen,) = (vault.folder / _ONE).glob("*.journal")
    shutil.copy(stolen, vault.folder / _OTHER / "0000000000000009.journal")
    clients, findings = _clients(vault, _OTHER)
    assert clients == []
    assert "another key" in findings[0]


@pytest.mark.promise(7)
def test_a_key_of_another_account_or_master_key_is_an_error(
    vault: SessionVault, tmp_path: Path
) -> None:
    _leave(vault, _ONE, "lamp")
    foreign = SessionVault(vault.folder, MasterKey.create_file(tmp_path / "other.key"))
    with pytest.raises(ConfigurationError, match="does not open this store"):
        foreign.keeper(_ONE, ManualClock())
    (vault.folder / _OTHER).mkdir(mode=0o700)
    shutil.copy(vault.folder / _ONE / "sessions.key", vault.folder / _OTHER)
    with pytest.raises(ConfigurationError, match="does not open this store"):
        vault.keeper(_OTHER, ManualClock())


@pytest.mark.promise(6)
def test_a_key_that_others_can_read_is_an_error(vault: SessionVault) -> None:
    _leave(vault, _ONE, "lamp")
    (vault.folder / _ONE / "sessions.key").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        vault.keeper(_ONE, ManualClock())


@pytest.mark.promise(7)
def test_what_is_sealed_opens_in_its_own_file_and_place_only() -> None:
    sealer = SessionSealer(Secret(b"k" * 32))
    sealed = sealer.for_file(b"salt").seal(b"plain", b"place")
    assert sealer.for_file(b"salt").open(sealed, b"place") == b"plain"
    assert sealed != sealer.for_file(b"salt").seal(b"plain", b"place")
    for salt, place, content in (
        (b"tlas", b"place", sealed),
        (b"salt", b"other", sealed),
        (b"salt", b"place", sealed[:-1]),
        (b"salt", b"place", b""),
    ):
        with pytest.raises(BrokenSealError):
            sealer.for_file(salt).open(content, place)
    assert "k" * 8 not in repr(sealer)
