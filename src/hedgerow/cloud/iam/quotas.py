"""How much there may be of everything: the IAM User Guide's "IAM and AWS STS quotas", as data.

The names are those of AWS's messages ("Cannot exceed quota for GroupsPerUser: 10").
"""

from types import MappingProxyType
from typing import Final

from hedgerow.policy import (
    GROUP_INLINE_LIMIT,
    MANAGED_POLICY_LIMIT,
    ROLE_INLINE_LIMIT,
    USER_INLINE_LIMIT,
)

USERS: Final = "UsersPerAccount"
GROUPS: Final = "GroupsPerAccount"
ROLES: Final = "RolesPerAccount"
POLICIES: Final = "PoliciesPerAccount"
GROUPS_OF_USER: Final = "GroupsPerUser"
VERSIONS: Final = "VersionsPerPolicy"
POLICY_SIZE: Final = "PolicySize"
TRUST_SIZE: Final = "ACLSizePerRole"
TAGS: Final = "TagsPerResource"

QUOTAS: Final = MappingProxyType(
    {
        USERS: 5000,
        GROUPS: 300,
        ROLES: 1000,
        POLICIES: 1500,
        GROUPS_OF_USER: 10,
        VERSIONS: 5,
        POLICY_SIZE: MANAGED_POLICY_LIMIT,
        TRUST_SIZE: 2048,
        TAGS: 50,
        "PoliciesPerUser": 10,
        "PoliciesPerGroup": 10,
        "PoliciesPerRole": 10,
    }
)
"""`PoliciesPer…` are the managed policies that can be attached to one holder."""

INLINE_SIZES: Final = MappingProxyType(
    {"User": USER_INLINE_LIMIT, "Group": GROUP_INLINE_LIMIT, "Role": ROLE_INLINE_LIMIT}
)
"""Characters, white space not counted, that the inline policies of one holder have together."""
