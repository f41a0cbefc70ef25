import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from tests.support.clock import ManualClock
from tests.support.cloud_double import CloudDouble, bytes_answer, cloud_double, json_answer
from tests.support.core import until
from tests.support.core_link import LinkedCore, client_ids
from tests.support.mqtt_broker import denied, turned_away

from hedgerow.contract import (
    CertificateRequest,
    ConnectivityEntry,
    ConnectivityInfo,
    DeploymentStatusReport,
    encode,
)
from hedgerow.core.config import load_config
from hedgerow.core.link import (
    Backoff,
    CloudHttp,
    LinkIdentity,
    explain_failure,
)
from hedgerow.kernel import (
    CallerError,
    ConfigurationError,
    DeniedError,
    PeerError,
    SystemClock,
    UnavailableError,
)

CONNECT = "no policy allows iot:Connect on arn:aws:iot:us-east-1:123456789012:client/"


@pytest.fixture
async def cloud() -> AsyncIterator[CloudDouble]:
    async with cloud_double() as made:
        yield made


async def test_the_link_connects_with_mqtt_5_and_subscribes_to_its_notices(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        await link.wait_connected()
        assert link.client_id == "core-1"
        [connect] = cloud.authority.connects
        assert (connect.version, connect.keep_alive_s) == (5, 600)
        cloud.broker.publish("x", "$aws/things/core-1-gda/shadow/update/delta", b"bell")
        await until(lambda: bool(core.notices))
        assert core.connects == 1
    await until(lambda: client_ids(cloud) == [])


@pytest.mark.spec("H13")
async def test_a_policy_that_admits_only_numbered_ids_gets_a_numbered_id(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    cloud.authority.refused_clients["core-1"] = turned_away(CONNECT + "core-1")
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        await link.wait_connected()
        assert link.client_id == "core-1-c00"
        link.listen_to(("t/1",))
        await until(lambda: client_ids(cloud) == ["core-1-c00", "core-1-c01"])


async def first_id(core: LinkedCore) -> str:
    """Let the core connect, and return as whom; the core has remembered that when this returns."""
    kept = core.config.folders.client_id
    async with core.running() as link:
        await link.wait_connected()
        await until(
            lambda: kept.exists() and kept.read_bytes().endswith(b"\n" + link.client_id.encode())
        )
        return link.client_id


async def test_a_core_begins_with_the_client_id_that_was_let_in(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    """So an ordinary start provokes no refusal; a client id that is refused is forgotten."""
    refused = cloud.authority.refused_clients
    refused["core-1"] = turned_away(CONNECT + "core-1")
    assert await first_id(LinkedCore(cloud, tmp_path)) == "core-1-c00"
    refused.clear()
    assert await first_id(LinkedCore(cloud, tmp_path)) == "core-1-c00"
    refused["core-1-c00"] = turned_away(CONNECT + "core-1-c00")
    assert await first_id(LinkedCore(cloud, tmp_path)) == "core-1"
    refused["core-1"] = turned_away(CONNECT + "core-1")
    core = LinkedCore(cloud, tmp_path)
    async with core.running():
        await until(lambda: not core.config.folders.client_id.exists())


@pytest.mark.parametrize("content", [b"", b"\xff", b"core-1\ncore-1-c00\nsomebody", b"x" * 9999])
async def test_what_is_remembered_never_names_another_client_id(
    cloud: CloudDouble, tmp_path: Path, content: bytes
) -> None:
    core = LinkedCore(cloud, tmp_path)
    core.config.folders.client_id.parent.mkdir(parents=True, exist_ok=True)
    core.config.folders.client_id.write_bytes(content)
    assert await first_id(LinkedCore(cloud, tmp_path)) == "core-1"


@pytest.mark.spec("H16")
async def test_a_client_id_that_is_configured_later_counts(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    cloud.authority.refused_clients["core-1"] = turned_away(CONNECT + "core-1")
    assert await first_id(LinkedCore(cloud, tmp_path)) == "core-1-c00"
    assert await first_id(LinkedCore(cloud, tmp_path, coreClientId="my-own")) == "my-own"


@pytest.mark.spec("H16")
async def test_the_client_id_can_be_overridden(cloud: CloudDouble, tmp_path: Path) -> None:
    async with LinkedCore(cloud, tmp_path, coreClientId="my-own").running() as link:
        await link.wait_connected()
        assert client_ids(cloud) == ["my-own"]


@pytest.mark.spec("D15")
async def test_a_refused_connection_is_told_in_the_clouds_words_and_tried_again(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    for client_id in ("core-1", "core-1-c00"):
        cloud.authority.refused_clients[client_id] = turned_away(CONNECT + client_id)
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        await until(lambda: CONNECT + "core-1-c00" in (link.problem or ""))
        cloud.authority.refused_clients.clear()
        await link.wait_connected()
        assert link.problem is None


async def test_a_refused_subscription_is_told_in_the_clouds_words(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    topic = "$aws/things/core-1-gda/shadow/update/delta"
    words = f"no policy allows iot:Subscribe on arn:…:topicfilter/{topic}"
    cloud.authority.no_subscribe["core-1", topic] = denied(words)
    async with LinkedCore(cloud, tmp_path).running() as link:
        await link.wait_connected()
        assert words in (link.problem or "")


@pytest.mark.parametrize("how", ["a minute", "a deployment"])
async def test_a_refused_subscription_is_asked_for_again(
    cloud: CloudDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It used to be refused as long as the connection stood, whatever the policy said by then."""
    seconds = 0.05 if how == "a minute" else 3600.0
    monkeypatch.setattr("hedgerow.core.link.connection._REFUSED_FILTERS_SECONDS", seconds)
    refused = cloud.authority.no_subscribe
    refused["core-1-c00", "line/cmd/#"] = denied("no policy allows iot:Subscribe on …")
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        link.listen_to(("t/1", "line/cmd/#"))
        await until(lambda: "iot:Subscribe" in (link.problem or ""))
        refused.clear()
        if how == "a deployment":
            link.listen_to(("t/1", "line/cmd/#"))
        await until(lambda: link.problem is None)
        cloud.broker.publish("x", "line/cmd/go", b"1")
        await until(lambda: len(core.messages) == 1)
        assert core.connects == 1


async def test_notices_that_are_granted_later_are_asked_for_then(
    cloud: CloudDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hedgerow.core.link.connection._REFUSED_FILTERS_SECONDS", 0.05)
    topic = "$aws/things/core-1-gda/shadow/update/delta"
    cloud.authority.no_subscribe["core-1", topic] = denied("no policy allows iot:Subscribe on …")
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        await until(lambda: link.problem is not None)
        cloud.authority.no_subscribe.clear()
        await until(lambda: link.problem is None)
        await until(lambda: core.connects == 2)
        assert client_ids(cloud) == ["core-1"]


@pytest.mark.spec("G05", "H13")
async def test_topics_of_the_cloud_are_spread_over_connections_of_fifty(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        link.listen_to([f"t/{number:03d}" for number in range(120)])
        await until(
            lambda: client_ids(cloud) == ["core-1", "core-1-c00", "core-1-c01", "core-1-c02"]
        )
        await until(lambda: all(c.connected.is_set() for c in link.connections))
        for number in (0, 49, 50, 119):
            cloud.broker.publish("x", f"t/{number:03d}", b"%d" % number)
        await until(lambda: len(core.messages) == 4)
        kept = {s.id for s in cloud.broker.sessions if s.client_id == "core-1-c00"}
        link.listen_to([f"t/{number:03d}" for number in range(60)])
        await until(lambda: "core-1-c02" not in client_ids(cloud))
        assert kept <= {session.id for session in cloud.broker.sessions}


async def test_what_a_row_and_the_synchronisation_both_want_comes_once_to_each(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    """So the two have connections of their own, and share one where they do not overlap."""
    core = LinkedCore(cloud, tmp_path)
    topic = "$aws/things/A/shadow/update/accepted"
    async with core.running() as link:
        link.listen_to(["$aws/things/+/shadow/update/accepted"])
        link.listen_to_shadows(["$aws/things/A/shadow/+/accepted"])
        await until(lambda: client_ids(cloud) == ["core-1", "core-1-c00", "core-1-c01"])
        await until(lambda: core.shadow_filters == ["$aws/things/A/shadow/+/accepted"])
        cloud.broker.publish("x", topic, b"{}")
        await until(lambda: len(core.messages) == len(core.shadows) == 1)
        link.listen_to(["t/1"])
        await until(lambda: client_ids(cloud) == ["core-1", "core-1-c00"])
        await until(lambda: len(core.shadow_filters) == 2)
        cloud.broker.publish("x", topic, b"{}")
        cloud.broker.publish("x", "t/1", b"1")
        await until(lambda: (len(core.messages), len(core.shadows)) == (2, 2))


async def test_a_publication_returns_the_clouds_answer(cloud: CloudDouble, tmp_path: Path) -> None:
    cloud.authority.no_publish["core-1", "t/no"] = denied("no policy allows iot:Publish on …/t/no")
    async with LinkedCore(cloud, tmp_path).running() as link:
        await link.wait_connected()
        assert (await link.publish("t/yes", b"x")).accepted
        answer = await link.publish("t/no", b"x")
        assert not answer.accepted
        assert answer.reason == "no policy allows iot:Publish on …/t/no"


async def test_without_a_connection_a_publication_is_unavailable(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    with pytest.raises(UnavailableError, match="no connection"):
        await LinkedCore(cloud, tmp_path).link.publish("t", b"x")


async def test_a_publication_ends_with_its_connection_and_leaves_the_next_one_alone(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    """It used to wait out its time, and then end the connection that stood by then, for ever."""
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        await link.wait_connected()
        first = link.connections[0].client
        assert first is not None
        first.patience_s = 3600
        first.data_received = lambda data: None  # type: ignore[method-assign]  # noqa: ARG005 - nothing is heard
        loop = asyncio.get_running_loop()
        in_flight = [loop.create_task(link.publish("t", b"in flight")) for _ in range(2)]
        await until(lambda: cloud.broker.counters.messages_received == 2)
        cloud.broker.disconnect(lambda _session: True, "maintenance")
        for task in in_flight:
            with pytest.raises(UnavailableError, match="ended before the cloud acknowledged"):
                await asyncio.wait_for(task, 10)
        await until(lambda: core.connects == 2)
        assert (await link.publish("t", b"once more")).accepted
        assert core.connects == 2


@pytest.mark.spec("H17")
async def test_another_connection_with_the_same_id_is_named_as_the_cause(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    """It stays named while the two are connected in turn, and for ten minutes after that."""
    (tmp_path / "1").mkdir()
    clock = ManualClock()
    first = LinkedCore(cloud, tmp_path / "1", clock=clock)
    second = LinkedCore(cloud, tmp_path / "2")
    async with first.running() as link:
        await link.wait_connected()
        assert link.problem is None
        problem = partial(getattr, link, "problem")
        async with second.running():
            await until(lambda: "another connection uses the client id" in (problem() or ""))
            await until(lambda: first.connects >= 2)
        await until(lambda: link.is_connected)
        assert "conflicting client IDs" in problem()
        clock.advance(timedelta(minutes=10))
        assert problem() is None


async def test_a_lost_connection_comes_back(cloud: CloudDouble, tmp_path: Path) -> None:
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        await link.wait_connected()
        cloud.broker.disconnect(lambda _session: True, "maintenance")
        await until(lambda: core.connects == 2)


async def test_a_message_that_is_not_acknowledged_ends_the_connection(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        await link.wait_connected()
        client = link.connections[0].client
        assert client is not None
        client.data_received = lambda data: None  # type: ignore[method-assign]  # noqa: ARG005 - nothing is heard
        client.patience_s = 0.05
        client._watch()
        with pytest.raises(UnavailableError, match="ended before the cloud acknowledged"):
            await link.publish("t", b"x")
        await until(lambda: core.connects == 2)


async def test_a_certificate_the_cloud_does_not_know_is_named_as_the_cause(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    cloud.slot.replace(cloud.context(trusting=()))
    core = LinkedCore(cloud, tmp_path)
    async with core.running() as link:
        await until(lambda: "refused this core's certificate" in (link.problem or ""))
    async with CloudHttp(core.config, LinkIdentity.load(core.config), SystemClock()) as http:
        with pytest.raises(UnavailableError, match="refused this core's certificate"):
            await http.connectivity()


async def test_a_cloud_of_another_root_is_not_talked_to(cloud: CloudDouble, tmp_path: Path) -> None:
    core = LinkedCore(cloud, tmp_path)
    other = CloudDouble(
        keys=type(cloud.keys)("imposter", SystemClock()),
        identity=cloud.identity,
        authority=cloud.authority,
        broker=cloud.broker,
        slot=cloud.slot,
    )
    cloud.slot.replace(other.context(trusting=(cloud.identity.certificate_pem,)))
    async with core.running() as link:
        await until(lambda: "certificate is not trusted" in (link.problem or ""))
    async with CloudHttp(core.config, LinkIdentity.load(core.config), SystemClock()) as http:
        with pytest.raises(UnavailableError, match="certificate is not trusted"):
            await http.connectivity()
    assert cloud.requests == []
    assert client_ids(cloud) == []


async def test_a_link_that_is_stopped_says_goodbye(cloud: CloudDouble, tmp_path: Path) -> None:
    async with LinkedCore(cloud, tmp_path).running() as link:
        await link.wait_connected()
    await until(lambda: bool(cloud.authority.life) and client_ids(cloud) == [])
    assert [e.cause for e in cloud.authority.life if e.kind == "disconnected"] == ["client"]


async def test_a_link_that_is_stopped_while_it_connects_ends_at_once(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    silent = await asyncio.start_server(lambda _r, w: accepted.put_nowait(w), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    task = asyncio.get_running_loop().create_task(
        LinkedCore(cloud, tmp_path, iotMqttPort=port).link.run()
    )
    writer = await accepted.get()
    task.cancel()
    async with asyncio.timeout(2):
        await asyncio.gather(task, return_exceptions=True)
    writer.close()
    await writer.wait_closed()
    silent.close()
    await silent.wait_closed()


@pytest.fixture
async def http(cloud: CloudDouble, tmp_path: Path) -> AsyncIterator[CloudHttp]:
    config = load_config(cloud.root(tmp_path))
    async with CloudHttp(config, LinkIdentity.load(config), SystemClock()) as made:
        yield made


async def test_calls_go_to_the_contracts_paths(cloud: CloudDouble, http: CloudHttp) -> None:
    cloud.answers = {"GET": bytes_answer(lambda: b"{}"), "PUT": json_answer({}),
                     "POST /things": json_answer({})}  # fmt: skip
    await http.manifest("g", "d")
    await http.artifact("g", "d", "group.json")
    await http.report_status("g", "d", DeploymentStatusReport(status="Success"))
    await http.connectivity()
    await http.update_connectivity(
        ConnectivityInfo(
            connectivity_info=(ConnectivityEntry(id="i", host_address="h", port_number=1),)
        )
    )
    await http.report_shadow("core-1-gda", {"DeploymentId": "d"})
    core = "arn%3Aaws%3Aiot%3Aus-east-1%3A123456789012%3Athing%2Fcore-1"
    assert [(method, path) for method, path, _ in cloud.requests] == [
        ("GET", "/greengrass/groups/g/deployments/d"),
        ("GET", "/greengrass/groups/g/deployments/d/artifacts/group.json"),
        ("PUT", f"/greengrass/groups/g/deployments/d/cores/{core}"),
        ("GET", "/greengrass/things/core-1/connectivityInfo"),
        ("PUT", "/greengrass/things/core-1/connectivityInfo"),
        ("POST", "/things/core-1-gda/shadow"),
    ]
    assert cloud.requests[2][2] == encode(DeploymentStatusReport(status="Success"))
    assert cloud.requests[5][2] == b'{"state":{"reported":{"DeploymentId":"d"}}}'


@pytest.mark.spec("G05", "H13")
async def test_ten_thousand_topics_of_the_cloud_take_two_hundred_connections(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    link = LinkedCore(cloud, tmp_path).link
    link.listen_to([f"t/{number:05d}" for number in range(10_000)])
    plans = list(link._plans().values())
    assert [len(plan.filters) for plan in plans] == [50] * 200
    assert len({subject for plan in plans for subject in plan.filters}) == 10_000
    assert (plans[0].client_ids, plans[-1].client_ids) == (("core-1-c00",), ("core-1-c199",))


@pytest.mark.spec("D15")
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, DeniedError), (403, DeniedError), (404, CallerError), (400, CallerError),
     (429, UnavailableError), (500, UnavailableError), (503, UnavailableError)],
)  # fmt: skip
async def test_a_refusal_keeps_the_clouds_words(
    cloud: CloudDouble, http: CloudHttp, status: int, kind: type[Exception]
) -> None:
    words = "greengrass:CreateCertificate on * is refused: no policy allows it"
    cloud.answers["POST"] = json_answer({"message": words}, status)
    with pytest.raises(kind) as caught:
        await http.server_certificate(
            CertificateRequest(group_id="g", certificate_signing_request="…")
        )
    assert words in str(caught.value)


async def test_a_group_without_a_role_is_one_sentence_with_the_command_that_gives_it_one(
    cloud: CloudDouble, http: CloudHttp
) -> None:
    words = "You need to attach an IAM role to this deployment group."
    cloud.answers["POST"] = json_answer({"message": words}, 404)
    with pytest.raises(CallerError) as caught:
        await http.group_credentials("group-1")
    assert str(caught.value) == (
        "the group group-1 has no role, so there are no credentials; give it one: aws greengrass "
        "associate-role-to-group --group-id group-1 --role-arn ROLE_ARN"
    )
    cloud.answers["POST"] = json_answer({"message": "greengrass:AssumeRoleForGroup"}, 403)
    with pytest.raises(DeniedError, match="AssumeRoleForGroup"):
        await http.group_credentials("group-1")


async def test_an_answer_that_is_no_document_is_the_clouds_fault(
    cloud: CloudDouble, http: CloudHttp
) -> None:
    cloud.answers["GET"] = bytes_answer(lambda: b"<html>")
    with pytest.raises(PeerError, match="not a ConnectivityInfo"):
        await http.connectivity()


async def test_a_redirect_is_not_followed(cloud: CloudDouble, http: CloudHttp) -> None:
    def elsewhere(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://localhost:1/"})

    cloud.answers["GET"] = elsewhere
    with pytest.raises(CallerError, match="302"):
        await http.connectivity()


async def test_an_answer_without_end_is_cut_off(
    cloud: CloudDouble, http: CloudHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hedgerow.core.link.https._DOCUMENT_BYTES_LIMIT", 1000)
    cloud.answers["GET"] = bytes_answer(lambda: b"x" * 2000)
    with pytest.raises(PeerError, match="over 1000 bytes"):
        await http.manifest("g", "d")


async def test_a_cloud_that_is_not_there_is_unavailable(cloud: CloudDouble, tmp_path: Path) -> None:
    config = load_config(cloud.root(tmp_path, ggHttpPort=1))
    async with CloudHttp(config, LinkIdentity.load(config), SystemClock()) as http:
        with pytest.raises(UnavailableError, match="cannot connect to localhost:1"):
            await http.connectivity()


@pytest.mark.spec("B10")
@pytest.mark.parametrize("code", [9, 10])
def test_a_wrong_clock_is_said_in_words(code: int) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    now = datetime(2001, 2, 3, 4, 5, tzinfo=UTC)
    for failure in (error, _wrapping(error)):
        text = str(explain_failure(failure, "cloud.example:8443", now))
        assert "x509: certificate has expired or is not yet valid" in text
        assert "this machine's clock says 2001-02-03 04:05 UTC" in text


def _wrapping(error: Exception) -> Exception:
    outer = aiohttp.ClientError("outer")
    outer.__cause__ = error
    return outer


@pytest.mark.spec("H19")
def test_the_back_off_doubles_up_to_its_cap_and_is_spread() -> None:
    longest = Backoff(60, spread=lambda: 0.0)
    delays = [longest.next_delay() for _ in range(12)]
    assert delays[:4] == [0.25, 0.5, 1.0, 2.0]
    assert delays[-1] == 60
    shortest = Backoff(60, spread=lambda: 1.0)
    assert [shortest.next_delay() for _ in range(12)][-1] == 30
    longest.ease()
    assert longest.next_delay() == 32
    longest.reset()
    assert longest.next_delay() == 0.25
    slow = Backoff(60, 1, spread=lambda: 0.0)
    assert [slow.next_delay() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    for _ in range(5000):
        assert Backoff(1).next_delay() <= 1


@pytest.mark.spec("X09")
def test_several_root_certificates_with_comments_between_them_load(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    config = load_config(cloud.root(tmp_path))
    one, two = cloud.keys.root.certificate_pem, cloud.keys.device_ca.certificate_pem
    config.ca_path.write_text(f"# the cloud's\n{one}\nthe proxy's: é\n{two}")
    assert len(LinkIdentity.load(config).roots) == 2


@pytest.mark.parametrize("which", ["root.ca.pem", "core.cert.pem"])
def test_a_file_without_certificates_is_named(
    cloud: CloudDouble, tmp_path: Path, which: str
) -> None:
    config = load_config(cloud.root(tmp_path))
    (tmp_path / "certs" / which).write_text("nothing")
    with pytest.raises(ConfigurationError, match=which):
        LinkIdentity.load(config)
    (tmp_path / "certs" / which).unlink()
    with pytest.raises(ConfigurationError, match=which):
        LinkIdentity.load(config)


@pytest.mark.promise(6)
def test_a_key_that_others_can_read_stops_the_core(cloud: CloudDouble, tmp_path: Path) -> None:
    config = load_config(cloud.root(tmp_path))
    (tmp_path / "certs/core.private.key").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        LinkIdentity.load(config)


def test_a_token_whose_library_is_missing_is_refused_in_words(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    root = cloud.root(tmp_path)
    path = root / "config/config.json"
    text = path.read_text().replace(f"file://{root}/certs/core.private.key", "pkcs11:object=k")
    token = '"PKCS11": {"P11Provider": "/p", "slotLabel": "s", "slotUserPin": "u"}, "principals"'
    path.write_text(text.replace('"principals"', token))
    with pytest.raises(ConfigurationError, match="PKCS#11 library /p is not there"):
        LinkIdentity.load(load_config(root))


@pytest.mark.spec("I10")
def test_port_443_names_its_protocol_and_other_ports_do_not(
    cloud: CloudDouble, tmp_path: Path
) -> None:
    identity = LinkIdentity.load(load_config(cloud.root(tmp_path)))
    assert _offered(identity.tls_context(443, "x-amzn-mqtt-ca")) == b"\x0ex-amzn-mqtt-ca"
    assert _offered(identity.tls_context(8883, "x-amzn-mqtt-ca")) is None


def _offered(context: ssl.SSLContext) -> bytes | None:
    """Return the ALPN list of a client's first message."""
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    hello = outgoing.read()
    name = b"x-amzn-mqtt-ca"
    place = hello.find(name)
    return hello[place - 1 : place + len(name)] if place >= 0 else None
