"""Users and roles that a trust policy names: held to their unique ids, not to their names.

A name can be given to somebody else after its owner was deleted. So a role keeps the ids of those
that its trust policy named when it was written, and whoever has the name later is not trusted; an
entity that was renamed stays trusted. Source: IAM User Guide, "AWS JSON policy elements:
Principal" (a principal becomes its unique id when the policy is saved).
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from hedgerow.cloud.iam.arns import read_entity_arn
from hedgerow.cloud.iam.faults import malformed_policy

_HELD: Final = ("user", "role")
_FIELDS: Final = ("Principal", "NotPrincipal")
_KIND: Final = "AWS"


async def held_principals(
    unique_id: Callable[[str], Awaitable[str | None]], account: str, text: str
) -> dict[str, str]:
    """Return the unique ids of the users and roles that a sound trust policy names, by ARN.

    `unique_id` finds one by its ARN. Raises MalformedPolicyDocument for one of the role's own
    account that does not exist; of other accounts it is not told whether theirs do.
    """
    held: dict[str, str] = {}
    for principal in named_entities(text):
        found = await unique_id(principal)
        entity = read_entity_arn(principal)
        if found is not None:
            held[principal] = found
        elif entity is not None and entity.account == account:
            raise malformed_policy(
                f'Invalid principal in policy: "{_KIND}":"{principal}" does not exist'
            )
    return held


def named_entities(text: str) -> tuple[str, ...]:
    """Return the ARNs of users and roles among a sound trust policy's principals."""
    found = (name for names in _listed(json.loads(text)) for name in names)
    return tuple(dict.fromkeys(name for name in found if _is_held(name)))


def with_principals(text: str, changed: Mapping[str, str]) -> str:
    """Return a trust policy in which some principals have other names; as it is if none has."""
    document = json.loads(text) if changed else None
    if document is None:
        return text
    for names in _listed(document):
        names[:] = [changed.get(name, name) for name in names]
    return json.dumps(document)


def _listed(document: Any) -> Iterator[list[str]]:
    """Go through the lists of AWS principals; a single name becomes a list in its document."""
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for field in _FIELDS:
            principals = statement.get(field)
            if isinstance(principals, dict) and _KIND in principals:
                if isinstance(principals[_KIND], str):
                    principals[_KIND] = [principals[_KIND]]
                yield principals[_KIND]


def _is_held(name: str) -> bool:
    entity = read_entity_arn(name)
    return entity is not None and entity.kind in _HELD
