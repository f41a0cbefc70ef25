"""IAM, STS and the judge of access as Greengrass's role desk needs them, in memory.

They keep the protocols of `cloud.greengrass.role_desk`; `tests.support.cloud` has the real ones.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hedgerow.aws import Principal, Session
from hedgerow.cloud.greengrass import Assumption
from hedgerow.cloud.home import Home
from hedgerow.kernel import Clock, DeniedError, Secret
from hedgerow.policy import Decision

GREENGRASS = "greengrass.amazonaws.com"


def trust_policy(
    *, account: str | None = None, source: str | None = None, service: str = GREENGRASS
) -> dict[str, Any]:
    """Return a trust policy in the guide's form, with the keys that are given."""
    condition: dict[str, Any] = {}
    if account is not None:
        condition["StringEquals"] = {"aws:SourceAccount": account}
    if source is not None:
        condition["ArnLike"] = {"aws:SourceArn": source}
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


@dataclass(frozen=True)
class RoleDouble:
    """A role: what `RoleDirectory` tells of it."""

    account: str
    arn: str
    trust_text: str


@dataclass(frozen=True)
class KeysDouble:
    """What assuming a role gives."""

    access_key_id: str
    secret_access_key: Secret[str]
    session_token: Secret[str]
    expires_at: Any
    principal: Principal


@dataclass
class IamDouble:
    """Roles, sessions and decisions; `refused` are actions that no role allows."""

    clock: Clock
    roles: dict[str, RoleDouble] = field(default_factory=dict)
    denied: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    assumed: list[Mapping[str, Any]] = field(default_factory=list)
    attempts: list[Assumption] = field(default_factory=list)
    revoked: list[tuple[str, str]] = field(default_factory=list)
    judged: list[tuple[str, str]] = field(default_factory=list)

    def add(self, home: Home, name: str, trust: Mapping[str, Any] | None = None) -> str:
        """Make a role and return its ARN."""
        arn = f"arn:aws:iam::{home.account}:role/{name}"
        text = json.dumps(trust or trust_policy())
        self.roles[arn] = RoleDouble(account=home.account, arn=arn, trust_text=text)
        return arn

    async def role(self, role_arn: str) -> RoleDouble | None:
        """Return a role of any account."""
        return self.roles.get(role_arn)

    async def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        source_account: str,
        source_arn: str,
        session_name: str,
        duration: timedelta,
        context: Mapping[str, str] | None = None,
    ) -> KeysDouble:
        """Assume a role, unless the test said why not."""
        if role_arn in self.denied:
            raise DeniedError(self.denied[role_arn])
        self.assumed.append(
            {
                "role_arn": role_arn,
                "service": service,
                "source_account": source_account,
                "source_arn": source_arn,
                "session_name": session_name,
                "duration": duration,
                **({} if context is None else {"context": context}),
            }
        )
        account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
        ends = self.clock.now() + duration
        return KeysDouble(
            access_key_id=f"ASIA{len(self.assumed):016d}",
            secret_access_key=Secret("secret-key"),
            session_token=Secret("session-token"),
            expires_at=ends,
            principal=Principal(
                kind="AssumedRole",
                account=account,
                arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}",
                id=f"AROA:{session_name}",
                name=name,
                session=Session(
                    issued_at=self.clock.now(),
                    expires_at=ends,
                    name=session_name,
                    issuer_arn=role_arn,
                    issuer_id="AROA",
                    invoked_by=service,
                ),
            ),
        )

    async def revoke(self, account: str, access_key_id: str) -> None:
        """End credentials."""
        self.revoked.append((account, access_key_id))

    async def judge(
        self, principal: Principal, action: str, resource: str, *, tagged: str | None = None
    ) -> Decision:
        """Allow what is not refused."""
        assert principal.session is not None
        assert tagged == resource
        self.judged.append((action, resource))
        allowed = action not in self.refused
        return Decision(
            allowed=allowed,
            effect="allow" if allowed else "implicit-deny",
            policy=None,
            statement=None,
            reason="allowed" if allowed else "no statement allows it",
        )
