"""Attacks on delivered files: whatever is done to them is detected, and what was done is named."""

import gzip
import hashlib
import json
import random
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.clock import ManualClock
from tests.support.trail import (
    ACCOUNT,
    MOMENT,
    delivering,
    digest_files,
    found,
    log_files,
    put_records,
    raw_records,
    records_in,
    signing_key,
    verified,
)
from tests.support.trail_morning import a_morning

from hedgerow.cli import main
from hedgerow.cloud.cloudtrail.digest import signature_file, signed_text
from hedgerow.cloud.cloudtrail.verification import inventory
from hedgerow.pki import FileKey

pytestmark = [pytest.mark.promise(8), pytest.mark.spec("R11")]


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Return a fresh copy of four hours of deliveries."""
    copy = tmp_path / "audit"
    shutil.copytree(a_morning(), copy)
    return copy


def event_id(raw: bytes) -> str:
    text: str = json.loads(raw)["eventID"]
    return text


def test_what_was_delivered_verifies(bucket: Path) -> None:
    report = verified(bucket)
    assert report.findings == ()
    assert (report.digests, report.files, report.records) == (4, 4, 13)
    assert [end.position for end in report.ends] == [14]


@pytest.mark.parametrize("seed", range(25))
def test_one_edited_byte_anywhere_is_found_in_its_file(bucket: Path, seed: int) -> None:
    """Every byte of every file counts, those of the compression's header among them."""
    choice = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    file = choice.choice(sorted(path for path in bucket.rglob("*") if path.is_file()))
    content = bytearray(file.read_bytes())
    content[choice.randrange(len(content))] ^= 1 << choice.randrange(8)
    file.write_bytes(content)
    report = verified(bucket)
    name = file.relative_to(bucket).as_posix().removesuffix(".signature")
    assert name in {finding.where for finding in report.findings}, report.findings


@pytest.mark.parametrize("where", [*range(10), *range(-8, 0)])
def test_no_byte_around_a_digests_content_can_be_edited(bucket: Path, where: int) -> None:
    """Decompressing passes over most of these: AWS's signature alone does not cover them."""
    digest = digest_files(bucket)[1]
    content = bytearray(digest.read_bytes())
    content[where] ^= 0x10
    digest.write_bytes(content)
    named = {finding.where for finding in verified(bucket).findings}
    assert digest.relative_to(bucket).as_posix() in named


@pytest.mark.parametrize("addition", [b"x", b"00\n", b"\n"])
def test_nothing_can_be_added_to_a_digest_or_its_signature(bucket: Path, addition: bytes) -> None:
    for end in ("", ".signature"):
        digest = digest_files(bucket)[1]
        file = digest.with_name(digest.name + end)
        whole = file.read_bytes()
        file.write_bytes(whole + addition)
        named = {finding.where for finding in verified(bucket).findings}
        assert digest.relative_to(bucket).as_posix() in named
        file.write_bytes(whole)
    assert found(verified(bucket)) == []


def test_an_edited_record_is_named(bucket: Path) -> None:
    file = log_files(bucket)[1]
    records = raw_records(file)
    changed = event_id(records[1])
    records[1] = records[1].replace(b"group-1", b"group-9")
    put_records(file, records)
    (finding,) = verified(bucket).findings
    assert finding.kind == "ChangedRecord"
    assert finding.where == file.relative_to(bucket).as_posix()
    assert finding.what == f"record 7 (event {changed}) was changed"


def test_an_edited_record_with_a_new_event_id_is_named(bucket: Path) -> None:
    file = log_files(bucket)[0]
    records = raw_records(file)
    changed = event_id(records[0])
    records[0] = records[0].replace(changed.encode(), b"00000000-0000-4000-8000-000000000000")
    put_records(file, records)
    (finding,) = verified(bucket).findings
    assert (finding.kind, changed in finding.what) == ("ChangedRecord", True)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_dropped_record_is_named(bucket: Path, which: int) -> None:
    file = log_files(bucket)[2]
    records = raw_records(file)
    dropped = event_id(records.pop(which))
    put_records(file, records)
    (finding,) = verified(bucket).findings
    assert finding.kind == "MissingRecord"
    assert finding.what == f"record {which + 8} (event {dropped}) is missing"


