import asyncio
import functools
import json
import os
import shutil
import signal
import ssl
import stat
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.cloud import ACCOUNT, RunningCloud, born_cloud, running_cloud
from tests.support.pki import new_authority, new_identity

from hedgerow.cloud.app import AdministratorFile, CloudApp, Layout, init_cloud
from hedgerow.cloud.iot.documents import THING, Thing
from hedgerow.contract import discovery_path
from hedgerow.kernel import CallerError, ConfigurationError, SystemClock
from hedgerow.policy import minimal_device_policy
from hedgerow.store import MasterKey, Store, TamperedError

SERVE = (
    "import sys, uvloop, pathlib; from hedgerow.cloud.app import run_cloud; "
    "uvloop.run(run_cloud(pathlib.Path(sys.argv[1]), host='127.0.0.1', api_port=0, "
    "device_https_port=0, device_mqtt_port=0))"
)


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.promise(6)
async def test_a_new_cloud_s_secrets_are_readable_by_its_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)  # the loosest shell there can be
    try:
        made = await init_cloud(tmp_path / "cloud", clock=SystemClock())
    finally:
        os.umask(old)
    folder = made.data_dir
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    found = modes(folder)
    secret = [name for name in found if name.endswith((".key", ".json", ".db"))]
    assert len(secret) >= 8
    assert {name: oct(found[name]) for name in secret} == dict.fromkeys(secret, "0o600")
    assert made.secret_access_key.reveal() not in repr(made)


async def test_the_administrator_s_key_is_given_out_once_and_kept_in_a_file(
    tmp_path: Path,
) -> None:
    made = await init_cloud(
        tmp_path / "cloud", account_id=ACCOUNT, region="eu-west-1", clock=SystemClock()
    )
    kept = json.loads(Layout(made.data_dir).administrator.read_text())
    assert kept == {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key.reveal(),
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/administrator",
        "Region": "eu-west-1",
    }
    shown = AdministratorFile(
        access_key_id="a", secret_access_key="hidden", account="1", arn="b", region="c"
    )
    assert "hidden" not in repr(shown)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_text("x")
    return path


async def test_a_folder_in_use_is_left_alone(tmp_path: Path, photo: Path) -> None:
    with pytest.raises(ConfigurationError, match="not empty"):
        await init_cloud(tmp_path, clock=SystemClock())
    assert os.listdir(tmp_path) == [photo.name]  # noqa: PTH208 - names are what matters
    with pytest.raises(ConfigurationError, match="already"):
        await init_cloud(born_cloud(), clock=SystemClock())


@pytest.mark.parametrize(
    ("account", "region"), [("12345", "eu-west-1"), (ACCOUNT, "Europe"), ("x" * 12, "eu-west-1")]
)
async def test_a_wrong_account_or_region_makes_nothing(
    tmp_path: Path, account: str, region: str
) -> None:
    folder = tmp_path / "cloud"
    with pytest.raises(ConfigurationError):
        await init_cloud(folder, account_id=account, region=region, clock=SystemClock())
    assert not folder.exists()


async def test_a_wrong_host_name_makes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cloud"
    with pytest.raises(CallerError, match="bad name"):
        await init_cloud(folder, host_names=["bad name"], clock=SystemClock())
    assert not folder.exists()


async def test_what_is_not_a_cloud_says_how_to_make_one(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="hedgerow cloud init"):
        await CloudApp.open(folder)


@pytest.mark.promise(6)
@pytest.mark.parametrize(
    "loose", ["", "ca/root.key", "tls/server.key", "signing/signing.key", "master.key"]
)
async def test_a_loose_mode_is_an_error_at_start(tmp_path: Path, loose: str) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        folder = cloud.data_dir
    path = folder / loose
    path.chmod(path.stat().st_mode | 0o044)
    with pytest.raises(ConfigurationError, match=r"chmod|mode"):
        await CloudApp.open(folder)


