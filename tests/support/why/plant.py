"""One running cloud with a core's root folder, shared by all faults; each makes its own things."""

import asyncio
import contextlib
import json
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import aiomqtt
import structlog
from botocore.exceptions import ClientError
from click.testing import CliRunner
from tests.support.cloud import (
    ACCOUNT,
    REGION,
    CloudGroup,
    EnrolledThing,
    RunningCloud,
    running_cloud,
)
from tests.support.core import CloudPlace, running_core, until, write_root
from tests.support.core_estate import CORE, core_policy, row
from tests.support.group_role import give_role
from tests.support.pki import Identity

from hedgerow.cli import main
from hedgerow.cloud.app import Layout
from hedgerow.cloud.app.private_api import PrivateApi
from hedgerow.kernel import SystemClock
from hedgerow.policy import minimal_device_policy

Words = tuple[str, ...]

GROUP_ROLE = "Line_GroupRole"
DOOR = "vpce-0hall7"
"""A private door of the APIs; nobody may list things through it."""
_START_SECONDS = 60


class WrongClock(SystemClock):
    """The cloud's clock; it can be set wrong for a moment."""

    def __init__(self) -> None:
        self.shift = timedelta(0)
        self._passed = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(super().now().timestamp(), UTC) + self.shift

    def monotonic(self) -> float:
        return super().monotonic() + self._passed

    def pass_a_minute(self) -> None:
        """Let a minute go by: of one address, so many refusals are recorded in a time."""
        self._passed += 60

    @contextmanager
    def behind(self, by: timedelta) -> Iterator[None]:
        """Set the clock back for a moment; by less than 15 minutes signatures are still good."""
        self.shift = -by
        try:
            yield
        finally:
            self.shift = timedelta(0)


