"""boto3 and the AWS CLI, unchanged, against the gateway over TLS: what every service relies on."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, SSLError
from tests.support.aws_gateway import ServedCloud, served, small_cloud
from tests.support.aws_requests import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY, credential

ADMINISTRATOR = credential().principal.arn


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedCloud]:
    async with served(small_cloud(denied=["iot:CreateThing"]), tmp_path) as cloud:
        yield cloud


async def error_of(call: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
    """Make a call that has to fail, and return what the client knows of the error."""
    with pytest.raises(ClientError) as raised:
        await asyncio.to_thread(lambda: call(**parameters))
    response: dict[str, Any] = raised.value.response
    assert response["ResponseMetadata"]["RequestId"]
    return response


async def status_and_code(call: Callable[..., Any], **parameters: Any) -> tuple[int, str]:
    response = await error_of(call, **parameters)
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


async def test_calls_of_three_services_go_to_one_endpoint(api: ServedCloud) -> None:
    iot = await asyncio.to_thread(api.client, "iot")
    answer = await asyncio.to_thread(lambda: iot.describe_thing(thingName="lamp"))
    assert (answer["thingName"], answer["version"]) == ("lamp", 1)
    request_id = answer["ResponseMetadata"]["RequestId"]
    greengrass = await asyncio.to_thread(api.client, "greengrass")
    answer = await asyncio.to_thread(lambda: greengrass.reset_deployments(GroupId="g-1"))
    assert answer["DeploymentId"] == "g-1"
    sts = await asyncio.to_thread(api.client, "sts")
    answer = await asyncio.to_thread(sts.get_caller_identity)
    assert (answer["Account"], answer["Arn"]) == (ACCOUNT, ADMINISTRATOR)
    first, *_ = api.cloud.records
    assert [record.operation for record in api.cloud.records] == [
        "DescribeThing",
        "ResetDeployments",
        "GetCallerIdentity",
    ]
    assert (first.request_id, first.input) == (request_id, {"thingName": "lamp"})
    assert (first.source_ip, first.read_only, first.http_status) == ("127.0.0.1", True, 200)
    assert first.user_agent.startswith("Boto3/")


async def test_an_arn_in_the_path_stays_one_label(api: ServedCloud) -> None:
    arn = f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/lamp"
    iot = await asyncio.to_thread(api.client, "iot")
    answer = await asyncio.to_thread(lambda: iot.list_tags_for_resource(resourceArn=arn))
    assert answer["tags"] == [{"Key": "arn", "Value": arn}]


async def test_parameters_in_path_query_and_body_arrive_typed(api: ServedCloud) -> None:
    iot = await asyncio.to_thread(api.client, "iot")
    answer = await asyncio.to_thread(
        lambda: iot.update_certificate(certificateId="ab" * 32, newStatus="INACTIVE")
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert api.cloud.records[-1].input == {"certificateId": "ab" * 32, "newStatus": "INACTIVE"}


async def test_every_kind_of_failure_has_its_code_and_status(api: ServedCloud) -> None:
    iot = await asyncio.to_thread(api.client, "iot")
    expected = {
        "missing": (404, "ResourceNotFoundException"),
        "unmodelled": (418, "TeapotException"),
        "caller": (400, "InvalidRequestException"),
        "denied": (403, "AccessDeniedException"),
        "unavailable": (503, "ServiceUnavailableException"),
        "bug": (500, "InternalFailureException"),
        "misfit": (500, "InternalFailureException"),
    }
    for name, wanted in expected.items():
        assert await status_and_code(iot.describe_thing, thingName=name) == wanted
        assert api.cloud.records[-1].error_code == wanted[1]


async def test_a_modelled_error_is_the_exception_of_its_name(api: ServedCloud) -> None:
    iot = await asyncio.to_thread(api.client, "iot")
    with pytest.raises(iot.exceptions.ResourceNotFoundException, match="There is no such thing"):
        await asyncio.to_thread(lambda: iot.describe_thing(thingName="missing"))


async def test_details_of_an_error_arrive(api: ServedCloud) -> None:
    greengrass = await asyncio.to_thread(api.client, "greengrass")
    response = await error_of(greengrass.create_group, Name="g")
    assert response["Error"] == {"Code": "BadRequestException", "Message": "The group is invalid."}
    assert response["ErrorDetails"] == [{"DetailedErrorCode": "E", "DetailedErrorMessage": "why"}]


async def test_input_against_the_model_is_refused_in_awss_words(api: ServedCloud) -> None:
    iot = await asyncio.to_thread(api.client, "iot")
    response = await error_of(iot.describe_thing, thingName="a lamp")
    assert response["Error"] == {
        "Code": "InvalidRequestException",
        "Message": "1 validation error detected: Value 'a lamp' at 'thingName' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+",
    }
    assert api.cloud.iot.calls == []


async def test_an_operation_that_is_not_built_says_so(api: ServedCloud) -> None:
    iot = await asyncio.to_thread(api.client, "iot")
    response = await error_of(iot.delete_thing, thingName="lamp")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["Error"] == {
        "Code": "OperationNotSupportedException",
        "Message": "DeleteThing is not built in Hedgerow yet.",
    }
    sts = await asyncio.to_thread(api.client, "sts")
    assert await status_and_code(sts.get_session_token) == (501, "OperationNotSupportedException")


async def test_a_call_that_no_policy_allows_does_nothing(api: ServedCloud) -> None:
    iot = await asyncio.to_thread(api.client, "iot")
    response = await error_of(iot.create_thing, thingName="lamp")
    assert response["Error"]["Code"] == "AccessDeniedException"
    assert "is not authorized to perform: iot:CreateThing" in response["Error"]["Message"]
    assert api.cloud.iot.calls == []
    assert api.cloud.records[-1].input == {"thingName": "lamp"}


@pytest.mark.parametrize(
    ("service", "changes", "wanted"),
    [
        ("iot", {"aws_secret_access_key": "wrong"}, (403, "InvalidSignatureException")),
        ("iot", {"aws_access_key_id": "AKIANOBODY"}, (403, "UnrecognizedClientException")),
        ("iot", {"aws_session_token": "made-up"}, (403, "UnrecognizedClientException")),
        ("iot", {"region_name": "us-west-2"}, (403, "InvalidSignatureException")),
        ("sts", {"aws_secret_access_key": "wrong"}, (403, "SignatureDoesNotMatch")),
        ("sts", {"aws_access_key_id": "AKIANOBODY"}, (403, "InvalidClientTokenId")),
        ("sts", {"region_name": "us-west-2"}, (403, "SignatureDoesNotMatch")),
        ("kms", {}, (400, "InvalidSignatureException")),
        ("iam", {}, (403, "SignatureDoesNotMatch")),
    ],
)
async def test_credentials_that_do_not_fit_are_refused(
    api: ServedCloud, service: str, changes: dict[str, str], wanted: tuple[int, str]
) -> None:
    calls = {
        "iot": "list_things",
        "sts": "get_caller_identity",
        "kms": "list_keys",
        "iam": "list_users",
    }
    client = await asyncio.to_thread(lambda: api.client(service, **changes))
    assert await status_and_code(getattr(client, calls[service])) == wanted
    assert api.cloud.records[-1].caller is None


async def test_a_server_that_the_client_does_not_know_gets_no_call(api: ServedCloud) -> None:
    iot = await asyncio.to_thread(lambda: api.client("iot", verify=True))
    with pytest.raises(SSLError):
        await asyncio.to_thread(lambda: iot.describe_thing(thingName="lamp"))
    assert api.cloud.records == []


async def test_a_presigned_url_works_without_any_sdk(api: ServedCloud) -> None:
    def fetch() -> bytes:
        url = api.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
        context = ssl.create_default_context(cafile=str(api.ca_file))
        with urllib.request.urlopen(url, context=context) as answer:  # noqa: S310 - https
            body: bytes = answer.read()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(url.replace("Expires=", "Expires=1"), context=context)  # noqa: S310
        return body

    assert ADMINISTRATOR.encode() in await asyncio.to_thread(fetch)


async def test_the_aws_command_line_works(api: ServedCloud) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(api.ca_file.parent),
        "AWS_ENDPOINT_URL": f"https://localhost:{api.port}",
        "AWS_CA_BUNDLE": str(api.ca_file),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }
    command = [sys.executable, "-m", "awscli", "iot", "describe-thing", "--thing-name", "lamp"]
    done = await asyncio.to_thread(
        lambda: subprocess.run(command, env=environment, capture_output=True, check=True)
    )
    assert json.loads(done.stdout)["thingName"] == "lamp"
