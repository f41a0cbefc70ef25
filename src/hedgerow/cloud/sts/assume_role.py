"""AssumeRole: what it takes, judged step by step, to a `Grant`.

Sources: STS API Reference, `AssumeRole`; IAM User Guide, "Roles terms and concepts" (chaining),
"Pass session tags in AWS STS", "Monitor and control actions taken with assumed roles".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from hedgerow.aws import Asked, AwsError, Principal
from hedgerow.cloud.iam.arns import read_entity_arn
from hedgerow.cloud.iam.directory import IamDirectory
from hedgerow.cloud.iam.facts import RoleFacts
from hedgerow.cloud.sts.context import Passed, call_context
from hedgerow.cloud.sts.documents import StoredSession
from hedgerow.cloud.sts.role_judge import RoleJudge, no_such_role
from hedgerow.cloud.sts.session_policies import (
    invalid_parameter,
    session_policies,
    session_tags,
)
from hedgerow.cloud.sts.sessions import Grant
from hedgerow.kernel import quoted
from hedgerow.policy import Context

ASSUME_ROLE: Final = "sts:AssumeRole"
TAG_SESSION: Final = "sts:TagSession"
SET_SOURCE_IDENTITY: Final = "sts:SetSourceIdentity"

DEFAULT_SECONDS: Final = 3600
MAX_CHAINED_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class RoleQuestion:
    """What has to be judged before a role is assumed: these actions on the role, in order.

    `known` is what conditions can know; `tags` and `transitive` are those of the new session.
    """

    caller: Principal
    role: RoleFacts
    actions: tuple[str, ...]
    known: Context
    passed: Passed
    tags: Mapping[str, str]
    transitive: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A grant of a role's session, and what its answer tells beside the credentials."""

    grant: Grant
    packed_percent: int


async def role_question(
    asked: Asked,
    directory: IamDirectory,
    *,
    chain: StoredSession | None = None,
    mfa_at: datetime | None = None,
) -> RoleQuestion:
    """Return what to judge for a call of AssumeRole, or raise what is wrong with it.

    `chain` is what is kept of the caller's own session, if it has one; `mfa_at` is set if the
    call brought a code that was proven.
    """
    caller, role_arn = asked.caller.principal, asked.input["RoleArn"]
    if caller.kind == "Root":
        raise AwsError(
            "AccessDenied",
            "Roles may not be assumed by root accounts.",
            http_status=HTTPStatus.FORBIDDEN,
        )
    entity = read_entity_arn(role_arn)
    if entity is None or entity.kind != "role":
        raise AwsError("ValidationError", f"{quoted(role_arn)[1:-1]} is invalid")
    role = await directory.role(role_arn)
    if role is None:
        raise no_such_role(caller, ASSUME_ROLE, role_arn)
    passed = _passed(asked.input, chain, mfa_at)
    tags, transitive = _with_inherited(passed, chain)
    own = await directory.principal_policies(caller)
    return RoleQuestion(
        caller=caller,
        role=role,
        actions=_actions(tags, passed.source_identity),
        known=call_context(asked, role, own.tags if own else {}, passed),
        passed=passed,
        tags=tags,
        transitive=transitive,
    )


async def judged_role(
    asked: Asked,
    *,
    directory: IamDirectory,
    judge: RoleJudge,
    chain: StoredSession | None,
    mfa_at: datetime | None,
) -> RoleGrant:
    """Return what the caller may have of the role that it asks for, or raise why not."""
    question = await role_question(asked, directory, chain=chain, mfa_at=mfa_at)
    role = question.role
    for action in question.actions:
        await judge.require(question.caller, role, action, question.known)
    policies = await session_policies(directory, role.account, asked.input, question.tags)
    return RoleGrant(
        grant=Grant(
            kind="AssumedRole",
            account=role.account,
            issuer_id=role.id,
            name=asked.input["RoleSessionName"],
            duration=_duration(asked.input.get("DurationSeconds"), question.caller, role),
            mfa_at=question.passed.mfa_at,
            source_identity=question.passed.source_identity,
            tags=question.tags,
            transitive=question.transitive,
            policy=policies.text,
            policy_arns=policies.arns,
        ),
        packed_percent=policies.packed_percent,
    )


def _passed(
    request: Mapping[str, Any], chain: StoredSession | None, mfa_at: datetime | None
) -> Passed:
    tags = session_tags(request.get("Tags", ()))
    transitive = tuple(request.get("TransitiveTagKeys", ()))
    unknown = {key.lower() for key in transitive} - {key.lower() for key in tags}
    if unknown:
        raise invalid_parameter("TransitiveTagKeys names a tag that is not among the Tags.")
    identity = request.get("SourceIdentity", "")
    inherited = chain.source_identity if chain is not None else ""
    if inherited and identity and identity != inherited:
        raise invalid_parameter("A source identity stays the same along a chain of roles.")
    return Passed(
        mfa_at=mfa_at,
        tags=tags,
        transitive=transitive,
        source_identity=identity or inherited,
    )


def _with_inherited(
    passed: Passed, chain: StoredSession | None
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return all tags of the new session, and the keys of those that go further still."""
    tags = dict(passed.tags or {})
    if chain is None or not chain.transitive:
        return tags, tuple(passed.transitive)
    going_on = {key.lower() for key in chain.transitive}
    inherited = {key: value for key, value in chain.tags.items() if key.lower() in going_on}
    if {key.lower() for key in tags} & going_on:
        raise invalid_parameter(
            "A tag that was passed on along the chain of roles cannot be given another value."
        )
    return {**inherited, **tags}, (*chain.transitive, *passed.transitive)


def _actions(tags: Mapping[str, str], source_identity: str) -> tuple[str, ...]:
    wanted = [ASSUME_ROLE]
    if tags:
        wanted.append(TAG_SESSION)
    if source_identity:
        wanted.append(SET_SOURCE_IDENTITY)
    return tuple(wanted)


def _duration(asked_seconds: int | None, caller: Principal, role: RoleFacts) -> timedelta:
    seconds = DEFAULT_SECONDS if asked_seconds is None else asked_seconds
    if caller.kind == "AssumedRole" and seconds > MAX_CHAINED_SECONDS:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
            "role chaining.",
        )
    if seconds > role.max_session_s:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    return timedelta(seconds=seconds)
