"""An account with users and roles, whose calls are judged: by the authorizer, without a socket."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.aws_requests import ACCOUNT, REGION, verified_caller
from tests.support.clock import ManualClock
from tests.support.store_documents import opened

from hedgerow.aws import AccessDeniedError, Asked, Principal, Session
from hedgerow.cloud.access import AccessDecider, EveryCall
from hedgerow.cloud.iam import IamDirectory, role_arn, user_arn
from hedgerow.cloud.iam.documents import MANAGED_POLICY, ROLE, USER, ManagedPolicy, Role, User
from hedgerow.cloud.iam.documents import PolicyVersion as ManagedPolicyVersion
from hedgerow.store import Store

PREFIXES = {"iot-data": "iot", "iot-jobs-data": "iotjobsdata"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
}


def allow(*actions: str, on: str | Sequence[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that allows actions on resources, with more members such as Condition."""
    resources = on if isinstance(on, str) else list(on)
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources, **more}


def deny(*actions: str, on: str | Sequence[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that denies actions on resources."""
    return {**allow(*actions, on=on, **more), "Effect": "Deny"}


def document(*statements: Mapping[str, Any]) -> str:
    """Return a policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass
class JudgedAccount:
    """One account whose calls are judged as the gateway has them judged."""

    store: Store
    directory: IamDirectory
    decider: AccessDecider
    authorizer: EveryCall
    clock: ManualClock = field(default_factory=ManualClock)
    account: str = ACCOUNT

    async def user(
        self,
        name: str,
        *statements: Mapping[str, Any],
        path: str = "/",
        tags: Mapping[str, str] | None = None,
        boundary: Sequence[Mapping[str, Any]] | None = None,
    ) -> Principal:
        """Make a user with one inline policy of these statements, and return who it is."""
        user = User(
            name=name,
            path=path,
            inline={"own": document(*statements)} if statements else {},
            tags=dict(tags or {}),
            boundary="" if boundary is None else await self._boundary(name, boundary),
        )
        unique_id = f"AIDA{name.upper()}"
        async with self.store.transaction() as tx:
            await tx.insert(USER, self.account, unique_id, user, name=name)
        arn = user_arn(self.account, path, name)
        return Principal("IAMUser", self.account, arn, unique_id, name=name)

    async def session(
        self,
        role: str,
        *statements: Mapping[str, Any],
        tags: Mapping[str, str] | None = None,
        **session: Any,
    ) -> Principal:
        """Make a role with one inline policy, and return a session of it."""
        made = Role(
            name=role,
            trust=json.dumps(TRUST),
            inline={"own": document(*statements)} if statements else {},
            tags=dict(tags or {}),
        )
        unique_id = f"AROA{role.upper()}"
        async with self.store.transaction() as tx:
            await tx.insert(ROLE, self.account, unique_id, made, name=role)
        return Principal(
            "AssumedRole",
            self.account,
            f"arn:aws:sts::{self.account}:assumed-role/{role}/shift",
            f"{unique_id}:shift",
            name=role,
            session=Session(
                **{
                    "issued_at": self.clock.now(),
                    "expires_at": self.clock.now() + timedelta(hours=1),
                    "name": "shift",
                    "issuer_arn": role_arn(self.account, "/", role),
                    "issuer_id": unique_id,
                    **session,
                }
            ),
        )

    @property
    def root(self) -> Principal:
        """The root of the account."""
        arn = f"arn:aws:iam::{self.account}:root"
        return Principal("Root", self.account, arn, self.account)

    def asked(
        self,
        principal: Principal,
        model: str,
        operation: str,
        members: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Asked:
        """Return what the gateway would ask for a call."""
        asked = Asked(
            caller=verified_caller(principal=principal),
            service=model,
            iam_prefix=PREFIXES.get(model, model),
            operation=operation,
            input=members or {},
            region=REGION,
            at=self.clock.now(),
            source_ip="192.0.2.7",
            user_agent="aws-cli/2",
            peer=None,
        )
        return replace(asked, **changes)

    async def call(
        self,
        principal: Principal,
        model: str,
        operation: str,
        members: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Mapping[str, Any]:
        """Judge a call: return the facts of the decision, or raise the refusal."""
        asked = self.asked(principal, model, operation, members, **changes)
        return await self.authorizer.authorize(asked)

    async def refused(
        self,
        principal: Principal,
        model: str,
        operation: str,
        members: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> AccessDeniedError | None:
        """Judge a call and return its refusal, None if it is allowed."""
        try:
            await self.call(principal, model, operation, members, **changes)
        except AccessDeniedError as refusal:
            return refusal
        return None

    async def _boundary(self, name: str, statements: Sequence[Mapping[str, Any]]) -> str:
        version = ManagedPolicyVersion(
            number=1, text=document(*statements), created_at=self.clock.now()
        )
        policy = ManagedPolicy(
            name=f"{name}-limit", versions=(version,), updated_at=self.clock.now()
        )
        async with self.store.transaction() as tx:
            await tx.insert(
                MANAGED_POLICY, self.account, f"ANPA{name.upper()}", policy, name=policy.name
            )
        return f"arn:aws:iam::{self.account}:policy/{policy.name}"


@asynccontextmanager
async def judged_account(folder: Path) -> AsyncIterator[JudgedAccount]:
    """Open an account in a folder."""
    async with opened(folder) as store:
        directory = IamDirectory(store)
        await directory.start()
        decider = AccessDecider(directory)
        authorizer = EveryCall(store, decider, directory)
        try:
            yield JudgedAccount(store, directory, decider, authorizer)
        finally:
            directory.stop()