def test_two_swapped_records_are_named(bucket: Path) -> None:
    file = log_files(bucket)[3]
    records = raw_records(file)
    records[0], records[2] = records[2], records[0]
    put_records(file, records)
    findings = verified(bucket).findings
    assert [finding.kind for finding in findings] == ["ReorderedRecords"] * 2
    assert "record 13 " in findings[0].what
    assert "stands where record 11 was" in findings[0].what
    assert "stands where record 13 was" in findings[1].what


def test_a_record_moved_to_another_file_is_named_in_both(bucket: Path) -> None:
    first, second = log_files(bucket)[:2]
    records, others = raw_records(first), raw_records(second)
    moved = records.pop()
    put_records(first, records)
    put_records(second, [*others, moved])
    kinds = {(finding.kind, finding.where) for finding in verified(bucket).findings}
    assert kinds == {
        ("MissingRecord", first.relative_to(bucket).as_posix()),
        ("ExtraRecord", second.relative_to(bucket).as_posix()),
    }


def test_an_invented_record_is_named(bucket: Path) -> None:
    file = log_files(bucket)[0]
    records = raw_records(file)
    invented = records[0].replace(event_id(records[0]).encode(), b"e" * 36)
    put_records(file, [*records, invented])
    (finding,) = verified(bucket).findings
    assert (finding.kind, "e" * 36 in finding.what) == ("ExtraRecord", True)


def test_a_repeated_record_is_named(bucket: Path) -> None:
    file = log_files(bucket)[0]
    records = raw_records(file)
    put_records(file, [*records, records[0]])
    (finding,) = verified(bucket).findings
    assert (finding.kind, "occurs twice" in finding.what) == ("ExtraRecord", True)


def test_recompressing_a_file_is_found(bucket: Path) -> None:
    file = log_files(bucket)[0]
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()), 1, mtime=5))
    (finding,) = verified(bucket).findings
    assert (finding.kind, "every record is as it was" in finding.what) == ("ChangedFile", True)


def test_space_between_records_is_found(bucket: Path) -> None:
    file = log_files(bucket)[0]
    content = b'{"Records": [' + b", ".join(raw_records(file)) + b"]}"
    file.write_bytes(gzip.compress(content, mtime=0))
    (finding,) = verified(bucket).findings
    assert finding.kind == "ChangedFile"


def test_a_removed_file_is_named_with_its_records(bucket: Path) -> None:
    file = log_files(bucket)[2]
    file.unlink()
    (finding,) = verified(bucket).findings
    assert finding.kind == "MissingFile"
    assert finding.where == file.relative_to(bucket).as_posix()
    assert finding.what == "it is gone, with records 8 to 10"


def test_a_smuggled_in_file_is_named(bucket: Path) -> None:
    file = log_files(bucket)[0]
    extra = file.with_name(file.name[:-24] + "AAAAAAAAAAAAAAAA.json.gz")
    shutil.copy(file, extra)
    (finding,) = verified(bucket).findings
    assert (finding.kind, finding.where) == ("ExtraFile", extra.relative_to(bucket).as_posix())


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_removed_digest_is_named(bucket: Path, which: int) -> None:
    digest = digest_files(bucket)[which]
    digest.unlink()
    named = {
        finding.where for finding in verified(bucket).findings if finding.kind == "MissingDigest"
    }
    assert named == {digest.relative_to(bucket).as_posix()}


def test_a_truncated_tail_is_told_by_the_time(bucket: Path) -> None:
    """The newest digest and its files are taken away, as if they had never been."""
    newest = digest_files(bucket)[-1]
    newest.unlink()
    newest.with_name(newest.name + ".signature").unlink()
    log_files(bucket)[-1].unlink()
    (finding,) = verified(bucket).findings
    assert finding.kind == "OverdueDigest"
    assert "ends at 2026-10-07T15:00:00Z" in finding.what
    assert "due at 2026-10-07T16:00:00Z" in finding.what


