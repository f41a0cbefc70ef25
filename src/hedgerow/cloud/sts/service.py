"""The service `sts`, as boto3 and the AWS CLI call it."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar, Final

from hedgerow.aws import Answer, AwsError, Call, Principal, Service, operation
from hedgerow.cloud.access.decider import AccessDecider
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam import mfa
from hedgerow.cloud.iam.directory import IamDirectory
from hedgerow.cloud.iam.key_ids import account_of
from hedgerow.cloud.iam.session_limits import beyond_session
from hedgerow.cloud.sts.assume_role import judged_role
from hedgerow.cloud.sts.documents import StoredSession
from hedgerow.cloud.sts.role_judge import RoleJudge
from hedgerow.cloud.sts.session_policies import session_policies, session_tags
from hedgerow.cloud.sts.sessions import Grant, Sessions, TemporaryCredentials
from hedgerow.kernel import Clock, quoted
from hedgerow.store import Store

USER_SECONDS: Final = 43_200
"""How long sessions of a user last unless it says otherwise."""

ROOT_SECONDS: Final = 3600
"""How long sessions of the root last at most."""


class StsService(Service):
    """Temporary credentials, and who a caller is."""

    model_name: ClassVar[str] = "sts"
    signing_regions: ClassVar[tuple[str, ...]] = ("us-east-1",)

    def __init__(
        self,
        store: Store,
        home: Home,
        clock: Clock,
        *,
        directory: IamDirectory,
        sessions: Sessions,
        decider: AccessDecider,
    ) -> None:
        """Serve one account; directory, sessions and decider are those of all accounts."""
        self._store = store
        self._home = home
        self._clock = clock
        self._directory = directory
        self._sessions = sessions
        self._judge = RoleJudge(decider)

    @operation("GetCallerIdentity")
    async def get_caller_identity(self, call: Call) -> Answer:
        """Return the caller's account, ARN and principal id."""
        return {
            "Account": call.caller.account,
            "Arn": call.caller.arn,
            "UserId": call.caller.principal_id,
        }

    @operation("AssumeRole")
    async def assume_role(self, call: Call) -> Answer:
        """Make credentials of a role that trusts the caller."""
        _require_within_session(call)
        decided = await judged_role(
            call.asked,
            directory=self._directory,
            judge=self._judge,
            chain=await self._chain(call),
            mfa_at=await self._proven(call),
        )
        made = await self._sessions.issue(decided.grant)
        answer: dict[str, Any] = {
            "Credentials": _credentials(made),
            "AssumedRoleUser": {"AssumedRoleId": made.principal.id, "Arn": made.principal.arn},
        }
        if decided.packed_percent:
            answer["PackedPolicySize"] = decided.packed_percent
        if decided.grant.source_identity:
            answer["SourceIdentity"] = decided.grant.source_identity
        return answer

    @operation("GetSessionToken")
    async def get_session_token(self, call: Call) -> Answer:
        """Make temporary credentials of the caller itself, perhaps with a code proven."""
        caller = _with_lasting_key(call)
        made = await self._sessions.issue(
            Grant(
                kind="Root" if caller.kind == "Root" else "IAMUser",
                account=caller.account,
                issuer_id=caller.id,
                name="",
                duration=_duration(call, caller),
                mfa_at=await self._proven(call),
            )
        )
        return {"Credentials": _credentials(made)}

    @operation("GetFederationToken")
    async def get_federation_token(self, call: Call) -> Answer:
        """Make credentials of a federated user, who may what the caller and the policies may."""
        caller = _with_lasting_key(call)
        tags = session_tags(call.input.get("Tags", ()))
        policies = await session_policies(self._directory, caller.account, call.input, tags)
        made = await self._sessions.issue(
            Grant(
                kind="FederatedUser",
                account=caller.account,
                issuer_id=caller.id,
                name=call.input["Name"],
                duration=_duration(call, caller),
                tags=tags,
                policy=policies.text,
                policy_arns=policies.arns,
            )
        )
        return {
            "Credentials": _credentials(made),
            "FederatedUser": {"FederatedUserId": made.principal.id, "Arn": made.principal.arn},
            "PackedPolicySize": policies.packed_percent,
        }

    @operation("GetAccessKeyInfo")
    async def get_access_key_info(self, call: Call) -> Answer:
        """Return the account that an access key's id names, whether or not there is such a key."""
        key_id = call.input["AccessKeyId"]
        account = account_of(key_id)
        if account is None:
            raise AwsError("ValidationError", f"{quoted(key_id)} is no id of an access key.")
        return {"Account": account}

    async def _chain(self, call: Call) -> StoredSession | None:
        """Return the caller's own session, whose tags and identity go on; None without one.

        A session that was revoked while the call was on its way hands nothing on any more.
        """
        if call.caller.principal.session is None:
            return None
        stored = await self._sessions.of_key(call.caller.access_key_id)
        if stored is None:
            raise AwsError(
                "AccessDenied",
                "The session that signed this call has been revoked.",
                http_status=HTTPStatus.FORBIDDEN,
            )
        return stored

    async def _proven(self, call: Call) -> datetime | None:
        """Return when the code that the call brings was proven; None if it brings none."""
        serial, code = call.input.get("SerialNumber"), call.input.get("TokenCode")
        if serial is None and code is None:
            return None
        if serial is None or code is None:
            raise AwsError("ValidationError", "SerialNumber and TokenCode belong together.")
        caller = call.caller.principal
        return await mfa.prove(
            self._store, self._clock, caller.account, caller.id, serial=serial, code=code
        )


def _require_within_session(call: Call) -> None:
    beyond = beyond_session(call.caller.principal, "sts", call.operation)
    if beyond is not None:
        raise AwsError("AccessDenied", beyond, http_status=HTTPStatus.FORBIDDEN)


def _with_lasting_key(call: Call) -> Principal:
    _require_within_session(call)
    return call.caller.principal


def _duration(call: Call, caller: Principal) -> timedelta:
    """Return how long a session of the caller lasts; the root's are short whatever it asks for."""
    usual = ROOT_SECONDS if caller.kind == "Root" else USER_SECONDS
    seconds = call.input.get("DurationSeconds", usual)
    return timedelta(seconds=min(seconds, usual) if caller.kind == "Root" else seconds)


def _credentials(made: TemporaryCredentials) -> dict[str, Any]:
    return {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key.reveal(),
        "SessionToken": made.session_token.reveal(),
        "Expiration": made.expires_at,
    }
