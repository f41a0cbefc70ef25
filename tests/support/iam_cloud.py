"""An IAM of two accounts behind a real gateway over TLS, where whoever signs may do everything."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.aws_gateway import AllowBut, Keys
from tests.support.aws_requests import REGION, SECRET_KEY, principal
from tests.support.pki import Identity, new_authority, new_server
from tests.support.store_documents import ACCOUNT, OTHER, opened

from hedgerow.aws import Credential, Gateway, Principal, bind
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam import IamDirectory, IamService, found_account
from hedgerow.kernel import Secret, SystemClock
from hedgerow.pki import CertificateAuthority, TlsListener, TlsSlot, Trust, server_context
from hedgerow.store import Store

ADMINISTRATOR_KEY, ROOT_KEY, ROLE_KEY, OTHER_KEY = (
    f"AKIA{word:X<12}" for word in ("ADMIN", "ROOT", "ROLE", "OTHER")
)


def document(*statements: Mapping[str, Any]) -> str:
    """Return a policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowing(*actions: str, on: str = "*") -> str:
    """Return a policy that allows actions on a resource."""
    return document({"Effect": "Allow", "Action": list(actions), "Resource": on})


def trusting(**principals: Any) -> str:
    """Return a trust policy: `trusting(AWS=…)`, `trusting(Service=…)`."""
    return document({"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"})


@dataclass(frozen=True)
class IamCloud:
    """The accounts, served, and how to call them."""

    store: Store
    directory: IamDirectory
    port: int
    ca_file: Path
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, key: str = ADMINISTRATOR_KEY, **changes: Any) -> Any:
        """Return a boto3 client for `iam`, which tries once."""
        known = {
            "region_name": REGION,
            "endpoint_url": f"https://localhost:{self.port}",
            "aws_access_key_id": key,
            "aws_secret_access_key": SECRET_KEY,
            "verify": str(self.ca_file),
            "config": Config(retries={"total_max_attempts": 1}),
        }
        return boto3.client("iam", **{**known, **changes})

    async def iam(self, operation: str, key: str = ADMINISTRATOR_KEY, /, **members: Any) -> Any:
        """Call an operation as the administrator, or with another key."""
        if key not in self.clients:
            self.clients[key] = self.client(key)
        answer = await asyncio.to_thread(getattr(self.clients[key], operation), **members)
        answer.pop("ResponseMetadata")
        return answer

    async def pages(self, operation: str, **members: Any) -> list[Any]:
        """Return all pages of a list, two rows each, as botocore's paginator goes through them."""
        paginator = self.client().get_paginator(operation)
        config = {"PageSize": 2}
        return await asyncio.to_thread(
            lambda: list(paginator.paginate(PaginationConfig=config, **members))
        )

    async def error(
        self, operation: str, key: str = ADMINISTRATOR_KEY, /, **members: Any
    ) -> tuple[str, int, str]:
        """Return the code, status and message that a call is refused with."""
        with pytest.raises(ClientError) as refused:
            await self.iam(operation, key, **members)
        response = refused.value.response
        status = response["ResponseMetadata"]["HTTPStatusCode"]
        return response["Error"]["Code"], status, response["Error"]["Message"]

    async def user_principal(self, name: str, account: str = ACCOUNT) -> Principal:
        """Return who a user is when it signs."""
        facts = await self.directory.user(account, name)
        assert facts is not None
        return Principal("IAMUser", account, facts.arn, facts.id, name=name)


@cache
def _authority_and_server() -> tuple[CertificateAuthority, Identity]:
    authority = new_authority("test iam authority")
    return authority, new_server(authority)


@asynccontextmanager
async def iam_cloud(folder: Path) -> AsyncIterator[IamCloud]:
    """Found two accounts with their administrators, and serve them."""
    clock = SystemClock()
    async with opened(folder) as store:
        async with store.transaction() as tx:
            administrator = await found_account(tx, ACCOUNT)
            stranger = await found_account(tx, OTHER)
        directory = IamDirectory(store)
        await directory.start()
        operations = {
            account: bind([IamService(store, Home(account, REGION), clock, directory=directory)])
            for account in (ACCOUNT, OTHER)
        }
        role_arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/visitor/session"
        callers = {
            ADMINISTRATOR_KEY: principal(
                account=ACCOUNT, arn=administrator.arn, id=administrator.id
            ),
            OTHER_KEY: principal(account=OTHER, arn=stranger.arn, id=stranger.id),
            ROOT_KEY: Principal("Root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT),
            ROLE_KEY: Principal("AssumedRole", ACCOUNT, role_arn, "AROAX:session", "visitor"),
        }
        gateway = Gateway(
            [IamService],
            operations.__getitem__,
            Keys({key: Credential(Secret(SECRET_KEY), who) for key, who in callers.items()}),
            AllowBut(),
            region=REGION,
            clock=clock,
            record=lambda _record: None,
        )
        authority, identity = _authority_and_server()
        context = server_context(
            identity.key, identity.certificate_pem, Trust(()), require_client_certificate=False
        )
        listener = TlsListener(TlsSlot(context), gateway.protocol_factory)
        await listener.start("127.0.0.1", 0)
        ca_file = folder / "api-ca.pem"
        await asyncio.to_thread(ca_file.write_text, authority.certificate_pem)
        try:
            yield IamCloud(store, directory, listener.port, ca_file)
        finally:
            await listener.stop()
            await gateway.stop()
            directory.stop()