def test_a_truncated_tail_is_told_by_a_noted_head(bucket: Path) -> None:
    head = verified(bucket).ends[0].head
    assert found(verified(bucket, head=head)) == []
    newest = digest_files(bucket)[-1]
    newest.unlink()
    newest.with_name(newest.name + ".signature").unlink()
    log_files(bucket)[-1].unlink()
    early = MOMENT + timedelta(hours=3, minutes=30)
    assert found(verified(bucket, as_of=early)) == []
    assert found(verified(bucket, as_of=early, head=head)) == ["HeadNotReached"]


def test_an_old_digest_in_the_place_of_the_newest_is_named(bucket: Path) -> None:
    old, *_, newest = digest_files(bucket)
    for end in ("", ".signature"):
        shutil.copy(str(old) + end, str(newest) + end)
    kinds = {finding.kind: finding for finding in verified(bucket).findings}
    assert "copy of" in kinds["ReplayedDigest"].what
    assert kinds["ReplayedDigest"].where == newest.relative_to(bucket).as_posix()
    assert "OverdueDigest" in kinds


def test_an_old_digest_in_the_place_of_a_middle_one_is_named(bucket: Path) -> None:
    old, _, middle, _ = digest_files(bucket)
    for end in ("", ".signature"):
        shutil.copy(str(old) + end, str(middle) + end)
    kinds = found(verified(bucket))
    assert sorted(kinds) == ["MissingDigest", "ReplayedDigest"]


def test_an_old_digest_under_a_new_name_does_not_lengthen_the_record(bucket: Path) -> None:
    old = digest_files(bucket)[-1]
    later = old.with_name(old.name.replace("160000Z", "170000Z"))
    for end in ("", ".signature"):
        shutil.copy(str(old) + end, str(later) + end)
    assert found(verified(bucket)) == ["ReplayedDigest"]


async def test_a_cloud_put_back_to_an_older_state_is_told_by_its_digests(tmp_path: Path) -> None:
    """What was delivered lies elsewhere and stays: the record then has two continuations."""
    clock, home, old = ManualClock(), tmp_path / "cloud", tmp_path / "old"
    home.mkdir()
    async with delivering(home, clock) as estate:
        await estate.api(
            "CreateTrail", Name="main", S3BucketName="audit", EnableLogFileValidation=True
        )
        await estate.api("StartLogging", Name="main")
        await estate.later(hours=1)
    shutil.copytree(home, old)
    async with delivering(home, clock) as estate:
        estate.calls(3)
        await estate.later(hours=1)
    delivered = tmp_path / "delivered"
    shutil.copytree(home / "deliveries", delivered)
    shutil.rmtree(home)
    shutil.copytree(old, home)
    shutil.rmtree(home / "deliveries")
    shutil.copytree(delivered, home / "deliveries")
    async with delivering(home, clock) as estate:
        estate.calls(2)
        await estate.later(hours=1)
    report = verified(home / "deliveries" / ACCOUNT / "audit", as_of=clock.now())
    assert "ForkedDigest" in found(report)


async def test_a_digest_takes_no_other_s_place(tmp_path: Path) -> None:
    """Or whoever may make trails could have an earlier digest written over, and drop its file."""
    async with delivering(tmp_path) as estate:
        for calls in (3, 1, 0):
            await estate.api(
                "CreateTrail", Name="main", S3BucketName="audit", EnableLogFileValidation=True
            )
            await estate.api("StartLogging", Name="main")
            estate.calls(calls)
            await estate.api("DeleteTrail", Name="main")
        bucket = estate.folder / "audit"
        assert len(digest_files(bucket)) == 3
        report = verified(bucket, as_of=estate.clock.now() + timedelta(minutes=1))
        assert found(report) == []
        first = min(log_files(bucket), key=lambda file: -len(records_in(file)))
        first.unlink()
        after = verified(bucket, as_of=estate.clock.now() + timedelta(minutes=1))
        assert found(after) == ["MissingFile"]


def resign(digest: Path, key: FileKey, change: dict[str, Any]) -> None:
    """Change a digest and sign it with a key of the attacker's."""
    content = json.loads(gzip.decompress(digest.read_bytes()))
    content.update(change)
    encoded = json.dumps(content).encode()
    packed = gzip.compress(encoded, mtime=0)
    text = signed_text(
        content["digestEndTime"],
        content["digestS3Bucket"],
        content["digestS3Object"],
        hashlib.sha256(encoded).hexdigest(),
        content["previousDigestSignature"],
    )
    digest.write_bytes(packed)
    signature = signature_file(key.sign(text).hex(), packed, key)
    digest.with_name(digest.name + ".signature").write_bytes(signature)


