"""Policy documents at the border of IAM: checked when written, compiled once when used."""

from functools import lru_cache
from typing import Final
from urllib.parse import quote

import structlog

from hedgerow.cloud.iam import quotas
from hedgerow.cloud.iam.faults import malformed_policy, quota_exceeded
from hedgerow.kernel import DeniedError
from hedgerow.policy import (
    Dialect,
    MalformedPolicyError,
    NamedPolicy,
    Policy,
    document_size,
    parse_policy,
)

_log = structlog.get_logger("hedgerow.cloud.iam")

_COMPILED: Final = 4096
"""Texts whose compiled form is kept; the least used are forgotten first."""


def require_sound(text: str, dialect: Dialect, *, name: str) -> str:
    """Return the text if it is a policy of this dialect; else raise with the place.

    What AWS leaves open in it, and traps, are told in the log under the policy's name.
    """
    try:
        policy = compiled(text, dialect)
    except MalformedPolicyError as error:
        raise malformed_policy(error.message) from error
    if policy.warnings:
        _log.warning(
            "a policy is stored that says less than it seems", policy=name, places=policy.warnings
        )
    return text


def managed_text(text: str, *, name: str) -> str:
    """Return the text of a managed policy, checked and not too long."""
    if document_size(text) > quotas.QUOTAS[quotas.POLICY_SIZE]:
        raise quota_exceeded(quotas.POLICY_SIZE)
    return require_sound(text, Dialect.IDENTITY, name=name)


def trust_text(text: str, *, role: str) -> str:
    """Return the text of a role's trust policy, checked and not too long."""
    if document_size(text) > quotas.QUOTAS[quotas.TRUST_SIZE]:
        raise quota_exceeded(quotas.TRUST_SIZE)
    return require_sound(text, Dialect.TRUST, name=f"role/{role}#trust")


def on_the_wire(text: str) -> str:
    """Return a document as this API answers it: encoded as in a URL (RFC 3986)."""
    return quote(text, safe="")


@lru_cache(maxsize=_COMPILED)
def named(name: str, text: str, dialect: Dialect = Dialect.IDENTITY) -> NamedPolicy:
    """Return a stored policy ready to be judged; one that is not sound denies everything.

    The same policy is the same object again, so that what was concluded from it stays of use.
    """
    try:
        return NamedPolicy(name=name, policy=compiled(text, dialect))
    except MalformedPolicyError as error:
        raise DeniedError(
            f"the policy {name} cannot be read ({error.message}), so nothing is allowed; "
            "replace it or detach it"
        ) from error


@lru_cache(maxsize=_COMPILED)
def compiled(text: str, dialect: Dialect) -> Policy:
    """Return the policy that a text says, or raise `MalformedPolicyError`."""
    return parse_policy(text, dialect)
