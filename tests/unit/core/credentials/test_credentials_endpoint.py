"""The loopback endpoint and the token counter, with botocore itself as the process that asks."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.clock import ManualClock
from tests.support.core_role import GROUP, KEY, ROLE, TOKEN, RoleServiceDouble, quiet_log

from hedgerow.core.credentials import (
    CREDENTIALS_PATH,
    Credentials,
    CredentialsEndpoint,
    RoleKeeper,
    TokenCounter,
    fetch_token,
    process_of,
)
from hedgerow.core.credentials.counter import may_ask
from hedgerow.core.health import HealthServer
from hedgerow.kernel import (
    CallerError,
    ConfigurationError,
    DeniedError,
    HedgerowError,
    PeerError,
    SystemClock,
    UnavailableError,
)

BOTOCORE = """
import botocore.session, json, os, sys
sys.stdin.readline()
os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = sys.stdin.readline().strip()
session = botocore.session.Session()
found = session.get_credentials()
frozen = found.get_frozen_credentials()
print(json.dumps([found.method, frozen.access_key, frozen.secret_key, frozen.token]))
"""

AWS_CRT = """
import json, os, sys
sys.stdin.readline()
os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = sys.stdin.readline().strip()
from awscrt.auth import AwsCredentialsProvider
found = AwsCredentialsProvider.new_default_chain().get_credentials().result(timeout=20)
print(json.dumps([found.access_key_id, found.secret_access_key, found.session_token]))
"""


@dataclass
class Place:
    """A server with the endpoint on it, and what is behind."""

    cloud: RoleServiceDouble
    keeper: RoleKeeper
    credentials: Credentials
    server: HealthServer

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server.port}{CREDENTIALS_PATH}"

    async def get(
        self, token: str | None, *, path: str = CREDENTIALS_PATH, host: str | None = None
    ) -> tuple[int, Any]:
        """Ask as this process."""
        headers = {} if token is None else {"Authorization": token}
        if host is not None:
            headers["Host"] = host
        url = f"http://127.0.0.1:{self.server.port}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers) as response,
        ):
            assert response.status == 200 or "no-store" in response.headers["Cache-Control"]
            return response.status, await response.json()

    def own_token(self) -> str:
        """Return a token of this process."""
        return self.credentials.issue_token(process_of(os.getpid())).reveal()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    clock = ManualClock()
    cloud = RoleServiceDouble(clock)
    keeper = RoleKeeper(cloud, clock=clock, log=quiet_log())
    credentials = Credentials(keeper, log=quiet_log())
    credentials.serve_group(GROUP)
    server = HealthServer(lambda: (), dict, CredentialsEndpoint(credentials).routes())
    await server.start(0)
    yield Place(cloud, keeper, credentials, server)
    await server.stop()


async def asked_by(place: Place, program: str) -> list[Any]:
    """Run a program that gets its token once it runs, and return what it printed."""
    # The clock of the place stands still in the past, but SDKs look at the real one.
    place.keeper._clock = place.cloud.clock = SystemClock()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_plain_environment(AWS_CONTAINER_CREDENTIALS_FULL_URI=place.uri),
    )
    token = place.credentials.issue_token(process_of(process.pid)).reveal()
    printed, _ = await process.communicate(f"go\n{token}\n".encode())
    answer: list[Any] = json.loads(printed)
    return answer


async def test_botocore_finds_the_role_by_its_default_chain(place: Place) -> None:
    method, key_id, secret, session = await asked_by(place, BOTOCORE)
    assert (method, secret, session) == ("container-role", KEY, TOKEN)
    assert key_id.startswith("ASIA")


async def test_the_sdks_in_c_find_it_too(place: Place) -> None:
    """The default chain of the common runtime, which the SDKs for C++, Java and others share."""
    key_id, secret, session = await asked_by(place, AWS_CRT)
    assert (secret, session) == (KEY, TOKEN)
    assert key_id.startswith("ASIA")


async def test_the_answer_has_what_sdks_read(place: Place) -> None:
    status, answer = await place.get(place.own_token())
    assert status == 200
    assert answer | {"AccessKeyId": ""} == {
        "AccessKeyId": "",
        "SecretAccessKey": KEY,
        "Token": TOKEN,
        "Expiration": "2026-10-07T13:00:00Z",
        "RoleArn": ROLE,
        "AccountId": "123456789012",
    }
    assert datetime.fromisoformat(answer["Expiration"]).tzinfo is not None


async def test_the_path_is_good_without_its_last_slash(place: Place) -> None:
    assert (await place.get(place.own_token(), path=CREDENTIALS_PATH[:-1]))[0] == 200


@pytest.mark.parametrize("token", [None, "", "a", "a.b", "Bearer a.b"])
async def test_without_a_token_there_is_nothing(place: Place, token: str | None) -> None:
    place.own_token()
    status, answer = await place.get(token)
    assert status == 401
    assert answer["code"] == "InvalidToken"
    assert place.cloud.asked == []


@pytest.mark.spec("L16")
async def test_a_token_of_another_process_is_worth_nothing(place: Place) -> None:
    """It has the same user; only the process is another."""
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "input()"), stdin=subprocess.PIPE
    )
    token = place.credentials.issue_token(process_of(other.pid)).reveal()
    status, answer = await place.get(token)
    await other.communicate(b"\n")
    assert (status, answer["code"]) == (403, "AccessDenied")
    assert place.cloud.asked == []


async def test_a_token_is_worth_nothing_once_replaced_or_the_group_gone(place: Place) -> None:
    token = place.own_token()
    place.own_token()  # a process has one token: an older one ends
    assert (await place.get(token))[0] == 401
    token = place.own_token()
    place.credentials.serve_group(GROUP)
    assert (await place.get(token))[0] == 200
    place.credentials.serve_group("another")
    assert (await place.get(token))[0] == 401
    token = place.own_token()
    place.credentials.reset()
    assert (await place.get(token))[0] == 401


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (CallerError("You need to attach an IAM role to this deployment group."), 404),
        (DeniedError("greengrass:AssumeRoleForGroup on * is refused"), 403),
        (UnavailableError("no route"), 503),
        (PeerError("nonsense"), 502),
    ],
)
async def test_what_the_cloud_says_reaches_the_sdk(
    place: Place, failure: HedgerowError, status: int
) -> None:
    place.cloud.failure = failure
    got, answer = await place.get(place.own_token())
    assert (got, answer["message"]) == (status, failure.message)


async def test_a_web_page_of_another_origin_gets_nothing(place: Place) -> None:
    url = f"http://127.0.0.1:{place.server.port}{CREDENTIALS_PATH}"
    headers = {"Authorization": place.own_token(), "Host": "evil.example"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        assert response.status == 403
        assert KEY not in await response.text()


@pytest.fixture
async def counter(place: Place, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / ("deep" * 30) / "credentials.sock"  # longer than the address of a socket
    path.parent.mkdir()
    made = TokenCounter(path, place.credentials, quiet_log())
    await made.start(place.uri)
    yield path
    await made.stop()
    assert not path.exists()


@pytest.mark.both_loops
async def test_the_counter_gives_a_process_its_own_token(place: Place, counter: Path) -> None:
    answer = await asyncio.to_thread(fetch_token, counter)
    assert answer.uri == place.uri
    assert answer.token not in repr(answer)
    assert (await place.get(answer.token))[0] == 200


async def test_only_the_cores_user_can_open_the_counter(counter: Path) -> None:
    found = await asyncio.to_thread(counter.stat)
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) & 0o177 == 0


def test_the_counter_serves_the_cores_user_and_root() -> None:
    assert may_ask(1000, own=1000)
    assert may_ask(0, own=1000)
    assert not may_ask(1001, own=1000)
    assert not may_ask(1000, own=0)


async def test_the_counter_says_why_it_gives_none(place: Place, counter: Path) -> None:
    place.cloud.failure = CallerError("You need to attach an IAM role to this deployment group.")
    with pytest.raises(PeerError, match="You need to attach an IAM role"):
        await asyncio.to_thread(fetch_token, counter)


async def test_a_socket_that_a_dead_core_left_is_no_hindrance(
    place: Place, counter: Path, tmp_path: Path
) -> None:
    left = tmp_path / "left.sock"
    os.link(counter, left)
    made = TokenCounter(left, place.credentials, quiet_log())
    await made.start(place.uri)
    assert (await asyncio.to_thread(fetch_token, left)).token
    await made.stop()
    with pytest.raises(ConfigurationError, match="is it running"):
        fetch_token(left)


def _plain_environment(**variables: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        **variables,
    }
