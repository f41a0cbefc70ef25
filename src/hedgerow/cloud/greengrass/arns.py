"""The ARNs of greengrass: printed and read here, nowhere else.

Source: guide page security_iam_service-with-iam, botocore's `greengrass` model.
"""

import re

from hedgerow.cloud.home import Home
from hedgerow.kernel import Arn, CallerError

_ROOT = "/greengrass"
GROUPS_PATH = "groups"
BULK_PATH = "bulk/deployments"
_VERSION = re.compile(r"/greengrass/definition/([a-z]+)/([0-9a-f-]{36})/versions/([0-9a-f-]{36})")
_TAGGABLE_DEFINITION = re.compile(r"/greengrass/definition/([a-z]+)/([0-9a-f-]{36})")
_TAGGABLE_BULK = re.compile(r"/greengrass/bulk/deployments/([0-9a-f-]{36})")
_TAGGABLE_GROUP = re.compile(r"/greengrass/groups/([0-9a-f-]{36})")


def definition_arn(home: Home, path: str, definition_id: str) -> str:
    """Return e.g. `arn:aws:greengrass:R:A:/greengrass/definition/cores/<id>`."""
    return _arn(home, f"{_ROOT}/definition/{path}/{definition_id}")


def version_arn(home: Home, path: str, definition_id: str, version_id: str) -> str:
    """Return the ARN of a definition version."""
    return f"{definition_arn(home, path, definition_id)}/versions/{version_id}"


def group_arn(home: Home, group_id: str) -> str:
    """Return the ARN of a group."""
    return _arn(home, f"{_ROOT}/groups/{group_id}")


def group_version_arn(home: Home, group_id: str, version_id: str) -> str:
    """Return the ARN of a group version."""
    return f"{group_arn(home, group_id)}/versions/{version_id}"


def authority_arn(home: Home, group_id: str, authority_id: str) -> str:
    """Return the ARN of a group's certificate authority."""
    return f"{group_arn(home, group_id)}/certificateauthorities/{authority_id}"


def bulk_arn(home: Home, bulk_id: str) -> str:
    """Return the ARN of a bulk deployment."""
    return _arn(home, f"{_ROOT}/{BULK_PATH}/{bulk_id}")


def read_version_arn(text: str, home: Home) -> tuple[str, str, str] | None:
    """Return (path of the kind, definition id, version id), or None for anything else."""
    match = _match(_VERSION, text, home)
    return None if match is None else (match[1], match[2], match[3])


def read_taggable_arn(text: str, home: Home) -> tuple[str, str] | None:
    """Return (`GROUPS_PATH`, `BULK_PATH` or the path of a definition kind, and the id).

    None for anything else.
    """
    for path, pattern in ((GROUPS_PATH, _TAGGABLE_GROUP), (BULK_PATH, _TAGGABLE_BULK)):
        match = _match(pattern, text, home)
        if match is not None:
            return (path, match[1])
    definition = _match(_TAGGABLE_DEFINITION, text, home)
    return None if definition is None else (definition[1], definition[2])


def _arn(home: Home, resource: str) -> str:
    return str(
        Arn(service="greengrass", region=home.region, account=home.account, resource=resource)
    )


def _match(pattern: re.Pattern[str], text: str, home: Home) -> re.Match[str] | None:
    try:
        arn = Arn.parse(text)
    except CallerError:
        return None
    if (arn.service, arn.region, arn.account) != ("greengrass", home.region, home.account):
        return None
    return pattern.fullmatch(arn.resource)
