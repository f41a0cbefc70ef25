"""The service `organizations`: which accounts a cloud has, and how one more is made.

In come calls of the management account (the one the cloud was born with), and of members who ask
which organization they are in; out go accounts, each with a role by which the management account
enters it. It imports `kernel`, `aws`, `store` and the cloud's `home` and `iam`. What must never
happen here: a member account changes or lists another, or an account is made that nobody can
enter.

Tests: `tests/unit/cloud/organizations`, `tests/interop/test_boto3_organizations.py`,
`tests/security/test_account_borders.py`.
"""

from hedgerow.cloud.organizations.accounts import (
    DEFAULT_ROLE,
    active_accounts,
    found_organization,
    is_founded,
    new_account_id,
)
from hedgerow.cloud.organizations.service import OrganizationsService

__all__ = [
    "DEFAULT_ROLE",
    "OrganizationsService",
    "active_accounts",
    "found_organization",
    "is_founded",
    "new_account_id",
]
