"""A gateway over real TLS with three small services, for tests of what every service relies on."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import boto3
from botocore.config import Config
from tests.support.aws_requests import ACCESS_KEY, REGION, SECRET_KEY, credential
from tests.support.pki import new_authority, new_server

from hedgerow.aws import (
    AccessDeniedError,
    Answer,
    Asked,
    Authorizer,
    AwsError,
    Call,
    CallRecord,
    Credential,
    CredentialSource,
    Facts,
    Gateway,
    HttpLimits,
    Recorder,
    Service,
    bind,
    operation,
)
from hedgerow.kernel import CallerError, Clock, DeniedError, SystemClock, UnavailableError
from hedgerow.pki import TlsListener, TlsSlot, Trust, server_context

FAULTS: Mapping[str, Exception] = {
    "missing": AwsError("ResourceNotFoundException", "There is no such thing."),
    "unmodelled": AwsError("TeapotException", "Short and stout.", http_status=418),
    "caller": CallerError("That makes no sense."),
    "denied": DeniedError("Nobody may look at this."),
    "unavailable": UnavailableError("Come back later."),
    "bug": RuntimeError("a secret of ours"),
}


class SmallIot(Service):
    """Things that are their names; some names stand for what goes wrong."""

    model_name: ClassVar[str] = "iot"
    invalid_code: ClassVar[str] = "InvalidRequestException"
    internal_code: ClassVar[str] = "InternalFailureException"

    def __init__(self) -> None:
        self.calls: list[Call] = []

    @operation("DescribeThing")
    async def describe_thing(self, call: Call) -> Answer:
        self.calls.append(call)
        name = call.input["thingName"]
        if name in FAULTS:
            raise FAULTS[name]
        if name == "misfit":
            return {"noSuchMember": 1}
        return {"thingName": name, "version": 1}

    @operation("CreateThing")
    async def create_thing(self, call: Call) -> Answer:
        self.calls.append(call)
        return {"thingName": call.input["thingName"]}

    @operation("ListTagsForResource")
    async def list_tags(self, call: Call) -> Answer:
        return {"tags": [{"Key": "arn", "Value": call.input["resourceArn"]}]}

    @operation("UpdateCertificate")
    async def update_certificate(self, _call: Call) -> Answer:
        return None


class SmallGreengrass(Service):
    """One operation that echoes, and one whose path has a dollar in it."""

    model_name: ClassVar[str] = "greengrass"
    malformed_code: ClassVar[str] = "BadRequestException"
    invalid_code: ClassVar[str] = "BadRequestException"

    @operation("ResetDeployments")
    async def reset(self, call: Call) -> Answer:
        return {"DeploymentId": call.input["GroupId"]}

    @operation("CreateGroup")
    async def create_group(self, _call: Call) -> Answer:
        raise AwsError(
            "BadRequestException",
            "The group is invalid.",
            fields={"ErrorDetails": [{"DetailedErrorCode": "E", "DetailedErrorMessage": "why"}]},
        )


class SmallSts(Service):
    """Who am I."""

    model_name: ClassVar[str] = "sts"

    @operation("GetCallerIdentity")
    async def get_caller_identity(self, call: Call) -> Answer:
        return {"Account": call.account, "Arn": call.caller.arn}


class Keys:
    """Knows the test's access keys."""

    def __init__(self, known: Mapping[str, Credential] | None = None) -> None:
        self.known = dict(known or {ACCESS_KEY: credential()})

    async def find(self, access_key_id: str, _session_token: str | None) -> Credential | None:
        return self.known.get(access_key_id)


class AllowBut:
    """Allows every action but these."""

    def __init__(self, denied: Sequence[str] = ()) -> None:
        self.denied = denied

    async def authorize(self, asked: Asked) -> Facts:
        action = f"{asked.iam_prefix}:{asked.operation}"
        if action in self.denied:
            raise AccessDeniedError(
                f"User: {asked.caller.arn} is not authorized to perform: {action}",
                decision={"effect": "implicit-deny"},
            )
        return {"effect": "allow"}


@dataclass
class SmallCloud:
    """The gateway with what tests look at."""

    gateway: Gateway
    iot: SmallIot
    records: list[CallRecord] = field(default_factory=list)


def gateway_of(
    services: Sequence[Service],
    credentials: CredentialSource,
    authorizer: Authorizer,
    *,
    clock: Clock,
    record: Recorder,
    limits: HttpLimits | None = None,
) -> Gateway:
    """Return a gateway that serves every account with the same services."""
    operations = bind(services)
    return Gateway(
        [type(service) for service in services],
        lambda _account: operations,
        credentials,
        authorizer,
        region=REGION,
        clock=clock,
        record=record,
        limits=limits,
    )


def small_cloud(
    *,
    clock: Clock | None = None,
    keys: Keys | None = None,
    denied: Sequence[str] = (),
    limits: HttpLimits | None = None,
) -> SmallCloud:
    """Return a gateway with its three services, not yet listening."""
    records: list[CallRecord] = []
    iot = SmallIot()
    gateway = gateway_of(
        [iot, SmallGreengrass(), SmallSts()],
        keys or Keys(),
        AllowBut(denied),
        clock=clock or SystemClock(),
        record=records.append,
        limits=limits,
    )
    return SmallCloud(gateway, iot, records)


@dataclass(frozen=True)
class ServedCloud:
    """A small cloud on a port, and how to reach it."""

    cloud: SmallCloud
    port: int
    ca_file: Path

    def client(self, service: str, **changes: Any) -> Any:
        """Return a boto3 client, which trusts the server and tries once."""
        known = {
            "region_name": REGION,
            "endpoint_url": f"https://localhost:{self.port}",
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "verify": str(self.ca_file),
            "config": Config(retries={"total_max_attempts": 1}),
        }
        return boto3.client(service, **{**known, **changes})


@asynccontextmanager
async def served(cloud: SmallCloud, folder: Path) -> AsyncIterator[ServedCloud]:
    """Serve a small cloud over TLS until the context ends."""
    authority = new_authority("test api authority")
    identity = new_server(authority)
    context = server_context(
        identity.key, identity.certificate_pem, Trust(()), require_client_certificate=False
    )
    listener = TlsListener(TlsSlot(context), cloud.gateway.protocol_factory)
    await listener.start("127.0.0.1", 0)
    ca_file = folder / "api-ca.pem"
    await asyncio.to_thread(ca_file.write_text, authority.certificate_pem)
    try:
        yield ServedCloud(cloud, listener.port, ca_file)
    finally:
        await listener.stop()
        await cloud.gateway.stop()