def test_a_digest_signed_by_another_key_proves_nothing(bucket: Path) -> None:
    """Also if it says that it is signed by the right one."""
    digest = digest_files(bucket)[1]
    resign(digest, FileKey.generate_rsa_in_memory(), {"logFiles": []})
    kinds = {finding.kind: finding for finding in verified(bucket).findings}
    assert kinds["WrongSignature"].where == digest.relative_to(bucket).as_posix()
    assert "does not fit" in kinds["WrongSignature"].what


def test_everything_signed_anew_by_another_key_proves_nothing(bucket: Path) -> None:
    key = FileKey.generate_rsa_in_memory()
    for digest in digest_files(bucket):
        resign(digest, key, {"digestPublicKeyFingerprint": "0" * 32})
    report = verified(bucket)
    assert report.digests == 0
    assert {"WrongSignature", "NoDigests"} <= set(found(report))
    assert any("it says it is signed by the key" in finding.what for finding in report.findings)


def test_a_removed_signature_is_named(bucket: Path) -> None:
    digest = digest_files(bucket)[1]
    digest.with_name(digest.name + ".signature").unlink()
    kinds = {finding.kind: finding.where for finding in verified(bucket).findings}
    assert kinds["MissingSignature"] == digest.relative_to(bucket).as_posix()


def test_an_empty_folder_proves_nothing(tmp_path: Path) -> None:
    assert found(verified(tmp_path)) == ["NoDigests"]


def test_a_decompression_bomb_is_refused(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "MAX_CONTENT_BYTES", 1_000_000)
    digest = digest_files(bucket)[0]
    digest.write_bytes(gzip.compress(b"0" * 5_000_000))
    kinds = {finding.kind: finding.what for finding in verified(bucket).findings}
    assert "too large" in kinds["UnreadableDigest"]


def test_the_command_names_the_attack_and_fails(bucket: Path, tmp_path: Path) -> None:
    public = tmp_path / "public.pem"
    public.write_text(signing_key().public_pem())
    command = ["trail", "verify", str(bucket), "--public-key", str(public)]
    command += ["--end", "2026-10-07T16:30:00Z"]
    done = CliRunner().invoke(main, command)
    assert (done.exit_code, "all as they were delivered" in done.output) == (0, True)
    file = log_files(bucket)[0]
    dropped = records_in(file)[0]["eventID"]
    put_records(file, raw_records(file)[1:])
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert f"MissingRecord {file.relative_to(bucket).as_posix()}" in done.output
    assert dropped in done.output
    facts = json.loads(CliRunner().invoke(main, [*command, "--json"]).output)
    assert (facts["intact"], facts["findings"][0]["kind"]) == (False, "MissingRecord")


@pytest.mark.parametrize("name", ["\x1b[1A\x1b[2K", "a\nall as they were delivered.", "\udcff"])
def test_no_file_s_name_takes_a_finding_off_the_screen(
    bucket: Path, tmp_path: Path, name: str
) -> None:
    """A terminal obeys `ESC [ 1 A ESC [ 2 K` by taking the line before away."""
    public = tmp_path / "public.pem"
    public.write_text(signing_key().public_pem())
    first, second = log_files(bucket)[:2]
    smuggled = bucket / name / second.relative_to(bucket)
    smuggled.parent.mkdir(parents=True)
    shutil.copy(second, smuggled)
    first.unlink()
    command = ["trail", "verify", str(bucket), "--public-key", str(public)]
    done = CliRunner().invoke(main, [*command, "--end", "2026-10-07T16:30:00Z"])
    assert done.exit_code == 1
    assert all(line.isprintable() for line in done.output.split("\n"))
    assert "all as they were delivered" not in done.output.splitlines()
    kinds = {line.partition(" ")[0] for line in done.output.splitlines()}
    assert {"MissingFile", "ExtraFile"} <= kinds
