"""`kill -9` of the cloud while an estate comes in leaves all of it or nothing."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tests.support.cloud import RunningCloud, born_cloud
from tests.support.pki import new_authority, new_identity, new_key
from tests.support.v1_estate import GROUP_ID, OLD_ACCOUNT, OLD_REGION, iot_arn

from hedgerow.cli.demo.processes import Daemon
from hedgerow.cloud.app import Endpoints, Layout
from hedgerow.estate import Definition, Estate, Group, Origin, Source
from hedgerow.estate.completion import completed
from hedgerow.estate.wire import packed

pytestmark = [pytest.mark.timeout(120)]
KILLS = int(os.environ.get("HEDGEROW_IMPORT_KILLS", "1"))
"""How often in a row; a long run sets this."""

DEVICES = 60
_ANY_PORTS = ("--api-port=0", "--device-https-port=0", "--device-mqtt-port=0", "--host=127.0.0.1")
_WHOLE = {"things": DEVICES + 1, "certificates": DEVICES + 1, "policies": DEVICES + 1, "groups": 1}


def plant() -> bytes:
    """Return an estate of a core and some devices, whose policies are made."""
    authority, key = new_authority("the old cloud"), new_key()
    names = ["core", *(f"device-{number}" for number in range(DEVICES))]
    identities = {name: new_identity(authority, key=key) for name in names}
    members = [
        {
            "Id": name,
            "ThingArn": iot_arn(f"thing/{name}"),
            "CertificateArn": iot_arn(f"cert/{identity.certificate_id}"),
        }
        for name, identity in identities.items()
    ]
    group = Group(
        id=GROUP_ID,
        name="plant",
        definitions=(
            Definition(kind="Core", content={"Cores": members[:1]}),
            Definition(kind="Device", content={"Devices": members[1:]}),
        ),
    )
    files = {f"{name}.pem": one.certificate_pem.encode() for name, one in identities.items()}
    estate = Estate(origin=Origin(account=OLD_ACCOUNT, region=OLD_REGION), groups=(group,))
    reading = completed(estate, Source(files=files))
    assert reading.estate is not None
    return packed(reading.estate)


class CloudProcess(RunningCloud):
    """A cloud that runs as a command does, to be killed; it listens elsewhere after each start."""

    @property
    def endpoints(self) -> Endpoints:
        """Where it listens."""
        return msgspec.json.decode(Layout(self.data_dir).endpoints.read_bytes(), type=Endpoints)

    def once(self, service: str) -> Any:
        """Return a client that tries once."""
        return self.client(service, config=Config(retries={"total_max_attempts": 1}))

    def everything(self) -> dict[str, int]:
        """Return how much there is of what the import makes."""
        iot, greengrass = self.once("iot"), self.once("greengrass")
        found = {
            name: sum(len(page[name]) for page in iot.get_paginator(call).paginate())
            for name, call in (
                ("things", "list_things"),
                ("certificates", "list_certificates"),
                ("policies", "list_policies"),
            )
        }
        return {**found, "groups": len(greengrass.list_groups()["Groups"])}


async def test_a_killed_import_has_made_all_or_nothing(tmp_path: Path) -> None:
    body = plant()
    rng = random.Random(20261124)  # noqa: S311 - when to strike
    for number in range(KILLS):
        data = tmp_path / f"cloud-{number}"
        shutil.copytree(born_cloud(), data)
        cloud = CloudProcess(cast("Any", None), data)
        words = ("cloud", "run", "--data", str(data), *_ANY_PORTS)
        daemon = Daemon("the cloud", words, Layout(data).endpoints, tmp_path / "cloud.log")
        await asyncio.to_thread(daemon.start)
        try:
            service = await asyncio.to_thread(cloud.once, "hedgerow")
            importing = asyncio.get_running_loop().run_in_executor(
                None,
                lambda: service.import_estate(Estate=body)["Applied"],  # noqa: B023
            )
            await asyncio.wait([importing], timeout=rng.uniform(0.02, 0.6))
            os.kill(daemon.pid, signal.SIGKILL)
            answered = False
            with contextlib.suppress(BotoCoreError, ClientError):
                answered = await importing
            daemon.stop_if_running()
            await asyncio.to_thread(daemon.start)
            found = await asyncio.to_thread(cloud.everything)
            assert found in (_WHOLE, dict.fromkeys(_WHOLE, 0))
            assert found == _WHOLE or not answered
            service = await asyncio.to_thread(cloud.once, "hedgerow")
            assert (await asyncio.to_thread(service.import_estate, Estate=body))["Applied"]
            assert await asyncio.to_thread(cloud.everything) == _WHOLE
        finally:
            cloud.close_clients()
            daemon.stop_if_running()
