"""Accounts with people in one process, reached by signed calls at any time that the clock says."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import botocore.session
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from tests.support.aws_requests import REGION, signed_request, unsigned_request
from tests.support.clock import ManualClock

from hedgerow.aws import BoundServices, CallRecord, Gateway, bind
from hedgerow.cloud.app.identities import Identities, identities
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam import IamService, found_account
from hedgerow.cloud.iam.access_keys import create_access_key
from hedgerow.cloud.sts import StsService
from hedgerow.store import MasterKey, Store

ACCOUNT = "123456789012"
OTHER = "210987654321"
STEP_SECONDS = 30


@dataclass(frozen=True)
class Key:
    """What somebody signs with."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, credentials: Mapping[str, Any]) -> "Key":
        """Return the key in an answer of STS or of CreateAccessKey."""
        return cls(
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            credentials.get("SessionToken"),
        )


@dataclass
class People:
    """A gateway with iam and sts for any account, and what tests look at."""

    store: Store
    clock: ManualClock
    identities: Identities
    records: list[CallRecord] = field(default_factory=list)
    _bound: dict[str, BoundServices] = field(default_factory=dict)
    gateway: Gateway = field(init=False)

    def __post_init__(self) -> None:
        self.gateway = Gateway(
            [IamService, StsService],
            self._services,
            self.identities.credentials,
            self.identities.authorizer,
            region=REGION,
            clock=self.clock,
            record=self._record,
        )

    async def administrator(self, account: str = ACCOUNT) -> Key:
        """Found an account, and return the key of its administrator."""
        async with self.store.transaction() as tx:
            user = await found_account(tx, account)
            made = await create_access_key(tx, account, user.id)
        return Key(made.access_key_id, made.secret_access_key.reveal())

    async def root(self, account: str = ACCOUNT) -> Key:
        """Return a key of an account's root."""
        async with self.store.transaction() as tx:
            made = await create_access_key(tx, account, account)
        return Key(made.access_key_id, made.secret_access_key.reveal())

    async def user(self, by: Key, name: str, *statements: Mapping[str, Any]) -> Key:
        """Make a user with a key and an inline policy of these statements."""
        await self.iam(by, "CreateUser", UserName=name)
        if statements:
            await self.iam(
                by,
                "PutUserPolicy",
                UserName=name,
                PolicyName="own",
                PolicyDocument=policy(*statements),
            )
        made = await self.iam(by, "CreateAccessKey", UserName=name)
        return Key.of(made["AccessKey"])

    async def role(
        self,
        by: Key,
        name: str,
        trust: str,
        *statements: Mapping[str, Any],
        **more: Any,
    ) -> str:
        """Make a role with this trust policy and an inline policy; return its ARN."""
        made = await self.iam(
            by, "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust, **more
        )
        if statements:
            await self.role_policy(by, name, "own", *statements)
        return str(made["Role"]["Arn"])

    async def role_policy(
        self, by: Key, role: str, name: str, *statements: Mapping[str, Any]
    ) -> None:
        """Give a role an inline policy."""
        await self.iam(
            by,
            "PutRolePolicy",
            RoleName=role,
            PolicyName=name,
            PolicyDocument=policy(*statements),
        )

    async def assume(self, by: Key, role_arn: str, **more: Any) -> Key:
        """Assume a role, and return the key of its session."""
        asked = {"RoleArn": role_arn, "RoleSessionName": "shift", **more}
        return Key.of((await self.sts(by, "AssumeRole", **asked))["Credentials"])

    async def device(self, by: Key, user: str, name: str | None = None) -> "Authenticator":
        """Make a virtual MFA device, enable it for a user, and return what shows its codes."""
        made = await self.iam(by, "CreateVirtualMFADevice", VirtualMFADeviceName=name or user)
        device = made["VirtualMFADevice"]
        shown = Authenticator(device["SerialNumber"], device["Base32StringSeed"], self.clock)
        await self.iam(
            by,
            "EnableMFADevice",
            UserName=user,
            SerialNumber=shown.serial,
            AuthenticationCode1=shown.code(-1),
            AuthenticationCode2=shown.code(),
        )
        return shown

    async def iam(self, by: Key, operation: str, **members: Any) -> dict[str, Any]:
        """Make a signed call of iam."""
        return await self.call(by, "iam", operation, members)

    async def sts(self, by: Key, operation: str, **members: Any) -> dict[str, Any]:
        """Make a signed call of sts."""
        return await self.call(by, "sts", operation, members)

    async def call(
        self, by: Key, service: str, operation: str, members: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Send a call as botocore writes and signs it; return what botocore reads of the answer.

        Raises botocore's `ClientError` for an error.
        """
        model = _model(service)
        shape = model.operation_model(operation)
        written = create_serializer("query", include_validation=False).serialize_to_request(
            dict(members), shape
        )
        body = "&".join(f"{name}={_escaped(str(value))}" for name, value in written["body"].items())
        request = unsigned_request(
            "POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, body.encode()
        )
        signed = signed_request(
            request,
            now=self.clock.now(),
            service=service,
            access_key=by.id,
            secret_key=by.secret,
            token=by.token,
        )
        answer = await self.gateway.handle(signed)
        parsed: dict[str, Any] = create_parser("query").parse(
            {"status_code": answer.status, "headers": dict(answer.headers), "body": answer.body},
            shape.output_shape,
        )
        if answer.status >= 400:
            raise ClientError(parsed, operation)
        return parsed

    @staticmethod
    def members_of(service: str, operation: str) -> list[str]:
        """Return the names of an operation's input."""
        return sorted(_model(service).operation_model(operation).input_shape.members)

    def _services(self, account: str) -> BoundServices:
        if account not in self._bound:
            home, shared = Home(account=account, region=REGION), self.identities
            self._bound[account] = bind(
                [
                    IamService(self.store, home, self.clock, directory=shared.directory),
                    StsService(
                        self.store,
                        home,
                        self.clock,
                        directory=shared.directory,
                        sessions=shared.sessions,
                        decider=shared.decider,
                    ),
                ]
            )
        return self._bound[account]

    def _record(self, record: CallRecord) -> None:
        self.records.append(record)
        self.identities.last_use.note(record)


@dataclass(frozen=True)
class Authenticator:
    """An authenticator app; `behind` is how many steps its clock is behind."""

    serial: str
    seed: bytes = field(repr=False)
    clock: ManualClock
    behind: int = 0

    def code(self, step: int = 0) -> str:
        """Return the code that it shows now, or so many steps later."""
        totp = TOTP(base64.b32decode(self.seed), 6, SHA1(), STEP_SECONDS)  # noqa: S303 - what the apps have
        moment = int(self.clock.now().timestamp()) + (step - self.behind) * STEP_SECONDS
        return totp.generate(moment).decode()

    def slow(self, steps: int) -> "Authenticator":
        """Return the same device with a clock that is behind."""
        return replace(self, behind=steps)


@asynccontextmanager
async def people(folder: Path) -> AsyncIterator[People]:
    """Open a store in a folder, and serve iam and sts from it."""
    clock = ManualClock()
    store = await Store.open(
        folder / "state.db", MasterKey.create_file(folder / "master.key"), clock
    )
    shared = identities(store, clock)
    try:
        await shared.start()
        try:
            yield People(store, clock, shared)
        finally:
            await shared.stop()
    finally:
        await store.close()


def policy(*statements: Mapping[str, Any]) -> str:
    """Return the text of a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, on: str = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that allows; `more` are further elements, such as Condition."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def deny(*actions: str, on: str = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that denies."""
    return {**allow(*actions, on=on, **more), "Effect": "Deny"}


def trusting(*principals: str, actions: tuple[str, ...] = ("sts:AssumeRole",), **more: Any) -> str:
    """Return a trust policy for these principals, with further elements such as Condition."""
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"AWS": list(principals)},
            "Action": list(actions),
            **more,
        }
    )


def code_of(error: ClientError) -> str:
    """Return the code of an error."""
    return str(error.response["Error"]["Code"])


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _escaped(value: str) -> str:
    return quote(value, safe="-_.~")
