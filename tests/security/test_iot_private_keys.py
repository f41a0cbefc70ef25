"""Promises 6, 7 and 9 attacked at the registry: a device's private key is told once, not kept."""

import base64
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import running_cloud

from hedgerow.cloud.app import Layout
from hedgerow.cloud.iot.documents import CERTIFICATE, IOT_POLICY, POLICY_TARGET, THING
from hedgerow.kernel import SystemClock
from hedgerow.store import Kind, MasterKey, Store

KINDS: tuple[Kind[Any], ...] = (THING, CERTIFICATE, IOT_POLICY, POLICY_TARGET)
_CLIENTS_OWN = {"botocore.parsers", "botocore.endpoint", "botocore.hooks"}
"""boto3 itself, on the caller's side, logs answers when asked to debug."""


@pytest.mark.promise(6)
@pytest.mark.promise(7)
@pytest.mark.promise(9)
async def test_a_private_key_made_by_the_service_is_in_its_one_answer_and_nowhere_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with running_cloud(tmp_path, combined=False) as cloud:
        made = await cloud.iot("create_keys_and_certificate", setAsActive=True)
        data_dir = cloud.data_dir
    private = made["keyPair"]["PrivateKey"]
    assert private.startswith("-----BEGIN RSA PRIVATE KEY-----")
    line = private.splitlines()[5]
    needles = (line.encode(), base64.b64decode("".join(private.splitlines()[1:-1]))[40:72])

    files = [path for path in data_dir.rglob("*") if path.is_file()]
    assert Layout(data_dir).database in files
    for path in files:
        content = path.read_bytes()
        assert not any(needle in content for needle in needles), path.name

    printed = capfd.readouterr()
    ours = [record.getMessage() for record in caplog.records if record.name not in _CLIENTS_OWN]
    logged = "".join((printed.out, printed.err, *ours))
    assert "CreateKeysAndCertificate" in logged
    assert line not in logged

    layout = Layout(data_dir)
    master_key = MasterKey.from_file(layout.master_key)
    store = await Store.open(layout.database, master_key, SystemClock())
    try:
        for kind in KINDS:
            for record in await store.all(kind):
                shown = repr(record)
                assert "PRIVATE" not in shown
                assert line not in shown
        assert len(await store.all(CERTIFICATE)) == 1
    finally:
        await store.close()


@pytest.mark.promise(7)
async def test_the_registry_in_the_database_is_unreadable(tmp_path: Path) -> None:
    """Names, policies and certificates of a fleet tell much; the file tells none of them."""
    async with running_cloud(tmp_path, combined=False) as cloud:
        device = await cloud.enrol_device("observatory-lamp-17")
        await cloud.call(
            "iot-data",
            "update_thing_shadow",
            thingName="observatory-lamp-17",
            payload=b'{"state":{"desired":{"door-code":"4711-tango"}}}',
        )
        data_dir = cloud.data_dir
    needles = [
        b"observatory-lamp-17",
        b"observatory-lamp",
        b"4711-tango",
        b"door-code",
        b"greengrass:Discover",
        device.identity.certificate_id.encode(),
        device.identity.certificate_pem.splitlines()[3].encode(),
    ]
    database = Layout(data_dir).database
    files = list(database.parent.glob(f"{database.name}*"))
    for path in files:
        content = path.read_bytes()
        assert [needle for needle in needles if needle in content] == []
    with closing(sqlite3.connect(database)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM records").fetchone()
    assert count > 4, "the records looked for are in this file"
