"""Lists of what no account here has, so that audits and tools find it empty, not failing.

There are no instances, no sign-in by other identity providers, and no credentials of other kinds
than access keys, passwords and MFA devices; making one answers that it is not supported.
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from hedgerow.aws import Answer, Call, Operation
from hedgerow.cloud.iam.holders import existing_role, existing_user
from hedgerow.cloud.iam.service_base import IamOperations

_PAGED: Final = MappingProxyType(
    {
        "ListInstanceProfiles": "InstanceProfiles",
        "ListInstanceProfilesForRole": "InstanceProfiles",
        "ListSSHPublicKeys": "SSHPublicKeys",
        "ListServerCertificates": "ServerCertificateMetadataList",
        "ListServiceSpecificCredentials": "ServiceSpecificCredentials",
        "ListSigningCertificates": "Certificates",
    }
)
_WHOLE: Final = MappingProxyType(
    {
        "ListOpenIDConnectProviders": "OpenIDConnectProviderList",
        "ListSAMLProviders": "SAMLProviderList",
    }
)
"""Operations, and the member of their answers that holds the list; whole ones have no pages."""


class AbsentOperations(IamOperations):
    """ListInstanceProfiles to ListSAMLProviders."""

    def operations(self) -> Mapping[str, Operation]:
        """Return those of the tables beside all others."""
        paged = {
            name: partial(self._nothing, {member: [], "IsTruncated": False})
            for name, member in _PAGED.items()
        }
        whole = {name: partial(self._nothing, {member: []}) for name, member in _WHOLE.items()}
        return {**super().operations(), **paged, **whole}

    async def _nothing(self, answer: Answer, call: Call) -> Answer:
        """Return the empty list; a user or role that is named has to exist nevertheless."""
        if "UserName" in call.input:
            await existing_user(self._store, self._home.account, call.input["UserName"])
        if "RoleName" in call.input:
            await existing_role(self._store, self._home.account, call.input["RoleName"])
        return answer