async def test_endpoints_are_written_while_it_serves_and_removed_after(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as cloud:
        path = Layout(cloud.data_dir).endpoints
        written = json.loads(path.read_text())
        assert written["api_port"] == cloud.endpoints.api_port
        assert written["pid"] == os.getpid()
        assert 0 not in (written["device_https_port"], written["combined_port"])
        for name in ("api_port", "device_https_port", "device_mqtt_port", "combined_port"):
            _, writer = await asyncio.open_connection("127.0.0.1", written[name])
            writer.close()
            await writer.wait_closed()
    assert not path.exists()


async def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        taken = cloud.endpoints.api_port
        other = tmp_path / "other"
        async with running_cloud(other, combined=False) as second:
            folder = second.data_dir
        app = await CloudApp.open(
            folder, host="127.0.0.1", api_port=taken, device_https_port=0, device_mqtt_port=0
        )
        with pytest.raises(Exception, match="another program"):
            await app.start()
        assert not Layout(folder).endpoints.exists()
        again = await CloudApp.open(
            folder, host="127.0.0.1", api_port=0, device_https_port=0, device_mqtt_port=0
        )
        await again.start()  # the store was let go
        await again.stop()


async def test_everything_is_still_there_after_a_restart(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        device = await cloud.enrol_device("sensor")
        group = await cloud.group("core", device)
        await group.deploy()
        async with cloud.https(device.identity) as connection:
            before = (await connection.get(discovery_path("sensor"))).json
        folder = cloud.data_dir
    app = await CloudApp.open(
        folder, host="127.0.0.1", api_port=0, device_https_port=0, device_mqtt_port=0
    )
    await app.start()
    restarted = RunningCloud(app, folder)
    try:
        async with restarted.https(device.identity) as connection:
            assert (await connection.get(discovery_path("sensor"))).json == before
        assert len((await restarted.greengrass("list_groups"))["Groups"]) == 1
    finally:
        restarted.close_clients()
        await app.stop()


@pytest.mark.promise(7)
async def test_no_secret_of_the_store_is_on_disk_in_plain_text(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        await cloud.greengrass("create_group", Name="very-secret-name")
        secret = json.loads(Layout(cloud.data_dir).administrator.read_text())["SecretAccessKey"]
        folder = cloud.data_dir
    database = b"".join(path.read_bytes() for path in folder.glob("state.db*"))
    assert b"very-secret-name" not in database
    assert b"PRIVATE KEY" not in database
    assert secret.encode() not in database
    assert len(database) > 10_000


async def test_a_folder_of_the_first_version_gets_what_it_lacks_and_a_new_key(
    tmp_path: Path,
) -> None:
    """Its administrator was no IAM user: everything else in its store stays as it is."""
    folder = tmp_path / "cloud"
    await asyncio.to_thread(shutil.copytree, born_cloud(), folder)
    layout = Layout(folder)
    old_key = json.loads(layout.administrator.read_text())["AccessKeyId"]
    for path in folder.glob("state.db*"):
        path.unlink()
    master_key = MasterKey.from_file(layout.master_key)
    store = await Store.open(layout.database, master_key, SystemClock())
    async with store.transaction() as tx:
        await tx.insert(THING, ACCOUNT, "pump", Thing(thing_id="1"))
    await store.close()
    for _ in range(2):
        app = await CloudApp.open(
            folder, host="127.0.0.1", api_port=0, device_https_port=0, device_mqtt_port=0
        )
        await app.start()
        cloud = RunningCloud(app, folder)
        try:
            things = (await cloud.iot("list_things"))["things"]
            assert [thing["thingName"] for thing in things] == ["pump"]
            assert (await cloud.call("organizations", "list_accounts"))["Accounts"]
        finally:
            cloud.close_clients()
            await app.stop()
    assert json.loads(layout.administrator.read_text())["AccessKeyId"] != old_key


async def test_a_damaged_store_is_refused_and_not_served(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        folder = cloud.data_dir
    database = Layout(folder).database
    for extra in folder.glob("state.db-*"):
        extra.unlink()
    damaged = bytearray(database.read_bytes())
    damaged[len(damaged) // 2 :] = b"\0" * (len(damaged) - len(damaged) // 2)
    database.write_bytes(bytes(damaged))
    with pytest.raises((TamperedError, ConfigurationError)):
        await open_and_start(folder)


async def open_and_start(folder: Path) -> None:
    app = await CloudApp.open(
        folder, host="127.0.0.1", api_port=0, device_https_port=0, device_mqtt_port=0
    )
    try:
        await app.start()
    finally:
        await app.stop()


@pytest.mark.promise(1)
async def test_the_administrator_is_a_user_like_any_other_and_others_begin_with_nothing(
    tmp_path: Path,
) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        iam = functools.partial(cloud.call, "iam")
        assert (await iam("get_user"))["User"]["UserName"] == "administrator"
        await iam("create_user", UserName="guest")
        key = (await iam("create_access_key", UserName="guest"))["AccessKey"]
        guest = await asyncio.to_thread(
            cloud.client,
            "greengrass",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
        with pytest.raises(ClientError) as refused:
            await asyncio.to_thread(guest.list_groups)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        message = refused.value.response["Error"]["Message"]
        assert "user/guest" in message
        assert "greengrass:ListGroups" in message


@pytest.mark.spec("B06")
async def test_the_api_speaks_tls_1_2_and_1_3_with_forward_secrecy_only(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cadata=cloud.roots_pem)
            context.minimum_version = context.maximum_version = version
            assert await suite(cloud, context) != ""
        context = ssl.create_default_context(cadata=cloud.roots_pem)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-GCM-SHA256:AES256-GCM-SHA384:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await suite(cloud, context)


async def suite(cloud: RunningCloud, context: ssl.SSLContext) -> str:
    """Return the name of the suite that a connection to the API uses."""
    _, writer = await asyncio.open_connection("localhost", cloud.endpoints.api_port, ssl=context)
    name = str(writer.get_extra_info("cipher")[0])
    writer.transport.abort()
    return name


async def test_a_newly_registered_foreign_certificate_may_connect_at_once(
    tmp_path: Path,
) -> None:
    """Trust is swapped while the doors are open; stranded devices bring their certificates."""
    async with running_cloud(tmp_path, combined=False) as cloud:
        stranded = new_identity(new_authority("the old cloud"))
        await cloud.iot("create_thing", thingName="old")
        registered = await cloud.iot(
            "register_certificate_without_ca",
            certificatePem=stranded.certificate_pem,
            status="ACTIVE",
        )
        arn = registered["certificateArn"]
        await cloud.iot(
            "create_policy",
            policyName="p",
            policyDocument=minimal_device_policy(
                region="eu-west-1", account=ACCOUNT, thing_name="old"
            ),
        )
        await cloud.iot("attach_policy", policyName="p", target=arn)
        await cloud.iot("attach_thing_principal", thingName="old", principal=arn)
        async with cloud.https(stranded) as connection:
            assert (await connection.get(discovery_path("old"))).status == 404


async def test_sigterm_stops_it_cleanly_and_nothing_is_left_behind(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, combined=False) as cloud:
        folder = cloud.data_dir
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVE,
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b"cloud started" not in await process.stdout.readline():
            pass
        assert json.loads(Layout(folder).endpoints.read_text())["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert errors == b""
    assert not Layout(folder).endpoints.exists()
