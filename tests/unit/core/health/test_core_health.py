import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from hedgerow.core.health import (
    SYSTEM_FUNCTIONS,
    BadWorkersRequestError,
    HealthServer,
    Worker,
    WorkerState,
    select_workers,
)
from hedgerow.kernel import ConfigurationError

SPOOLER = Worker(
    func_arn=SYSTEM_FUNCTIONS["GGCloudSpooler"],
    worker_id="65515053-2f70-43dc-7cc0-1712b0000000",
    process_id="1234",
    worker_state=WorkerState.WAITING,
)
MANAGER = Worker(
    func_arn=SYSTEM_FUNCTIONS["GGConnManager"],
    worker_id="a9916cc2-1b4d-4f0e-4b12-b18720000000",
    process_id="1234",
    worker_state=WorkerState.WORKING,
)


@pytest.fixture
async def server() -> AsyncIterator[HealthServer]:
    server = HealthServer(lambda: (SPOOLER, MANAGER), lambda: {"status": "ok"})
    await server.start(0)
    yield server
    await server.stop()


async def ask(
    server: HealthServer, path: str, body: str | None = None, host: str | None = None
) -> tuple[int, str]:
    headers = {} if host is None else {"Host": host}
    url = f"http://127.0.0.1:{server.port}{path}"
    async with aiohttp.ClientSession() as session:
        method = "GET" if body is None else "POST"
        async with session.request(method, url, data=body, headers=headers) as response:
            return response.status, await response.text()


@pytest.mark.spec("S06")
async def test_get_lists_all_workers_in_the_documented_shape(server: HealthServer) -> None:
    status, text = await ask(server, "/2016-11-01/health/workers")
    assert status == 200
    assert json.loads(text) == [
        {
            "FuncArn": "arn:aws:lambda:::function:GGCloudSpooler:1",
            "WorkerId": "65515053-2f70-43dc-7cc0-1712b0000000",
            "ProcessId": "1234",
            "WorkerState": "Waiting",
        },
        {
            "FuncArn": "arn:aws:lambda:::function:GGConnManager",
            "WorkerId": "a9916cc2-1b4d-4f0e-4b12-b18720000000",
            "ProcessId": "1234",
            "WorkerState": "Working",
        },
    ]


@pytest.mark.spec("S06")
async def test_post_answers_for_the_workers_asked_for(server: HealthServer) -> None:
    body = json.dumps({"FuncArns": [SPOOLER.func_arn, "some-malformed-arn"]})
    status, text = await ask(server, "/2016-11-01/health/workers", body)
    assert status == 200
    answer = json.loads(text)
    assert [worker["FuncArn"] for worker in answer["Workers"]] == [SPOOLER.func_arn]
    assert answer["InvalidArns"] == ["some-malformed-arn"]


@pytest.mark.spec("S06")
@pytest.mark.parametrize("body", ["", "[]", '{"FuncArns": []}', '{"FuncArns": "x"}', "{", "{}"])
async def test_a_malformed_post_is_answered_in_the_documented_words(
    server: HealthServer, body: str
) -> None:
    assert await ask(server, "/2016-11-01/health/workers", body) == (400, "Invalid request")


@pytest.mark.spec("S06")
async def test_more_arns_than_workers_are_refused_in_the_documented_words(
    server: HealthServer,
) -> None:
    body = json.dumps({"FuncArns": ["a", "b", "c"]})
    answer = await ask(server, "/2016-11-01/health/workers", body)
    assert answer == (400, "Request exceeds max number of workers")


async def test_the_short_status_is_json(server: HealthServer) -> None:
    assert await ask(server, "/health") == (200, '{"status":"ok"}')


async def test_a_request_for_another_host_name_is_not_answered(server: HealthServer) -> None:
    """So a web page cannot ask through a browser on this host (DNS rebinding)."""
    for name in ("evil.example:80", "localhost.evil.example", "localhost@evil.example", "[", ""):
        assert (await ask(server, "/health", host=name))[0] == 403
    for name in ("localhost", f"localhost:{server.port}", "[::1]:8000"):
        assert (await ask(server, "/health", host=name))[0] == 200


async def test_a_body_over_the_limit_is_refused(server: HealthServer) -> None:
    status, _ = await ask(server, "/2016-11-01/health/workers", " " * 70_000)
    assert status == 413


async def test_a_port_in_use_is_named(server: HealthServer) -> None:
    other = HealthServer(lambda: (), dict)
    with pytest.raises(ConfigurationError, match=f"127.0.0.1:{server.port}.*ggDaemonPort"):
        await other.start(server.port)


@pytest.mark.spec("S08")
def test_the_nine_system_functions_have_their_documented_arns() -> None:
    assert set(SYSTEM_FUNCTIONS) == {
        "GGCloudSpooler",
        "GGConnManager",
        "GGDeviceCertificateManager",
        "GGIPDetector",
        "GGSecretManager",
        "GGShadowService",
        "GGShadowSyncManager",
        "GGStreamManager",
        "GGTES",
    }
    assert SYSTEM_FUNCTIONS["GGIPDetector"] == "arn:aws:lambda:::function:GGIPDetector:1"
    assert SYSTEM_FUNCTIONS["GGTES"] == "arn:aws:lambda:::function:GGTES"


def test_a_question_that_is_not_utf_8_is_malformed() -> None:
    with pytest.raises(BadWorkersRequestError, match="Invalid request"):
        select_workers(b'{"FuncArns": ["\xff"]}', [SPOOLER])


def test_the_states_are_the_documented_ones() -> None:
    assert set(WorkerState) == {
        "Working",
        "Waiting",
        "Starting",
        "FailedInitialization",
        "Terminated",
        "NotStarted",
        "Initialized",
    }