@dataclass
class Plant:
    """What faults are put into; people's calls go through `call`, questions through `ask`."""

    folder: Path
    clock: WrongClock
    loop: asyncio.AbstractEventLoop
    cloud: RunningCloud
    group: CloudGroup
    press: EnrolledThing
    panel: EnrolledThing
    group_role: str
    identities: dict[str, Identity] = field(default_factory=dict)
    """Of every device, by its thing's name."""
    _keys: dict[str, dict[str, str]] = field(default_factory=dict)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def fresh(self, name: str) -> str:
        """Return a name that nothing has yet; documents leave the number out."""
        return f"{name}--{next(self._numbers)}"

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        """Call as the administrator."""
        return self.call_as({}, service, operation, **members)

    def call_as(
        self, who: Mapping[str, str], service: str, operation: str, **members: Any
    ) -> dict[str, Any]:
        """Call as whoever `who` says, in boto3's words."""
        key = (service, json.dumps(dict(who), sort_keys=True))
        if key not in self._clients:
            self._clients[key] = self.cloud.client(service, **who)
        answer: dict[str, Any] = getattr(self._clients[key], operation)(**members)
        return answer

    def request_of(
        self, who: Mapping[str, str], service: str, operation: str, **members: Any
    ) -> str:
        """Call, answered or refused, and return the request's id."""
        try:
            answer = self.call_as(who, service, operation, **members)
        except ClientError as error:
            return str(error.response["ResponseMetadata"]["RequestId"])
        return str(answer["ResponseMetadata"]["RequestId"])

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine beside the cloud."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def ask(self, words: Sequence[str]) -> dict[str, Any]:
        """Run the command, and return its answer (of a device with one certificate, that one)."""
        said = CliRunner().invoke(main, [*words, "--json"], env=self.environment)
        assert said.exit_code == 0, (words, said.output, said.exception)
        answer = json.loads(said.stdout)
        if isinstance(answer, list):
            (answer,) = answer
        return dict(answer)

    @property
    def environment(self) -> dict[str, str]:
        """What `hedgerow env` prints."""
        administrator = json.loads(Layout(self.cloud.data_dir).administrator.read_text())
        return {
            "AWS_ENDPOINT_URL": f"https://localhost:{self.cloud.endpoints.api_port}",
            "AWS_CA_BUNDLE": str(Layout(self.cloud.data_dir).root_certificate),
            "AWS_ACCESS_KEY_ID": administrator["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": administrator["SecretAccessKey"],
            "AWS_DEFAULT_REGION": REGION,
        }

    @property
    def through_door(self) -> dict[str, str]:
        """How somebody calls who comes in by the private door, in boto3's words."""
        (door,) = self.cloud.endpoints.private_apis
        return {"endpoint_url": f"https://127.0.0.1:{door.port}"}

    # ------------------------------------------------------------------ devices

    def device(self, *statements: Mapping[str, Any], name: str = "press") -> EnrolledThing:
        """Enrol a thing whose policy is the documented one, or holds these statements."""
        thing = self.fresh(name)
        text = (
            document(*statements)
            if statements
            else minimal_device_policy(region=REGION, account=ACCOUNT, thing_name=thing)
        )
        made: EnrolledThing = self.run(self.cloud.enrol(thing, text))
        self.identities[thing] = made.identity
        return made

    def attempt(self, who: Identity, method: str, path: str, *, times: int = 1) -> int:
        """Send a request to the device data plane, as often as said; return the last status."""
        self.clock.pass_a_minute()

        async def send() -> int:
            status = 0
            async with self.cloud.https(who) as https:
                for _ in range(times):
                    status = (await https.request(method, path)).status
            return status

        return int(self.run(send()))

    def says(self, thing: EnrolledThing, topic: str, client_id: str | None = None) -> None:
        """Connect to the cloud's broker and publish; it may be refused."""
        self.clock.pass_a_minute()

        async def say() -> None:
            client = aiomqtt.Client(
                "localhost",
                self.cloud.endpoints.device_mqtt_port,
                identifier=client_id or thing.name,
                tls_context=thing.identity.client_context(self.cloud.roots_pem),
            )
            with contextlib.suppress(aiomqtt.MqttError):
                async with client:
                    await client.publish(topic, b"")
            if client._disconnected.done():
                client._disconnected.exception()  # being thrown out is what was wanted

        self.run(say())

    def handshake(self, who: Identity | None) -> None:
        """Try a TLS handshake at the device data plane that is refused."""
        self.clock.pass_a_minute()
        context = (
            ssl.create_default_context(cadata=self.cloud.roots_pem)
            if who is None
            else who.client_context(self.cloud.roots_pem)
        )
        port = self.cloud.endpoints.device_https_port
        with socket.create_connection(("localhost", port), timeout=10) as raw:
            try:
                with context.wrap_socket(raw, server_hostname="localhost") as secure:
                    secure.recv(1)  # TLS 1.3 tells of a refusal with the first bytes only
            except OSError:
                return
        raise AssertionError("the handshake was not refused")

    # ------------------------------------------------------------------ people

    def user(self, *statements: Mapping[str, Any], name: str = "alice", **more: Any) -> str:
        """Make a user with an inline policy; return the name."""
        made = self.fresh(name)
        self.call("iam", "create_user", UserName=made, **more)
        self.grant(made, *statements)
        return made

    def grant(self, user: str, *statements: Mapping[str, Any]) -> None:
        """Give a user exactly these statements."""
        self.call(
            "iam",
            "put_user_policy",
            UserName=user,
            PolicyName="own",
            PolicyDocument=document(*statements),
        )

    def key_of(self, user: str) -> dict[str, str]:
        """Make an access key, and return it in boto3's words."""
        made = self.call("iam", "create_access_key", UserName=user)["AccessKey"]
        return {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
        }

    def known_key_of(self, user: str) -> dict[str, str]:
        """Return one and the same access key of a user each time."""
        if user not in self._keys:
            self._keys[user] = self.key_of(user)
        return self._keys[user]

    def role(self, trust: Mapping[str, Any], *statements: Mapping[str, Any]) -> str:
        """Make a role with an inline policy; return the name."""
        made = self.fresh("keeper")
        self.call("iam", "create_role", RoleName=made, AssumeRolePolicyDocument=json.dumps(trust))
        if statements:
            self.call(
                "iam",
                "put_role_policy",
                RoleName=made,
                PolicyName="own",
                PolicyDocument=document(*statements),
            )
        return made

    def policy_file(self, *statements: Mapping[str, Any]) -> str:
        """Write a policy into a file; return its path."""
        path = self.folder / f"{self.fresh('policy')}.json"
        path.write_text(document(*statements))
        return str(path)

    # ------------------------------------------------------------------ the core's folder

    @property
    def root(self) -> Path:
        """The core's root folder as the core wrote it; copy it before changing anything."""
        return self.folder / "core"

    def copied_root(self) -> Path:
        """Return a copy of the core's root folder."""
        copy = self.folder / self.fresh("root")
        shutil.copytree(self.root, copy, symlinks=True)
        return copy


def allow(
    actions: str | list[str], resources: str | list[str] = "*", **more: Any
) -> dict[str, Any]:
    """Return an allow statement; `more` are its further elements."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(actions: str | list[str], resources: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a deny statement."""
    return {"Effect": "Deny", "Action": actions, "Resource": resources, **more}


def document(*statements: Mapping[str, Any]) -> str:
    """Return a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def iot(resource: str) -> str:
    """Return the ARN of something of AWS IoT."""
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:{resource}"


def greengrass(resource: str) -> str:
    """Return the ARN of something of Greengrass."""
    return f"arn:aws:greengrass:{REGION}:{ACCOUNT}:/greengrass/{resource}"


@contextmanager
def running_plant(folder: Path) -> Iterator[Plant]:
    """Serve a cloud on a thread of its own, with a group that a real core has taken over."""
    # What the cloud logs must not get between the lines of a command that is run in this process.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    ready, made, failed = threading.Event(), [], []

    async def serve() -> None:
        stop = asyncio.Event()
        try:
            clock, door = WrongClock(), folder / "door.json"
            door.write_text(document(allow("greengrass:*", Principal="*")))
            doors = [PrivateApi(id=DOOR, host="127.0.0.1", port=0, policy=door)]
            async with running_cloud(
                folder, clock=clock, combined=False, private_apis=doors
            ) as cloud:
                plant = await _sound(folder, clock, cloud)
                made.append((plant, stop))
                ready.set()
                await stop.wait()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the plant raises it
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="plant", daemon=True)
    thread.start()
    try:
        assert ready.wait(_START_SECONDS)
        if failed:
            raise failed[0]
        plant, stop = made[0]
        try:
            yield plant
        finally:
            plant.loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join(_START_SECONDS)
        structlog.reset_defaults()


async def _sound(folder: Path, clock: WrongClock, cloud: RunningCloud) -> Plant:
    """Make two devices and a group of one core, with its roles, and let a core take it over."""
    press = await cloud.enrol_device("press")
    panel = await cloud.enrol_device("panel")
    rows = (
        row(press, "line/+", panel),
        row(press, "line/+", "cloud"),
        row("cloud", "set/+", panel),
    )
    group = await cloud.group(CORE, press, panel, rows=rows)
    await cloud.edit_policy(CORE, core_policy(group.group_id, "line/*", "set/*"))
    role = await give_role(cloud, group.group_id, GROUP_ROLE)
    place = CloudPlace(
        cloud.endpoints.device_https_port, cloud.endpoints.device_mqtt_port, cloud.roots_pem
    )
    root = write_root(folder / "core", group.core.arn, group.core.identity, place)
    async with running_core(root) as core:
        await group.deploy(succeed=False)
        await until(lambda: core.agent._folder.reported() == group.deployment_id, 30)
    identities = {device.name: device.identity for device in (press, panel)}
    return Plant(
        folder, clock, asyncio.get_running_loop(), cloud, group, press, panel, role, identities
    )
