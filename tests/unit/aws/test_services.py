"""Declaring a service: what can be declared, and what is refused when the gateway is made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.support.aws_gateway import AllowBut, Keys, SmallIot, gateway_of, small_cloud
from tests.support.aws_requests import REGION, signed_request, unsigned_request
from tests.support.clock import ManualClock

from hedgerow.aws import Answer, Call, CallRecord, Gateway, HttpRequest, Operation, Service
from hedgerow.aws import operation as declared
from hedgerow.aws.models import load_model, protocol_of
from hedgerow.kernel import ConfigurationError

JSON = {"content-type": "application/json"}


def gateway(*services: Service, records: list[CallRecord] | None = None) -> Gateway:
    kept = records if records is not None else []
    return gateway_of(services, Keys(), AllowBut(), clock=ManualClock(), record=kept.append)


def asking(
    method: str,
    target: str,
    body: bytes = b"",
    *,
    service: str = "iot",
    headers: Mapping[str, str] | None = None,
) -> HttpRequest:
    request = unsigned_request(method, target, {**JSON, **(headers or {})}, body)
    return signed_request(request, now=ManualClock().now(), service=service)


async def test_one_method_and_one_line_make_an_operation() -> None:
    class OneOperation(Service):
        model_name: ClassVar[str] = "iot"

        @declared("DeleteThing")
        async def delete(self, call: Call) -> Answer:
            gone.append(call.input["thingName"])
            return None

    gone: list[str] = []
    answer = await gateway(OneOperation()).handle(asking("DELETE", "/things/lamp"))
    assert (answer.status, answer.body, gone) == (200, b"{}", ["lamp"])


async def test_a_service_may_make_operations_from_a_table() -> None:
    class Table(SmallIot):
        def operations(self) -> Mapping[str, Operation]:
            async def listed(_call: Call) -> Answer:
                return {"things": []}

            return {**super().operations(), "ListThings": listed}

    table = Table()
    answer = await gateway(table).handle(asking("GET", "/things"))
    assert (answer.status, answer.body) == (200, b'{"things":[]}')
    assert (await gateway(table).handle(asking("GET", "/things/lamp"))).status == 200


def test_an_operation_that_the_model_does_not_have_is_refused() -> None:
    class Misspelt(Service):
        model_name: ClassVar[str] = "iot"

        @declared("DescribeThings")
        async def describe(self, _call: Call) -> Answer:
            return None

    with pytest.raises(ConfigurationError, match="Misspelt declares DescribeThings"):
        gateway(Misspelt())


def test_an_operation_declared_twice_is_refused() -> None:
    class Twice(SmallIot):
        @declared("CreateThing")
        async def again(self, _call: Call) -> Answer:
            return None

    with pytest.raises(TypeError, match="twice"):
        gateway(Twice())


def test_two_services_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="Two services"):
        gateway(SmallIot(), SmallIot())


def test_a_missing_model_is_a_clear_error_at_start() -> None:
    class Nowhere(Service):
        model_name: ClassVar[str] = "no-such-service"

    with pytest.raises(ConfigurationError, match=r"no model of the service 'no-such-service'"):
        gateway(Nowhere())


def test_models_come_from_botocore_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model in the user's own folder would change what the API is."""
    folder = tmp_path / "planted" / "2020-01-01"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text('{"metadata": {}}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    with pytest.raises(ConfigurationError):
        load_model("planted")


def test_a_protocol_that_is_not_built_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="rest-xml"):
        protocol_of(load_model("s3"))
    assert protocol_of(load_model("cloudwatch")) == "json"


async def test_a_service_is_reached_by_its_other_names_and_regions() -> None:
    class Elsewhere(SmallIot):
        signing_names: ClassVar[tuple[str, ...]] = ("execute-api",)
        signing_regions: ClassVar[tuple[str, ...]] = ("us-east-1",)

    served = gateway(Elsewhere())
    now = ManualClock().now()
    for service, region in (("execute-api", REGION), ("iot", "us-east-1"), ("iot", REGION)):
        request = signed_request(unsigned_request(), now=now, service=service, region=region)
        assert (await served.handle(request)).status == 200


