from pathlib import Path

import pytest

from hedgerow.pki import TwinFile


@pytest.fixture
def twin(tmp_path: Path) -> TwinFile:
    return TwinFile(tmp_path / "folder" / "record")


def slots(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "folder/record.a", tmp_path / "folder/record.b"


def newest_slot(tmp_path: Path, payload: bytes) -> Path:
    (slot,) = [slot for slot in slots(tmp_path) if payload in slot.read_bytes()]
    return slot


def test_what_was_written_last_is_read(twin: TwinFile) -> None:
    assert twin.read().payload is None
    for number in range(5):
        twin.write(b"record %d" % number)
        assert TwinFile(twin._slots[0].with_name("record")).read().payload == b"record %d" % number


def test_nothing_written_is_not_a_lost_record(twin: TwinFile) -> None:
    assert twin.read().is_lost is False
    assert twin.read().damaged == ()


def test_a_first_record_leaves_no_damage_to_tell_of(twin: TwinFile) -> None:
    twin.write(b"first")
    assert twin.read().damaged == ()


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 11, 15, 16, 30, 47, 48, 49, 60, 1000, 4095])
def test_a_power_cut_in_the_middle_of_a_write_leaves_the_record_before(
    twin: TwinFile, tmp_path: Path, cut: int
) -> None:
    """Whatever part of the new record has reached the disk, the other slot is whole."""
    twin.write(b"old record " * 20)
    twin.write(b"middle record " * 20)
    before = [slot.read_bytes() for slot in slots(tmp_path)]
    twin.write(b"new record " * 20)
    slot = newest_slot(tmp_path, b"new record")
    whole, old = slot.read_bytes(), before[slots(tmp_path).index(slot)]
    slot.write_bytes(whole[:cut] + old[cut:])
    assert twin.read().payload in {b"middle record " * 20, b"new record " * 20}
    twin.write(b"after")
    assert twin.read().payload == b"after"


@pytest.mark.parametrize("garbage", [b"", b"\0" * 4096, b"x" * 10, b"HGT1" + b"\xff" * 4000])
def test_one_damaged_slot_costs_nothing_but_the_last_change(
    twin: TwinFile, tmp_path: Path, garbage: bytes
) -> None:
    twin.write(b"first")
    twin.write(b"second")
    newest_slot(tmp_path, b"second").write_bytes(garbage)
    assert twin.read().payload == b"first"
    twin.write(b"third")
    assert twin.read() == twin.read()
    assert twin.read().payload == b"third"
    assert twin.read().damaged == ()


def test_two_damaged_slots_are_a_loss_that_is_told(twin: TwinFile, tmp_path: Path) -> None:
    twin.write(b"first")
    twin.write(b"second")
    for slot in slots(tmp_path):
        slot.write_bytes(b"damaged")
    assert twin.read().is_lost
    assert twin.read().damaged == slots(tmp_path)
    twin.write(b"anew")
    assert twin.read().payload == b"anew"


def test_a_flipped_bit_anywhere_is_found(twin: TwinFile, tmp_path: Path) -> None:
    twin.write(b"first")
    twin.write(b"second")
    slot = newest_slot(tmp_path, b"second")
    whole = slot.read_bytes()
    for position in range(48 + len(b"second")):
        slot.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert twin.read().payload == b"first", position


def test_a_change_needs_no_more_room_than_the_slots_have(twin: TwinFile, tmp_path: Path) -> None:
    """So that a full disk takes it."""
    twin.write(b"x" * 1000)
    sizes = [slot.stat().st_size for slot in slots(tmp_path)]
    assert sizes == [4096, 4096]
    for number in range(6):
        twin.write(b"y" * (1000 + 100 * number))
    assert [slot.stat().st_size for slot in slots(tmp_path)] == sizes


def test_slots_are_for_the_owner_only_and_no_link_is_followed(
    twin: TwinFile, tmp_path: Path
) -> None:
    twin.write(b"first")
    twin.write(b"second")
    assert {slot.stat().st_mode & 0o777 for slot in slots(tmp_path)} == {0o600}
    assert slots(tmp_path)[0].parent.stat().st_mode & 0o777 == 0o700
    for slot in slots(tmp_path):
        slot.unlink()
        slot.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        twin.write(b"third")
    assert not (tmp_path / "elsewhere").exists()
