"""Managed policies as they are named by ARNs: which one is meant, and may it be used here."""

from typing import Final

from hedgerow.cloud.iam.arns import read_entity_arn
from hedgerow.cloud.iam.documents import ManagedPolicy
from hedgerow.cloud.iam.estate import Estate
from hedgerow.cloud.iam.faults import invalid_input, no_such_policy, owned_by_aws, validation_error
from hedgerow.kernel import Arn, CallerError, quoted
from hedgerow.store import Record

_KIND: Final = "policy"


def require_policy_arn(arn: str) -> None:
    """Raise unless this is the ARN of a managed policy, of whatever account."""
    try:
        Arn.parse(arn)
    except CallerError as error:
        raise validation_error(f"Invalid ARN: {error.message}") from error
    entity = read_entity_arn(arn)
    if entity is None or entity.kind != _KIND:
        raise invalid_input(f"ARN {quoted(arn)} is not valid: it does not name a managed policy.")


def attachable_policy(estate: Estate, arn: str) -> ManagedPolicy:
    """Return the managed policy, the account's own or one of AWS, or raise NoSuchEntity."""
    require_policy_arn(arn)
    policy = estate.policy(arn)
    if policy is None:
        raise no_such_policy(arn)
    return policy


def attachable_boundary(estate: Estate, arn: str) -> str:
    """Return the ARN if its policy can be a permissions boundary (empty stays empty), or raise."""
    if arn:
        attachable_policy(estate, arn)
    return arn


def own_policy(estate: Estate, arn: str) -> Record[ManagedPolicy]:
    """Return a policy that the account may change; one of AWS is refused."""
    attachable_policy(estate, arn)
    record = estate.policies.get(arn)
    if record is None:
        raise owned_by_aws(arn)
    return record