async def test_an_operation_sees_its_call_and_no_credentials() -> None:
    cloud = small_cloud(clock=ManualClock())
    request = asking("GET", "/things/lamp", headers={"User-Agent": "a client", "Cookie": "c"})
    await cloud.gateway.handle(request)
    (call,) = cloud.iot.calls
    assert (call.operation, call.input, call.region) == (
        "DescribeThing",
        {"thingName": "lamp"},
        REGION,
    )
    assert (call.asked.source_ip, call.asked.user_agent) == ("192.0.2.7", "a client")
    assert call.account == call.caller.account
    assert "Signature" not in repr(call)


@pytest.mark.promise(8)
async def test_every_request_leaves_exactly_one_record() -> None:
    cloud = small_cloud(clock=ManualClock(), denied=["iot:CreateThing"])
    requests = [
        asking("GET", "/things/lamp"),
        asking("GET", "/things/missing"),
        asking("GET", "/things/a%20b"),
        asking("POST", "/things/lamp", b"{"),
        asking("POST", "/things/lamp", b"{}"),
        asking("DELETE", "/things/lamp"),
        asking("GET", "/nowhere"),
        unsigned_request(),
        asking("GET", "/things/lamp", service="ec2"),
    ]
    ids = [
        (await cloud.gateway.handle(request)).headers["x-amzn-RequestId"] for request in requests
    ]
    assert [record.request_id for record in cloud.records] == ids
    assert [(r.operation, r.error_code, r.caller is not None) for r in cloud.records] == [
        ("DescribeThing", None, True),
        ("DescribeThing", "ResourceNotFoundException", True),
        ("DescribeThing", "InvalidRequestException", True),
        ("CreateThing", "SerializationException", True),
        ("CreateThing", "AccessDeniedException", True),
        ("DeleteThing", "OperationNotSupportedException", True),
        ("", "UnknownOperationException", True),
        ("", "MissingAuthenticationTokenException", False),
        ("", "InvalidSignatureException", False),
    ]


@pytest.mark.promise(9)
async def test_a_record_has_neither_sensitive_input_nor_payloads() -> None:
    class Secretive(Service):
        model_name: ClassVar[str] = "secretsmanager"

        @declared("CreateSecret")
        async def create(self, _call: Call) -> Answer:
            return {"ARN": "arn:aws:secretsmanager:x:y:secret:z", "Name": "wifi"}

    records: list[CallRecord] = []
    secrets = b'"SecretString":"hunter2","SecretBinary":"aHVudGVyMg=="'
    body = b'{"Name":"wifi",' + secrets + b',"Tags":[{"Key":"a"}]}'
    request = asking(
        "POST",
        "/",
        body,
        service="secretsmanager",
        headers={"X-Amz-Target": "secretsmanager.CreateSecret"},
    )
    answer = await gateway(Secretive(), records=records).handle(request)
    assert answer.status == 200
    (record,) = records
    assert record.input == {
        "Name": "wifi",
        "SecretString": "***",
        "SecretBinary": "***",
        "Tags": [{"Key": "a"}],
    }
    assert record.output == {"ARN": "arn:aws:secretsmanager:x:y:secret:z", "Name": "wifi"}
    assert "hunter2" not in repr(record)


async def test_reading_calls_are_known_and_keep_no_output() -> None:
    cloud = small_cloud(clock=ManualClock())
    await cloud.gateway.handle(asking("GET", "/things/lamp"))
    await cloud.gateway.handle(asking("POST", "/things/lamp", b"{}"))
    reading, writing = cloud.records
    assert (reading.read_only, reading.output) == (True, None)
    assert (writing.read_only, writing.output) == (False, {"thingName": "lamp"})


@pytest.mark.promise(8)
async def test_an_answer_whose_record_cannot_be_left_is_not_given() -> None:
    def broken(_record: CallRecord) -> Any:
        raise OSError("the disk is full")

    served = gateway_of([SmallIot()], Keys(), AllowBut(), clock=ManualClock(), record=broken)
    answer = await served.handle(asking("GET", "/things/lamp"))
    assert answer.status == 500
    assert b"lamp" not in answer.body
    assert b"disk" not in answer.body
